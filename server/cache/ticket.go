package cache

import (
	"slices"
	"time"

	"github.com/gounicorn/gounicorn/server/exchange"
)

// Ticket is one run of the application that others may wait for. Whoever got it from Ask reports the answer: Head, then Body for each
// piece, then Store; or Drop, when the run came to nothing. One goroutine at a time; after Store or Drop further calls do nothing.
type Ticket struct {
	cache   *Cache
	cfg     *config
	rule    *Rule
	key     string // of the resource
	name    string // of the flight
	request *exchange.Request
	purges  int
	old     *Entry // what is to be replaced
	flight  *flight

	entry    *Entry // nil: not to be kept
	reserved int64  // bytes for its body
	over     bool
}

// snapshot copies what Vary can ask of a request, which the ticket outlives.
func snapshot(r *exchange.Request) *exchange.Request {
	s := &exchange.Request{Fields: make([]exchange.Field, len(r.Fields))}
	for i, f := range r.Fields {
		s.Fields[i] = exchange.Field{Name: slices.Clone(f.Name), Value: slices.Clone(f.Value)}
	}
	return s
}

// Head reports the head of the answer and says whether it is to be kept. If not, those who wait run themselves at once, and the ticket is
// over.
func (t *Ticket) Head(status int, reason []byte, fields Fields) bool {
	if t.over {
		return false
	}
	how, ok := judge(status, fields, t.rule.For, t.cache.now())
	if !ok {
		t.land(nil, false, status < 500)
		return false
	}
	e := entry(status, reason, fields)
	e.terms, e.stored, e.values = how, t.cache.now(), values(t.request, how.vary)
	t.entry = e
	return true
}

// Body reports a piece of the body, which is copied. It reports whether more is of use.
func (t *Ticket) Body(p []byte) bool {
	if t.over || t.entry == nil {
		return false
	}
	n := int64(len(p))
	c := t.cache
	c.mu.Lock()
	room := t.reserved+n <= t.cfg.largest && c.reserve(n, t.cfg.Memory)
	c.mu.Unlock()
	if !room {
		t.land(nil, false, true)
		return false
	}
	t.reserved += n
	t.entry.Body = append(t.entry.Body, p...)
	return true
}

// Store ends a run whose answer is complete, and gives it to those who wait. It returns the entry, nil if it was not kept.
func (t *Ticket) Store() *Entry {
	if t.over || t.entry == nil {
		t.Drop()
		return nil
	}
	e := t.entry
	t.land(e, false, false)
	return e
}

// Stale returns the old answer, if it may stand in for an error now, or nil (stale-if-error).
func (t *Ticket) Stale() *Entry {
	if e := t.old; e != nil && e.within(t.cache.now(), e.terms.onError) {
		return e
	}
	return nil
}

// Pass ends a run whose answer is not for sharing.
func (t *Ticket) Pass() { t.land(nil, false, true) }

// Drop ends a run that came to nothing: one of those who wait runs in its place.
func (t *Ticket) Drop() { t.land(nil, true, false) }

// land ends the flight.
func (t *Ticket) land(e *Entry, again, pass bool) {
	if t.over {
		return
	}
	t.over = true
	c := t.cache
	c.mu.Lock()
	c.used -= t.reserved
	current := t.purges == c.purges
	switch {
	case !current:
	case e != nil:
		e.size += t.reserved
		c.keep(t, e)
	case pass:
		c.resource(t.key).pass = c.now().Add(min(passFor, max(t.rule.For, time.Second)))
		c.reserve(0, t.cfg.Memory)
	}
	delete(c.flights, t.name)
	c.mu.Unlock()
	t.flight.entry, t.flight.again = e, again
	close(t.flight.done)
	t.entry, t.request = nil, nil
}

// keep puts an entry in place of those that answer the same. The caller holds c.mu.
func (c *Cache) keep(t *Ticket, e *Entry) {
	res := c.resource(t.key)
	c.recent.MoveToFront(res.place)
	res.pass = time.Time{}
	res.vary = e.terms.vary
	res.entries = slices.DeleteFunc(res.entries, func(old *Entry) bool {
		same := values(t.request, old.terms.vary) == old.values
		if same {
			c.used -= old.size
		}
		return same
	})
	if len(res.entries) >= maxVariants {
		c.used -= res.entries[0].size
		res.entries = slices.Delete(res.entries, 0, 1)
	}
	res.entries = append(res.entries, e)
	c.used += e.size
	c.reserve(0, t.cfg.Memory)
}
