package http1

import (
	"errors"
	"io"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"runtime"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// accepted makes a connection over ln and returns both ends of it.
func accepted(t *testing.T, ln net.Listener) (client net.Conn, server *socket) {
	t.Helper()
	l, err := NewListener(ln)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	client, err = net.Dial(ln.Addr().Network(), ln.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	nc, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { client.Close(); nc.Close() })
	return client, nc.(*socket)
}

func TestSocketKnowsBothAddresses(t *testing.T) {
	for _, at := range []string{"127.0.0.1:0", "[::1]:0"} {
		ln, err := net.Listen("tcp", at)
		if err != nil {
			t.Fatal(err)
		}
		client, server := accepted(t, ln)
		if got, want := server.RemoteAddr().String(), client.LocalAddr().String(); got != want {
			t.Errorf("remote address %s, want %s", got, want)
		}
		if got, want := server.LocalAddr().String(), client.RemoteAddr().String(); got != want {
			t.Errorf("local address %s, want %s", got, want)
		}
		_ = server.control(func(fd int) error {
			if on, err := unix.GetsockoptInt(fd, unix.IPPROTO_TCP, unix.TCP_NODELAY); err != nil || on == 0 {
				t.Errorf("TCP_NODELAY = %d, %v", on, err)
			}
			return nil
		})
	}
}

func TestSocketNamesTheZoneOfALinkLocalPeer(t *testing.T) {
	lo, err := net.InterfaceByIndex(1)
	if err != nil {
		t.Fatal(err)
	}
	var any unix.RawSockaddrAny
	any.Addr.Family = unix.AF_INET6
	if got := peerOf(&any); got != netip.AddrPortFrom(netip.IPv6Unspecified(), 0) {
		t.Errorf("unspecified: %v", got)
	}
	if got := zoneName(lo.Index); got != lo.Name {
		t.Errorf("zone 1 is %q, want %q", got, lo.Name)
	}
	if got := zoneName(1 << 30); got != "1073741824" {
		t.Errorf("unknown zone is %q", got)
	}
}

func TestUnixSocketHasNoAddress(t *testing.T) {
	path := filepath.Join(t.TempDir(), "s")
	ln, err := net.Listen("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	client, server := accepted(t, ln)
	if server.remote.IsValid() || server.localAddr().IsValid() {
		t.Errorf("addresses %v, %v", server.remote, server.localAddr())
	}
	if err := server.CloseWrite(); err != nil {
		t.Fatal(err)
	}
	if _, err := client.Read(make([]byte, 1)); !errors.Is(err, io.EOF) {
		t.Errorf("after CloseWrite the client reads %v", err)
	}
}

func TestClosingWakesAccept(t *testing.T) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	l, err := NewListener(ln)
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan error)
	accept := func() {
		_, err := l.Accept()
		done <- err
	}
	go accept()
	runtime.Gosched() // most often it waits by now; it is the same if it does not
	if err := l.SetDeadline(past); err != nil {
		t.Fatal(err)
	}
	if err := <-done; !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("interrupted, Accept returned %v", err)
	}
	if err := l.SetDeadline(time.Time{}); err != nil {
		t.Fatal(err)
	}
	go accept()
	runtime.Gosched() // most often it waits by now; it is the same if it does not
	l.Close()
	if err := <-done; !errors.Is(err, net.ErrClosed) {
		t.Errorf("Accept returned %v", err)
	}
	if c, err := net.Dial("tcp", ln.Addr().String()); err == nil {
		c.Close()
		t.Error("the port is still open")
	}
}

// net/http tells a deadline of its own from a client that left by net.Error.
func TestDeadlineOfASocketIsANetError(t *testing.T) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	_, server := accepted(t, ln)
	if err := server.SetReadDeadline(past); err != nil {
		t.Fatal(err)
	}
	var failed net.Error
	if _, err := server.Read(make([]byte, 1)); !errors.As(err, &failed) || !failed.Timeout() || !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("read: %v", err)
	}
}
