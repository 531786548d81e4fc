package http2_test

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/gounicorn/gounicorn/server/exchange"
	"github.com/gounicorn/gounicorn/server/http1"
	"github.com/gounicorn/gounicorn/server/http2"
)

// budget bounds what a test waits for.
const budget = 10 * time.Second

// site is a server under test.
type site struct {
	t      testing.TB
	addr   string
	server *http2.Server
	idle   atomic.Int32 // connections that have no stream
	open   atomic.Int32
	all    sync.WaitGroup
}

// peer is the exchange.Conn of a connection.
type peer struct {
	*tls.Conn
	site  *site
	state tls.ConnectionState
	idle  atomic.Bool
}

func (p *peer) addr() netip.AddrPort         { return p.Conn.RemoteAddr().(*net.TCPAddr).AddrPort() }
func (p *peer) RemoteAddr() netip.AddrPort   { return p.addr() }
func (p *peer) PeerAddr() netip.AddrPort     { return p.addr() }
func (p *peer) LocalAddr() netip.AddrPort    { return netip.AddrPort{} }
func (p *peer) Listener() net.Addr           { return nil }
func (p *peer) Proxy() *exchange.ProxyHeader { return &exchange.ProxyHeader{} }
func (p *peer) TLS() *tls.ConnectionState    { return &p.state }
func (p *peer) SetIdle(idle bool) {
	if idle != p.idle.Swap(idle) {
		p.site.idle.Add(map[bool]int32{true: 1, false: -1}[idle])
	}
}

var certificate = sync.OnceValue(func() *tls.Config {
	s := httptest.NewUnstartedServer(nil)
	s.StartTLS()
	defer s.Close()
	c := s.TLS.Clone()
	c.NextProtos = []string{http2.Protocol}
	return c
})

// start serves with a Config whose Handler and Rules may be left out.
func start(t testing.TB, c http2.Config) *site {
	t.Helper()
	if c.Rules == nil {
		c.Rules = http1.NewRules(http1.Config{})
	}
	ln, err := tls.Listen("tcp", "127.0.0.1:0", certificate())
	if err != nil {
		t.Fatal(err)
	}
	s := &site{t: t, addr: ln.Addr().String(), server: http2.New(c)}
	var conns sync.Map
	s.all.Go(func() {
		for {
			nc, err := ln.Accept()
			if err != nil {
				return
			}
			s.all.Go(func() {
				tc := nc.(*tls.Conn)
				if tc.Handshake() != nil {
					_ = tc.Close()
					return
				}
				conns.Store(tc, true)
				defer conns.Delete(tc)
				s.open.Add(1)
				defer s.open.Add(-1)
				s.server.Serve(tc, &peer{Conn: tc, site: s, state: tc.ConnectionState()})
			})
		}
	})
	t.Cleanup(func() {
		_ = ln.Close()
		conns.Range(func(tc, _ any) bool { _ = tc.(*tls.Conn).NetConn().Close(); return true })
		s.server.Close()
		s.all.Wait()
	})
	return s
}

// client returns a client with connections of its own.
func (s *site) client() *http.Client {
	tr := &http.Transport{TLSClientConfig: &tls.Config{InsecureSkipVerify: true}, Protocols: new(http.Protocols), DisableCompression: true}
	tr.Protocols.SetHTTP2(true)
	s.t.Cleanup(tr.CloseIdleConnections)
	return &http.Client{Transport: tr, Timeout: budget}
}

func (s *site) url(path string) string { return "https://" + s.addr + path }

// get returns status and body of a GET.
func (s *site) get(c *http.Client, path string) (*http.Response, string) {
	s.t.Helper()
	r, err := c.Get(s.url(path))
	if err != nil {
		s.t.Fatal(err)
	}
	defer r.Body.Close()
	b, err := io.ReadAll(r.Body)
	if err != nil {
		s.t.Fatal(err)
	}
	return r, string(b)
}

func eventually(t testing.TB, what string, f func() bool) {
	t.Helper()
	for end := time.Now().Add(budget); !f(); time.Sleep(2 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("not within the budget: %s", what)
		}
	}
}

