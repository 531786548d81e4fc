package sim

import (
	"fmt"
	"math"
	"time"
)

const (
	// switchInterval is how long CPython lets a thread compute while another one of the process wants to (sys.getswitchinterval).
	switchInterval = 5 * time.Millisecond
	// Weights of the kernel's scheduler at nice 0 and nice 10.
	normalWeight = 1024
	niceWeight   = 110
)

// Machine is a computer with some processors and some Python processes. It owns the clock and is used by one goroutine.
type Machine struct {
	Processors int
	Processes  []*Process // in the order of their start; those that ended stay, closed

	now    time.Duration
	cold   time.Duration // see Trace.Cold
	timers timers
	order  uint64 // of timers that are due at the same time
}

// Process is a Python process: any number of requests may run in it, but only the holder of its lock computes.
type Process struct {
	ID      int
	Running int // requests that were started here and have not ended

	holder   *Request
	waiters  []*Request    // want the lock, in turn
	switchAt time.Duration // when the holder must give the lock up; only with waiters
	rate     float64       // share of a processor that the holder gets
	warm     map[string]bool
}

// Request is one request and what becomes of it. A trace fills the first group.
type Request struct {
	Key      string        // route key, as the server makes it
	Client   uint64        // whose it is
	Conn     int           // connection
	CPU      time.Duration // processor time that it needs, half of it before it waits
	Wait     time.Duration // time for which it waits for something else
	Patience time.Duration // after which its client leaves; 0: never
	Page     bool          // one of those that must stay fast
	Guest    bool          // the one whose wait is told apart

	Arrived time.Duration
	Started time.Duration // when the application was called
	Ended   time.Duration
	Result  Result
	Delay   time.Duration // for which it had the lock but no processor

	done    func(*Request) // tells who asked
	left    bool           // its client is gone
	tag     any            // the policy's
	process *Process
	weight  float64
	need    float64       // processor time left in this half, nanoseconds
	after   time.Duration // wait behind this half; then the other half comes
	delay   float64
	used    time.Duration // processor time that it took, what a cold process cost included
}

// Result is how a request ended.
type Result uint8

// Results. A request that runs to its end although its client left is Wasted.
const (
	Pending Result = iota
	Running
	Answered
	Refused
	Gone
	Wasted
)

// NewMachine returns a machine with so many processors and processes.
func NewMachine(processors, processes int) *Machine {
	m := &Machine{Processors: processors}
	for range processes {
		m.Fork()
	}
	return m
}

// Fork adds a process.
func (m *Machine) Fork() *Process {
	p := &Process{ID: len(m.Processes), warm: make(map[string]bool)}
	m.Processes = append(m.Processes, p)
	return p
}

// Now is the simulated time since the beginning.
func (m *Machine) Now() time.Duration { return m.now }

// At calls f at a time that is not past.
func (m *Machine) At(t time.Duration, f func()) {
	m.order++
	m.timers.push(timer{max(t, m.now), m.order, f})
}

// After calls f in d.
func (m *Machine) After(d time.Duration, f func()) { m.At(m.now+d, f) }

// Start runs a request in a process; the caller makes sure that a thread is free there. background gives it the weight of nice 10.
func (m *Machine) Start(r *Request, p *Process, background bool) {
	if r.Result != Pending {
		panic(fmt.Sprintf("sim: a request was started that is %d", r.Result))
	}
	r.Result, r.Started, r.process = Running, m.now, p
	m.Nice(r, background)
	if r.need, r.after = float64(r.CPU)/2, r.Wait; r.Wait == 0 {
		r.need = float64(r.CPU)
	}
	r.used = r.CPU
	if !p.warm[r.Key] {
		p.warm[r.Key] = true
		r.need += float64(m.cold)
		r.used += m.cold
	}
	p.Running++
	p.want(r, m.now)
}

// Nice changes the weight of a request that runs.
func (m *Machine) Nice(r *Request, background bool) {
	r.weight = normalWeight
	if background {
		r.weight = niceWeight
	}
}

// Refuse ends a request that was not started with 503.
func (m *Machine) Refuse(r *Request) { m.end(r, Refused) }

// Drop ends a request that was not started because its client left.
func (m *Machine) Drop(r *Request) { m.end(r, Gone) }

func (m *Machine) end(r *Request, result Result) {
	r.Result, r.Ended, r.Delay = result, m.now, time.Duration(r.delay)
	if r.done != nil {
		r.done(r)
	}
}

