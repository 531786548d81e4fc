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

// Bounds of the route table.
const (
	maxRoutes    = 4096
	estimateGain = 8 // the estimate moves by 1/8 of each new observation
)

// route is what was learned of one route key.
type route struct {
	key      string
	estimate time.Duration // decaying mean of the run time
	slow     bool
	deaths   int    // workers that died while they ran such a request
	used     uint64 // tick of the last use, for eviction
}

// routes is the bounded table of routes. The dispatcher's mutex guards it.
type routes struct {
	table     map[string]*route
	tick      uint64
	slowAfter time.Duration
}

func newRoutes(slowAfter time.Duration) routes {
	return routes{table: make(map[string]*route, 64), slowAfter: slowAfter}
}

// find returns the route of a key, or nil when the key is empty or new.
func (r *routes) find(key []byte) *route {
	if len(key) == 0 {
		return nil
	}
	return r.table[string(key)]
}

func (r *routes) classOf(rt *route) class {
	switch {
	case rt == nil:
		return unknown
	case rt.slow:
		return slow
	default:
		return fast
	}
}

// learn records that a request of the key ran that long. A route turns slow above slowAfter and fast again below half of it, so
// that one near the border does not flap. It reports whether the class of the key changed.
func (r *routes) learn(rt *route, key []byte, run time.Duration) bool {
	if len(key) == 0 {
		return false
	}
	r.tick++
	if rt == nil {
		rt = r.table[string(key)]
	}
	before := r.classOf(rt)
	if rt == nil {
		if len(r.table) >= maxRoutes {
			r.evict()
		}
		rt = &route{key: string(key), estimate: run}
		r.table[rt.key] = rt
	} else {
		rt.estimate += (run - rt.estimate) / estimateGain
	}
	rt.used = r.tick
	switch {
	case rt.estimate > r.slowAfter:
		rt.slow = true
	case rt.estimate < r.slowAfter/2:
		rt.slow = false
	}
	return r.classOf(rt) != before
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
	rt := d.routes.find(j.Key)
	if rt == nil {
		d.routes.learn(nil, j.Key, 2*d.routes.slowAfter) // careful with what begins like this
		if rt = d.routes.find(j.Key); rt == nil {
			return 1
		}
	}
	rt.deaths++
	return rt.deaths
}
