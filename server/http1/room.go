package http1

import (
	"container/list"
	"sync"
	"sync/atomic"
	"time"
)

// Room bounds what all requests under way take together, of all connections and engines, beyond what every connection has for itself: the
// buffers of HTTP/1 heads that do not fit into the first one of their connection, and the streams of HTTP/2. Where it gets short, requests
// that wait for their clients make room, the oldest first. It is safe for concurrent use; the nil Room has no bound.
type Room struct {
	limit atomic.Int64 // bytes; 0: none
	used  atomic.Int64

	mu    sync.Mutex // guards what follows, and roomHeld and roomPlace of every Conn
	large list.List  // of Conn, the one first that holds something for longest
	shed  func()     // has clients of other engines make room
	last  time.Time  // when shed was called
}

// OnShort sets a function that is called when room gets short, at most ten times a second; it must not block for long, nor take from the
// Room.
func (r *Room) OnShort(shed func()) {
	if r == nil {
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.shed = shed
}

// shedEvery is the least time between two calls of OnShort's function.
const shedEvery = 100 * time.Millisecond

// short reports whether less than an eighth is left, and has other engines make room then.
func (r *Room) short() {
	limit := r.limit.Load()
	if limit == 0 || r.used.Load() <= limit-limit/8 {
		return
	}
	r.mu.Lock()
	shed := r.shed
	if time.Since(r.last) < shedEvery {
		shed = nil
	} else {
		r.last = time.Now()
	}
	r.mu.Unlock()
	if shed != nil {
		shed()
	}
}

// SetLimit sets the bytes from now on; 0 means no limit. What is held already stays.
func (r *Room) SetLimit(bytes int64) { r.limit.Store(bytes) }

// Used returns the bytes that are held.
func (r *Room) Used() int64 { return r.used.Load() }

// Take asks for n bytes, which Give gives back.
func (r *Room) Take(n int64) bool {
	if r == nil {
		return true
	}
	r.short()
	if r.fits(n) {
		return true
	}
	var cut []*Conn
	r.mu.Lock()
	ok := r.makeRoom(n, nil, &cut)
	r.mu.Unlock()
	for _, c := range cut {
		c.giveUp()
	}
	return ok
}

// Give gives back what Take gave.
func (r *Room) Give(n int64) {
	if r != nil {
		r.used.Add(-n)
	}
}

// fits takes n bytes if there is room for them.
func (r *Room) fits(n int64) bool {
	limit := r.limit.Load()
	if r.used.Add(n) <= limit || limit == 0 {
		return true
	}
	r.used.Add(-n)
	return false
}

// makeRoom takes n bytes, for which it lets go of what others hold that wait for their clients. It tells whom to cut off, when mu, which the
// caller holds, is free.
func (r *Room) makeRoom(n int64, but *Conn, cut *[]*Conn) bool {
	for {
		if r.fits(n) {
			return true
		}
		var victim *Conn
		for e := r.large.Front(); e != nil && victim == nil; e = e.Next() {
			if c := e.Value.(*Conn); c != but && c.waitsForClient() {
				victim = c
			}
		}
		if victim == nil {
			return false
		}
		r.drop(victim)
		*cut = append(*cut, victim)
	}
}

// drop takes back what a connection holds. The caller holds mu.
func (r *Room) drop(c *Conn) {
	r.used.Add(-c.roomHeld)
	r.large.Remove(c.roomPlace)
	c.roomHeld, c.roomPlace = 0, nil
	c.roomTaken.Store(false)
}

// holdHead counts the buffer and the fields of the head that is being read, and reports whether there is room for them.
func (c *Conn) holdHead() bool {
	r := c.terms.Room
	// The environ has about as much again.
	n := int64(2*(len(c.buf.b)-smallBuffer)) + int64(max(len(c.head.fields)-keptFields, 0))*fieldMemory
	if r == nil || n <= 0 {
		return true
	}
	r.short()
	var cut []*Conn
	r.mu.Lock()
	ok := n <= c.roomHeld || r.makeRoom(n-c.roomHeld, c, &cut)
	if ok {
		if c.roomPlace == nil {
			c.roomPlace = r.large.PushBack(c)
		}
		c.roomHeld = max(n, c.roomHeld)
		c.roomTaken.Store(true)
	}
	r.mu.Unlock()
	for _, other := range cut {
		other.giveUp()
	}
	return ok
}

// giveHead gives back what holdHead counted.
func (c *Conn) giveHead() {
	if !c.roomTaken.Load() {
		return
	}
	r := c.terms.Room
	r.mu.Lock()
	defer r.mu.Unlock()
	if c.roomPlace != nil {
		r.drop(c)
	}
}

// waitsForClient reports whether nothing goes on but that the client sends or takes bytes.
func (c *Conn) waitsForClient() bool {
	p := c.phase.Load()
	return p == phaseHead || p == phaseBody || p == phaseLinger || c.sending.Load() != 0
}

// giveUp ends the wait for a client: with 408 while it sends, or else by closing the connection.
func (c *Conn) giveUp() {
	if p := c.phase.Load(); p == phaseHead || p == phaseBody {
		c.expire()
		return
	}
	if c.waitsForClient() {
		c.kill()
	}
}
