package http1

import (
	"time"

	"golang.org/x/sys/unix"
)

// maxTick is the longest time between two sweeps.
const maxTick = 250 * time.Millisecond

// Bounds of a lingering close (RFC 9112 9.6): the client gets this long, and
// may send this much, to read the last answer.
const (
	lingerTotal = 30 * time.Second
	lingerIdle  = 5 * time.Second
	lingerBytes = 64 << 20
)

// startSweeper starts the one goroutine that enforces all timeouts. The caller
// holds mu.
func (s *Server) startSweeper() {
	if s.sweeping {
		return
	}
	s.sweeping = true
	s.sweeper.Add(1)
	go s.runSweeper()
}

// endSweeper ends it; it may be called again.
func (s *Server) endSweeper() {
	s.mu.Lock()
	select {
	case <-s.stop:
	default:
		close(s.stop)
	}
	s.mu.Unlock()
	s.sweeper.Wait()
}

func (s *Server) runSweeper() {
	defer s.sweeper.Done()
	timer := time.NewTimer(time.Duration(s.slack.Load()))
	defer timer.Stop()
	for {
		select {
		case <-s.stop:
			return
		case <-timer.C:
			s.tick()
			s.sweep()
			timer.Reset(time.Duration(s.slack.Load()))
		}
	}
}

// tickLength is short enough for the shortest timeout.
func (t *timing) tickLength() time.Duration {
	d := maxTick
	for _, t := range []time.Duration{t.header, t.body, t.send, t.idle} {
		if t > 0 {
			d = min(d, t/4)
		}
	}
	return max(d, time.Millisecond)
}

// tick advances the clock and the date. The clock is monotonic; Date follows
// the wall (row 66).
func (s *Server) tick() {
	now := time.Now()
	s.clock.Store(int64(now.Sub(s.start)))
	date := now.UTC().Format("Mon, 02 Jan 2006 15:04:05 GMT")
	if old := s.date.Load(); old == nil || *old != date {
		s.date.Store(&date)
	}
}

// sweep looks at every connection once.
func (s *Server) sweep() {
	now := s.clock.Load()
	draining := s.draining.Load()
	s.mu.Lock()
	defer s.mu.Unlock()
	for c := s.conns; c != nil; c = c.next {
		s.judge(c, now, draining)
	}
	s.room.Broadcast() // a connection may have become idle
}

// judge compares one connection with the timeouts.
func (s *Server) judge(c *Conn, now int64, draining bool) {
	t := &c.terms.timing
	now -= s.slack.Load() // stamps may be as old as one tick
	if at := c.sending.Load(); at != 0 && t.send > 0 && now-at > int64(t.send) {
		c.kill()
		return
	}
	age := time.Duration(now - c.since.Load())
	switch c.phase.Load() {
	case phaseIdle:
		if draining && age >= time.Duration(c.srv.recent.Load()) && !c.expected(age) || t.idle > 0 && age > t.idle {
			c.closeIdle()
		}
	case phaseHead:
		if t.header > 0 && age > t.header {
			c.expire()
		}
	case phaseBody:
		if t.body > 0 && age > t.body || c.tooSlow(now) {
			c.expire()
		}
	case phaseShake:
		if age > c.shake.timeout() || draining && age > shakeGrace {
			c.kill()
		}
	case phaseLinger:
		if age > lingerIdle || draining {
			c.kill()
		}
	}
}

// shakeGrace is how long a handshake may take when the server drains.
const shakeGrace = 2 * time.Second

// freshGrace is how long a client that has just connected may take to begin its request when the server drains.
const freshGrace = 500 * time.Millisecond

// expected reports whether a server that drains should still wait for a request: one has arrived and is about to be read, or the
// connection is new.
func (c *Conn) expected(age time.Duration) bool {
	if !c.begun.Load() && age < freshGrace {
		return true
	}
	c.mu.Lock() // a handshake may just end
	raw := c.raw
	if c.under != nil {
		raw = c.under.raw
	}
	c.mu.Unlock()
	if raw == nil {
		return false
	}
	unread := 0
	_ = raw.Control(func(fd uintptr) { unread, _ = unix.IoctlGetInt(int(fd), unix.TIOCINQ) }) // fails when it is closed
	return unread > 0
}

// tooSlow applies MinBodyRate (row 19).
func (c *Conn) tooSlow(now int64) bool {
	t := &c.terms.timing
	begun := c.bodySince.Load()
	if t.rate == 0 || begun == 0 {
		return false
	}
	took := time.Duration(now - begun)
	return took > rateGrace && c.bodyBytes.Load() < int64(took.Seconds()*float64(t.rate))
}

// expire tells the reader that its time is up.
func (c *Conn) expire() {
	c.timedOut.Store(true)
	c.wake()
}

// closeIdle closes the connection if no request has begun.
func (c *Conn) closeIdle() bool {
	if !c.phase.CompareAndSwap(phaseIdle, phaseClosed) && !c.phase.CompareAndSwap(phaseGuest, phaseClosed) {
		return false
	}
	c.closeNow(c.nc, c.raw != nil || c.under != nil)
	return true
}

// closeLongestIdle closes the connection that has waited longest for its next
// request, if any waits and none that was closed so is still about to end. The
// caller holds mu.
func (s *Server) closeLongestIdle() {
	for {
		var longest *Conn
		for c := s.conns; c != nil; c = c.next {
			if c.evicted {
				return
			}
			if p := c.phase.Load(); (p == phaseIdle || p == phaseGuest) && (longest == nil || c.since.Load() < longest.since.Load()) {
				longest = c
			}
		}
		if longest == nil {
			return
		}
		if longest.evicted = longest.closeIdle(); longest.evicted {
			return
		}
	}
}

// closeIdle closes all connections that have been idle for a while, and reports
// whether there were any. Of those that have just come the request may be there,
// and nobody has had the time to read it.
func (s *Server) closeIdle() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	any := false
	before := s.clock.Load() - s.slack.Load() // stamps may be as old as one tick
	for c := s.conns; c != nil; c = c.next {
		any = (c.since.Load() < before && c.closeIdle()) || any
	}
	return any
}
