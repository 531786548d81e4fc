package http1_test

import (
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"net/http/httptest"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/gounicorn/gounicorn/server/exchange"
	"github.com/gounicorn/gounicorn/server/http1"
)

// short is a timeout that tests wait for.
const short = 100 * time.Millisecond

func TestSlowHeadIsCut(t *testing.T) { // row 18
	refused := make(chan http1.Verdict, 1)
	config := handle(func(x *http1.Exchange) { respond(t, x, 200, "") })
	config.Timeouts.Header = short
	config.OnError = func(_ *http1.Conn, v http1.Verdict) { refused <- v }
	addr, _ := start(t, config)
	c := dial(t, addr)
	c.send("GET / HT")
	c.want(408, "")
	c.wantEnd()
	if v := receive(t, refused); v.Cause != http1.CauseHeadTimeout {
		t.Errorf("got %v", v)
	}
}

func TestHeadTimeoutIsNotRefreshedByBytes(t *testing.T) { // row 18
	config := handle(func(x *http1.Exchange) { respond(t, x, 200, "") })
	config.Timeouts.Header = 2 * short
	addr, _ := start(t, config)
	c := dial(t, addr)
	answered := make(chan struct{})
	var drip sync.WaitGroup
	drip.Go(func() {
		ticker := time.NewTicker(short / 10)
		defer ticker.Stop()
		_, err := io.WriteString(c.nc, "GET / HTTP/1.1\r\nA: ")
		for err == nil {
			select {
			case <-ticker.C:
				_, err = io.WriteString(c.nc, "b")
			case <-answered:
				return
			}
		}
	})
	c.want(408, "")
	close(answered)
	drip.Wait()
}

func TestSilentConnectionIsClosedSilently(t *testing.T) {
	config := handle(func(x *http1.Exchange) { respond(t, x, 200, "ok") })
	config.Timeouts.Idle = short
	addr, _ := start(t, config)
	dial(t, addr).wantEnd()
	c := dial(t, addr)
	c.send(get)
	c.want(200, "ok")
	c.wantEnd()
}

func TestSlowBodyIsCut(t *testing.T) { // row 19
	for _, framing := range []string{"Content-Length: 10\r\n\r\nabc", "Transfer-Encoding: chunked\r\n\r\n3\r\nab"} {
		failed := make(chan error, 1)
		config := handle(func(x *http1.Exchange) {
			_, err := io.ReadAll(x)
			failed <- err
		})
		config.Timeouts.Body = short
		addr, _ := start(t, config)
		c := dial(t, addr)
		c.send("POST / HTTP/1.1\r\nHost: x\r\n" + framing)
		c.want(408, "")
		c.wantEnd()
		var v http1.Verdict
		if err := receive(t, failed); !errors.As(err, &v) || v.Cause != http1.CauseBodyTimeout {
			t.Errorf("Read: got %v", err)
		}
	}
}

func TestSlowReaderIsCut(t *testing.T) { // row 20
	results := make(chan exchange.Result, 2)
	big := strings.Repeat("x", 32<<20)
	for _, streamed := range []bool{false, true} {
		config := handle(func(x *http1.Exchange) {
			x.SetDone(func(_ exchange.Exchange, r exchange.Result) { results <- r })
			if !streamed {
				respond(t, x, 200, big)
			} else if x.Start(200, nil) != nil || x.Stream(-1, &pieces{list: split(big)}) != nil {
				t.Error("no stream")
			}
		})
		config.Timeouts.Send = short
		addr, _ := start(t, config)
		c := dial(t, addr)
		c.send(get)
		if r := receive(t, results); r.Err == nil || r.Sent >= int64(len(big)) {
			t.Errorf("got %+v", r)
		}
	}
}

func TestContinueIsSentWhenTheBodyIsWanted(t *testing.T) { // row 24
	addr, _ := start(t, handle(func(x *http1.Exchange) {
		if string(x.Request().Path) == "/no" {
			respond(t, x, 403, "no")
			return
		}
		b, err := io.ReadAll(x)
		if err != nil {
			t.Error(err)
		}
		respond(t, x, 200, string(b))
	}))
	const head = " HTTP/1.1\r\nHost: x\r\nExpect: 100-Continue\r\nContent-Length: 3\r\n\r\n"
	c := dial(t, addr)
	for range 2 {
		c.send("POST /" + head)
		c.want(100, "")
		c.send("abc")
		c.want(200, "abc")
	}
	c.send("POST /no" + head)
	if a := c.want(403, "no"); strings.Join(a.Field("connection"), "") != "close" {
		t.Errorf("got %q: the body may come or not", a.Fields)
	}
	c.wantEnd()
}

