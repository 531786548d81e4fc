package http1

import (
	"errors"
	"io"
	"net"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

const (
	// sealBytes is how much plaintext is turned into records before they are sent with one system call: seven full records, which with
	// their overhead fill one pooled buffer.
	sealBytes = 7 << 14
	// sealOverhead is what TLS adds to a record at most.
	sealOverhead = 64
	// heldMost bounds what waits for the socket: a piece, and what TLS itself has to say meanwhile (RFC 8446 4.6.3, 6).
	heldMost = sealBytes + 64<<10
	// tryMost is how much of an answer is encrypted by whoever gives it, without a goroutine of its own.
	tryMost = 2 * sealBytes
)

var errHeld = errors.New("http1: the peer makes us talk and does not listen")

// underlay is the socket below a tls.Conn. Once it gathers, Write never waits: records are kept until the connection pushes them out, so
// that head and body, or many records, go with one system call, and an answer can be given without blocking.
type underlay struct {
	net.Conn                 // the socket
	raw      syscall.RawConn // nil if it is no socket of ours
	early    []byte          // read before the handshake began
	pool     *bufferPool

	// Owned by the reader.
	dst     []byte
	readN   int
	readErr error
	readFn  func(uintptr) bool

	mu      sync.Mutex // guards the rest
	gathers bool
	held    *buffer // holds what is to be written, nil if nothing is
	from    int     // held.b[from:to] is
	to      int
	taken   int // by the socket, since push began
	sendErr error

	tryFn, waitFn func(uintptr) bool
}

func newUnderlay(nc net.Conn, raw syscall.RawConn, early []byte, pool *bufferPool) *underlay {
	u := &underlay{Conn: nc, raw: raw, early: early, pool: pool}
	u.readFn, u.waitFn = u.readReady, u.pushReady
	u.tryFn = func(fd uintptr) bool { u.pushReady(fd); return true }
	return u
}

// Read reads from the socket. An interrupted read is os.ErrDeadlineExceeded itself: a tls.Conn survives only what calls itself temporary.
func (u *underlay) Read(p []byte) (int, error) {
	if len(u.early) > 0 {
		n := copy(p, u.early)
		if u.early = u.early[n:]; len(u.early) == 0 {
			u.early = nil
		}
		return n, nil
	}
	if u.raw == nil {
		return u.Conn.Read(p)
	}
	if len(p) == 0 {
		return 0, nil
	}
	u.dst, u.readN, u.readErr = p, 0, nil
	err := u.raw.Read(u.readFn)
	u.dst = nil
	if err != nil {
		return 0, err
	}
	return u.readN, u.readErr
}

func (u *underlay) readReady(fd uintptr) bool {
	n, err := readFD(fd, u.dst)
	switch {
	case errors.Is(err, unix.EAGAIN):
		return false
	case err != nil:
		u.readErr = err
	case n == 0:
		u.readErr = io.EOF
	default:
		u.readN = n
	}
	return true
}

// gather makes Write keep what it is given from now on.
func (u *underlay) gather() {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.gathers = true
}

// SetWriteDeadline is what a tls.Conn calls around its farewell, which does not wait here.
func (u *underlay) SetWriteDeadline(t time.Time) error {
	u.mu.Lock()
	defer u.mu.Unlock()
	if u.gathers {
		return nil
	}
	return u.Conn.SetWriteDeadline(t)
}

// Write is what the tls.Conn calls.
func (u *underlay) Write(p []byte) (int, error) {
	u.mu.Lock()
	defer u.mu.Unlock()
	if !u.gathers {
		return u.Conn.Write(p)
	}
	if u.to-u.from+len(p) > heldMost {
		return 0, errHeld
	}
	u.need(len(p))
	u.to += copy(u.held.b[u.to:], p)
	return len(p), nil
}

// expect makes room for the records of n bytes of plaintext.
func (u *underlay) expect(n int) {
	u.mu.Lock()
	defer u.mu.Unlock()
	if u.gathers {
		u.need(n + (n>>14+1)*sealOverhead)
	}
}

// need makes room for n bytes more. The caller holds mu.
func (u *underlay) need(n int) {
	switch {
	case u.held == nil:
		u.held, u.from, u.to = u.pool.get(n), 0, 0
	case len(u.held.b)-u.to < n:
		old := u.held
		u.held = u.pool.get(u.to - u.from + n)
		u.to = copy(u.held.b, old.b[u.from:u.to])
		u.from = 0
		u.pool.put(old)
	}
}

// push offers the socket what is held, and reports whether it took all and how much that was. With wait it returns only when something
// was taken. One goroutine pushes at a time: the one that answers, or who closes the connection.
func (u *underlay) push(wait bool) (n int, all bool, err error) {
	f := u.tryFn
	if wait {
		f = u.waitFn
	}
	if !u.holds() {
		return 0, true, nil
	}
	err = u.raw.Write(f)
	u.mu.Lock()
	defer u.mu.Unlock()
	n, u.taken = u.taken, 0
	if err == nil {
		err, u.sendErr = u.sendErr, nil
	}
	if u.held != nil && (u.from == u.to || err != nil) {
		u.pool.put(u.held)
		u.held, u.from, u.to = nil, 0, 0
	}
	return n, u.held == nil, err
}

// pushReady writes what the socket takes, and reports false when that was nothing.
func (u *underlay) pushReady(fd uintptr) bool {
	u.mu.Lock()
	defer u.mu.Unlock()
	for u.from < u.to {
		n, err := writeFD(fd, u.held.b[u.from:u.to], false)
		switch {
		case errors.Is(err, unix.EINTR):
		case errors.Is(err, unix.EAGAIN):
			return u.taken > 0
		case err != nil:
			u.sendErr = err
			return true
		default:
			u.from += n
			u.taken += n
		}
	}
	return true
}

// holds reports whether something waits for the socket.
func (u *underlay) holds() bool {
	u.mu.Lock()
	defer u.mu.Unlock()
	return u.held != nil
}

// Close sends what TLS has said last, as far as that goes at once, and closes the socket.
func (u *underlay) Close() error {
	if u.raw != nil {
		_, _, _ = u.push(false) // nobody is left to be told
	}
	return u.Conn.Close()
}

// closeWrite ends our side of the socket, behind what TLS has said last.
func (u *underlay) closeWrite() error {
	_, all, err := u.push(false)
	if half, ok := u.Conn.(interface{ CloseWrite() error }); ok && all && err == nil {
		return half.CloseWrite()
	}
	return err
}
