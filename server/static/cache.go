package static

import (
	"container/list"
	"sync"
	"sync/atomic"
)

// maxKey is the longest path in bytes of which something is remembered; longer ones are looked for again and again.
const maxKey = 1024

// cache remembers files by clean path, and for a short while that there is none. It is bounded: what has not been used since the hand came
// by goes first (the clock algorithm).
type cache struct {
	entries int   // how many files, and how many misses
	memory  int64 // bytes of content

	mu     sync.RWMutex // guards what follows
	files  map[string]*entry
	misses map[string]miss
	order  *list.List // of entries; the hand is at its front
	bytes  int64      // of content
	open   int        // descriptors that entries keep

	_ [32]byte // so that readers do not share the line of the lock with what lies behind it
}

// miss is an answer without a file.
type miss struct {
	status int
	until  int64 // an instant
	mount  *mount
	number uint64 // of the mount's generation
}

func newCache(entries int, memory int64) *cache {
	return &cache{entries: entries, memory: memory, files: map[string]*entry{}, misses: map[string]miss{}, order: list.New()}
}

// get returns the entry of a clean path, nil if there is none.
func (c *cache) get(path []byte) *entry {
	c.mu.RLock()
	e := c.files[string(path)]
	c.mu.RUnlock()
	if e != nil && !e.used.Load() {
		e.used.Store(true)
	}
	return e
}

// missing returns the status by which a path was answered a short while ago, 0 if it must be looked for.
func (c *cache) missing(path []byte, m *mount, now int64) int {
	c.mu.RLock()
	found, ok := c.misses[string(path)]
	c.mu.RUnlock()
	if !ok || now >= found.until || found.mount != m || found.number != m.generation.Load() {
		return 0
	}
	return found.status
}

// remember keeps a miss. When there are too many, all are forgotten: they are cheap to find again.
func (c *cache) remember(path string, found miss) {
	if len(path) > maxKey {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.misses) >= c.entries {
		clear(c.misses)
	}
	c.misses[path] = found
}

// put keeps an entry in place of another one of the same path.
func (c *cache) put(e *entry) {
	if len(e.path) > maxKey {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if old := c.files[e.path]; old != nil {
		c.drop(old)
	}
	delete(c.misses, e.path)
	e.place = c.order.PushBack(e)
	c.files[e.path] = e
	c.shrink()
}

// remove forgets an entry.
func (c *cache) remove(e *entry) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.files[e.path] == e {
		c.drop(e)
	}
}

// charge counts content that an entry got into memory, and reports whether it may stay there.
func (c *cache) charge(e *entry, n int64) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.files[e.path] != e || n > c.memory {
		return false
	}
	e.bytes += n
	c.bytes += n
	c.shrink()
	return c.files[e.path] == e
}

// maxOpen bounds the descriptors that entries keep. Those of entries that were dropped come on top until the garbage collector comes by.
const maxOpen = 256

// mayOpen reports whether an entry may keep a descriptor.
func (c *cache) mayOpen(e *entry) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.files[e.path] != e || c.open == maxOpen {
		return false
	}
	e.files++
	c.open++
	return true
}

// drop forgets an entry; the caller holds mu.
func (c *cache) drop(e *entry) {
	delete(c.files, e.path)
	c.order.Remove(e.place)
	c.bytes -= e.bytes
	c.open -= e.files
	e.bytes, e.files = 0, 0
}

// shrink drops entries until the bounds are kept; the caller holds mu.
func (c *cache) shrink() {
	for len(c.files) > c.entries || c.bytes > c.memory {
		front := c.order.Front()
		e := front.Value.(*entry) // order holds nothing else
		if e.used.CompareAndSwap(true, false) {
			c.order.MoveToBack(front)
			continue
		}
		c.drop(e)
	}
}

// entry is a file with its compressed siblings, as they were when they were looked at.
type entry struct {
	path   string // clean, of the URL: the key
	name   string // below the mount's URL
	mount  *mount
	number uint64 // of the mount's generation
	found

	stamps  [codings]stamp // a coding without a file has the zero stamp
	checked atomic.Int64   // when the disk was asked, an instant
	used    atomic.Bool    // since the hand of the cache came by

	loading  sync.Mutex // held by who makes a variant
	variants [codings]atomic.Pointer[representation]

	place *list.Element // guarded by the cache
	bytes int64         // of content in memory; likewise
	files int           // descriptors; likewise
}
