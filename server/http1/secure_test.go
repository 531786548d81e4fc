package http1_test

import (
	"bufio"
	"bytes"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"net/http/httptest"
	"os"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/gounicorn/gounicorn/server/exchange"
	"github.com/gounicorn/gounicorn/server/http1"
	"github.com/gounicorn/gounicorn/tests/harness"
)

// certified returns a TLS with a certificate for example.com and 127.0.0.1.
func certified() *http1.TLS {
	s := httptest.NewUnstartedServer(nil)
	s.StartTLS()
	defer s.Close()
	return &http1.TLS{Config: s.TLS.Clone()}
}

// startTLS serves with TLS, through a kernel that takes little at a time.
func startTLS(t *testing.T, c http1.Config) (string, *http1.Server) {
	t.Helper()
	config := net.ListenConfig{Control: func(_, _ string, c syscall.RawConn) error {
		var failed error
		err := c.Control(func(fd uintptr) {
			failed = syscall.SetsockoptInt(int(fd), syscall.SOL_SOCKET, syscall.SO_SNDBUF, 16<<10)
		})
		return errors.Join(err, failed)
	}}
	plain, err := config.Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ln, err := http1.NewListener(plain)
	if err != nil {
		t.Fatal(err)
	}
	s := http1.New(c)
	done := make(chan error, 1)
	go func() { done <- s.ServeTLS(ln) }()
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
		if err := receive(t, done); !errors.Is(err, http1.ErrServerClosed) {
			t.Errorf("got %v", err)
		}
	})
	return plain.Addr().String(), s
}

func dialTLS(t *testing.T, addr string) *client {
	t.Helper()
	c := dial(t, addr)
	c.upgrade()
	return c
}

// handshakes collects what OnHandshake is told.
func handshakes(c *http1.TLS) chan error {
	told := make(chan error, 64)
	c.OnHandshake = func(_ *http1.Conn, err error) { told <- err }
	return told
}

func TestRequestsOverTLSAreThoseOfPlainHTTP(t *testing.T) {
	addr, _ := startTLS(t, http1.Config{Handler: &echo{away: true}, TLS: certified()})
	c := dialTLS(t, addr)
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
	c.wantEnd() // and not an unexpected one: TLS says goodbye
}

func TestLargeBodiesCrossTLSWhole(t *testing.T) {
	body := bytes.Repeat([]byte("0123456789abcde\n"), 1<<15) // 512 KiB
	for name, finish := range map[string]func(x *http1.Exchange) error{
		"tried":  func(x *http1.Exchange) error { return x.Finish(body[:100_000]) }, // encrypted by who gives it, and kept for the kernel
		"finish": func(x *http1.Exchange) error { return x.Finish(body) },
		"large": func(x *http1.Exchange) error {
			return x.FinishLarge(body, func(rest []byte) exchange.Source { return &pieces{list: [][]byte{bytes.Clone(rest)}} })
		},
		"stream": func(x *http1.Exchange) error {
			return x.Stream(-1, &pieces{list: [][]byte{body[:100], body[100:200_000], body[200_000:]}})
		},
	} {
		t.Run(name, func(t *testing.T) {
			given := make(chan struct{})
			want := body
			if name == "tried" {
				want = body[:100_000]
			}
			addr, _ := startTLS(t, http1.Config{TLS: certified(), Handler: http1.HandlerFunc(func(x *http1.Exchange) {
				defer func() { given <- struct{}{} }()
				if err := errors.Join(x.Start(200, nil), finish(x)); err != nil {
					t.Error(err)
				}
			})})
			c := dialTLS(t, addr)
			for range 2 {
				c.send(get)
				receive(t, given) // nothing was read so far, so not all can have been sent
				if a := c.want(200, ""); !bytes.Equal(a.Body, want) {
					t.Fatalf("got %d bytes", len(a.Body))
				}
			}
		})
	}
}

// Row 37.
func TestWhatIsNoHandshake(t *testing.T) {
	for name, c := range map[string]struct {
		sent string
		want string
		told error
	}{
		"plain http": {"GET / HTTP/1.1\r\nHost: x\r\n\r\n", "HTTP/1.1 400 Bad Request\r\n", http1.ErrNoTLS},
		"plain post": {"POST /long HTTP/1.1\r\nHost: x\r\nContent-Length: 100000\r\n\r\n" + strings.Repeat("x", 100_000), "HTTP/1.1 400 Bad Request\r\n", http1.ErrNoTLS},
		"garbage":    {"\x00\x01\x02\x03\x04\x05\x06\x07", "", nil},
		"words":      {"hello, is it me", "", nil},
		"half":       {"\x16\x03\x01", "", io.ErrUnexpectedEOF},
	} {
		t.Run(name, func(t *testing.T) {
			secure := certified()
			told := handshakes(secure)
			addr, s := startTLS(t, http1.Config{Handler: &echo{}, TLS: secure})
			nc := dial(t, addr)
			nc.send(c.sent)
			if name == "half" {
				_ = nc.nc.CloseWrite()
			}
			got, _ := io.ReadAll(nc.br) // a reset is as good an end of garbage as another
			if !strings.HasPrefix(string(got), c.want) || c.want == "" && bytes.Contains(got, []byte("HTTP")) {
				t.Errorf("got %q", got)
			}
			if c.want != "" && !bytes.Contains(got, []byte("https://")) {
				t.Errorf("no hint in %q", got)
			}
			err := receive(t, told)
			if err == nil || c.told != nil && !errors.Is(err, c.told) {
				t.Errorf("told %v", err)
			}
			_ = nc.nc.Close()
			harness.Eventually(t, budget, "the connection ends", func() bool { return s.Connections() == 0 })
		})
	}
}

