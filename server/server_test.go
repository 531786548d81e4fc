package server

import (
	"bufio"
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/gounicorn/gounicorn/server/accesslog"
	"github.com/gounicorn/gounicorn/server/exchange"
	"github.com/gounicorn/gounicorn/server/metrics"
	"github.com/gounicorn/gounicorn/wsgi"
)

// fakeApp plays the pool: serve ends each call.
type fakeApp struct {
	serve                 func(c *Call)
	withdraw              func(c *Call) bool
	mu                    sync.Mutex
	abandoned, halfClosed int
}

func (a *fakeApp) Serve(c *Call) { a.serve(c) }
func (a *fakeApp) Withdraw(c *Call) bool {
	return a.withdraw != nil && a.withdraw(c)
}

func (a *fakeApp) Abandon(*Call) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.abandoned++
}

func (a *fakeApp) HalfClosed(*Call) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.halfClosed++
}

// head makes the payload of a HEAD frame.
func head(reason string, fields [][2]string, body string) []byte {
	b := binary.LittleEndian.AppendUint16(make([]byte, 4), uint16(len(reason)))
	b = binary.LittleEndian.AppendUint16(b, uint16(len(fields)))
	b = append(b, reason...)
	for _, f := range fields {
		b = binary.LittleEndian.AppendUint16(b, uint16(len(f[0])))
		b = binary.LittleEndian.AppendUint32(b, uint32(len(f[1])))
		b = append(append(b, f[0]...), f[1]...)
	}
	binary.LittleEndian.PutUint32(b, uint32(len(b)))
	return append(b, body...)
}

// environ decodes the pairs of a call's payload.
func environ(c *Call) map[string]string {
	e := map[string]string{}
	p := c.Payload[8:]
	for range c.Pairs {
		name := wsgi.Key(p[0]).String()
		literal := p[0] == 0
		p = p[1:]
		if literal {
			n := binary.LittleEndian.Uint16(p)
			name, p = string(p[2:2+n]), p[2+n:]
		}
		n := binary.LittleEndian.Uint32(p)
		e[name], p = string(p[4:4+n]), p[4+n:]
	}
	return e
}

type log struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (l *log) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(p)
}

func (l *log) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String()
}

// start serves app on a free port and returns its address and its access log.
func start(t *testing.T, app App, change func(*Config)) (string, *log) {
	t.Helper()
	access := &log{}
	format, err := accesslog.Compile(`%(m)s %(s)s %(B)s %({x-answer}o)s %({REMOTE_ADDR}e)s %({lane}x)s`)
	if err != nil {
		t.Fatal(err)
	}
	cfg := Config{
		App: app, Metrics: metrics.New(metrics.Build{}), SpoolMemory: 8 << 20, SpoolDisk: 8 << 20, SpoolDir: t.TempDir(), PID: 7,
		AccessLog: accesslog.New(accesslog.Lines(format, access)), ServerName: "gounicorn", Trust: defaultTrust(),
		Debugf: t.Logf, Warnf: t.Logf, Errorf: t.Logf,
	}
	if change != nil {
		change(&cfg)
	}
	s := New(cfg)
	ln, err := Listen(Address{Network: "tcp", Address: "127.0.0.1:0"}, Socket{Backlog: 16})
	if err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- s.Serve(ln) }()
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
		defer cancel()
		if err := s.Shutdown(ctx); err != nil {
			t.Errorf("Shutdown: %v", err)
			s.Close()
		}
		if err := <-ended; err != nil {
			t.Errorf("Serve: %v", err)
		}
		if m, d := s.budget.Used(); m != 0 || d != 0 {
			t.Errorf("%d bytes of memory and %d of disk stay spooled", m, d)
		}
	})
	return ln.Addr().String(), access
}

func get(t *testing.T, url string) (*http.Response, string) {
	t.Helper()
	res, err := http.Get(url)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	return res, string(body)
}