// Run plays until a time, or until stop says that it is enough. ended is told of each request that a process has finished.
func (m *Machine) Run(until time.Duration, ended func(*Request), stop func() bool) {
	for m.now < until && !stop() {
		m.share()
		next := until
		if len(m.timers) > 0 {
			next = min(next, m.timers[0].at)
		}
		for _, p := range m.Processes {
			if p.holder != nil {
				next = min(next, m.now+time.Duration(math.Ceil(p.holder.need/p.rate)))
				if len(p.waiters) > 0 {
					next = min(next, p.switchAt)
				}
			}
		}
		m.compute(max(next-m.now, 0))
		for _, p := range m.Processes {
			m.turn(p, ended)
		}
		for len(m.timers) > 0 && m.timers[0].at <= m.now {
			m.timers.pop().f()
		}
	}
}

// share divides the processors among those who compute, by weight, at most one for each.
func (m *Machine) share() {
	var sum float64
	n := 0
	for _, p := range m.Processes {
		p.rate = 0
		if p.holder != nil {
			sum += p.holder.weight
			n++
		}
	}
	left := float64(m.Processors)
	if n <= m.Processors {
		for _, p := range m.Processes {
			p.rate = 1
		}
		return
	}
	for again := true; again; { // whoever would get more than one processor gets one, the others share the rest
		again = false
		for _, p := range m.Processes {
			if p.holder != nil && p.rate == 0 && p.holder.weight*left >= sum {
				p.rate, again = 1, true
				left--
				sum -= p.holder.weight
			}
		}
	}
	for _, p := range m.Processes {
		if p.holder != nil && p.rate == 0 {
			p.rate = p.holder.weight * left / sum
		}
	}
}

// compute lets d pass.
func (m *Machine) compute(d time.Duration) {
	for _, p := range m.Processes {
		if p.holder != nil {
			done := float64(d) * p.rate
			p.holder.need -= done
			p.holder.delay += float64(d) - done
		}
	}
	m.now += d
}

// turn ends what has computed enough and passes the lock on.
func (m *Machine) turn(p *Process, ended func(*Request)) {
	r := p.holder
	switch {
	case r == nil:
	case r.need < 1:
		p.holder = nil
		p.next(m.now)
		if r.after == 0 {
			m.finish(r, ended)
			break
		}
		wait := r.after
		r.need, r.after = float64(r.CPU)/2, 0
		m.After(wait, func() { p.want(r, m.now) })
	case len(p.waiters) > 0 && m.now >= p.switchAt:
		p.waiters = append(p.waiters, r)
		p.next(m.now)
	}
}

func (m *Machine) finish(r *Request, ended func(*Request)) {
	r.process.Running--
	result := Answered
	if r.left {
		result = Wasted
	}
	m.end(r, result)
	ended(r)
}

// want gives a request the lock or a place in its line.
func (p *Process) want(r *Request, now time.Duration) {
	p.waiters = append(p.waiters, r)
	switch {
	case p.holder == nil:
		p.next(now)
	case len(p.waiters) == 1:
		p.switchAt = now + switchInterval
	}
}

// next gives the lock to the first who waits for it.
func (p *Process) next(now time.Duration) {
	p.holder = nil
	if len(p.waiters) > 0 {
		p.holder = p.waiters[0]
		p.waiters = append(p.waiters[:0], p.waiters[1:]...)
	}
	p.switchAt = now + switchInterval
}

// timer is a function to be called at a time.
type timer struct {
	at    time.Duration
	order uint64
	f     func()
}

// timers is a binary heap, by time and then by order. It is typed because it is what a play spends most time with.
type timers []timer

func (t timers) before(i, j int) bool {
	return t[i].at < t[j].at || t[i].at == t[j].at && t[i].order < t[j].order
}

func (t *timers) push(x timer) {
	*t = append(*t, x)
	h := *t
	for i := len(h) - 1; i > 0 && h.before(i, (i-1)/2); i = (i - 1) / 2 {
		h[i], h[(i-1)/2] = h[(i-1)/2], h[i]
	}
}

func (t *timers) pop() timer {
	h := *t
	top, last := h[0], len(h)-1
	h[0], h[last] = h[last], timer{}
	h = h[:last]
	*t = h
	for i := 0; 2*i+1 < last; {
		child := 2*i + 1
		if child+1 < last && h.before(child+1, child) {
			child++
		}
		if !h.before(child, i) {
			break
		}
		h[i], h[child] = h[child], h[i]
		i = child
	}
	return top
}
