package sim

import (
	"slices"
	"time"

	"github.com/gounicorn/gounicorn/prefork/lane"
)

// What the server takes for its own business, as in prefork.
const (
	forkTime     = 50 * time.Millisecond // from the wish for a worker to its first request, with --preload
	threadTime   = time.Millisecond
	overflowIdle = 10 * time.Second
	delayFrom    = 20 * time.Millisecond // shorter requests do not report for how long they waited for a processor
)

// Options are the settings of gounicorn that matter here.
type Options struct {
	Lane       lane.Config
	Nice       bool // what computes for long yields to the rest
	Overflow   int  // workers that may be added
	MaxThreads int  // threads that a worker may have; no more than it has when that is less
	OneClient  bool // clients are not told apart
}

// Defaults are the settings that gounicorn has when none is given.
func Defaults() Options {
	return Options{
		Lane:     lane.Config{Reserve: 1, QueueTimeout: 30 * time.Second, QueueTarget: 5 * time.Second},
		Nice:     true,
		Overflow: 1,
	}
}

// Gounicorn is the scheduler of package lane, with what the dispatcher and the pool of package prefork do around it.
func Gounicorn(name string, o Options) Contender {
	return Contender{name, func(m *Machine, s Shape) Policy {
		o := o
		o.Lane.CPUs = s.Processors
		g := &gounicorn{m: m, o: o, sched: lane.New(o.Lane), most: s.Workers + o.Overflow}
		for _, p := range m.Processes {
			g.open(p, s.Threads-1)
		}
		g.spareEach = s.Threads - 1
		g.resize()
		return g
	}}
}

// gounicorn plays the dispatcher: it asks the scheduler, keeps the workers' shared queue and chooses spare threads.
type gounicorn struct {
	m         *Machine
	o         Options
	sched     *lane.Scheduler
	seats     []*seat
	idle      []*seat    // whose computing thread reads the shared queue, in the order in which they began to
	shared    []*Request // sent, not yet read
	running   []*Request
	most      int // workers
	spareEach int
	forking   bool
	needed    time.Duration // when all the overflow workers that there are were last needed
}

// seat is a worker.
type seat struct {
	p         *Process
	spare     int // spare threads
	busy      int // of them
	computing *Request
	joining   bool // a thread is being started
	closed    bool
}

// task is what the policy keeps with a request.
type task struct {
	lane.Item
	seat *seat // where it runs
}

func (r *Request) task() *task { return r.tag.(*task) }

func (g *gounicorn) open(p *Process, spare int) {
	s := &seat{p: p, spare: spare}
	g.seats = append(g.seats, s)
	g.idle = append(g.idle, s)
}

func (g *gounicorn) resize() {
	spare := 0
	for _, s := range g.seats {
		spare += s.spare
	}
	g.sched.Resize(len(g.seats), spare)
	g.pump()
}

func (g *gounicorn) Arrive(r *Request) {
	t := &task{}
	t.Of, r.tag = r, t
	client := r.Client
	if g.o.OneClient {
		client = 0
	}
	g.sched.Arrive(&t.Item, []byte(r.Key), scatter(client), g.m.Now())
	if on := g.sched.Admit(&t.Item); on != lane.None {
		g.send(&t.Item, on)
		return
	}
	if g.sched.Wait(&t.Item, g.m.Now()) != lane.Kept {
		g.m.Refuse(r)
		return
	}
	g.want()
}

func (g *gounicorn) pump() {
	for {
		it, on := g.sched.Peek(g.m.Now())
		if it == nil {
			break
		}
		g.send(it, on)
	}
	g.want()
}

// send puts a request on the shared queue or on that of a worker with a free spare thread.
func (g *gounicorn) send(it *lane.Item, on lane.Slot) {
	r := it.Of.(*Request)
	g.sched.Start(it, on)
	if on == lane.Computing {
		g.shared = append(g.shared, r)
		g.feed()
		return
	}
	s := g.spareSeat()
	s.busy++
	g.start(r, s)
}

// feed lets idle threads read the shared queue.
func (g *gounicorn) feed() {
	for len(g.idle) > 0 && len(g.shared) > 0 {
		r, s := g.shared[0], g.idle[0]
		g.shared, g.idle = g.shared[1:], g.idle[1:]
		s.computing = r
		g.start(r, s)
	}
}