func TestUnreadBodyIsDrainedOrTheConnectionClosed(t *testing.T) { // row 22
	addr, _ := start(t, handle(func(x *http1.Exchange) { respond(t, x, 200, "ok") }))
	small := "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 100000\r\n\r\n" + strings.Repeat("a", 100000)
	c := dial(t, addr)
	c.send(small + small)
	c.want(200, "ok")
	c.want(200, "ok")
	chunked := "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n"
	c.send(chunked + chunked)
	c.want(200, "ok")
	c.want(200, "ok")
	c.send("POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 1000000\r\n\r\n" + strings.Repeat("a", 1000000))
	if a := c.want(200, "ok"); strings.Join(a.Field("connection"), "") != "close" {
		t.Errorf("got %q", a.Fields)
	}
	c.wantEnd()
}

func TestLeavingClientIsNoticed(t *testing.T) { // row 21
	type event struct {
		how  exchange.Gone
		half bool
	}
	gone := make(chan event, 4)
	started := make(chan *http1.Exchange, 1)
	results := make(chan exchange.Result, 1)
	addr, _ := start(t, handle(func(x *http1.Exchange) {
		x.SetDone(func(_ exchange.Exchange, r exchange.Result) { results <- r })
		x.SetGone(func(how exchange.Gone) { gone <- event{how, x.HalfClosed()} })
		started <- x
	}))

	c := dial(t, addr)
	c.send(get)
	x := receive(t, started)
	if err := c.nc.SetLinger(0); err != nil {
		t.Fatal(err)
	}
	_ = c.nc.Close()
	if e := receive(t, gone); e.how != exchange.Reset {
		t.Errorf("got %+v", e)
	}
	x.Abort()
	if r := receive(t, results); !errors.Is(r.Err, exchange.ErrAborted) {
		t.Errorf("got %+v", r)
	}

	c = dial(t, addr)
	c.send(get + get) // the second request stays in the buffer
	x = receive(t, started)
	_ = c.nc.CloseWrite()
	if e := receive(t, gone); e.how != exchange.HalfClosed || !e.half {
		t.Errorf("got %+v", e)
	}
	respond(t, x, 200, "one")
	c.want(200, "one")
	receive(t, results)
	x = receive(t, started)
	if e := receive(t, gone); e.how != exchange.HalfClosed {
		t.Errorf("got %+v", e)
	}
	respond(t, x, 200, "two")
	c.want(200, "two")
	c.wantEnd()
	receive(t, results)

	c = dial(t, addr) // FIN first, RST later
	c.send(get)
	x = receive(t, started)
	_ = c.nc.CloseWrite()
	receive(t, gone)
	_ = c.nc.SetLinger(0)
	_ = c.nc.Close()
	if e := receive(t, gone); e.how != exchange.Reset {
		t.Errorf("got %+v", e)
	}
	x.Abort()
	receive(t, results)
}

func TestShutdownLetsExchangesEnd(t *testing.T) {
	started := make(chan *http1.Exchange, 1)
	addr, s := start(t, handle(func(x *http1.Exchange) {
		if string(x.Request().Path) == "/now" {
			respond(t, x, 200, "now")
			return
		}
		started <- x
	}))
	idle, busy := dial(t, addr), dial(t, addr)
	idle.send("GET /now HTTP/1.1\r\nHost: x\r\n\r\n")
	idle.want(200, "now")
	busy.send(get)
	x := receive(t, started)
	ended := make(chan error, 1)
	go func() { ended <- s.Shutdown(t.Context()) }()
	idle.wantEnd()
	select {
	case err := <-ended:
		t.Fatalf("Shutdown returned %v with an exchange outstanding", err)
	default:
	}
	respond(t, x, 200, "late")
	if a := busy.want(200, "late"); strings.Join(a.Field("connection"), "") != "close" {
		t.Errorf("got %q", a.Fields)
	}
	_ = busy.nc.Close()
	if err := receive(t, ended); err != nil {
		t.Errorf("Shutdown: %v", err)
	}
	if _, err := net.Dial("tcp", addr); err == nil {
		t.Error("the listener is open")
	}
}

