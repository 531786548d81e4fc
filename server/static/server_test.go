package static_test

import (
	"bufio"
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/gounicorn/gounicorn/server/exchange"
	"github.com/gounicorn/gounicorn/server/http1"
	"github.com/gounicorn/gounicorn/server/static"
	"github.com/gounicorn/gounicorn/tests/httpcases"
)

// budget bounds what a test waits for.
const budget = 10 * time.Second

// served is a real engine before Files; what they leave is answered "app".
type served struct {
	files *static.Files
	plain net.Listener
}

func serve(t testing.TB, c static.Config) *served {
	t.Helper()
	if c.Warnf == nil {
		c.Warnf = t.Logf
	}
	files, err := static.New(c)
	if err != nil {
		t.Fatal(err)
	}
	return &served{files, engine(t, files.Respond)}
}

// engine serves with respond, on TCP.
func engine(t testing.TB, respond func(exchange.Exchange) bool) net.Listener {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	sockets, err := http1.NewListener(ln)
	if err != nil {
		t.Fatal(err)
	}
	s := http1.New(http1.Config{Handler: http1.HandlerFunc(func(x *http1.Exchange) {
		if !respond(x) {
			if x.Start(200, nil) == nil {
				_ = x.Finish([]byte("app"))
			}
		}
	})})
	done := make(chan struct{})
	go func() {
		defer close(done)
		_ = s.Serve(sockets)
	}()
	t.Cleanup(func() {
		_ = s.Close()
		<-done
	})
	return ln
}

// client is a connection that is kept.
type client struct {
	t     testing.TB
	nc    net.Conn
	br    *bufio.Reader
	http2 *http.Client // instead, and where it asks
	base  string
}

func (s *served) dial(t testing.TB) *client { return dial(t, s.plain.Addr().String()) }

func dial(t testing.TB, addr string) *client {
	t.Helper()
	nc, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	return over(t, nc)
}

func over(t testing.TB, nc net.Conn) *client {
	t.Helper()
	t.Cleanup(func() { nc.Close() })
	if err := nc.SetDeadline(time.Now().Add(budget)); err != nil {
		t.Fatal(err)
	}
	return &client{t: t, nc: nc, br: bufio.NewReader(nc)}
}

// certificate is one that a client must not ask about.
var certificate = sync.OnceValue(func() []tls.Certificate {
	s := httptest.NewUnstartedServer(nil)
	s.StartTLS()
	defer s.Close()
	return s.TLS.Certificates
})

// dialTLS speaks to the same handler over TLS, where there is no sendfile.
func (s *served) dialTLS(t testing.TB) *client {
	t.Helper()
	engine := http1.New(http1.Config{Handler: http1.HandlerFunc(func(x *http1.Exchange) {
		if !s.files.Respond(x) {
			x.Error(500, 0)
		}
	})})
	here, there := net.Pipe()
	done := make(chan struct{})
	go func() {
		defer close(done)
		engine.ServeConn(tls.Server(there, &tls.Config{Certificates: certificate()}), nil)
	}()
	t.Cleanup(func() {
		_ = engine.Close()
		<-done
	})
	return over(t, tls.Client(here, &tls.Config{InsecureSkipVerify: true}))
}

// ask sends a request and reads its answer; fields are lines.
func (c *client) ask(method, target string, fields ...string) *httpcases.Answer {
	c.t.Helper()
	if c.http2 != nil {
		a, err := c.askHTTP2(method, target, fields)
		if err != nil {
			c.t.Fatalf("%s %s %q: %v", method, target, fields, err)
		}
		return a
	}
	head := method + " " + target + " HTTP/1.1\r\nHost: x\r\n"
	for _, f := range fields {
		head += f + "\r\n"
	}
	if _, err := io.WriteString(c.nc, head+"\r\n"); err != nil {
		c.t.Fatal(err)
	}
	a, err := httpcases.ReadAnswer(c.br, method == "HEAD")
	if err != nil {
		c.t.Fatalf("%s %s: %v", method, target, err)
	}
	return a
}

func (c *client) want(status int, body string, method, target string, fields ...string) *httpcases.Answer {
	c.t.Helper()
	a := c.ask(method, target, fields...)
	if a.Status != status || body != "" && string(a.Body) != body {
		c.t.Fatalf("%s %s %q: got %d %.200q, want %d %.200q", method, target, fields, a.Status, a.Body, status, body)
	}
	return a
}

// field returns the only value of a field, "" if there is none.
func field(t testing.TB, a *httpcases.Answer, name string) string {
	t.Helper()
	values := a.Field(name)
	if len(values) > 1 {
		t.Errorf("%s is there %d times", name, len(values))
	}
	return strings.Join(values, " | ")
}

// names are the fields of an answer but those of the engine, sorted.
func names(a *httpcases.Answer) string {
	var list []string
	for _, line := range a.Fields {
		name, value, _ := strings.Cut(line, ":")
		if name = strings.ToLower(name); name != "date" && name != "server" && name != "connection" {
			list = append(list, name+": "+strings.TrimSpace(value))
		}
	}
	slices.Sort(list)
	return strings.Join(list, "\n")
}

// long is a time of modification in the past.
var long = time.Date(2020, 2, 3, 4, 5, 6, 789, time.UTC)

const longDate = "Mon, 03 Feb 2020 04:05:06 GMT"

// write makes files below a directory, by name, and gives them the time long.
func write(t testing.TB, dir string, files map[string]string) {
	t.Helper()
	for name, text := range files {
		at := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(at), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(at, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
		touch(t, at, long)
	}
}

func touch(t testing.TB, name string, at time.Time) {
	t.Helper()
	if err := os.Chtimes(name, at, at); err != nil {
		t.Fatal(err)
	}
}

// under is a Root with one directory.
func under(url, dir string) static.Root {
	return static.Root{URL: url, Dirs: []static.Dir{{Path: dir}}, MaxAge: time.Minute}
}

// sequence returns n bytes none of which is where another answer has it.
func sequence(kind string, n int) string {
	var b strings.Builder
	for i := 0; b.Len() < n; i++ {
		fmt.Fprintf(&b, "%s %06d,", kind, i)
	}
	return b.String()[:n]
}