func (g *gounicorn) start(r *Request, s *seat) {
	r.task().seat = s
	g.running = append(g.running, r)
	g.m.Start(r, s.p, g.background(r))
}

func (g *gounicorn) background(r *Request) bool { return g.o.Nice && r.task().Background() }

// spareSeat is the worker for a request that waits: the one that computes the least for long, and of those the one with the fewest
// others.
func (g *gounicorn) spareSeat() (best *seat) {
	heavy := func(s *seat) int {
		if s.computing != nil && s.computing.task().Background() {
			return 1
		}
		return 0
	}
	for _, s := range g.seats {
		if s.busy < s.spare && (best == nil || heavy(s) < heavy(best) || heavy(s) == heavy(best) && s.busy < best.busy) {
			best = s
		}
	}
	return best
}

func (g *gounicorn) Ended(r *Request) {
	t := r.task()
	g.running = slices.DeleteFunc(g.running, func(o *Request) bool { return o == r })
	if s := t.seat; s.computing != r {
		s.busy--
	} else if s.computing = nil; !s.closed {
		g.idle = append(g.idle, s)
	}
	own := r.Ended - r.Started
	if own >= delayFrom {
		own -= r.Delay
	}
	g.sched.End(&t.Item, g.m.Now())
	g.sched.Learn(&t.Item, lane.Spent{Own: own, CPU: r.used})
	g.feed()
	g.pump()
}

func (g *gounicorn) Left(r *Request) {
	if r.Result == Running {
		g.sched.Abandon(&r.task().Item, g.m.Now())
		return
	}
	g.shared = slices.DeleteFunc(g.shared, func(o *Request) bool { return o == r })
	g.sched.Remove(&r.task().Item)
	g.m.Drop(r)
	g.pump()
}

func (g *gounicorn) Sweep() {
	now := g.m.Now()
	g.sched.Expire(now, func(it *lane.Item, _ lane.Verdict) { g.m.Refuse(it.Of.(*Request)) })
	for _, r := range g.running {
		g.sched.Overstay(&r.task().Item, now-r.Started)
		if g.background(r) {
			g.m.Nice(r, true)
		}
	}
	g.pump()
	g.retire()
}

// want starts a worker or a thread when the scheduler wants one: one worker at a time, and one thread at a time in each.
func (g *gounicorn) want() {
	w := g.sched.Want(g.o.MaxThreads > g.spareEach+1)
	if w.Worker {
		g.needed = g.m.Now()
		g.fork()
	}
	if w.Thread {
		g.thread()
	}
}

func (g *gounicorn) fork() {
	if g.forking || len(g.seats) >= g.most {
		return
	}
	g.forking = true
	g.m.After(forkTime, func() {
		g.forking = false
		g.open(g.m.Fork(), g.spareEach)
		g.needed = g.m.Now()
		g.resize()
		g.feed()
	})
}

func (g *gounicorn) thread() {
	var fewest *seat
	for _, s := range g.seats {
		if !s.joining && s.spare+1 < g.o.MaxThreads && (fewest == nil || s.spare < fewest.spare) {
			fewest = s
		}
	}
	if fewest == nil {
		return
	}
	fewest.joining = true
	g.m.After(threadTime, func() {
		fewest.joining = false
		fewest.spare++
		g.resize()
	})
}

// retire ends an overflow worker when the others have been enough for a while and it runs nothing that takes long.
func (g *gounicorn) retire() {
	if len(g.seats) <= g.most-g.o.Overflow {
		return
	}
	s := g.seats[len(g.seats)-1]
	if !g.sched.Spares(1, s.spare) {
		g.needed = g.m.Now()
	}
	if g.m.Now()-g.needed < overflowIdle || s.busy > 0 || s.computing != nil && s.computing.task().Class() != lane.Fast {
		return
	}
	s.closed = true
	g.idle = slices.DeleteFunc(g.idle, func(o *seat) bool { return o == s })
	g.seats = g.seats[:len(g.seats)-1]
	g.needed = g.m.Now()
	g.resize()
}
