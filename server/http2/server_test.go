package http2_test

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/gounicorn/gounicorn/server/exchange"
	"github.com/gounicorn/gounicorn/server/http1"
	"github.com/gounicorn/gounicorn/server/http2"
	"github.com/gounicorn/gounicorn/tests/harness"
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
	harness.Eventually(t, budget, "the connection is idle", func() bool { return s.idle.Load() == 1 })
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

func TestDrainAsksToGoAndFinishes(t *testing.T) {
	begun, release := make(chan bool, 2), make(chan bool)
	s := start(t, http2.Config{Handler: func(x *http2.Exchange) {
		begun <- true
		go func() {
			<-release
			respond(t, x, 200, "late")
		}()
	}})
	r := s.raw()
	r.settle()
	r.request(1, true, ":method", "GET", ":scheme", "https", ":path", "/", ":authority", "x")
	<-begun
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	s.all.Go(func() { s.server.Drain(ctx) })
	r.wantGoAway(0)
	close(release)
	if h := r.headers(1); h[":status"] != "200" {
		t.Errorf("got %v", h)
	}
	harness.Eventually(t, budget, "the connection ends", func() bool { return s.open.Load() == 0 })
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
	handler := func(x *http2.Exchange) {
		if string(x.Request().Path) == "/close" {
			x.CloseAfter()
		}
		respond(t, x, 200, "")
	}
	for name, c := range map[string]struct {
		config http2.Config
		paths  []string
	}{
		"max requests": {http2.Config{MaxRequests: 3}, []string{"/", "/", "/"}},
		"asked for":    {http2.Config{}, []string{"/", "/close"}},
		"idle":         {http2.Config{Timeouts: http1.Timeouts{Idle: 50 * time.Millisecond}}, nil},
	} {
		t.Run(name, func(t *testing.T) {
			c.config.Handler = handler
			s := start(t, c.config)
			r := s.raw()
			r.settle()
			for i, path := range c.paths {
				id := uint32(2*i + 1)
				r.request(id, true, ":method", "GET", ":scheme", "https", ":path", path, ":authority", "x")
				if h := r.headers(id); h[":status"] != "200" {
					t.Fatalf("got %v", h)
				}
			}
			r.wantGoAway(0)
			harness.Eventually(t, budget, "the connection ends", func() bool { return s.open.Load() == 0 })
		})
	}
}
