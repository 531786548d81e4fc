package http1_test

import (
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/gounicorn/gounicorn/server/exchange"
	"github.com/gounicorn/gounicorn/server/http1"
	"github.com/gounicorn/gounicorn/tests/harness"
)

// TestAnswersNeverMix lets many clients pipeline requests with nonces that are
// answered from other goroutines, whole, as streams and as errors (row 70).
func TestAnswersNeverMix(t *testing.T) {
	var done atomic.Int64
	addr, _ := start(t, handle(func(x *http1.Exchange) {
		body, err := io.ReadAll(x)
		if err != nil {
			t.Error(err)
		}
		x.SetDone(func(_ exchange.Exchange, r exchange.Result) {
			if r.Err != nil {
				t.Errorf("got %+v", r)
			}
			done.Add(1)
		})
		text := string(x.Request().Path) + " " + string(x.Request().Get("x-nonce")) + " " + string(body)
		kind := rand.IntN(4)
		give := func() {
			if kind > 1 {
				runtime.Gosched()
			}
			_ = x.Start(200, nil)
			if kind == 0 {
				_ = x.Stream(-1, &pieces{list: split(text[:1], text[1:])})
				return
			}
			_ = x.Finish([]byte(text))
		}
		if kind == 3 {
			give()
		} else {
			go give()
		}
	}))
	const clients, rounds = 8, 60
	var all sync.WaitGroup
	var sent atomic.Int64
	for k := range clients {
		all.Go(func() {
			c := dial(t, addr)
			for round := range rounds {
				var out strings.Builder
				var want []string
				for i := range 1 + rand.IntN(5) {
					nonce, body := fmt.Sprintf("%d-%d-%d-%d", k, round, i, rand.Uint64()), strings.Repeat("b", rand.IntN(20)*rand.IntN(500))
					fmt.Fprintf(&out, "POST /%s HTTP/1.1\r\nHost: x\r\nX-Nonce: %s\r\n", nonce, nonce)
					if rand.IntN(2) == 0 && body != "" {
						fmt.Fprintf(&out, "Transfer-Encoding: chunked\r\n\r\n%x\r\n%s\r\n0\r\n\r\n", len(body), body)
					} else {
						fmt.Fprintf(&out, "Content-Length: %d\r\n\r\n%s", len(body), body)
					}
					want = append(want, "/"+nonce+" "+nonce+" "+body)
				}
				if _, err := io.WriteString(c.nc, out.String()); err != nil {
					t.Error(err)
					return
				}
				for _, w := range want {
					sent.Add(1)
					if a, err := readAnswer(c); err != nil || string(a.Body) != w {
						t.Errorf("got %v, %v, want %.80q", a, err, w)
						return
					}
				}
			}
		})
	}
	all.Wait()
	// The last answers are read before their functions have been called.
	harness.Poll(harness.EventBudget, func() bool { return done.Load() >= sent.Load() })
	if done.Load() != sent.Load() {
		t.Errorf("the function of SetDone was called %d times for %d requests", done.Load(), sent.Load())
	}
}

// starved is a listener whose first accepts fail (row 59).
type starved struct {
	net.Listener
	left atomic.Int32
}

func (l *starved) Accept() (net.Conn, error) {
	if l.left.Add(-1) >= 0 {
		return nil, &net.OpError{Op: "accept", Err: unix.EMFILE}
	}
	return l.Listener.Accept()
}

func TestAcceptingRecoversFromExhaustion(t *testing.T) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	config := handle(func(x *http1.Exchange) { respond(t, x, 200, "ok") })
	var reports atomic.Int32
	config.OnAcceptError = func(err error) {
		if !errors.Is(err, unix.EMFILE) {
			t.Errorf("got %v", err)
		}
		reports.Add(1)
	}
	s := http1.New(config)
	hungry := &starved{Listener: ln}
	hungry.left.Store(4)
	done := make(chan error, 1)
	go func() { done <- s.Serve(hungry) }()
	c := dial(t, ln.Addr().String())
	c.send(get)
	c.want(200, "ok")
	if n := reports.Load(); n != 1 {
		t.Errorf("%d reports, want one a minute", n)
	}
	if err := s.Close(); err != nil {
		t.Error(err)
	}
	if err := receive(t, done); !errors.Is(err, http1.ErrServerClosed) {
		t.Errorf("got %v", err)
	}
}

func TestMaxConnectionsWaitsForRoom(t *testing.T) {
	config := handle(nil)
	held := make(chan *http1.Exchange, 2)
	config.Handler = http1.HandlerFunc(func(x *http1.Exchange) { held <- x })
	config.MaxConnections = 1
	addr, s := start(t, config)
	first := dial(t, addr)
	first.send(get)
	x := <-held
	second := dial(t, addr) // waits, as the first is not idle
	second.send(get)
	if n := s.Connections(); n != 1 {
		t.Errorf("%d connections", n)
	}
	respond(t, x, 200, "first")
	first.want(200, "first")
	first.wantEnd() // idle now, it makes room
	respond(t, <-held, 200, "second")
	second.want(200, "second")
}

