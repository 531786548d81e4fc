package http1

import (
	"container/list"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"net/netip"
	"runtime/debug"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/gounicorn/gounicorn/server/exchange"
)

// Phases of the reading side of a connection. phaseClosed is final: whoever
// moves a connection there closes it.
const (
	phaseIdle   int32 = iota // waiting for the first byte of a request
	phaseHead                // a head has begun
	phaseHandle              // nothing is awaited from the client
	phaseBody                // waiting for bytes of a body
	phaseLinger              // discarding what the client still sends
	phaseShake               // the handshake of TLS
	phaseGuest               // TLS.Next has it, and nothing runs on it
	phaseClosed
)

// What the reading goroutine reads for.
const (
	readingHead uint8 = iota // a head, from its first byte on
	readingBody              // a body, called from the handler
	readingNone              // nothing yet: the exchange is outstanding
	readingAway              // what the client still sends before the connection closes
)

// errWoken means that a wait for bytes was interrupted: look at the state.
var errWoken = errors.New("http1: reader woken")

// past is a deadline that has gone by, which interrupts a read.
var past = time.Unix(1, 0)

// Conn is one client connection, see exchange.Conn. Its exported methods are
// safe for concurrent use.
type Conn struct {
	srv        *Server
	terms      *terms // those of the server when it was accepted
	nc         net.Conn
	raw        syscall.RawConn // nil if nc is not a socket
	shake      *TLS            // how it begins; nil: without TLS
	under      *underlay       // the socket below nc, when that is a tls.Conn of ours
	remote     netip.AddrPort  // the client's, if a PROXY header named one
	peer       netip.AddrPort
	proxy      exchange.ProxyHeader
	listener   net.Addr
	born       int64 // on the server's clock
	tls        *tls.ConnectionState
	counted    bool  // by the Gate
	next, prev *Conn // list of the server, guarded by its mutex
	evicted    bool  // to make room; likewise

	// Shared with the sweeper, which compares them with the limits.
	phase     atomic.Int32
	since     atomic.Int64 // when the phase began, on the server's clock
	sending   atomic.Int64 // when the current piece was begun, 0 if none
	bodySince atomic.Int64 // when the body began
	bodyBytes atomic.Int64 // how much of it has arrived
	timedOut  atomic.Bool
	begun     atomic.Bool // a request has been read

	roomTaken atomic.Bool   // something is counted by Config.Room
	roomHeld  int64         // that much; guarded by its mutex
	roomPlace *list.Element // likewise

	// mu guards the fields of this block, and also buf, r and w while parked
	// is set. It is a leaf: nothing is called with it held but the pool.
	mu          sync.Mutex
	over        sync.Cond // signalled when outstanding becomes false
	outstanding bool      // an exchange has not ended
	parked      bool      // the reader waits in watch and holds no slice of buf
	waiting     bool      // the reader waits for over
	closing     bool      // no further request is served
	eof         bool      // the client has ended its side

	// Owned by the reading goroutine.
	buf      *buffer
	r, w     int     // unread bytes are buf.b[r:w]
	base     int     // bytes before it belong to the current head
	headBuf  *buffer // holds the current head if it did not stay in buf
	mode     uint8   // what is read for
	broken   bool    // reading failed
	dirty    bool    // the last answer was given without reading everything
	requests int
	head     head
	readDst  []byte
	readN    int
	readErr  error
	readFn   func(uintptr) bool
	probe    [1]byte

	// Owned by whoever holds x.wmu.
	writeA, writeB []byte
	writeN         int
	writeErr       error
	writeFn        func(uintptr) bool
	writeFile      *exchange.File
	fileN          int64
	fileFn         func(uintptr) bool

	x        Exchange
	userData any // the handler's
}

// RemoteAddr returns the client's address: the one that a PROXY header named,
// or else the peer's. It is not valid for Unix sockets without such a header.
func (c *Conn) RemoteAddr() netip.AddrPort { return c.remote }

