package server

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"sync"
	"syscall"
	"time"

	"github.com/gounicorn/gounicorn/server/http1"
	"golang.org/x/sys/unix"
)

// handshakeWait is for handshakes that were under way when a port was closed to new ones.
const handshakeWait = 50 * time.Millisecond

// Listener is a listening socket that can pause, end without a reset for anybody in its queue, and be handed to another process. Its
// methods may be called concurrently.
type Listener struct {
	net.Listener
	raw    syscall.RawConn
	opened bool // by Listen, not by who started us
	path   string
	file   unix.Stat_t // what path was when we listened

	mu       sync.Mutex    // guards the rest
	resumed  chan struct{} // closed by Resume, Drain and Close; nil: not suspended
	turn     chan struct{} // closed by the next round of Accept; nil: nobody waits for one
	draining bool
	shared   bool          // with another process, which has the queue from now on
	waited   bool          // for handshakes
	drained  chan struct{} // closed when the queue was found empty
	ended    bool
	closed   bool
}

func newListener(ln net.Listener, opened bool) (*Listener, error) {
	c, ok := ln.(syscall.Conn)
	if !ok {
		return nil, fmt.Errorf("a %T is no socket", ln)
	}
	raw, err := c.SyscallConn()
	if err != nil {
		return nil, fmt.Errorf("listener: %w", err)
	}
	sockets, err := http1.NewListener(ln)
	if err != nil {
		return nil, err
	}
	l := &Listener{Listener: sockets, raw: raw, opened: opened, drained: make(chan struct{})}
	if a, ok := ln.Addr().(*net.UnixAddr); ok && a.Name != "" && a.Name[0] != '@' && unix.Lstat(a.Name, &l.file) == nil {
		l.path = a.Name
	}
	return l, nil
}

// Opened reports whether Listen made the socket, rather than found it as a descriptor.
func (l *Listener) Opened() bool { return l.opened }

// Accept implements net.Listener. While the listener is suspended it waits.
func (l *Listener) Accept() (net.Conn, error) {
	for {
		nc, err := l.Listener.Accept()
		if err == nil || !errors.Is(err, os.ErrDeadlineExceeded) {
			return nc, err
		}
		l.mu.Lock()
		resumed, draining, shared := l.resumed, l.draining, l.shared
		l.turned()
		l.mu.Unlock()
		switch {
		case draining && shared:
			l.empty()
			return nil, net.ErrClosed
		case draining:
			return l.acceptQueued()
		case resumed != nil:
			<-resumed
		}
	}
}

// acceptQueued takes a connection from the queue of a listener that is drained; net.ErrClosed is the end of the queue.
func (l *Listener) acceptQueued() (net.Conn, error) {
	for {
		var nfd int
		err := l.control(func(fd int) (err error) {
			nfd, _, err = unix.Accept4(fd, unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK)
			return err
		})
		switch {
		case err == nil:
			f := os.NewFile(uintptr(nfd), "connection")
			nc, err := net.FileConn(f)
			_ = f.Close()
			if err != nil {
				return nil, fmt.Errorf("accept: %w", err)
			}
			return nc, nil
		case errors.Is(err, unix.EINTR), errors.Is(err, unix.ECONNABORTED):
			continue
		case errors.Is(err, unix.EAGAIN) && l.path == "" && !l.waited: // only the accepting goroutine is here
			l.waited = true
			time.Sleep(handshakeWait)
			continue
		case errors.Is(err, unix.EAGAIN):
			l.empty()
			return nil, net.ErrClosed
		}
		return nil, err
	}
}

// empty notes that nothing more will be accepted.
func (l *Listener) empty() {
	l.mu.Lock()
	defer l.mu.Unlock()
	if !l.ended {
		l.ended = true
		close(l.drained)
	}
}

// Suspend stops accepting. Clients go on to connect, and wait in the queue of the socket, which another process may serve.
func (l *Listener) Suspend() {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.resumed == nil && !l.draining {
		l.resumed = make(chan struct{})
		l.interrupt(true)
	}
}

// Resume ends Suspend.
func (l *Listener) Resume() {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.resumed != nil {
		l.interrupt(false)
		close(l.resumed)
		l.resumed = nil
		l.turned()
	}
}