// respond answers with fields given as name, value pairs.
func respond(t testing.TB, x *http2.Exchange, status int, body string, fields ...string) {
	if err := x.Start(status, nil); err != nil {
		t.Errorf("Start: %v", err)
	}
	for i := 0; i+1 < len(fields); i += 2 {
		if err := x.Field([]byte(fields[i]), []byte(fields[i+1])); err != nil {
			t.Errorf("Field %s: %v", fields[i], err)
		}
	}
	if err := x.Finish([]byte(body)); err != nil {
		t.Errorf("Finish: %v", err)
	}
}

// tell answers with what the request was.
func tell(t testing.TB) func(x *http2.Exchange) {
	return func(x *http2.Exchange) {
		r := x.Request()
		body, err := io.ReadAll(x)
		if err != nil {
			return
		}
		text := fmt.Sprintf("%s %s %d.%d host=%s length=%d %q\n", r.Line, r.Path, r.Major, r.Minor, r.Host, r.ContentLength, body)
		for _, f := range r.Fields {
			text += fmt.Sprintf("%s: %s\n", f.Name, f.Value)
		}
		go respond(t, x, 200, text, "Content-Type", "text/plain")
	}
}

func TestRequestIsThatOfHTTP1(t *testing.T) {
	s := start(t, http2.Config{Handler: tell(t), ServerName: "us"})
	c := s.client()
	q, _ := http.NewRequest("POST", s.url("/a%20b?x=1"), strings.NewReader("hello"))
	q.Header = http.Header{"Cookie": {"a=1; b=2"}, "X-Twice": {"1", "2"}, "Under_score": {"x"}, "Proxy": {"evil"}, "User-Agent": {"me"}}
	r, err := c.Do(q)
	if err != nil {
		t.Fatal(err)
	}
	b, _ := io.ReadAll(r.Body)
	want := "POST /a%20b?x=1 HTTP/2.0 /a b 2.0 host=" + s.addr + " length=5 \"hello\"\nhost: " + s.addr +
		"\naccept-encoding: gzip\n"
	want = strings.Replace(want, "accept-encoding: gzip\n", "", 1) + "content-length: 5\ncookie: a=1; b=2\nuser-agent: me\nx-twice: 1\nx-twice: 2\n"
	if string(b) != want || r.ProtoMajor != 2 {
		t.Errorf("got\n%s\nwant\n%s", b, want)
	}
	if r.Header.Get("Server") != "us" || r.Header.Get("Date") == "" || r.Header.Get("Content-Type") != "text/plain" || r.ContentLength != int64(len(b)) {
		t.Errorf("got %v", r.Header)
	}
	eventually(t, "the connection is idle", func() bool { return s.idle.Load() == 1 })
}

func TestStreamsRunSideBySide(t *testing.T) {
	const streams = 20
	var waiting []*http2.Exchange
	var mu sync.Mutex
	s := start(t, http2.Config{Handler: func(x *http2.Exchange) {
		mu.Lock()
		defer mu.Unlock()
		if waiting = append(waiting, x); len(waiting) == streams { // the last one lets all go
			for _, x := range waiting {
				go respond(t, x, 200, string(x.Request().Path))
			}
		}
	}})
	c := s.client()
	s.getOnly(c)
	var all sync.WaitGroup
	for i := range streams {
		all.Go(func() {
			path := fmt.Sprintf("/%d", i)
			r, err := c.Get(s.url(path))
			if err != nil {
				t.Error(err)
				return
			}
			defer r.Body.Close()
			if b, _ := io.ReadAll(r.Body); string(b) != path {
				t.Errorf("%s got %q", path, b)
			}
		})
	}
	all.Wait()
	if n := s.open.Load(); n != 1 {
		t.Errorf("%d connections, want 1", n)
	}
}

// getOnly makes the client's one connection, so that it does not open several at once.
func (s *site) getOnly(c *http.Client) {
	q, _ := http.NewRequest("OPTIONS", s.url(""), nil)
	q.URL.Opaque = "*"
	r, err := c.Do(q)
	if err != nil {
		s.t.Fatal(err)
	}
	_ = r.Body.Close()
	if r.StatusCode != 200 || r.Header.Get("Allow") == "" {
		s.t.Errorf("OPTIONS *: %d %v", r.StatusCode, r.Header)
	}
}