// PeerAddr returns the address of the other end of the connection; it is not
// valid for Unix sockets.
func (c *Conn) PeerAddr() netip.AddrPort { return c.peer }

// Proxy returns the PROXY header that the connection began with; its Protocol
// is empty if there was none.
func (c *Conn) Proxy() *exchange.ProxyHeader { return &c.proxy }

// LocalAddr returns our address; it is not valid for Unix sockets.
func (c *Conn) LocalAddr() netip.AddrPort {
	nc := c.nc
	if c.under != nil {
		nc = c.under.Conn
	}
	if s, ok := nc.(*socket); ok {
		return s.localAddr()
	}
	return addrPort(nc.LocalAddr())
}

// Listener returns the address of the listener that accepted the connection,
// which may name no host; nil after ServeConn.
func (c *Conn) Listener() net.Addr { return c.listener }

// UserData returns what the handler keeps in Exchange.UserData. It is for
// functions of the Config that run on the connection's goroutine.
func (c *Conn) UserData() any { return c.userData }

// TLS returns what the handshake agreed on, nil without TLS.
func (c *Conn) TLS() *tls.ConnectionState { return c.tls }

// NetConn returns the connection as it was accepted. It must not be read,
// written or closed by the caller.
func (c *Conn) NetConn() net.Conn { return c.nc }

func newConn(s *Server, nc net.Conn, listener net.Addr) *Conn {
	c := &Conn{srv: s, terms: s.terms.Load(), nc: nc, listener: listener}
	c.over.L = &c.mu
	c.head.conn = c
	if s, ok := nc.(*socket); ok {
		c.peer = s.remote
	} else {
		c.peer = addrPort(nc.RemoteAddr())
	}
	c.remote = c.peer
	switch nc.(type) {
	case *net.TCPConn, *net.UnixConn, *socket:
		if raw, err := nc.(syscall.Conn).SyscallConn(); err == nil {
			c.raw = raw
			c.readFn, c.writeFn, c.fileFn = c.readReady, c.writeReady, c.fileReady
		}
	}
	if t, ok := nc.(interface{ ConnectionState() tls.ConnectionState }); ok {
		state := t.ConnectionState()
		c.tls = &state
	}
	c.born = s.clock.Load()
	c.since.Store(c.born)
	return c
}

func addrPort(a net.Addr) netip.AddrPort {
	if t, ok := a.(*net.TCPAddr); ok {
		ap := t.AddrPort()
		return netip.AddrPortFrom(ap.Addr().Unmap(), ap.Port())
	}
	return netip.AddrPort{}
}

// enter moves the reading side to a phase, unless the connection was closed.
func (c *Conn) enter(p int32) bool {
	c.since.Store(c.srv.clock.Load())
	for {
		old := c.phase.Load()
		if old == phaseClosed {
			return false
		}
		if c.phase.CompareAndSwap(old, p) {
			return true
		}
	}
}

// serve is the reading goroutine.
func (c *Conn) serve() {
	defer c.srv.forget(c)
	defer func() {
		if v := recover(); v != nil {
			c.srv.panicked(c, v, debug.Stack())
			c.kill()
			c.awaitOver()
			c.releaseBuffers()
		}
	}()
	if c.readProxy() && c.secure() {
		for c.serveRequest() {
		}
	}
	c.tearDown()
}

