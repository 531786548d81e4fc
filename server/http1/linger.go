package http1

import (
	"errors"

	"time"
)

// tearDown closes the connection at the end of its reading goroutine. If the
// client may still be sending, it closes our side first and discards what
// comes, because closing with unread bytes would reset the connection and take
// the last answer from the client (RFC 9112 9.6).
func (c *Conn) tearDown() {
	c.mu.Lock()
	lingers := !c.broken && !c.eof && (c.dirty || c.r < c.w || c.closing && c.x.req.KeepAlive)
	c.releaseBuffers()
	c.mu.Unlock()
	if lingers {
		c.linger()
	}
	if c.phase.Swap(phaseClosed) != phaseClosed {
		_ = c.nc.Close() // nothing is left to be lost
	}
}

// linger discards input until the client closes or a bound is reached.
func (c *Conn) linger() {
	half, ok := c.nc.(interface{ CloseWrite() error })
	if !ok || !c.enter(phaseLinger) || half.CloseWrite() != nil {
		return
	}
	if c.under != nil && c.under.closeWrite() != nil {
		return
	}
	begun := c.srv.clock.Load()
	for total := 0; total < lingerBytes && time.Duration(c.srv.clock.Load()-begun) < lingerTotal; {
		n, err := c.discard()
		if err != nil && !errors.Is(err, errWoken) {
			return
		}
		total += n
		if n > 0 && !c.enter(phaseLinger) {
			return
		}
	}
}

// discard waits for bytes and throws them away. A pooled buffer is held only
// while there are some.
func (c *Conn) discard() (int, error) {
	c.mode = readingAway
	c.mu.Lock()
	c.r, c.w, c.base = 0, 0, 0
	c.mu.Unlock()
	return c.fill(nil)
}