// Row 59: at the limit the connection that has been idle for longest makes room.
func TestLongestIdleConnectionMakesRoom(t *testing.T) {
	config := handle(func(x *http1.Exchange) { respond(t, x, 200, "ok") })
	config.MaxConnections = 2
	config.Timeouts.Idle = 40 * time.Second
	config.Timeouts.Send = 8 * time.Millisecond // makes the clock fine enough to tell the two apart
	addr, _ := start(t, config)
	first, second := dial(t, addr), dial(t, addr)
	first.send(get)
	first.want(200, "ok")
	begin := time.Now()
	for n := 0; n < 20 || time.Since(begin) < 100*time.Millisecond; n++ { // the second is idle from later on, also by the sweeper's clock
		second.send(get)
		second.want(200, "ok")
	}
	third := dial(t, addr)
	third.send(get)
	third.want(200, "ok")
	first.wantEnd()
	second.send(get)
	second.want(200, "ok")
}

// reluctant accepts connections whose end is noticed only when there is leave to.
type reluctant struct {
	net.Listener
	leave chan struct{}
}

func (l *reluctant) Accept() (net.Conn, error) {
	nc, err := l.Listener.Accept()
	return &reluctantConn{nc, l.leave}, err
}

type reluctantConn struct {
	net.Conn
	leave chan struct{}
}

func (c *reluctantConn) Read(p []byte) (int, error) {
	n, err := c.Conn.Read(p)
	if errors.Is(err, net.ErrClosed) {
		<-c.leave
	}
	return n, err
}

// Row 59: one new client costs one idle connection, however long that takes to end.
func TestOneConnectionMakesRoomForOne(t *testing.T) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	slow := &reluctant{ln, make(chan struct{})}
	config := handle(func(x *http1.Exchange) { respond(t, x, 200, "ok") })
	config.MaxConnections = 3
	config.Timeouts.Send = 8 * time.Millisecond // a tick of the sweeper every 2 ms, each of which looks for room
	s := http1.New(config)
	done := make(chan error, 1)
	go func() { done <- s.Serve(slow) }()
	idle := []*client{dial(t, ln.Addr().String()), dial(t, ln.Addr().String()), dial(t, ln.Addr().String())}
	gone := make(chan struct{}, len(idle))
	for _, c := range idle {
		c.send(get)
		c.want(200, "ok")
		go func() { _, _ = c.br.ReadByte(); gone <- struct{}{} }()
	}
	next := dial(t, ln.Addr().String())
	next.send(get)
	receive(t, gone)
	select {
	case <-gone:
		t.Error("a second connection was closed for one new client")
	case <-time.After(50 * time.Millisecond): // so long nothing must happen
	}
	close(slow.leave)
	next.want(200, "ok")
	if err := s.Close(); err != nil {
		t.Error(err)
	}
	receive(t, done)
}

func TestUnixSocketsAreServed(t *testing.T) {
	path := filepath.Join(t.TempDir(), "s")
	plain, err := net.Listen("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	ln, err := http1.NewListener(plain)
	if err != nil {
		t.Fatal(err)
	}
	s := http1.New(handle(func(x *http1.Exchange) {
		if x.Conn().RemoteAddr().IsValid() {
			t.Error("a Unix peer has no address")
		}
		go respond(t, x, 200, strings.Repeat("x", 1<<20))
	}))
	done := make(chan error, 1)
	go func() { done <- s.Serve(ln) }()
	nc, err := net.Dial("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	defer nc.Close()
	if _, err := io.WriteString(nc, get+"GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"); err != nil {
		t.Fatal(err)
	}
	if b, err := io.ReadAll(nc); err != nil || len(b) < 2<<20 {
		t.Errorf("got %d bytes, %v", len(b), err)
	}
	if err := s.Close(); err != nil {
		t.Error(err)
	}
	receive(t, done)
}

func BenchmarkRequest(b *testing.B) {
	body := []byte("hello")
	name, value := []byte("Content-Type"), []byte("text/plain")
	answer := func(x *http1.Exchange) {
		if x.Start(200, nil) != nil || x.Field(name, value) != nil || x.Finish(body) != nil {
			b.Error("no answer")
		}
	}
	away := make(chan *http1.Exchange, 1)
	go func() {
		for x := range away {
			answer(x)
		}
	}()
	defer close(away)
	for _, row := range []struct {
		name string
		f    func(*http1.Exchange)
	}{{"inside the handler", answer}, {"elsewhere", func(x *http1.Exchange) { away <- x }}} {
		b.Run(row.name, func(b *testing.B) {
			addr, _ := start(b, http1.Config{ServerName: "gounicorn", Handler: http1.HandlerFunc(row.f)})
			c := dial(b, addr)
			req, buf := []byte("GET / HTTP/1.1\r\nHost: x\r\nUser-Agent: bench\r\nAccept: */*\r\n\r\n"), make([]byte, 4096)
			b.ReportAllocs()
			for b.Loop() {
				if _, err := c.nc.Write(req); err != nil {
					b.Fatal(err)
				}
				if _, err := c.nc.Read(buf); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// TestSteadyRequestsDoNotAllocate counts over client and server, both of which
// use no memory on a connection that is kept.
func TestSteadyRequestsDoNotAllocate(t *testing.T) {
	body := []byte("hello")
	addr, _ := start(t, handle(func(x *http1.Exchange) {
		if x.Start(200, nil) != nil || x.Finish(body) != nil {
			t.Error("no answer")
		}
	}))
	c := dial(t, addr)
	req, buf := []byte(get), make([]byte, 4096)
	got := testing.AllocsPerRun(2000, func() {
		if _, err := c.nc.Write(req); err != nil {
			t.Fatal(err)
		}
		if _, err := c.nc.Read(buf); err != nil {
			t.Fatal(err)
		}
	})
	if got >= 1 && !raceEnabled {
		t.Errorf("%v allocations per request", got)
	}
}
