package http2

import (
	"errors"
	"time"
)

// errNoRoom ends a file that is being sent while Config.Room has none.
var errNoRoom = errors.New("http2: no room for another file")

// shedAfter is for how long a client must have done nothing for a stream, neither sent nor taken anything, to be one of those that make room.
const shedAfter = 3 * time.Second

// shed breaks off the streams that wait for their clients, when there is no room for others (row 35): 408 to one that does not send its
// body, an end without a complete answer to one that does not take it.
func (s *Server) shed() {
	s.mu.Lock()
	conns := make([]*Conn, 0, len(s.conns))
	for _, c := range s.conns {
		conns = append(conns, c)
	}
	s.mu.Unlock()
	before := time.Now().Add(-shedAfter).UnixNano()
	for _, c := range conns {
		c.mu.Lock()
		for _, x := range c.all {
			x.shed(before)
		}
		c.mu.Unlock()
	}
}

// shed ends the wait for the client if it began before a time.
func (x *Exchange) shed(before int64) {
	if since := max(x.writing.Load(), x.reading.Load()); since == 0 || since > before {
		return
	}
	x.mu.Lock()
	defer x.mu.Unlock()
	if !x.sending {
		return
	}
	// It may have become another stream meanwhile, whose wait is younger.
	if since := x.writing.Load(); since != 0 && since <= before {
		_ = x.ctl.SetWriteDeadline(past) // net/http's HTTP/2 can
	}
	if since := x.reading.Load(); since != 0 && since <= before {
		_ = x.ctl.SetReadDeadline(past)
	}
}
