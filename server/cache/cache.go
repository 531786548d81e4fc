package cache

import (
	"container/list"
	"path"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/gounicorn/gounicorn/server/exchange"
)

// Rule says that answers to paths with a prefix are kept.
type Rule struct {
	Prefix string        // a whole number of segments: /blog and /blog/ are the same, and do not cover /blogs
	For    time.Duration // longest time that an answer counts as fresh, and the time of those that do not say
}

// Config says what is kept. The zero value keeps nothing.
type Config struct {
	Rules         []Rule
	Memory        int64    // bytes that all answers together may take
	IgnoreCookies []string // names of cookies that do not make a request personal; a * at the end stands for any rest
}

// Bounds of waiting.
const (
	longestWait = 5 * time.Second  // for a run of another's; then the request runs itself
	maxWaiting  = 4096             // requests that wait at the same time, in all
	maxFlights  = 4096             // runs that may be waited for
	passFor     = 10 * time.Second // how long nobody waits for an answer that could not be kept
	maxVariants = 16               // answers to one target, by Vary
)

// config is a Config in use.
type config struct {
	Config
	largest int64 // bytes of one answer
}

// Cache is safe for concurrent use.
type Cache struct {
	config atomic.Pointer[config]

	mu        sync.Mutex // guards what follows
	resources map[string]*resource
	recent    list.List // of *resource, the one used last in front
	flights   map[string]*flight
	used      int64 // bytes of entries, resources and of answers that are being collected
	waiting   int
	purges    int // counts the calls of Update

	now func() time.Time
}

// resource is what is known of one key.
type resource struct {
	key     string
	place   *list.Element
	vary    []string // names in the Vary of the last answer
	entries []*Entry // newest last
	pass    time.Time
}

// flight is a run that others may wait for.
type flight struct {
	done  chan struct{} // closed when the run has ended, as what follows says
	entry *Entry        // its answer, if it may be shared
	again bool          // it came to nothing: another should run
}

// New returns a Cache with the configuration.
func New(cfg Config) *Cache {
	c := &Cache{now: time.Now, flights: map[string]*flight{}}
	c.Update(cfg)
	return c
}