// serveRequest reads one request and sees it through to its end. It returns
// false if no other one is to be read.
func (c *Conn) serveRequest() bool {
	n, cause, ok := c.readHead()
	if !ok {
		return false
	}
	x := &c.x
	x.begin(c)
	var f framing
	if cause == CauseNone {
		f, cause = c.head.frame(c.buf.b[c.r:c.r+n], &c.terms.rules)
	}
	if cause != CauseNone {
		x.loadRefused(&c.head, c.buf.b[c.r:c.w])
		c.refuse(cause.Verdict())
		return false
	}
	c.requests++
	if c.requests == 1 {
		c.begun.Store(true)
	}
	x.load(&c.head, c.buf.b[c.r:c.r+n], f)
	c.r += n
	c.base = c.r
	c.mu.Lock()
	c.outstanding, c.parked = true, false
	c.mu.Unlock()
	if !c.enter(phaseHandle) {
		x.abortUnclaimed(net.ErrClosed)
		return false
	}
	if x.asterisk {
		x.answerOptions()
	} else {
		c.callHandler()
	}
	c.afterHandler()
	c.watch()
	c.mu.Lock()
	defer c.mu.Unlock()
	c.releaseHead()
	c.giveHead()
	c.base = 0
	return !c.closing && !c.broken && (!c.eof || c.r < c.w)
}

// callHandler runs the handler and turns a panic into an answer (row 62).
func (c *Conn) callHandler() {
	defer func() {
		if v := recover(); v != nil {
			c.srv.panicked(c, v, debug.Stack())
			c.x.wantClose.Store(true)
			if c.x.claim() {
				c.x.sendPage(500, 0)
				return
			}
			if c.x.state.Load() == stateBuilding {
				c.x.Abort()
			}
		}
	}()
	c.terms.Handler.ServeHTTP1(&c.x)
}

// mayServeMore reports whether MaxKeepAliveRequests and MaxKeepAliveTime allow
// another request.
func (c *Conn) mayServeMore() bool {
	limit, age := c.terms.MaxKeepAliveRequests, c.terms.MaxKeepAliveTime
	return (limit <= 0 || c.requests < limit) && (age <= 0 || c.srv.clock.Load()-c.born < int64(age))
}

// refuse answers a verdict on the connection's goroutine. Nothing is parsed
// afterwards.
func (c *Conn) refuse(v Verdict) {
	if c.terms.OnError != nil {
		c.terms.OnError(c, v)
	}
	c.mu.Lock()
	c.outstanding, c.closing, c.parked = true, true, false
	c.mu.Unlock()
	c.dirty = true
	if !c.enter(phaseHandle) {
		c.x.abortUnclaimed(net.ErrClosed)
		return
	}
	c.x.wantClose.Store(true)
	if c.x.claim() {
		c.x.sendVerdict(v)
	}
	c.awaitOver()
}

// readHead collects one head. ok is false if the connection is to be closed
// without an answer.
func (c *Conn) readHead() (n int, cause Cause, ok bool) {
	c.head.reset()
	c.mode = readingHead
	c.timedOut.Store(false)
	if c.r == c.w && !c.enter(phaseIdle) {
		return 0, CauseNone, false
	}
	for begun := false; ; {
		if c.r < c.w {
			if !begun {
				begun = true
				if !c.enter(phaseHead) {
					return 0, CauseNone, false
				}
			}
			n, cause = c.head.feed(c.buf.b[c.r:c.w], &c.terms.rules)
			if cause == CauseNone && (len(c.buf.b) > smallBuffer || len(c.head.fields) > keptFields) && !c.holdHead() {
				cause = CauseRoom
			}
			if n > 0 || cause != CauseNone {
				return n, cause, true
			}
		}
		if c.eof {
			return 0, CauseIncompleteHead, c.head.stage != stageBegin
		}
		_, err := c.fill(nil)
		switch {
		case errors.Is(err, errWoken):
			if c.timedOut.Load() {
				return 0, CauseHeadTimeout, begun
			}
		case errors.Is(err, io.EOF):
			c.mu.Lock()
			c.eof = true
			c.mu.Unlock()
		case err != nil:
			return 0, CauseNone, false
		}
	}
}