// list is a source of pieces.
type list struct {
	pieces [][]byte
	file   *os.File
	size   int64
	err    error
	closed atomic.Int32
}

func (l *list) Next() (p []byte, f *os.File, off, n int64, err error) {
	if len(l.pieces) > 0 {
		p, l.pieces = l.pieces[0], l.pieces[1:]
		return p, nil, 0, 0, nil
	}
	if f := l.file; f != nil {
		l.file = nil
		return nil, f, 10, l.size - 10, nil
	}
	if l.err != nil {
		return nil, nil, 0, 0, l.err
	}
	return nil, nil, 0, 0, io.EOF
}

func (l *list) Close() { l.closed.Add(1) }

func TestWaysOfAnswering(t *testing.T) {
	large := bytes.Repeat([]byte("0123456789abcdef"), 1<<16) // 1 MiB
	path := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(path, large, 0o600); err != nil {
		t.Fatal(err)
	}
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = f.Close() })
	page := func(status int) string { return string(http1.NewRules(http1.Config{}).Page(status, "")) }
	for name, c := range map[string]struct {
		method string
		answer func(x *http2.Exchange) error
		status int
		length int64
		body   string
		broken bool
		result exchange.Result // Sent is that of the body unless it is broken
	}{
		"empty":       {answer: func(x *http2.Exchange) error { return x.Finish(nil) }, status: 200},
		"large":       {answer: func(x *http2.Exchange) error { return x.Finish(large) }, status: 200, length: 1 << 20, body: string(large)},
		"head":        {method: "HEAD", answer: func(x *http2.Exchange) error { return x.Finish(large) }, status: 200, length: 1 << 20},
		"head length": {method: "HEAD", answer: func(x *http2.Exchange) error { return errors.Join(field(x, "Content-Length", "7"), x.Finish(nil)) }, status: 200, length: 7},
		"cut": {answer: func(x *http2.Exchange) error {
			if err := errors.Join(field(x, "Content-Length", "3"), x.Finish([]byte("abcdef"))); !errors.Is(err, exchange.ErrLongBody) {
				return fmt.Errorf("got %w", err)
			}
			return nil
		}, status: 200, length: 3, body: "abc"},
		"short": {answer: func(x *http2.Exchange) error {
			if err := errors.Join(field(x, "Content-Length", "7"), x.Finish([]byte("abc"))); !errors.Is(err, exchange.ErrShortBody) {
				return fmt.Errorf("got %w", err)
			}
			return nil
		}, broken: true, result: exchange.Result{Err: exchange.ErrShortBody}},
		"spooled": {answer: func(x *http2.Exchange) error {
			return x.FinishLarge(large, func(rest []byte) exchange.Source { return &list{pieces: [][]byte{bytes.Clone(rest)}} })
		}, status: 200, length: 1 << 20, body: string(large)},
		"stream":        {answer: func(x *http2.Exchange) error { return x.Stream(-1, pieces("abc", "", "def")) }, status: 200, length: -1, body: "abcdef"},
		"stream length": {answer: func(x *http2.Exchange) error { return x.Stream(6, pieces("abc", "def")) }, status: 200, length: 6, body: "abcdef"},
		"stream empty":  {answer: func(x *http2.Exchange) error { return x.Stream(-1, pieces()) }, status: 200},
		"stream head":   {method: "HEAD", answer: func(x *http2.Exchange) error { return x.Stream(6, pieces("abc", "def")) }, status: 200, length: 6},
		"stream 304":    {answer: func(x *http2.Exchange) error { return x.Stream(-1, pieces("abc")) }, status: 304, length: 0},
		"stream long": {answer: func(x *http2.Exchange) error { return x.Stream(4, pieces("abc", "def")) }, status: 200, length: 4, body: "abcd",
			result: exchange.Result{Err: exchange.ErrLongBody}},
		"stream short": {answer: func(x *http2.Exchange) error { return x.Stream(7, pieces("abc", "def")) }, status: 200, length: 7, body: "abcdef", broken: true,
			result: exchange.Result{Status: 200, Sent: 6, Err: exchange.ErrShortBody}},
		"file": {answer: func(x *http2.Exchange) error {
			return x.Stream(-1, &list{pieces: [][]byte{[]byte("first")}, file: f, size: 1 << 20})
		}, status: 200, length: -1, body: "first" + string(large[10:])},
		"file ends": {answer: func(x *http2.Exchange) error { return x.Stream(2<<20, &list{file: f, size: 2<<20 + 10}) }, status: 200, length: 2 << 20,
			body: string(large[10:]), broken: true, result: exchange.Result{Status: 200, Sent: 1<<20 - 10, Err: io.ErrUnexpectedEOF}},
		"page": {answer: func(x *http2.Exchange) error { x.Error(503, 7); return nil }, status: 503, length: int64(len(page(503))), body: page(503)},
		"status in time": {answer: func(x *http2.Exchange) error {
			return x.Stream(-1, &list{err: &exchange.StatusError{Status: 502}})
		}, status: 502, length: int64(len(page(502))), body: page(502)},
		"status too late": {answer: func(x *http2.Exchange) error {
			return x.Stream(-1, &list{pieces: [][]byte{[]byte("abc")}, err: &exchange.StatusError{Status: 502}})
		}, status: 200, length: -1, body: "abc", broken: true, result: exchange.Result{Status: 200, Sent: 3, Err: &exchange.StatusError{Status: 502}}},
		"abort": {answer: func(x *http2.Exchange) error { x.Abort(); return nil }, broken: true, result: exchange.Result{Err: exchange.ErrAborted}},
		"panic": {answer: func(*http2.Exchange) error { panic("in the handler") }, broken: true, result: exchange.Result{Err: exchange.ErrAborted}},
		"refused field": {answer: func(x *http2.Exchange) error {
			for _, c := range []struct {
				name, value string
				err         error
			}{{"a b", "c", exchange.ErrField}, {"a", "b\r\nc: d", exchange.ErrField}, {"Connection", "close", exchange.ErrHopByHop},
				{"Transfer-Encoding", "chunked", exchange.ErrHopByHop}, {"Content-Length", "1_0", exchange.ErrContentLength}} {
				if err := field(x, c.name, c.value); !errors.Is(err, c.err) {
					return fmt.Errorf("%s: got %w", c.name, err)
				}
			}
			return x.Finish(nil)
		}, status: 200},
	} {
		for _, away := range []bool{false, true} {
			t.Run(fmt.Sprint(name, " away=", away), func(t *testing.T) {
				t.Parallel()
				result := make(chan exchange.Result, 2)
				s := start(t, http2.Config{
					OnPanic: func(*http2.Conn, any, []byte) {},
					Handler: func(x *http2.Exchange) {
						x.SetDone(func(y exchange.Exchange, r exchange.Result) {
							if v, ok := y.ResponseField("date"); c.status == 200 && (!ok || len(v) == 0) {
								t.Error("no Date")
							}
							result <- r
						})
						status := 200
						if c.status == 304 {
							status = 304
						}
						if err := x.Start(status, []byte("Fine")); err != nil {
							t.Error(err)
						}
						give := func() {
							if err := c.answer(x); err != nil {
								t.Error(err)
							}
						}
						if away && name != "panic" {
							go give()
						} else {
							give()
						}
					},
				})
				method := c.method
				if method == "" {
					method = "GET"
				}
				q, _ := http.NewRequest(method, s.url("/"), nil)
				r, err := s.client().Do(q)
				var body []byte
				if err == nil {
					body, err = io.ReadAll(r.Body)
					if r.StatusCode != c.status || r.ContentLength != c.length {
						t.Errorf("got %d, length %d", r.StatusCode, r.ContentLength)
					}
				}
				if (err != nil) != c.broken || string(body) != c.body && !c.broken || len(body) > len(c.body) {
					t.Errorf("got %d bytes, %v; want %d", len(body), err, len(c.body))
				}
				got := <-result
				want := c.result
				if !c.broken {
					want.Status, want.Sent = c.status, int64(len(c.body))
				}
				if got.Status != want.Status || got.Sent != want.Sent || fmt.Sprint(got.Err) != fmt.Sprint(want.Err) {
					t.Errorf("got %+v, want %+v", got, want)
				}
			})
		}
	}
}