func TestCallCarriesTheRequestAndItsAnswer(t *testing.T) {
	environs := make(chan map[string]string, 1)
	addr, access := start(t, &fakeApp{serve: func(c *Call) {
		environs <- environ(c)
		c.Report = Report{PID: 99, Lane: "slow"}
		if err := c.Head(418, head("Short", [][2]string{{"X-Answer", "42"}}, "body"), nil, true); err != nil {
			t.Error(err)
		}
	}}, nil)
	req, _ := http.NewRequest("POST", "http://"+addr+"/a%20b/7?q=1", strings.NewReader("payload"))
	req.Header.Set("X-Twice", "1")
	req.Header.Add("X-Twice", "2")
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	body, _ := io.ReadAll(res.Body)
	res.Body.Close()
	if res.StatusCode != 418 || res.Status != "418 Short" || string(body) != "body" || res.Header.Get("X-Answer") != "42" {
		t.Errorf("got %s %q %v", res.Status, body, res.Header)
	}
	seen := <-environs
	_, port, _ := net.SplitHostPort(addr)
	for name, want := range map[string]string{
		"REQUEST_METHOD": "POST", "PATH_INFO": "/a b/7", "RAW_URI": "/a%20b/7?q=1", "QUERY_STRING": "q=1", "SERVER_NAME": "127.0.0.1",
		"SERVER_PORT": port, "REMOTE_ADDR": "127.0.0.1", "SERVER_PROTOCOL": "HTTP/1.1", "wsgi.url_scheme": "http",
		"CONTENT_LENGTH": "7", "HTTP_X_TWICE": "1,2", "HTTP_HOST": addr,
	} {
		if seen[name] != want {
			t.Errorf("%s = %q, want %q", name, seen[name], want)
		}
	}
	until(t, func() bool { return access.String() != "" }, func() string { return "no line in the access log" }) // it may follow the answer
	if want := "POST 418 4 42 127.0.0.1 slow\n"; access.String() != want {
		t.Errorf("access log %q, want %q", access, want)
	}
}

// Strangers' garbage fills neither the log nor hides in it what the application does wrong.
func TestRefusedRequestsAreWarnedOfAndHideNothing(t *testing.T) {
	const warning = "WARNING Invalid request from ip=127.0.0.1: request line is not method, target and version with one space between\n"
	lines := &log{}
	logf := func(level string) func(string, ...any) {
		return func(format string, args ...any) { fmt.Fprintf(lines, level+" "+format+"\n", args...) }
	}
	addr, _ := start(t, &fakeApp{serve: func(c *Call) {
		_ = c.Head(200, head("OK", [][2]string{{"X Y", "no token"}}, ""), nil, true)
	}}, func(cfg *Config) { cfg.Warnf, cfg.Errorf = logf("WARNING"), logf("ERROR") })
	for range 40 {
		conn, err := net.Dial("tcp", addr)
		if err != nil {
			t.Fatal(err)
		}
		_, _ = io.WriteString(conn, "GET /\r\n\r\n")
		if answer, _ := io.ReadAll(conn); !bytes.HasPrefix(answer, []byte("HTTP/1.1 400 ")) {
			t.Errorf("got %q", answer)
		}
		conn.Close()
	}
	if n := strings.Count(lines.String(), warning); n < 10 || n*len(warning) != len(lines.String()) {
		t.Errorf("%d warnings in %s", n, lines)
	}
	if res, _ := get(t, "http://"+addr+"/"); res.StatusCode != 500 {
		t.Errorf("got %s", res.Status)
	}
	if !strings.Contains(lines.String(), "ERROR response head of ") {
		t.Errorf("the application's fault is not in %s", lines)
	}
}

func TestThrottleLetsTenPassInASecond(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var limit throttle
		for range 3 {
			passed := 0
			for range 40 {
				if limit.pass() {
					passed++
				}
			}
			if passed != 10 {
				t.Errorf("%d of 40 lines passed", passed)
			}
			<-time.After(time.Second + 1) // of the bubble
		}
	})
}

func TestBodiesReachTheAppWhole(t *testing.T) {
	for _, size := range []int{0, 1, 32 << 10, 32<<10 + 1, 100 << 10, 2 << 20} {
		for _, chunked := range []bool{false, true} {
			want := bytes.Repeat([]byte("0123456789abcdef"), size/16+1)[:size]
			addr, _ := start(t, &fakeApp{serve: func(c *Call) {
				n := binary.LittleEndian.Uint64(c.Payload)
				got := c.Payload[len(c.Payload)-int(n)*b2i(c.BodyFile == nil):]
				if c.BodyFile != nil {
					got, _ = io.ReadAll(io.NewSectionReader(c.BodyFile, 0, int64(n)))
				}
				ok := bytes.Equal(got, want) && environ(c)["CONTENT_LENGTH"] == fmt.Sprint(size)
				_ = c.Head(200, head("", nil, fmt.Sprint(ok, " ", n)), nil, true)
			}}, nil)
			var body io.Reader = bytes.NewReader(want)
			if chunked {
				body = io.MultiReader(body) // hides the length
			}
			req, _ := http.NewRequest("PUT", "http://"+addr+"/", body)
			if size == 0 && !chunked {
				req.Header.Set("Content-Length", "0")
			}
			res, err := http.DefaultClient.Do(req)
			if err != nil {
				t.Fatal(err)
			}
			got, _ := io.ReadAll(res.Body)
			res.Body.Close()
			if string(got) != fmt.Sprint("true ", size) {
				t.Errorf("%d bytes, chunked %v: the app says %s", size, chunked, got)
			}
		}
	}
}

