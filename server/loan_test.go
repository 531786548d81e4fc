package server

import (
	"errors"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/gounicorn/gounicorn/server/cache"
	"github.com/gounicorn/gounicorn/server/compress"
	"github.com/gounicorn/gounicorn/server/pages"
)

// loan plays a worker that has a body, and writes all of it to the connection that it is lent, unless it is to be lost.
type loan struct {
	body string
	lent int // -1: not asked, 0: nothing was lent, 1: a connection
	sent int
	lost error
}

func (l *loan) Size() int { return len(l.body) }

func (l *loan) Lend(fd int) error {
	if l.lent = 0; fd >= 0 {
		l.lent = 1
		if l.lost != nil {
			return nil
		}
		for l.sent < len(l.body) {
			n, err := unix.Write(fd, []byte(l.body[l.sent:]))
			if err != nil {
				break
			}
			l.sent += n
		}
	}
	return nil
}

func (l *loan) Back() (int, []byte, error) { return l.sent, []byte(l.body[l.sent:]), l.lost }

func TestWhoHasTheConnectionToLend(t *testing.T) {
	text := strings.Repeat("body ", 60_000)
	folder := t.TempDir()
	if err := os.WriteFile(filepath.Join(folder, "503.html"), []byte("ours"), 0o600); err != nil {
		t.Fatal(err)
	}
	own, err := pages.Read(folder)
	if err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		status int
		fields [][2]string
		change func(*Config)
		method string
		may    bool // lend
		lent   int
		want   string // body; empty: text
		log    string // empty: GET 200 and the body's length
	}{
		"plain":              {may: true, lent: 1},
		"with its length":    {may: true, lent: 1, fields: [][2]string{{"Content-Length", "300000"}}},
		"the server's pages": {may: true, status: 503, want: "ours", change: func(c *Config) { c.Pages, c.OverridePages = own, true }, log: "GET 503 4"},
		"no page of ours":    {may: true, lent: 1, change: func(c *Config) { c.Pages, c.OverridePages = own, true }},
		"slowly":             {may: true, fields: [][2]string{{"X-Accel-Limit-Rate", "100000000"}}},
		"compressed":         {change: func(c *Config) { c.Compress = compress.New(compress.Config{Types: []string{"text/html"}}) }},
		"kept": {change: func(c *Config) {
			c.Cache = cache.New(cache.Config{Memory: 1 << 20, Rules: []cache.Rule{{Prefix: "/", For: time.Minute}}})
		}},
		"a bad field": {may: true, fields: [][2]string{{"X Y", "no token"}}, want: "Internal Server Error", log: "GET 500"},
		"HEAD":        {method: "HEAD", want: "-", log: "HEAD 200 0"},
	} {
		t.Run(name, func(t *testing.T) {
			done := make(chan *loan, 1)
			address, access := start(t, &fakeApp{serve: func(call *Call) {
				l := &loan{body: text, lent: -1}
				if call.Loan != c.may {
					t.Errorf("the connection may be lent: %v", call.Loan)
				}
				var err error
				if status := max(c.status, 200); c.may {
					err = call.Lend(status, head("", c.fields, ""), l)
				} else {
					err = call.Head(status, head("", c.fields, l.body), nil, true)
				}
				if err != nil {
					t.Error(err)
				}
				done <- l
			}}, c.change)
			request, _ := http.NewRequest(map[bool]string{true: c.method, false: "GET"}[c.method != ""], "http://"+address+"/", nil)
			response, err := http.DefaultClient.Do(request)
			if err != nil {
				t.Fatal(err)
			}
			defer response.Body.Close()
			body, err := io.ReadAll(response.Body)
			if want := c.want; err != nil || (want == "" && string(body) != text) || (want != "-" && !strings.Contains(string(body), want)) {
				t.Errorf("%d bytes came, %v: %.300s", len(body), err, body)
			}
			if l := <-done; c.may && l.lent != c.lent {
				t.Errorf("lent: %d, want %d", l.lent, c.lent)
			}
			want := c.log
			if want == "" {
				want = "GET 200 300000"
			}
			until(t, func() bool { return strings.HasPrefix(access.String(), want) }, func() string { return access.String() })
		})
	}
}

func TestWhatGoesWrongWithALoan(t *testing.T) {
	for name, c := range map[string]struct {
		payload []byte
		fields  [][2]string
		lost    error
		status  int // 0: the connection is cut
		fails   bool
	}{
		"no head":              {payload: []byte("garbage"), status: 500, fails: true},
		"two bodies":           {payload: head("", nil, "body"), status: 500, fails: true},
		"lost, and lent":       {payload: head("", nil, ""), lost: errors.New("lost")},
		"lost, and for us":     {payload: head("", [][2]string{{"X-Accel-Limit-Rate", "1000"}}, ""), lost: errors.New("lost"), status: 502},
		"a length that is not": {payload: head("", [][2]string{{"Content-Length", "300001"}}, "")},
	} {
		t.Run(name, func(t *testing.T) {
			address, _ := start(t, &fakeApp{serve: func(call *Call) {
				if err := call.Lend(200, c.payload, &loan{body: strings.Repeat("x", 300_000), lost: c.lost}); (err != nil) != c.fails {
					t.Error(err)
				}
			}}, nil)
			response, err := http.Get("http://" + address + "/")
			if err != nil {
				if c.status != 0 {
					t.Error(err)
				}
				return
			}
			defer response.Body.Close()
			_, err = io.ReadAll(response.Body)
			if c.status == 0 && err == nil {
				t.Error("half an answer ended cleanly")
			}
			if c.status != 0 && (response.StatusCode != c.status || err != nil) {
				t.Errorf("%s, %v", response.Status, err)
			}
		})
	}
}
