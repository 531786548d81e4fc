package server

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"github.com/gounicorn/gounicorn/server/metrics"
	"golang.org/x/sys/unix"
)

func TestUnixSocketsAreReplacedOnlyWhenStale(t *testing.T) {
	path := filepath.Join(t.TempDir(), "s")
	a := Address{Network: "unix", Address: path}
	ln, err := Listen(a, Socket{})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := Listen(a, Socket{}); !errors.Is(err, ErrInUse) {
		t.Errorf("while somebody listens: %v, want ErrInUse", err)
	}
	ln.Close()
	again, err := Listen(a, Socket{})
	if err != nil {
		t.Fatalf("a stale socket was not replaced: %v", err)
	}
	again.Close()
	if err := again.Remove(); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := Listen(a, Socket{}); err == nil {
		t.Error("an ordinary file was replaced by a socket")
	}
}

// All listeners share one limit, and SERVER_NAME is that of the listener all the same.
func TestListenersShareTheLimitOfConnections(t *testing.T) {
	names := make(chan string, 2)
	s := New(Config{
		App: &fakeApp{serve: func(c *Call) {
			e := environ(c)
			names <- e["SERVER_NAME"] + ":" + e["SERVER_PORT"]
			_ = c.Head(200, head("OK", nil, "x"), nil, true)
		}},
		Metrics: metrics.New(metrics.Build{}), MaxConnections: 1, Debugf: t.Logf, Warnf: t.Logf, Errorf: t.Logf,
	})
	t.Cleanup(s.Close)
	var first net.Conn
	for _, host := range []string{"127.0.0.1", "127.0.0.2"} {
		ln, err := Listen(Address{Network: "tcp", Address: host + ":0"}, Socket{Backlog: 16})
		if err != nil {
			t.Fatal(err)
		}
		go func() { _ = s.Serve(ln) }()
		c, err := net.Dial("tcp", ln.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		fmt.Fprintf(c, "GET / HTTP/1.1\r\nHost: a\r\n\r\n")
		if got := <-names; got != ln.Addr().String() {
			t.Errorf("server %s, want %s", got, ln.Addr())
		}
		if first == nil {
			first = c
		}
	}
	if _, err := io.Copy(io.Discard, first); err != nil { // its listener's connection was idle, and made room
		t.Error(err)
	}
}

func TestConnectionsAreProbed(t *testing.T) {
	ln, err := Listen(Address{Network: "tcp", Address: "127.0.0.1:0"}, Socket{Backlog: 16})
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	client, err := net.Dial("tcp", ln.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	c, err := ln.Accept()
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	raw, err := c.(syscall.Conn).SyscallConn()
	if err != nil {
		t.Fatal(err)
	}
	_ = raw.Control(func(fd uintptr) {
		for name, want := range map[[2]int]int{
			{unix.SOL_SOCKET, unix.SO_KEEPALIVE}: 1, {unix.IPPROTO_TCP, unix.TCP_KEEPIDLE}: probeIdle,
			{unix.IPPROTO_TCP, unix.TCP_KEEPINTVL}: probeInterval, {unix.IPPROTO_TCP, unix.TCP_KEEPCNT}: probeCount,
		} {
			if got, err := unix.GetsockoptInt(int(fd), name[0], name[1]); err != nil || got != want {
				t.Errorf("option %v is %d, %v; want %d", name, got, err, want)
			}
		}
	})
}

// Root that gives a socket away in a folder of the user must not be led to another file.
func TestSocketThatWasReplacedByALinkIsLeftAlone(t *testing.T) {
	dir := t.TempDir()
	precious, link := filepath.Join(dir, "precious"), filepath.Join(dir, "s")
	if err := os.WriteFile(precious, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(precious, link); err != nil {
		t.Fatal(err)
	}
	if err := secure(link, &Owner{UID: os.Getuid(), GID: -1}, 0o777); err == nil {
		t.Error("a link was taken for the socket")
	}
	if st, err := os.Stat(precious); err != nil || st.Mode().Perm() != 0o600 {
		t.Errorf("the file behind the link has mode %v, %v", st.Mode(), err)
	}
}

// A listener comes round without a connection while somebody accepts, also in turns with Suspend, and not when nobody does.
func TestListenerTurnsAsLongAsSomebodyAccepts(t *testing.T) {
	ln, err := Listen(Address{Network: "tcp", Address: "127.0.0.1:0"}, Socket{})
	if err != nil {
		t.Fatal(err)
	}
	turns := func(d time.Duration) bool {
		ctx, cancel := context.WithTimeout(t.Context(), d)
		defer cancel()
		return ln.Turns(ctx)
	}
	if turns(20 * time.Millisecond) {
		t.Error("it turns although nobody accepts")
	}
	accepted := make(chan net.Conn)
	block := make(chan struct{})
	go func() {
		defer close(accepted)
		for {
			nc, err := ln.Accept()
			if err != nil {
				return
			}
			accepted <- nc
			<-block
		}
	}()
	for i := range 5 {
		if !turns(10 * time.Second) {
			t.Fatalf("round %d: it does not turn", i)
		}
		ln.Suspend()
		if !turns(10 * time.Second) {
			t.Fatal("one that is suspended need not turn")
		}
		ln.Resume()
	}
	for range 2 { // it accepts as before, and then its goroutine is stuck
		nc, err := net.Dial("tcp", ln.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		defer nc.Close()
		defer (<-accepted).Close()
		if turns(20 * time.Millisecond) {
			t.Error("it turns although its goroutine is stuck")
		}
		block <- struct{}{}
		if !turns(10 * time.Second) {
			t.Error("it does not turn any more")
		}
	}
	ln.Close()
	<-accepted
	if !turns(10 * time.Second) {
		t.Error("one that is closed need not turn")
	}
}
