// Package courtesy keeps the files that the master serves from slowing down the application: while fast requests wait for a processor, files
// are answered at a bounded rate, so that the processors go to the workers first. Where nobody waits, nothing is bounded.
package courtesy

import (
	"runtime"
	"sync"
	"sync/atomic"
	"time"
)

const (
	quiet    = 0.02                   // the share of their run time that requests may wait for a processor before it counts
	least    = 0.15                   // the share of the processors that files always get
	memory   = 8                      // a request moves the mean by an eighth of the difference
	lasting  = time.Second            // how long the mean holds without a request
	patience = 100 * time.Millisecond // the longest that a file waits
	saving   = time.Millisecond       // the share that may be left unused and had later
	longest  = 200 * time.Microsecond // of one answer, that counts: a longer one waits for its client
)

// Gate is passed by the answers with files, and told of the requests that the application has. The zero Gate is open, and so is a nil one. It
// is safe for concurrent use.
type Gate struct {
	working atomic.Int64 // requests that the application has
	until   atomic.Int64 // when what is known of waiting is too old, in nanoseconds since 1970
	cost    atomic.Int64 // mean time of an answer, nanoseconds
	held    atomic.Int64 // nanoseconds

	mu       sync.Mutex
	pressure float64       // mean share of the run time that requests waited for a processor
	level    time.Duration // what files may use at the moment; less than nothing: they wait
	at       time.Time     // of level
}

// Begin counts a request that the application gets.
func (g *Gate) Begin() {
	if g != nil {
		g.working.Add(1)
	}
}

// End counts it off and learns from it: how long it ran, and how long of that it waited for a processor. A run of 0 teaches nothing, as of
// requests that did not run, that are slow and yield themselves, or were too short to be measured.
func (g *Gate) End(run, waited time.Duration) {
	if g == nil {
		return
	}
	g.working.Add(-1)
	if run <= 0 {
		return
	}
	now := time.Now()
	g.mu.Lock()
	defer g.mu.Unlock()
	if now.UnixNano() > g.until.Load() {
		g.pressure = 0
	}
	g.pressure += (min(float64(waited)/float64(run), 1) - g.pressure) / memory
	g.until.Store(now.Add(lasting).UnixNano())
}

// Enter returns when an answer with a file may begin, and the time of that for Leave; the zero time while the application has no request.
func (g *Gate) Enter() time.Time {
	if g == nil || g.working.Load() <= 0 {
		return time.Time{}
	}
	now := time.Now()
	if now.UnixNano() > g.until.Load() {
		return now
	}
	if wait := g.reserve(now); wait > 0 {
		g.held.Add(int64(wait))
		time.Sleep(wait)
		return time.Now()
	}
	return now
}

// Held is for how long Enter has held back answers, all together.
func (g *Gate) Held() time.Duration {
	if g == nil {
		return 0
	}
	return time.Duration(g.held.Load())
}

// reserve takes the cost of an answer and returns how long it has to wait for that.
func (g *Gate) reserve(now time.Time) time.Duration {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.pressure <= quiet {
		return 0
	}
	share := max(quiet/g.pressure, least) * float64(runtime.GOMAXPROCS(0))
	gained := time.Duration(share * float64(min(now.Sub(g.at), lasting)))
	promised := time.Duration(share * float64(patience))
	g.level = max(min(g.level+gained, saving)-time.Duration(g.cost.Load()), -promised)
	g.at = now
	return time.Duration(float64(-g.level) / share)
}

// Leave learns what an answer costs, which Enter let begin at this time; nothing from the zero time.
func (g *Gate) Leave(began time.Time) {
	if g == nil || began.IsZero() {
		return
	}
	before := g.cost.Load()
	g.cost.Store(before + (int64(min(time.Since(began), longest))-before)/memory) // one that is lost in between does not matter
}