// interrupt makes Accept of the socket return, or lets it wait again.
func (l *Listener) interrupt(now bool) {
	var t time.Time
	if now {
		t = time.Unix(1, 0)
	}
	if d, ok := l.Listener.(interface{ SetDeadline(time.Time) error }); ok {
		_ = d.SetDeadline(t) // fails when it is closed, which ends Accept too
	}
}

// Turns reports whether the goroutine that accepts comes round before ctx ends, without a connection. One that is suspended, drained or
// closed need not.
func (l *Listener) Turns(ctx context.Context) bool {
	l.mu.Lock()
	if l.resumed != nil || l.draining || l.closed {
		l.mu.Unlock()
		return true
	}
	if l.turn == nil {
		l.turn = make(chan struct{})
		l.interrupt(true)
	}
	turn := l.turn
	l.mu.Unlock()
	select {
	case <-turn:
		return true
	case <-ctx.Done():
		return false
	}
}

// turned is the round that Turns waits for. The caller holds mu.
func (l *Listener) turned() {
	if l.turn == nil {
		return
	}
	close(l.turn)
	l.turn = nil
	if l.resumed == nil && !l.draining {
		l.interrupt(false)
	}
}

// Drain ends the listener without a reset for clients that the kernel has accepted: it keeps new ones out (those that begin to connect
// try again after a second, and find the port closed or a successor), has the rest accepted by whoever calls Accept, and closes the
// socket. The queue of a socket that another process shares is left to that one. When ctx is done the socket is closed in any case.
func (l *Listener) Drain(ctx context.Context, shared bool) {
	if !shared {
		_ = l.control(refuseNew) // at worst somebody connects between the last look and the end
	}
	l.mu.Lock()
	l.draining, l.shared = true, shared
	l.interrupt(true)
	if l.resumed != nil {
		close(l.resumed)
		l.resumed = nil
	}
	l.mu.Unlock()
	select {
	case <-l.drained:
	case <-ctx.Done():
	}
	_ = l.Close()
}

// refuseNew makes the kernel overlook those who begin to connect to a TCP port: with a filter that drops what has SYN set, in byte 13
// of the TCP header. Handshakes that have begun go on.
func refuseNew(fd int) error {
	if domain, err := unix.GetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_DOMAIN); err != nil || domain == unix.AF_UNIX {
		return err
	}
	program := []unix.SockFilter{
		{Code: unix.BPF_LD | unix.BPF_B | unix.BPF_ABS, K: 13},
		{Code: unix.BPF_JMP | unix.BPF_JSET | unix.BPF_K, Jt: 1, K: 0x02},
		{Code: unix.BPF_RET | unix.BPF_K, K: 0xffffffff},
		{Code: unix.BPF_RET | unix.BPF_K, K: 0},
	}
	return unix.SetsockoptSockFprog(fd, unix.SOL_SOCKET, unix.SO_ATTACH_FILTER, &unix.SockFprog{Len: uint16(len(program)), Filter: &program[0]})
}

// Close closes our descriptor of the socket. The file of a unix socket stays; see Remove.
func (l *Listener) Close() error {
	l.mu.Lock()
	if l.resumed != nil {
		close(l.resumed)
		l.resumed = nil
	}
	l.closed = true
	l.mu.Unlock()
	return l.Listener.Close()
}

// FD is the number of the descriptor, -1 when the listener is closed.
func (l *Listener) FD() int {
	number := -1
	_ = l.control(func(fd int) error { number = fd; return nil })
	return number
}

// Remove removes the file of a unix socket, unless somebody else has put another one in its place.
func (l *Listener) Remove() error {
	if l.path == "" {
		return nil
	}
	var now unix.Stat_t
	if unix.Lstat(l.path, &now) != nil || now.Dev != l.file.Dev || now.Ino != l.file.Ino {
		return nil
	}
	return os.Remove(l.path)
}

// Duplicate returns another descriptor of the socket, which the caller closes. It does not touch the state that both share, as
// os.File.Fd does, and is closed in programs that are started.
func (l *Listener) Duplicate() (fd int, err error) {
	err = l.control(func(own int) error {
		fd, err = unix.FcntlInt(uintptr(own), unix.F_DUPFD_CLOEXEC, 0)
		return err
	})
	return fd, err
}

func (l *Listener) control(f func(fd int) error) error {
	var failed error
	if err := l.raw.Control(func(fd uintptr) { failed = f(int(fd)) }); err != nil {
		return err
	}
	return failed
}
