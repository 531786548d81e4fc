package history

import (
	"sync"
	"sync/atomic"
	"time"
)

const (
	keptSeconds  = 300
	sliceSeconds = 10 // a window of a minute is made of slices of so many
	keptSlices   = 60/sliceSeconds + 1
)

// Recorder counts. Its methods may be called concurrently, Turn by one goroutine at a time.
type Recorder struct {
	requests, app, clientErrors, serverErrors atomic.Uint32
	lanes                                     []*lane // not changed after New
	byName                                    map[string]*lane

	mu        sync.Mutex // guards all below and the past of the lanes
	past      [keptSeconds]second
	turns     int // seconds that have ended; past[(turns-1)%keptSeconds] is the last
	end       int64
	events    []Event
	forgotten uint64
}

// second is what is remembered of one second.
type second struct {
	requests, app, clientErrors, serverErrors uint32
	gauges                                    Gauges
}

// Gauges is the state at the end of a second.
type Gauges struct {
	Running, Waiting, Workers int32
	Memory                    int64 // bytes
}

// lane is what is counted for the requests of one lane.
type lane struct {
	name              string
	total, queue, run tally
	past              [keptSeconds]laneSecond
	slices            [keptSlices]slice
}

type laneSecond struct {
	requests          uint32
	p50, p99, queue99 float32
}

type slice struct{ total, queue, run counts }

// New returns a Recorder for requests of the lanes with these names.
func New(lanes ...string) *Recorder {
	r := &Recorder{byName: map[string]*lane{}}
	for _, name := range lanes {
		if r.byName[name] == nil {
			l := &lane{name: name}
			r.lanes, r.byName[name] = append(r.lanes, l), l
		}
	}
	return r
}

// Request counts a request that has ended. lane is that in which a worker ran it for so long, after it had waited for so long; a lane that
// was not named to New counts as no worker having run it. total is the time from the end of its head to the end of the answer.
func (r *Recorder) Request(status int, lane string, queue, run, total time.Duration) {
	r.requests.Add(1)
	switch {
	case status >= 500:
		r.serverErrors.Add(1)
	case status >= 400:
		r.clientErrors.Add(1)
	}
	l := r.byName[lane]
	if l == nil {
		return
	}
	r.app.Add(1)
	l.total.add(total)
	l.queue.add(queue)
	l.run.add(run)
}

// Turn ends a second; now is its time of day. Seconds in which it was not called, because the machine was asleep or busy, are empty.
func (r *Recorder) Turn(now time.Time, g Gauges) {
	r.mu.Lock()
	defer r.mu.Unlock()
	at := now.Unix()
	if missing := at - r.end - 1; r.turns > 0 && missing > 0 {
		for range min(missing, keptSeconds) {
			r.turn(second{gauges: g}, false)
		}
	}
	r.end = at
	r.turn(second{
		requests: r.requests.Swap(0), app: r.app.Swap(0), clientErrors: r.clientErrors.Swap(0), serverErrors: r.serverErrors.Swap(0), gauges: g,
	}, true)
}

// turn appends one second; counted is false for one that nobody saw the end of.
func (r *Recorder) turn(s second, counted bool) {
	at := r.turns % keptSeconds
	r.past[at] = s
	here := r.turns / sliceSeconds % keptSlices
	for _, l := range r.lanes {
		if r.turns%sliceSeconds == 0 {
			l.slices[here] = slice{}
		}
		l.past[at] = laneSecond{}
		if !counted {
			continue
		}
		total, queue, run := l.total.take(), l.queue.take(), l.run.take()
		q := total.quantiles(0.5, 0.99)
		l.past[at] = laneSecond{requests: total.sum(), p50: float32(q[0]), p99: float32(q[1]), queue99: float32(queue.quantiles(0.99)[0])}
		into := &l.slices[here]
		into.total.add(&total)
		into.queue.add(&queue)
		into.run.add(&run)
	}
	r.turns++
}

func (c *counts) sum() (all uint32) {
	for _, n := range c {
		all += n
	}
	return all
}

// Record returns a copy of what is remembered.
func (r *Recorder) Record() Record {
	r.mu.Lock()
	defer r.mu.Unlock()
	n := min(r.turns, keptSeconds)
	s := Series{
		End: r.end, Requests: make([]uint32, n), App: make([]uint32, n), ClientErrors: make([]uint32, n), ServerErrors: make([]uint32, n),
		Running: make([]int32, n), Waiting: make([]int32, n), Workers: make([]int32, n), Memory: make([]int64, n),
		Lanes: make([]LaneSeries, len(r.lanes)),
	}
	index := func(i int) int { return (r.turns - n + i) % keptSeconds }
	for i := range n {
		p := &r.past[index(i)]
		s.Requests[i], s.App[i], s.ClientErrors[i], s.ServerErrors[i] = p.requests, p.app, p.clientErrors, p.serverErrors
		s.Running[i], s.Waiting[i], s.Workers[i], s.Memory[i] = p.gauges.Running, p.gauges.Waiting, p.gauges.Workers, p.gauges.Memory
	}
	windows := make([]Window, len(r.lanes))
	for k, l := range r.lanes {
		ls := LaneSeries{Name: l.name, Requests: make([]uint32, n), P50: make([]float32, n), P99: make([]float32, n), Queue99: make([]float32, n)}
		for i := range n {
			p := &l.past[index(i)]
			ls.Requests[i], ls.P50[i], ls.P99[i], ls.Queue99[i] = p.requests, p.p50, p.p99, p.queue99
		}
		s.Lanes[k] = ls
		var all slice
		for i := range l.slices {
			all.total.add(&l.slices[i].total)
			all.queue.add(&l.slices[i].queue)
			all.run.add(&l.slices[i].run)
		}
		windows[k] = Window{Name: l.name, Requests: uint64(all.total.sum()), Total: timesOf(&all.total), Queue: timesOf(&all.queue), Run: timesOf(&all.run)}
	}
	return Record{Series: s, Lanes: windows, Events: append([]Event{}, r.events...), Dropped: r.forgotten}
}
