package sim

import (
	"math/bits"
	"slices"
	"time"
)

// Peers are the policies to compare with, perfect knowledge last. All but that run a request whose client has left, as the servers named do: they
// do not look before they start it.
var Peers = []Contender{
	{"one queue, any thread", newFIFO},
	{"connection pinned to a worker", newPinned},
	{"least loaded worker", newLeastLoaded},
	{"perfect knowledge", newPerfect},
}

// fifo is one queue that every thread reads (gunicorn sync, uWSGI, a pre-fork server with a shared listener).
type fifo struct {
	m     *Machine
	idle  []*Process // one entry for each idle thread, the one that waits for longest first
	queue []*Request
}

func newFIFO(m *Machine, s Shape) Policy {
	f := &fifo{m: m}
	for range s.Threads {
		f.idle = append(f.idle, m.Processes...)
	}
	return f
}

func (f *fifo) Arrive(r *Request) { f.queue = append(f.queue, r); f.pump() }
func (f *fifo) Ended(r *Request)  { f.idle = append(f.idle, r.process); f.pump() }
func (f *fifo) Left(*Request)     {}
func (f *fifo) Sweep()            {}

func (f *fifo) pump() {
	for len(f.idle) > 0 && len(f.queue) > 0 {
		f.m.Start(f.queue[0], f.idle[0], false)
		f.queue, f.idle = f.queue[1:], f.idle[1:]
	}
}

// assigned gives each request to a worker as it arrives; there it waits in line.
type assigned struct {
	m       *Machine
	threads int
	queues  [][]*Request // by process
	choose  func(r *Request) int
}

func newAssigned(m *Machine, s Shape) *assigned {
	return &assigned{m: m, threads: s.Threads, queues: make([][]*Request, len(m.Processes))}
}

// newPinned gives a connection to the worker that happened to accept it (granian, gunicorn gthread).
func newPinned(m *Machine, s Shape) Policy {
	a := newAssigned(m, s)
	a.choose = func(r *Request) int { return int(scatter(uint64(r.Conn)) % uint64(len(a.queues))) }
	return a
}

// newLeastLoaded gives a request to the worker that has the fewest (nginx least_conn in front of one process each).
func newLeastLoaded(m *Machine, s Shape) Policy {
	a := newAssigned(m, s)
	last := 0
	a.choose = func(*Request) int {
		load := func(i int) int { return m.Processes[i].Running + len(a.queues[i]) }
		best := (last + 1) % len(a.queues)
		for i := range a.queues {
			if at := (last + 1 + i) % len(a.queues); load(at) < load(best) {
				best = at
			}
		}
		last = best
		return best
	}
	return a
}

func (a *assigned) Arrive(r *Request) {
	at := a.choose(r)
	a.queues[at] = append(a.queues[at], r)
	a.pump(at)
}

func (a *assigned) Ended(r *Request) { a.pump(r.process.ID) }
func (a *assigned) Left(*Request)    {}
func (a *assigned) Sweep()           {}

func (a *assigned) pump(at int) {
	for p := a.m.Processes[at]; p.Running < a.threads && len(a.queues[at]) > 0; a.queues[at] = a.queues[at][1:] {
		a.m.Start(a.queues[at][0], p, false)
	}
}

// scatter is the finaliser of SplitMix64.
func scatter(x uint64) uint64 {
	x += 0x9e3779b97f4a7c15
	x = (x ^ x>>30) * 0xbf58476d1ce4e5b9
	x = (x ^ x>>27) * 0x94d049bb133111eb
	return x ^ x>>31
}

// perfect knows beforehand what a request needs. What needs less goes first, by powers of two, so that equals take turns; what is
// long never gets the last thread 0, and yields its processor to what is short; what waits goes to further threads; what cannot be
// done before its client leaves, when two share a processor, is refused.
type perfect struct {
	m       *Machine
	threads int
	thread0 []*Request // by process: what runs in its computing thread
	spare   []int      // by process: what runs in the others
	queue   []*Request // by need
}

// long is what perfect knowledge does not call short.
const long = 100 * time.Millisecond

func newPerfect(m *Machine, s Shape) Policy {
	return &perfect{m: m, threads: s.Threads, thread0: make([]*Request, len(m.Processes)), spare: make([]int, len(m.Processes))}
}

func size(r *Request) int { return bits.Len64(uint64((r.CPU + r.Wait) / time.Millisecond)) }

func (f *perfect) Arrive(r *Request) {
	at, _ := slices.BinarySearchFunc(f.queue, r, func(a, b *Request) int {
		if size(a) <= size(b) {
			return -1 // behind its equals
		}
		return 1
	})
	f.queue = slices.Insert(f.queue, at, r)
	f.pump()
}

func (f *perfect) Ended(r *Request) {
	if id := r.process.ID; f.thread0[id] == r {
		f.thread0[id] = nil
	} else {
		f.spare[id]--
	}
	f.pump()
}

func (f *perfect) Left(r *Request) {
	if r.Result == Pending {
		f.queue = slices.DeleteFunc(f.queue, func(o *Request) bool { return o == r })
		f.m.Drop(r)
	}
}

func (f *perfect) Sweep() {}

func (f *perfect) pump() {
	free, longs, spare := -1, 0, -1 // a thread 0 that does nothing, how many do something long, a process with a further thread
	look := func() {
		free, longs, spare = -1, 0, -1
		for id, o := range f.thread0 {
			if o == nil {
				free = id
			} else if isLong(o) {
				longs++
			}
			if f.spare[id] < f.threads-1 && (spare < 0 || f.spare[id] < f.spare[spare]) {
				spare = id
			}
		}
	}
	look()
	kept := f.queue[:0]
	for _, r := range f.queue {
		switch {
		case r.Patience > 0 && f.m.Now()+2*r.CPU+r.Wait > r.Arrived+r.Patience:
			f.m.Refuse(r)
		case r.Wait > 4*r.CPU && spare >= 0:
			f.spare[spare]++
			f.m.Start(r, f.m.Processes[spare], false)
			look()
		case free >= 0 && (!isLong(r) || longs < max(len(f.thread0)-1, 1)):
			f.thread0[free] = r
			f.m.Start(r, f.m.Processes[free], isLong(r))
			look()
		default:
			kept = append(kept, r)
		}
	}
	f.queue = kept
}

func isLong(r *Request) bool { return r.CPU+r.Wait > long }