func field(x *http2.Exchange, name, value string) error { return x.Field([]byte(name), []byte(value)) }

func pieces(list_ ...string) *list {
	l := &list{}
	for _, s := range list_ {
		l.pieces = append(l.pieces, []byte(s))
	}
	return l
}

func TestGoneClientIsReportedAndEndsTheExchange(t *testing.T) {
	gone := make(chan exchange.Gone, 1)
	result := make(chan exchange.Result, 1)
	begun := make(chan bool, 1)
	s := start(t, http2.Config{Handler: func(x *http2.Exchange) {
		x.SetDone(func(_ exchange.Exchange, r exchange.Result) { result <- r })
		x.SetGone(func(g exchange.Gone) {
			gone <- g
			x.Abort()
		})
		begun <- true
	}})
	ctx, cancel := context.WithCancel(t.Context())
	go func() { <-begun; cancel() }()
	q, _ := http.NewRequestWithContext(ctx, "GET", s.url("/"), nil)
	if _, err := s.client().Do(q); !errors.Is(err, context.Canceled) {
		t.Fatalf("got %v", err)
	}
	if g := <-gone; g != exchange.Reset {
		t.Errorf("got %v", g)
	}
	if r := <-result; !errors.Is(r.Err, exchange.ErrAborted) || r.Status != 0 {
		t.Errorf("got %+v", r)
	}
}

