package prefork

import "time"

// class is what the dispatcher knows of a job before it runs.
type class uint8

const (
	unknown class = iota // its route was never seen
	fast
	slow
	classes
)

// classNames are the names of the built-in lanes too.
var classNames = [...]string{unknown: "new", fast: "fast", slow: "slow"}

// Bounds of the route table.
const (
	maxRoutes    = 4096
	estimateGain = 8 // the estimate moves by 1/8 of each new observation
	// warmUp is for how many requests the least counts: the first ones load templates, connect to the database and the like.
	warmUp = 4
)

// route is what was learned of one route key.
type route struct {
	key         string
	known       bool // a request of it has ended, or has run for long
	provisional bool // only the latter: the first end replaces the estimate
	slow        bool
	estimate    time.Duration // decaying mean of a request's own time, at first the least of the first few
	ended       int           // requests that were learned from, up to warmUp
	running     int           // requests of it that are with the workers
	deaths      int           // workers that died while they ran such a request
	used        uint64        // tick of the last use, for eviction
}

// routes is the bounded table of routes. The dispatcher's mutex guards it.
//
// What counts is the time that a request needs for itself: its run without the time for which its thread only waited for a processor.
// On a busy machine every request takes longer, and a page must not become slow because others compute.
type routes struct {
	table     map[string]*route
	tick      uint64
	slowAfter time.Duration
}

func newRoutes(slowAfter time.Duration) routes {
	return routes{table: make(map[string]*route, 64), slowAfter: slowAfter}
}

// at returns the route of a key, a new one if need be; nil when the key is empty.
func (r *routes) at(key []byte) *route {
	if len(key) == 0 {
		return nil
	}
	r.tick++
	rt := r.table[string(key)]
	if rt == nil {
		if len(r.table) >= maxRoutes {
			r.evict()
		}
		rt = &route{key: string(key)}
		r.table[rt.key] = rt
	}
	rt.used = r.tick
	return rt
}

func (rt *route) class() class {
	switch {
	case rt == nil || !rt.known:
		return unknown
	case rt.slow:
		return slow
	default:
		return fast
	}
}

// learn records that a request of the route took so much time for itself. A route turns slow above slowAfter and fast again below
// half of it, so that one near the border does not flap. It reports whether the class changed.
func (r *routes) learn(rt *route, own time.Duration) bool {
	if rt == nil {
		return false
	}
	before := rt.class()
	switch {
	case rt.ended == 0:
		rt.estimate, rt.slow = own, false
	case rt.ended < warmUp:
		if rt.estimate = min(rt.estimate, own); rt.estimate < r.slowAfter {
			rt.slow = false
		}
	case rt.provisional:
		rt.estimate, rt.slow = min(rt.estimate, own), false
	default:
		rt.estimate += (own - rt.estimate) / estimateGain
	}
	rt.ended = min(rt.ended+1, warmUp)
	rt.known, rt.provisional = true, false
	switch {
	case rt.estimate > r.slowAfter:
		rt.slow = true
	case rt.estimate < r.slowAfter/2:
		rt.slow = false
	}
	return rt.class() != before
}

// suspect counts a route as slow because a request of it has been running for long, until one has ended. It reports whether the
// class changed.
func (r *routes) suspect(rt *route, run time.Duration) bool {
	if rt == nil || rt.class() == slow {
		return false
	}
	rt.known, rt.provisional, rt.slow, rt.estimate = true, true, true, run
	return true
}

// evict forgets the half of the table that was not used for longest.
func (r *routes) evict() {
	var sum uint64
	for _, rt := range r.table {
		sum += rt.used
	}
	mean := sum / uint64(len(r.table))
	for key, rt := range r.table {
		if rt.used <= mean {
			delete(r.table, key)
		}
	}
}

// blame counts the death of a worker against the route of the request that it ran, and returns the number of such deaths so far.
func (d *dispatcher) blame(j *Job) int {
	d.mu.Lock()
	defer d.mu.Unlock()
	rt := d.routes.at(j.Key)
	if rt == nil {
		return 1
	}
	rt.deaths++
	return rt.deaths
}