// watch reads on until the exchange is over, to notice that the client left.
// Bytes of later requests stay in the buffer.
func (c *Conn) watch() {
	c.mode = readingNone
	for {
		c.mu.Lock()
		full := c.buf != nil && c.w == len(c.buf.b)
		if full || c.broken || c.closing || c.eof && c.raw == nil {
			c.mu.Unlock()
			c.awaitOver()
			return
		}
		over := !c.outstanding
		c.mu.Unlock()
		if over {
			return
		}
		_, err := c.fill(nil)
		c.mu.Lock()
		c.parked = false
		over = !c.outstanding
		c.mu.Unlock()
		switch {
		case errors.Is(err, errWoken):
		case errors.Is(err, io.EOF):
			c.mu.Lock()
			c.eof = true
			c.mu.Unlock()
			if !over {
				c.x.left(exchange.HalfClosed)
			}
		case err != nil:
			c.broken = true
			if !over {
				c.x.left(exchange.Reset)
			}
		}
		if over {
			return
		}
	}
}

// awaitOver waits until no exchange is outstanding, without reading.
func (c *Conn) awaitOver() {
	c.mu.Lock()
	c.waiting = true
	for c.outstanding {
		c.over.Wait()
	}
	c.waiting = false
	c.mu.Unlock()
}

// exchangeOver is called once per exchange, by whoever ended it, after which
// the caller must not touch the exchange again.
func (c *Conn) exchangeOver(closing bool) {
	c.mu.Lock()
	c.outstanding = false
	c.closing = c.closing || closing
	wake := false
	switch {
	case c.waiting:
		c.over.Signal()
	case c.parked:
		wake = c.closing || c.eof || c.r < c.w
		if !wake {
			c.rest()
		}
	}
	c.mu.Unlock()
	if wake {
		c.wake()
	}
}

// rest makes the connection idle and gives its buffers back. The caller holds
// mu, nothing is unread, and the handler has returned.
func (c *Conn) rest() {
	c.releaseBuffers()
	if c.phase.Load() != phaseShake { // in which a PROXY header is still to come
		c.enter(phaseIdle)
	}
}

// releaseBuffers gives all read buffers back.
func (c *Conn) releaseBuffers() {
	c.releaseHead()
	c.giveHead()
	if c.buf != nil {
		c.srv.pool.put(c.buf)
		c.buf = nil
	}
	c.r, c.w, c.base = 0, 0, 0
	if cap(c.head.fields) > keptFields {
		c.head.fields, c.x.fields, c.x.req.Fields = nil, nil, nil
	}
	if cap(c.x.path) > smallBuffer {
		c.x.path = nil
	}
}

// keptFields is the number of fields for which a resting connection keeps
// memory.
const keptFields = 128

func (c *Conn) releaseHead() {
	if c.headBuf != nil {
		c.srv.pool.put(c.headBuf)
		c.headBuf = nil
	}
}

// wake interrupts the reader's wait for bytes.
func (c *Conn) wake() {
	// An error means that the connection is closed, which wakes as well.
	_ = c.nc.SetReadDeadline(past)
}

// kill closes the connection at once, with RST where the peer must not take
// what it got for complete.
func (c *Conn) kill() {
	if c.phase.Swap(phaseClosed) == phaseClosed {
		return
	}
	c.mu.Lock()
	nc, raw := c.nc, c.raw != nil
	if c.under != nil {
		nc, raw = c.under.Conn, true
	}
	c.mu.Unlock()
	if t, ok := nc.(interface{ SetLinger(seconds int) error }); ok {
		_ = t.SetLinger(0) // the connection may be gone already
	}
	c.closeNow(nc, raw)
}

// closeNow closes the connection without waiting. TLS that is not ours may wait
// to send its farewell, and the caller may hold the lock of the server.
func (c *Conn) closeNow(nc net.Conn, ours bool) {
	if ours {
		_ = nc.Close() // nothing is left to be lost
		return
	}
	c.srv.tasks.Add(1)
	go func() {
		defer c.srv.tasks.Done()
		_ = nc.Close()
	}()
}