func b2i(b bool) int {
	if b {
		return 1
	}
	return 0
}

func TestStreamedAnswerComesPieceByPiece(t *testing.T) {
	next := make(chan string)
	addr, _ := start(t, &fakeApp{serve: func(c *Call) {
		go func() {
			if err := c.Head(200, head("OK", nil, "one "), nil, false); err != nil {
				t.Error(err)
			}
			for s := range next {
				c.Body([]byte(s), s == "end")
			}
		}()
	}}, nil)
	res, err := http.Get("http://" + addr + "/")
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	r := bufio.NewReader(res.Body)
	for _, want := range []string{"one ", "two ", "three "} {
		if want != "one " {
			next <- want
		}
		if got, err := r.ReadString(' '); got != want {
			t.Fatalf("got %q, %v before the end, want %q", got, err, want)
		}
	}
	next <- "end"
	close(next)
	if rest, err := io.ReadAll(r); err != nil || string(rest) != "end" {
		t.Errorf("the end is %q, %v", rest, err)
	}
}

func TestFailedAnswerIsNeverTakenForAWholeOne(t *testing.T) {
	for name, end := range map[string]func(*Call){
		"abort":       func(c *Call) { c.Abort() },
		"worker died": func(c *Call) { c.Fail(Failure{Status: 502}) },
	} {
		addr, _ := start(t, &fakeApp{serve: func(c *Call) {
			go func() {
				_ = c.Head(200, head("OK", nil, strings.Repeat("x", 1000)), nil, false)
				<-time.After(10 * time.Millisecond) // so that the head is on its way; the outcome does not depend on it
				end(c)
			}()
		}}, nil)
		res, err := http.Get("http://" + addr + "/")
		if err != nil {
			continue // reset before the head arrived: not a whole answer either
		}
		if res.StatusCode == 200 {
			if _, err := io.ReadAll(res.Body); err == nil {
				t.Errorf("%s: the client saw a complete 200", name)
			}
		}
		res.Body.Close()
	}
}

func TestFailureBeforeTheHeadIsAPage(t *testing.T) {
	addr, _ := start(t, &fakeApp{serve: func(c *Call) { c.Fail(Failure{Status: 503, RetryAfter: 5}) }}, nil)
	res, _ := get(t, "http://"+addr+"/")
	if res.StatusCode != 503 || res.Header.Get("Retry-After") != "5" || res.Header.Get("Cache-Control") != "no-store" {
		t.Errorf("got %s %v", res.Status, res.Header)
	}
}

func TestHeadThatMayNotBeSentIsA500(t *testing.T) {
	for name, fields := range map[string][][2]string{
		"CRLF in a value":     {{"X", "a\r\nSet-Cookie: b"}},
		"space in a name":     {{"X Y", "a"}},
		"bad length":          {{"Content-Length", "+1"}},
		"two lengths":         {{"Content-Length", "1"}, {"Content-Length", "1"}},
		"length with a minus": {{"Content-Length", "-1"}},
	} {
		addr, _ := start(t, &fakeApp{serve: func(c *Call) { _ = c.Head(200, head("OK", fields, "x"), nil, true) }}, nil)
		res, body := get(t, "http://"+addr+"/")
		if res.StatusCode != 500 || res.Header.Get("Set-Cookie") != "" {
			t.Errorf("%s: %s %v %q", name, res.Status, res.Header, body)
		}
	}
}

func TestMalformedHeadFromAWorkerIsAnError(t *testing.T) {
	result := make(chan error, 1)
	addr, _ := start(t, &fakeApp{serve: func(c *Call) { result <- c.Head(200, []byte("garbage"), nil, true) }}, nil)
	if res, _ := get(t, "http://"+addr+"/"); res.StatusCode != 500 {
		t.Errorf("status %d", res.StatusCode)
	}
	if err := <-result; !errors.Is(err, wsgi.ErrHead) {
		t.Errorf("the app was told %v", err)
	}
}

func TestClientThatLeftIsWithdrawn(t *testing.T) {
	served, withdrawn := make(chan struct{}), make(chan struct{})
	addr, access := start(t, &fakeApp{
		serve:    func(*Call) { close(served) },
		withdraw: func(*Call) bool { close(withdrawn); return true },
	}, nil)
	c, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	fmt.Fprintf(c, "GET / HTTP/1.1\r\nHost: a\r\n\r\n")
	<-served
	_ = c.(*net.TCPConn).SetLinger(0)
	c.Close()
	<-withdrawn
	until(t, func() bool { return strings.HasPrefix(access.String(), "GET 499 ") }, func() string { return access.String() })
}