// A client that has just been answered may be about to ask again: it is told with its next answer.
func TestShutdownAwaitsWhoWasThereRecently(t *testing.T) {
	addr, s := start(t, handle(func(x *http1.Exchange) { respond(t, x, 200, "ok") }))
	c := dial(t, addr)
	c.send(get)
	c.want(200, "ok")
	s.AwaitRecent(time.Hour)
	ended := make(chan error, 1)
	go func() { ended <- s.Shutdown(t.Context()) }()
	for { // until nobody can connect: it drains
		nc, err := net.Dial("tcp", addr)
		if err != nil {
			break
		}
		nc.Close()
	}
	c.send(get)
	if a := c.want(200, "ok"); strings.Join(a.Field("connection"), "") != "close" {
		t.Errorf("got %q", a.Fields)
	}
	_ = c.nc.Close()
	if err := receive(t, ended); err != nil {
		t.Errorf("Shutdown: %v", err)
	}
}

func TestShutdownGivesUpWithItsContext(t *testing.T) {
	started := make(chan *http1.Exchange, 1)
	addr, s := start(t, handle(func(x *http1.Exchange) { started <- x }))
	c := dial(t, addr)
	c.send(get)
	x := receive(t, started)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := s.Shutdown(ctx); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
	x.Abort()
}

// plain hides the socket, so that the engine cannot use it directly.
type plain struct{ net.Listener }

func (l plain) Accept() (net.Conn, error) {
	nc, err := l.Listener.Accept()
	return struct{ net.Conn }{nc}, err
}

func TestConnectionsThatAreNoSocketsAreServed(t *testing.T) {
	cert := httptest.NewUnstartedServer(nil)
	cert.StartTLS()
	defer cert.Close()
	for name, wrap := range map[string]func(net.Listener) net.Listener{
		"wrapped": func(l net.Listener) net.Listener { return plain{l} },
		"tls":     func(l net.Listener) net.Listener { return tls.NewListener(l, cert.TLS.Clone()) },
	} {
		t.Run(name, func(t *testing.T) {
			ln, err := net.Listen("tcp", "127.0.0.1:0")
			if err != nil {
				t.Fatal(err)
			}
			e := &echo{away: true}
			s := http1.New(http1.Config{Handler: e})
			done := make(chan error, 1)
			go func() { done <- s.Serve(wrap(ln)) }()
			nc, err := net.Dial("tcp", ln.Addr().String())
			if err != nil {
				t.Fatal(err)
			}
			c := dialed(t, nc.(*net.TCPConn))
			if name == "tls" {
				c.upgrade()
			}
			post := "POST /p HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n"
			for range 3 {
				c.send(get)
				c.want(200, "GET / - -")
			}
			c.send(get + post + get + "BAD\r\n\r\n")
			c.want(200, "GET / - -")
			c.want(200, "POST /p - abc")
			c.want(200, "GET / - -")
			c.want(400, "")
			c.wantEnd()
			if err := s.Close(); err != nil {
				t.Error(err)
			}
			if err := receive(t, done); !errors.Is(err, http1.ErrServerClosed) {
				t.Errorf("got %v", err)
			}
		})
	}
}

// Row 69.
func TestIdleConnectionsAreSmall(t *testing.T) {
	const count, each = 400, 20 << 10
	config := handle(func(x *http1.Exchange) { respond(t, x, 200, "ok") })
	config.Timeouts.Idle = time.Minute
	addr, s := start(t, config)
	clients := make([]*client, count)
	for i := range clients {
		clients[i] = dial(t, addr)
	}
	before := memory()
	for _, c := range clients {
		c.send("GET / HTTP/1.1\r\nHost: x\r\n" + strings.Repeat("A: "+strings.Repeat("b", 100)+"\r\n", 90) + "\r\n")
		c.want(200, "ok")
	}
	if n := s.Connections(); n != count {
		t.Fatalf("%d connections, want %d", n, count)
	}
	used := (memory() - before) / count
	t.Logf("%d bytes per idle connection beyond a fresh one", used)
	if used > each {
		t.Errorf("an idle connection costs %d bytes, want at most %d", used, each)
	}
}

func memory() int64 {
	var m runtime.MemStats
	runtime.GC()
	runtime.GC()
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc + m.StackInuse)
}
