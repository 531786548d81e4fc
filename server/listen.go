package server

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"syscall"

	"github.com/gounicorn/gounicorn/server/http1"
	"golang.org/x/sys/unix"
)

// Address is a place to listen.
type Address struct {
	Network string // "tcp", "tcp4", "tcp6", "unix" or "fd"
	Address string // host:port, or a path
	FD      int    // of an inherited listening socket, when Network is "fd"
}

// ErrInUse means that somebody else listens at an address.
var ErrInUse = errors.New("address in use")

// Listen opens an address with a backlog of connections. A unix socket that nobody listens on any more is replaced; one that is in use
// is ErrInUse, like a port. The mode of a unix socket is 0777, as gunicorn's: access is a matter of the folder.
func Listen(a Address, backlog int) (net.Listener, error) {
	var ln net.Listener
	var err error
	switch a.Network {
	case "fd":
		ln, err = inherited(a.FD)
	case "unix":
		ln, err = listenUnix(a.Address)
	default:
		config := net.ListenConfig{KeepAlive: -1, Control: keepAlive}
		ln, err = config.Listen(context.Background(), a.Network, a.Address)
	}
	if err != nil {
		if errors.Is(err, syscall.EADDRINUSE) {
			err = fmt.Errorf("%w: %w", ErrInUse, err)
		}
		return nil, err
	}
	if backlog > 0 {
		setBacklog(ln, backlog)
	}
	l, err := http1.NewListener(ln)
	if err != nil {
		_ = ln.Close()
		return nil, err
	}
	return l, nil
}

// Probes of silent connections: the first after so many seconds, then so many more in such intervals, as net has it.
const (
	probeIdle     = 15
	probeInterval = 15
	probeCount    = 9
)

// keepAlive asks for probes on the listener, from which Linux hands it on to every connection; net would ask for each connection, with
// four system calls.
func keepAlive(_, _ string, c syscall.RawConn) error {
	var failed error
	err := c.Control(func(fd uintptr) {
		for _, o := range [...]struct{ level, name, value int }{
			{unix.SOL_SOCKET, unix.SO_KEEPALIVE, 1},
			{unix.IPPROTO_TCP, unix.TCP_KEEPIDLE, probeIdle},
			{unix.IPPROTO_TCP, unix.TCP_KEEPINTVL, probeInterval},
			{unix.IPPROTO_TCP, unix.TCP_KEEPCNT, probeCount},
		} {
			if e := unix.SetsockoptInt(int(fd), o.level, o.name, o.value); e != nil && failed == nil {
				failed = fmt.Errorf("keep-alive probes: %w", e)
			}
		}
	})
	return errors.Join(err, failed)
}

func inherited(fd int) (net.Listener, error) {
	f := os.NewFile(uintptr(fd), "inherited")
	if f == nil {
		return nil, fmt.Errorf("descriptor %d is not open", fd)
	}
	defer f.Close()
	ln, err := net.FileListener(f)
	if err != nil {
		return nil, fmt.Errorf("descriptor %d is not a listening socket: %w", fd, err)
	}
	return ln, nil
}

func listenUnix(path string) (net.Listener, error) {
	if st, err := os.Lstat(path); err == nil {
		if st.Mode()&os.ModeSocket == 0 {
			return nil, fmt.Errorf("%s exists and is not a socket", path)
		}
		if c, err := net.Dial("unix", path); err == nil {
			_ = c.Close()
			return nil, fmt.Errorf("%w: somebody listens on %s", ErrInUse, path)
		}
		if err := os.Remove(path); err != nil {
			return nil, fmt.Errorf("stale socket: %w", err)
		}
	}
	ln, err := net.Listen("unix", path)
	if err != nil {
		return nil, err
	}
	if err := os.Chmod(path, 0o777); err != nil {
		_ = ln.Close()
		return nil, fmt.Errorf("socket mode: %w", err)
	}
	return ln, nil
}

// setBacklog lengthens or shortens the queue of a socket that listens already, which Linux allows.
func setBacklog(ln net.Listener, backlog int) {
	if c, ok := ln.(syscall.Conn); ok {
		if raw, err := c.SyscallConn(); err == nil {
			_ = raw.Control(func(fd uintptr) { _ = unix.Listen(int(fd), backlog) })
		}
	}
}