func TestRunningRequestWhoseClientLeftIsNoFailure(t *testing.T) {
	served, abandoned := make(chan *Call, 1), make(chan struct{})
	addr, access := start(t, &fakeApp{
		serve:    func(c *Call) { served <- c },
		withdraw: func(*Call) bool { close(abandoned); return false },
	}, nil)
	c, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	fmt.Fprintf(c, "GET / HTTP/1.1\r\nHost: a\r\n\r\n")
	call := <-served
	_ = c.(*net.TCPConn).SetLinger(0)
	c.Close()
	<-abandoned
	call.Left()
	until(t, func() bool { return strings.HasPrefix(access.String(), "GET 499 ") }, func() string { return access.String() })
}

func TestWorkerThatClaimsTheClientLeftIsAFailure(t *testing.T) {
	addr, _ := start(t, &fakeApp{serve: func(c *Call) { c.Left() }}, nil)
	if res, _ := get(t, "http://"+addr+"/"); res.StatusCode != 500 {
		t.Errorf("status %d", res.StatusCode)
	}
}

func TestHalfClosedClientGetsItsAnswer(t *testing.T) {
	calls := make(chan *Call, 1)
	addr, _ := start(t, &fakeApp{serve: func(c *Call) { calls <- c }}, nil)
	c, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	fmt.Fprintf(c, "GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
	_ = c.(*net.TCPConn).CloseWrite()
	call := <-calls
	_ = call.Head(200, head("OK", nil, "late"), nil, true)
	if got, err := io.ReadAll(c); err != nil || !strings.HasSuffix(string(got), "late") {
		t.Errorf("got %q, %v", got, err)
	}
}

func TestClientThatClosesLaterThanItsRequestHasLeft(t *testing.T) {
	synctest.Test(t, func(t *testing.T) { // its clock stands still
		for name, c := range map[string]struct{ since, receive, want time.Duration }{
			"with the request":       {0, 0, pastHalf},
			"with the end of a body": {time.Minute, time.Minute, pastHalf},
			"during the wait":        {pastHalf / 4, 0, pastHalf * 3 / 4},
			"long after":             {pastHalf * 3, 0, -pastHalf * 2},
		} {
			call := &Call{req: &exchange.Request{Received: time.Now().Add(-c.since)}, receive: c.receive}
			if got := call.grace(); got != c.want {
				t.Errorf("%s: %v, want %v", name, got, c.want)
			}
		}
	})
}

func TestAppHearsOfClientsThatHalfClose(t *testing.T) {
	calls := make(chan *Call, 1)
	app := &fakeApp{serve: func(c *Call) { calls <- c }}
	addr, _ := start(t, app, nil)
	c, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	fmt.Fprintf(c, "GET / HTTP/1.1\r\nHost: a\r\n\r\n")
	call := <-calls
	c.Close()
	heard := func() int {
		app.mu.Lock()
		defer app.mu.Unlock()
		return app.halfClosed
	}
	defer func() {
		if err := call.Head(200, head("OK", nil, "x"), nil, true); err != nil {
			t.Error(err)
		}
	}()
	until(t, func() bool { return heard() == 1 }, func() string { return fmt.Sprintf("it heard of it %d times", heard()) })
}

func until(t *testing.T, ok func() bool, state func() string) {
	t.Helper()
	deadline := time.Now().Add(5 * time.Second)
	for !ok() {
		if time.Now().After(deadline) {
			t.Fatalf("not within 5 s; now: %s", state())
		}
		<-time.After(5 * time.Millisecond)
	}
}

func TestMetricsCountConnectionsAndBytes(t *testing.T) {
	var m *metrics.Metrics
	addr, _ := start(t, &fakeApp{serve: func(c *Call) { _ = c.Head(200, head("OK", nil, "x"), nil, true) }}, func(c *Config) { m = c.Metrics })
	c, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	request := "POST / HTTP/1.1\r\nHost: a\r\nConnection: close\r\nContent-Length: 5\r\n\r\nhello"
	_, _ = io.WriteString(c, request)
	if _, err := io.ReadAll(c); err != nil {
		t.Fatal(err)
	}
	figures := map[string]float64{}
	families, err := m.Gatherer().Gather()
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range families {
		figures[f.GetName()] = f.GetMetric()[0].GetCounter().GetValue()
	}
	if n := figures["gounicorn_connections_accepted_total"]; n != 1 {
		t.Errorf("%v connections", n)
	}
	if n := figures["gounicorn_received_bytes_total"]; n != 5 {
		t.Errorf("%v bytes received", n)
	}
}