// Update drops what is kept, and keeps by cfg from now on. Runs that have begun are not kept, but those who wait for them get them.
func (c *Cache) Update(cfg Config) {
	next := &config{Config: cfg, largest: cfg.Memory / 8}
	next.Rules = make([]Rule, len(cfg.Rules))
	for i, r := range cfg.Rules {
		next.Rules[i] = Rule{Prefix: strings.TrimSuffix(path.Clean("/"+r.Prefix), "/"), For: r.For}
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.purges++
	for _, r := range c.resources {
		c.forget(r)
	}
	c.resources = map[string]*resource{}
	c.config.Store(next)
}

// rule returns the rule with the longest prefix of the path, nil if there is none.
func (c *config) rule(p []byte) *Rule {
	var best *Rule
	for i := range c.Rules {
		r := &c.Rules[i]
		n := len(r.Prefix)
		if len(p) >= n && string(p[:n]) == r.Prefix && (len(p) == n || p[n] == '/') && (best == nil || n > len(best.Prefix)) {
			best = r
		}
	}
	return best
}

// Kind says how a Hit came about.
type Kind uint8

// The kinds of hits.
const (
	Fresh     Kind = iota // from what is kept
	Stale                 // kept, and past its time: somebody else is fetching a new one
	Collapsed             // the answer to an equal request that was waited for
)

// Hit is an answer to a request.
type Hit struct {
	*Entry
	Kind Kind
}

// Ask looks for the answer to a request. It returns a Hit with an Entry; or a Ticket: the caller then asks the application and says what
// became of it; or neither when the request is not the cache's matter. It may block while an equal request runs, 5 s at most.
func (c *Cache) Ask(r *exchange.Request) (Hit, *Ticket) {
	cfg := c.config.Load()
	if len(cfg.Rules) == 0 {
		return Hit{}, nil
	}
	rule := cfg.rule(r.Path)
	if rule == nil || !cfg.anonymous(r) {
		return Hit{}, nil
	}
	k := key(r)
	var limit <-chan time.Time
	for {
		hit, ticket, f := c.look(cfg, rule, k, r)
		if f == nil {
			return hit, ticket
		}
		if limit == nil {
			timer := time.NewTimer(longestWait)
			defer timer.Stop()
			limit = timer.C
		}
		late := false
		select {
		case <-f.done:
		case <-limit:
			late = true
		}
		c.mu.Lock()
		c.waiting--
		c.mu.Unlock()
		switch {
		case late:
			return Hit{}, nil
		case f.entry != nil && values(r, f.entry.terms.vary) == f.entry.values:
			return Hit{f.entry, Collapsed}, nil
		case f.entry == nil && !f.again:
			return Hit{}, nil
		}
	}
}

// look is one look at what there is. It returns a flight that is to be waited for, and has counted the caller among those who wait.
func (c *Cache) look(cfg *config, rule *Rule, k string, r *exchange.Request) (Hit, *Ticket, *flight) {
	c.mu.Lock()
	defer c.mu.Unlock()
	now := c.now()
	var old *Entry
	name := k
	if res := c.resources[k]; res != nil {
		c.recent.MoveToFront(res.place)
		if now.Before(res.pass) {
			return Hit{}, nil, nil
		}
		old = res.match(r)
		if old != nil && old.within(now, 0) {
			return Hit{old, Fresh}, nil, nil
		}
		name += values(r, res.vary)
	}
	if f := c.flights[name]; f != nil {
		switch {
		case old != nil && old.within(now, old.terms.revalidate):
			return Hit{old, Stale}, nil, nil
		case c.waiting >= maxWaiting:
			return Hit{}, nil, nil
		}
		c.waiting++
		return Hit{}, nil, f
	}
	if string(r.Method) == "HEAD" || len(c.flights) >= maxFlights {
		return Hit{}, nil, nil
	}
	t := &Ticket{
		cache: c, cfg: cfg, rule: rule, key: k, name: name, request: snapshot(r), purges: c.purges, old: old, flight: &flight{done: make(chan struct{})},
	}
	c.flights[name] = t.flight
	return Hit{}, t, nil
}

// match returns the newest entry for r, nil if there is none.
func (r *resource) match(q *exchange.Request) *Entry {
	for i := len(r.entries) - 1; i >= 0; i-- {
		if e := r.entries[i]; values(q, e.terms.vary) == e.values {
			return e
		}
	}
	return nil
}

// resource returns the resource of a key, a new one if there is none. The caller holds c.mu.
func (c *Cache) resource(k string) *resource {
	r := c.resources[k]
	if r == nil {
		r = &resource{key: k}
		r.place = c.recent.PushFront(r)
		c.resources[k] = r
		c.used += r.cost()
	}
	return r
}

func (r *resource) cost() int64 { return int64(len(r.key)) + overhead }

// forget drops a resource. The caller holds c.mu.
func (c *Cache) forget(r *resource) {
	delete(c.resources, r.key)
	c.recent.Remove(r.place)
	c.used -= r.cost()
	for _, e := range r.entries {
		c.used -= e.size
	}
}

// reserve makes room for n bytes, at the cost of what was not used for longest, and reports whether there is. The caller holds c.mu.
func (c *Cache) reserve(n, limit int64) bool {
	c.used += n
	for c.used > limit {
		last := c.recent.Back()
		if last == nil {
			c.used -= n
			return false
		}
		c.forget(last.Value.(*resource))
	}
	return true
}

// Used is how many bytes the cache holds, in how many answers.
func (c *Cache) Used() (bytes int64, entries int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, r := range c.resources {
		entries += len(r.entries)
	}
	return c.used, entries
}
