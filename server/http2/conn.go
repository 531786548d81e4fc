package http2

import (
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/gounicorn/gounicorn/server/exchange"
)

// Conn is one client connection, see exchange.Conn. Its methods are safe for concurrent use.
type Conn struct {
	exchange.Conn // whoever accepted it knows who the client is
	srv           *Server
	era           *era
	cfg           *Config // of era
	setIdle       func(bool)
	born          time.Time
	over          chan struct{} // closed when the connection and its exchanges have ended

	requests atomic.Int64
	resets   atomic.Int64 // streams that ended before their answer was sent
	held     atomic.Int64 // bytes of request bodies in all streams
	closing  atomic.Bool  // GOAWAY is to be sent

	mu    sync.Mutex // guards the rest
	open  int        // exchanges
	ended bool
	free  []*Exchange
	all   []*Exchange // those that run, and free
}

// connKey is the key of the Conn in the context of a request.
type connKey struct{}

func newConn(s *Server, e *era, conn exchange.Conn) *Conn {
	c := &Conn{Conn: conn, srv: s, era: e, cfg: &e.cfg, born: time.Now(), over: make(chan struct{})}
	if i, ok := conn.(interface{ SetIdle(idle bool) }); ok {
		c.setIdle = i.SetIdle
	}
	return c
}

// end is called when net/http has done with the connection.
func (c *Conn) end() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.ended = true; c.open == 0 {
		close(c.over)
	}
}

// keptExchanges is how many exchanges, with what handlers keep in UserData, a connection holds for its next streams.
const keptExchanges = 8

// take returns an exchange for a new stream, nil if the connection has ended.
func (c *Conn) take() *Exchange {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.ended {
		return nil
	}
	c.open++
	if n := len(c.free); n > 0 {
		x := c.free[n-1]
		c.free = c.free[:n-1]
		return x
	}
	x := &Exchange{conn: c, wake: make(chan struct{}, 1)}
	c.all = append(c.all, x)
	return x
}

// give takes an exchange back that has ended.
func (c *Conn) give(x *Exchange) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.open--; c.open == 0 && c.ended {
		close(c.over)
	}
	if len(c.free) < keptExchanges {
		c.free = append(c.free, x)
		return
	}
	i := slices.Index(c.all, x)
	c.all = slices.Delete(c.all, i, i+1)
}

// manyResets is how many streams a client may break off before it matters which part of all they are: more than half of them is no use
// of a site (rapid reset, CVE-2023-44487, row 35).
const manyResets = 200

// reset counts a stream that was broken off and reports whether the client should go.
func (c *Conn) reset() bool {
	n := c.resets.Add(1)
	return n >= manyResets && 2*n > c.requests.Load()
}

// last reports whether a client is to be told to open no further stream.
func (c *Conn) last() bool {
	limit, age := int64(c.cfg.MaxRequests), c.cfg.MaxAge
	return c.closing.Load() || c.srv.draining.Load() || limit > 0 && c.requests.Load() >= limit || age > 0 && time.Since(c.born) >= age
}
