package http1

import (
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"os"
	"strconv"
	"syscall"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// Listener accepts sockets with one system call each and without telling the
// scheduler (see rawio.go). net makes two more for each connection, to ask for
// our address and to set TCP_NODELAY, which Linux hands on from the listener.
// Its methods may be called concurrently.
type Listener struct {
	net.Listener
	file *os.File // another descriptor of the socket
	raw  syscall.RawConn
}

// NewListener wraps a listening TCP or Unix socket of package net, which is
// closed with the Listener.
func NewListener(ln net.Listener) (*Listener, error) {
	f, ok := ln.(interface{ File() (*os.File, error) })
	if !ok {
		return nil, fmt.Errorf("http1: a %T is no socket", ln)
	}
	file, err := f.File()
	if err != nil {
		return nil, fmt.Errorf("http1: descriptor of the listener: %w", err)
	}
	raw, err := file.SyscallConn()
	if err != nil {
		_ = file.Close()
		return nil, fmt.Errorf("http1: descriptor of the listener: %w", err)
	}
	if _, tcp := ln.(*net.TCPListener); tcp {
		_ = raw.Control(func(fd uintptr) { _ = unix.SetsockoptInt(int(fd), unix.IPPROTO_TCP, unix.TCP_NODELAY, 1) })
	}
	return &Listener{ln, file, raw}, nil
}

// SyscallConn gives access to the socket; only Control of it works.
func (l *Listener) SyscallConn() (syscall.RawConn, error) {
	c, ok := l.Listener.(syscall.Conn)
	if !ok {
		return nil, fmt.Errorf("http1: a %T is no socket", l.Listener)
	}
	return c.SyscallConn()
}

// SetDeadline makes Accept fail with os.ErrDeadlineExceeded from then on; the
// zero time undoes it.
func (l *Listener) SetDeadline(t time.Time) error { return l.file.SetReadDeadline(t) }

// Close stops accepting; a waiting Accept returns.
func (l *Listener) Close() error {
	_ = l.file.Close() // closed by an earlier call, or closed now
	return l.Listener.Close()
}

// Accept waits for the next connection.
func (l *Listener) Accept() (net.Conn, error) {
	var from unix.RawSockaddrAny
	var fd uintptr
	var errno syscall.Errno
	err := l.raw.Read(func(ln uintptr) bool {
		size := uint32(unix.SizeofSockaddrAny)
		fd, _, errno = unix.RawSyscall6(unix.SYS_ACCEPT4, ln, uintptr(unsafe.Pointer(&from)), uintptr(unsafe.Pointer(&size)),
			unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, 0, 0)
		return errno != unix.EAGAIN
	})
	switch {
	case errors.Is(err, os.ErrDeadlineExceeded):
		return nil, err
	case err != nil: // the file is closed
		return nil, net.ErrClosed
	case errno != 0:
		return nil, errno
	}
	return &socket{os.NewFile(fd, "connection"), peerOf(&from)}, nil
}

// peerOf reads the address of a peer; it is not valid for Unix sockets.
func peerOf(a *unix.RawSockaddrAny) netip.AddrPort {
	port := func(p *uint16) uint16 {
		b := (*[2]byte)(unsafe.Pointer(p)) // in network order
		return uint16(b[0])<<8 | uint16(b[1])
	}
	switch a.Addr.Family {
	case unix.AF_INET:
		in := (*unix.RawSockaddrInet4)(unsafe.Pointer(a))
		return netip.AddrPortFrom(netip.AddrFrom4(in.Addr), port(&in.Port))
	case unix.AF_INET6:
		in := (*unix.RawSockaddrInet6)(unsafe.Pointer(a))
		addr := netip.AddrFrom16(in.Addr).Unmap()
		if in.Scope_id != 0 && addr.Is6() {
			addr = addr.WithZone(zoneName(int(in.Scope_id)))
		}
		return netip.AddrPortFrom(addr, port(&in.Port))
	}
	return netip.AddrPort{}
}

// zoneName is the name of an interface, or its number if it has none.
func zoneName(index int) string {
	if found, err := net.InterfaceByIndex(index); err == nil {
		return found.Name
	}
	return strconv.Itoa(index)
}

// socket is a connection that a Listener accepted.
type socket struct {
	file   *os.File
	remote netip.AddrPort
}

// Read, Write, Close and the deadlines are those of the file, which waits in
// Go's poller as connections of package net do.
func (s *socket) Read(p []byte) (int, error) {
	n, err := s.file.Read(p)
	return n, s.netError("read", err)
}
func (s *socket) Write(p []byte) (int, error) {
	n, err := s.file.Write(p)
	return n, s.netError("write", err)
}
func (s *socket) Close() error                          { return s.file.Close() }
func (s *socket) SetDeadline(t time.Time) error         { return s.file.SetDeadline(t) }
func (s *socket) SetReadDeadline(t time.Time) error     { return s.file.SetReadDeadline(t) }
func (s *socket) SetWriteDeadline(t time.Time) error    { return s.file.SetWriteDeadline(t) }
func (s *socket) SyscallConn() (syscall.RawConn, error) { return s.file.SyscallConn() }

// netError makes a net.Error of a file's error, as users of a net.Conn expect: net/http takes any other one for a client that left.
func (s *socket) netError(op string, err error) error {
	if err == nil || err == io.EOF { //nolint:errorlint // io.EOF is never wrapped
		return err
	}
	return &net.OpError{Op: op, Net: "tcp", Addr: s.RemoteAddr(), Err: err}
}

// RemoteAddr returns the peer's address.
func (s *socket) RemoteAddr() net.Addr { return addrOf(s.remote) }

// LocalAddr asks the kernel for our address.
func (s *socket) LocalAddr() net.Addr { return addrOf(s.localAddr()) }

func (s *socket) localAddr() (local netip.AddrPort) {
	_ = s.control(func(fd int) error {
		at, err := unix.Getsockname(fd)
		switch a := at.(type) {
		case *unix.SockaddrInet4:
			local = netip.AddrPortFrom(netip.AddrFrom4(a.Addr), uint16(a.Port))
		case *unix.SockaddrInet6:
			local = netip.AddrPortFrom(netip.AddrFrom16(a.Addr).Unmap(), uint16(a.Port))
		}
		return err
	})
	return local
}

func addrOf(a netip.AddrPort) net.Addr {
	if !a.IsValid() {
		return &net.UnixAddr{Net: "unix"}
	}
	return net.TCPAddrFromAddrPort(a)
}

// CloseWrite ends our side of the connection.
func (s *socket) CloseWrite() error {
	return s.control(func(fd int) error { return unix.Shutdown(fd, unix.SHUT_WR) })
}

// SetLinger makes Close reset the connection if seconds is 0.
func (s *socket) SetLinger(seconds int) error {
	return s.control(func(fd int) error {
		return unix.SetsockoptLinger(fd, unix.SOL_SOCKET, unix.SO_LINGER, &unix.Linger{Onoff: 1, Linger: int32(seconds)})
	})
}

func (s *socket) control(f func(fd int) error) error {
	raw, err := s.SyscallConn()
	if err != nil {
		return err
	}
	var failed error
	if err := raw.Control(func(fd uintptr) { failed = f(int(fd)) }); err != nil {
		return err
	}
	return failed
}

var (
	_ net.Conn     = (*socket)(nil)
	_ net.Listener = (*Listener)(nil)
	_ syscall.Conn = (*socket)(nil)
)