func TestSlowHandshakesEnd(t *testing.T) {
	secure := certified()
	secure.Timeout, secure.Handshakes = 200*time.Millisecond, 3
	told := handshakes(secure)
	addr, s := startTLS(t, http1.Config{Handler: &echo{away: true}, TLS: secure})
	first := dial(t, addr)
	first.send("\x16")
	for range 3 {
		dial(t, addr).send("\x16\x03\x01\x02")
	}
	if b, _ := io.ReadAll(first.br); len(b) > 0 { // evicted by the fourth, or by the time
		t.Errorf("got %q", b)
	}
	c := dialTLS(t, addr)
	c.send(get)
	c.want(200, "GET / - -")
	slow := 0
	for range 5 {
		if err := receive(t, told); errors.Is(err, http1.ErrHandshakeTimeout) {
			slow++
		} else if err != nil {
			t.Error(err)
		}
	}
	if slow != 4 {
		t.Errorf("%d handshakes were too slow, want 4", slow)
	}
	harness.Eventually(t, budget, "only the one that was answered is left", func() bool { return s.Connections() == 1 })
}

func TestSilentConnectionEndsBeforeItsProxyHeader(t *testing.T) {
	secure := certified()
	secure.Timeout = 100 * time.Millisecond
	addr, _ := startTLS(t, http1.Config{
		Handler: &echo{}, TLS: secure, ProxyProtocol: http1.ProxyAuto, ProxyAllowed: func(*http1.Conn) bool { return true },
		Timeouts: http1.Timeouts{Idle: time.Hour},
	})
	if b, err := io.ReadAll(dial(t, addr).br); len(b) > 0 || errors.Is(err, os.ErrDeadlineExceeded) { // a reset is as good an end as another
		t.Errorf("got %q, %v", b, err)
	}
}

func TestOldestHandshakeIsGivenUp(t *testing.T) {
	secure := certified()
	secure.Timeout, secure.Handshakes = time.Hour, 2
	told := handshakes(secure)
	addr, _ := startTLS(t, http1.Config{Handler: &echo{away: true}, TLS: secure})
	for range 3 {
		dial(t, addr).send("\x16")
	}
	if err := receive(t, told); !errors.Is(err, http1.ErrHandshakeTimeout) {
		t.Errorf("got %v", err)
	}
}

func TestProxyHeaderComesBeforeTheHandshake(t *testing.T) {
	remote := make(chan string, 1)
	addr, _ := startTLS(t, http1.Config{
		TLS: certified(), ProxyProtocol: http1.ProxyAuto, ProxyAllowed: func(*http1.Conn) bool { return true },
		Handler: http1.HandlerFunc(func(x *http1.Exchange) {
			remote <- x.Conn().RemoteAddr().String()
			if x.Conn().TLS() == nil || x.Conn().PeerAddr() == x.Conn().RemoteAddr() {
				t.Error("no TLS, or no proxy")
			}
			respond(t, x, 200, "ok")
		}),
	})
	c := dial(t, addr)
	header := "PROXY TCP4 192.0.2.7 192.0.2.8 1234 443\r\n"
	// In one segment with the ClientHello, so that the search for the header reads too much.
	tc := tls.Client(&joined{c.nc, header}, &tls.Config{InsecureSkipVerify: true})
	c.w, c.br = tc, bufio.NewReader(tc)
	c.send(get)
	c.want(200, "ok")
	if got := receive(t, remote); got != "192.0.2.7:1234" {
		t.Errorf("got %s", got)
	}
}

// joined sends something in front of the first write.
type joined struct {
	net.Conn
	first string
}

func (j *joined) Write(p []byte) (int, error) {
	n, err := j.Conn.Write(append([]byte(j.first), p...))
	n -= len(j.first)
	j.first = ""
	return n, err
}

func TestNextProtocolIsServedUntilItsEnd(t *testing.T) {
	secure := certified()
	secure.Config.NextProtos = []string{"other", "http/1.1", "none"}
	var open atomic.Int32
	secure.Next = map[string]func(*tls.Conn, exchange.Conn){"other": func(tc *tls.Conn, c exchange.Conn) {
		open.Add(1)
		defer open.Add(-1)
		_, _ = io.WriteString(tc, c.TLS().NegotiatedProtocol)
		_, _ = io.Copy(tc, tc)
	}}
	addr, s := startTLS(t, http1.Config{Handler: &echo{away: true}, TLS: secure})
	connect := func(protocol string) *tls.Conn {
		tc, err := tls.Dial("tcp", addr, &tls.Config{InsecureSkipVerify: true, NextProtos: []string{protocol}})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = tc.Close() })
		_ = tc.SetDeadline(time.Now().Add(budget))
		return tc
	}
	other := connect("other")
	b := make([]byte, 5)
	if _, err := io.ReadFull(other, b); err != nil || string(b) != "other" {
		t.Fatalf("got %q, %v", b, err)
	}
	if n := s.Connections(); n != 1 || open.Load() != 1 {
		t.Errorf("%d connections, %d open", n, open.Load())
	}
	_ = other.Close()
	if b, err := io.ReadAll(connect("none")); err != nil || len(b) > 0 {
		t.Errorf("got %q, %v", b, err)
	}
	c := connect("http/1.1")
	_, _ = io.WriteString(c, get)
	if b, err := bufio.NewReader(c).ReadString('\n'); err != nil || !strings.Contains(b, "200") {
		t.Errorf("got %q, %v", b, err)
	}
}