func TestUserDataComesBack(t *testing.T) {
	var fresh atomic.Int32
	s := start(t, http2.Config{Handler: func(x *http2.Exchange) {
		if kept := x.UserData(); *kept == nil {
			*kept = fresh.Add(1)
		}
		respond(t, x, 200, "")
	}})
	c := s.client()
	for range 5 {
		s.get(c, "/")
	}
	if n := fresh.Load(); n != 1 {
		t.Errorf("%d made, want 1", n)
	}
}

func TestInterimAnswersComeFirst(t *testing.T) {
	s := start(t, http2.Config{Handler: func(x *http2.Exchange) {
		go func() {
			for _, link := range []string{"</a>", "</b>"} {
				if err := x.Interim(103, []exchange.Field{{Name: []byte("link"), Value: []byte(link)}}); err != nil {
					t.Error(err)
				}
			}
			if err := x.Interim(101, nil); !errors.Is(err, exchange.ErrStatus) {
				t.Errorf("got %v", err)
			}
			respond(t, x, 200, "body")
		}()
	}})
	r := s.raw()
	r.settle()
	r.request(1, true, ":method", "GET", ":scheme", "https", ":path", "/", ":authority", "x")
	for _, want := range []string{"103 link=</a>", "103 link=</b>", "200 link="} {
		h := r.headers(1)
		if got := h[":status"] + " link=" + h["link"]; got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
}

func TestBodiesHaveLimits(t *testing.T) {
	var held sync.WaitGroup
	held.Add(1)
	s := start(t, http2.Config{
		BodyShare: 1000, Rules: http1.NewRules(http1.Config{Limits: http1.Limits{Body: 5000}}),
		Timeouts: http1.Timeouts{Body: 100 * time.Millisecond},
		Handler: func(x *http2.Exchange) {
			_, err := io.ReadAll(x)
			switch {
			case errors.Is(err, http2.ErrShare):
				x.Error(503, 5)
				return
			case err != nil:
				return
			}
			go func() {
				if string(x.Request().Path) == "/hold" {
					held.Wait()
				}
				respond(t, x, 200, "")
			}()
		},
	})
	c := s.client()
	s.getOnly(c)
	post := func(path string, body io.Reader) string {
		r, err := c.Post(s.url(path), "text/plain", body)
		if err != nil {
			return err.Error()
		}
		defer r.Body.Close()
		b, _ := io.ReadAll(r.Body)
		if r.StatusCode == 200 {
			return "200"
		}
		return fmt.Sprint(r.StatusCode, " ", strings.Contains(string(b), "too large"), strings.Contains(string(b), "too long"))
	}
	if got := post("/", strings.NewReader(strings.Repeat("x", 5001))); got != "413 true false" {
		t.Errorf("announced: got %s", got)
	}
	if got := post("/", io.MultiReader(strings.NewReader(strings.Repeat("x", 5001)))); got != "413 true false" {
		t.Errorf("not announced: got %s", got)
	}
	slow, end := io.Pipe()
	if got := post("/", slow); got != "408 false true" {
		t.Errorf("slow: got %s", got)
	}
	_ = end.Close()
	var all sync.WaitGroup
	all.Go(func() {
		if got := post("/hold", strings.NewReader(strings.Repeat("x", 4000))); got != "200" { // alone, it may
			t.Errorf("got %s", got)
		}
	})
	eventually(t, "another body is refused", func() bool { return post("/", strings.NewReader("x")) == "503 false false" })
	held.Done()
	all.Wait()
	if got := post("/", strings.NewReader(strings.Repeat("x", 2000))); got != "200" {
		t.Errorf("afterwards: got %s", got)
	}
}

// Row 20.
func TestSlowReaderIsResetAndFreesItsSource(t *testing.T) {
	for _, size := range []int{1000, 1 << 20} {
		result := make(chan exchange.Result, 1)
		src := &list{pieces: [][]byte{bytes.Repeat([]byte("x"), size)}}
		s := start(t, http2.Config{Timeouts: http1.Timeouts{Send: 100 * time.Millisecond}, Handler: func(x *http2.Exchange) {
			x.SetDone(func(_ exchange.Exchange, r exchange.Result) { result <- r })
			_ = x.Start(200, nil)
			_ = x.Stream(-1, src)
		}})
		r := s.raw()
		r.settle(window0)
		r.request(1, true, ":method", "GET", ":scheme", "https", ":path", "/", ":authority", "x")
		r.headers(1)
		r.wantReset(1)
		if got := <-result; got.Err == nil || src.closed.Load() != 1 {
			t.Errorf("got %+v, closed %d", got, src.closed.Load())
		}
	}
}

func TestDrainAsksToGoAndFinishes(t *testing.T) {
	release := make(chan bool)
	s := start(t, http2.Config{Handler: func(x *http2.Exchange) {
		go func() {
			<-release
			respond(t, x, 200, "late")
		}()
	}})
	r := s.raw()
	r.settle()
	r.request(1, true, ":method", "GET", ":scheme", "https", ":path", "/", ":authority", "x")
	eventually(t, "the stream is open", func() bool { return s.open.Load() == 1 })
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	s.all.Go(func() { s.server.Drain(ctx) })
	r.wantGoAway(0)
	close(release)
	if h := r.headers(1); h[":status"] != "200" {
		t.Errorf("got %v", h)
	}
	eventually(t, "the connection ends", func() bool { return s.open.Load() == 0 })
	late := s.raw() // while it drains
	late.settle()
	late.wantGoAway(0)
	cancel()
	s.server.Resume()
	if _, body := s.get(s.client(), "/"); body != "late" {
		t.Errorf("after Resume: got %q", body)
	}
}

func TestReconfigureIsForNewConnections(t *testing.T) {
	named := func(name string) http2.Config {
		return http2.Config{ServerName: name, Rules: http1.NewRules(http1.Config{}), Handler: func(x *http2.Exchange) { respond(t, x, 200, "") }}
	}
	s := start(t, named("old"))
	c := s.client()
	s.get(c, "/")
	s.server.Reconfigure(named("new"))
	if r, _ := s.get(c, "/"); r.Header.Get("Server") != "old" {
		t.Errorf("got %v", r.Header)
	}
	if r, _ := s.get(s.client(), "/"); r.Header.Get("Server") != "new" {
		t.Errorf("got %v", r.Header)
	}
}

func TestConnectionsEnd(t *testing.T) {
	s := start(t, http2.Config{MaxRequests: 3, Timeouts: http1.Timeouts{Idle: 100 * time.Millisecond}, Handler: func(x *http2.Exchange) {
		if string(x.Request().Path) == "/close" {
			x.CloseAfter()
		}
		respond(t, x, 200, "")
	}})
	for name, paths := range map[string][]string{"max requests": {"/", "/", "/"}, "asked for": {"/close"}, "idle": {}} {
		r := s.raw()
		r.settle()
		for i, path := range paths {
			id := uint32(2*i + 1)
			r.request(id, true, ":method", "GET", ":scheme", "https", ":path", path, ":authority", "x")
		}
		if t.Failed() {
			t.Log(name)
		}
		r.wantGoAway(0)
	}
}
