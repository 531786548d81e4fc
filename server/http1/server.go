package http1

import (
	"context"
	"errors"
	"net"
	"runtime"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"
)

// ErrServerClosed is returned by Serve after Shutdown or Close.
var ErrServerClosed = errors.New("http1: server closed")

// Server serves HTTP/1 on any number of listeners. All methods are safe for
// concurrent use.
type Server struct {
	terms atomic.Pointer[terms]
	pool  bufferPool

	start    time.Time
	slack    atomic.Int64           // ns between two sweeps
	clock    atomic.Int64           // ns since start, advanced by the sweeper
	date     atomic.Pointer[string] // value of Date
	draining atomic.Bool
	recent   atomic.Int64   // see AwaitRecent
	tasks    sync.WaitGroup // goroutines of connections and answers
	stop     chan struct{}  // ends the sweeper

	mu        sync.Mutex // guards the rest
	conns     *Conn      // list
	count     int
	shakes    shakes
	room      *sync.Cond // signalled when count falls, and at the end
	listeners map[net.Listener]struct{}
	closed    bool
	sweeping  bool
	sweeper   sync.WaitGroup
}

// New returns a Server. It starts nothing.
func New(c Config) *Server {
	s := &Server{
		start:     time.Now(),
		stop:      make(chan struct{}),
		listeners: make(map[net.Listener]struct{}),
	}
	s.room = sync.NewCond(&s.mu)
	s.Reconfigure(c)
	s.tick()
	return s
}

// Reconfigure gives another Config to the connections that are accepted from
// now on; those that are open keep theirs.
func (s *Server) Reconfigure(c Config) {
	t := newTerms(c)
	s.terms.Store(t)
	s.slack.Store(int64(t.timing.tickLength()))
}

// Serve accepts connections from ln until Shutdown or Close, which close ln,
// or until accepting fails for good. It may be called for several listeners.
func (s *Server) Serve(ln net.Listener) error {
	return s.serve(ln, func(nc net.Conn) *Conn { return newConn(s, nc, ln.Addr()) })
}

// serve serves the connections of ln, each as begin makes it.
func (s *Server) serve(ln net.Listener, begin func(net.Conn) *Conn) error {
	if !s.adopt(ln) {
		_ = ln.Close() // the server has ended already, which is the error to report
		return ErrServerClosed
	}
	defer s.disown(ln)
	var pause acceptPause
	for {
		nc, err := ln.Accept()
		if err == nil {
			pause.reset()
			c := begin(nc)
			if !c.enterGate() {
				continue
			}
			if !s.awaitRoom() {
				c.turnAway()
				return ErrServerClosed
			}
			s.take(c)
			continue
		}
		switch {
		case s.ended():
			return ErrServerClosed
		case errors.Is(err, unix.ECONNABORTED), errors.Is(err, unix.EINTR), errors.Is(err, unix.EPROTO):
			continue
		case exhausted(err):
			pause.wait(s, err)
			continue
		}
		return err
	}
}

// ServeConn serves one connection that was accepted elsewhere, for example
// behind TLS when the handshake is done, and closes it. listener is what
// Conn.Listener returns. It returns at once.
func (s *Server) ServeConn(nc net.Conn, listener net.Addr) {
	if c := newConn(s, nc, listener); c.enterGate() {
		s.take(c)
	}
}

// enterGate asks the Gate, before a connection is served, and closes one that
// is not let in.
func (c *Conn) enterGate() bool {
	g := c.terms.Gate
	if g == nil {
		return true
	}
	counted, ok := g.Enter(c.peer.Addr())
	c.counted = counted
	if !ok {
		_ = c.nc.Close() // nobody was promised an answer
	}
	return ok
}

// leaveGate is the end of a connection that was let in.
func (c *Conn) leaveGate() {
	if c.counted {
		c.terms.Gate.Leave(c.peer.Addr())
	}
}

// turnAway ends a connection that was let in and never served.
func (c *Conn) turnAway() {
	c.leaveGate()
	_ = c.nc.Close() // nobody was promised an answer
}

// take serves a connection on a goroutine of its own.
func (s *Server) take(c *Conn) {
	if c.terms.OnConnect != nil {
		c.terms.OnConnect()
	}
	s.mu.Lock()
	if s.closed {
		s.mu.Unlock()
		c.turnAway()
		return
	}
	s.startSweeper()
	if s.conns != nil {
		s.conns.prev = c
	}
	c.next, s.conns = s.conns, c
	s.count++
	s.tasks.Add(1)
	s.mu.Unlock()
	go c.serve()
}

// forget is the end of a connection.
func (s *Server) forget(c *Conn) {
	s.mu.Lock()
	if c.prev != nil {
		c.prev.next = c.next
	} else {
		s.conns = c.next
	}
	if c.next != nil {
		c.next.prev = c.prev
	}
	c.next, c.prev = nil, nil
	s.count--
	s.room.Broadcast()
	s.mu.Unlock()
	c.leaveGate()
	s.tasks.Done()
}

// Connections returns the number of open connections.
func (s *Server) Connections() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.count
}

// Shutdown stops accepting, closes idle connections, lets running exchanges
// end with Connection: close, and waits for them until ctx is done. It may be
// followed by Close.
func (s *Server) Shutdown(ctx context.Context) error {
	s.draining.Store(true)
	s.closeListeners()
	s.sweep()
	done := make(chan struct{})
	go func() { // ends when the last connection does, at the latest after Close
		s.awaitTasks()
		close(done)
	}()
	select {
	case <-done:
		s.endSweeper()
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// AwaitRecent has a server that drains leave a connection open whose last
// answer is younger than d: its client may be about to send, and its next answer
// says that it is the last. Without it, who sends at the moment of the close gets
// no answer.
func (s *Server) AwaitRecent(d time.Duration) { s.recent.Store(int64(d)) }

// quiesceLook is how often Quiesce looks whether connections are left.
const quiesceLook = 20 * time.Millisecond

// Quiesce is Shutdown without the end: listeners stay open, and Resume undoes
// it. Whoever calls it sees to it that they accept nothing meanwhile.
func (s *Server) Quiesce(ctx context.Context) error {
	s.draining.Store(true)
	s.sweep()
	look := time.NewTicker(quiesceLook)
	defer look.Stop()
	for s.Connections() > 0 {
		select {
		case <-look.C:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	return nil
}

// Resume keeps connections open again.
func (s *Server) Resume() { s.draining.Store(false) }

// Close stops accepting, resets all connections and waits for their
// goroutines. It returns only after every outstanding exchange was ended by
// whoever holds it: the connection's reset is reported to SetGone.
func (s *Server) Close() error {
	s.draining.Store(true)
	s.closeListeners()
	s.mu.Lock()
	for c := s.conns; c != nil; c = c.next {
		c.kill()
	}
	s.mu.Unlock()
	s.awaitTasks()
	s.endSweeper()
	return nil
}

// awaitTasks waits for all goroutines but the sweeper.
func (s *Server) awaitTasks() {
	s.mu.Lock()
	for s.count > 0 {
		s.room.Wait()
	}
	s.mu.Unlock()
	s.tasks.Wait()
}

func (s *Server) adopt(ln net.Listener) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return false
	}
	s.startSweeper()
	s.listeners[ln] = struct{}{}
	return true
}

func (s *Server) disown(ln net.Listener) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.listeners, ln)
}

func (s *Server) closeListeners() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.closed = true
	for ln := range s.listeners {
		_ = ln.Close() // Serve reports that the server has ended
	}
	s.room.Broadcast()
}

func (s *Server) ended() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.closed
}

// awaitRoom makes room for one more connection when the server has
// MaxConnections: it closes the one that has been idle for longest (row 59). If
// there is none it waits; the sweeper has it look again.
func (s *Server) awaitRoom() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	for !s.closed && s.full() {
		s.closeLongestIdle()
		s.room.Wait()
	}
	return !s.closed
}

// Full reports whether MaxConnections are open, so that nothing is accepted
// for now.
func (s *Server) Full() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.full()
}

// full reports whether MaxConnections are open. The caller holds mu.
func (s *Server) full() bool {
	limit := s.terms.Load().MaxConnections
	return limit > 0 && s.count >= limit
}

// panicked reports a panic (row 62).
func (s *Server) panicked(c *Conn, v any, stack []byte) {
	if c.terms.OnPanic != nil {
		c.terms.OnPanic(c, v, stack)
	}
}

// exhausted reports whether accepting failed for lack of something that may
// come back (row 59).
func exhausted(err error) bool {
	for _, e := range []error{unix.EMFILE, unix.ENFILE, unix.ENOBUFS, unix.ENOMEM} {
		if errors.Is(err, e) {
			return true
		}
	}
	return false
}

// Bounds of the pause after a failed accept, and of its reports.
const (
	minAcceptPause  = 5 * time.Millisecond
	maxAcceptPause  = time.Second
	acceptLogPeriod = time.Minute
)

// acceptPause backs off while descriptors are exhausted.
type acceptPause struct {
	next   time.Duration
	logged time.Time
}

func (p *acceptPause) reset() { p.next = 0 }

// wait sheds idle connections, reports, and pauses.
func (p *acceptPause) wait(s *Server, err error) {
	report := s.terms.Load().OnAcceptError
	if now := time.Now(); report != nil && (p.logged.IsZero() || now.Sub(p.logged) >= acceptLogPeriod) {
		p.logged = now
		report(err)
	}
	if s.closeIdle() {
		runtime.Gosched() // their goroutines give the descriptors back
	}
	p.next = min(max(p.next*2, minAcceptPause), maxAcceptPause)
	timer := time.NewTimer(p.next)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-s.stop:
	}
}
