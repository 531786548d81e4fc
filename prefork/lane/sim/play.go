package sim

import (
	"math/rand/v2"
	"time"
)

// Shape is what a server has to work with.
type Shape struct {
	Processors int
	Workers    int
	Threads    int // in each worker
}

// Policy decides who runs next. The machine calls it from one goroutine; it calls the machine's Start, Refuse and Drop.
type Policy interface {
	// Arrive takes a request.
	Arrive(r *Request)
	// Ended is told that a request which it had started is over, so that its thread is free.
	Ended(r *Request)
	// Left is told that the client of a request is gone which waits or runs.
	Left(r *Request)
	// Sweep is called ten times a second.
	Sweep()
}

// Contender is a policy with its name.
type Contender struct {
	Name string
	New  func(m *Machine, s Shape) Policy
}

// Trace is a workload. Its sources are started at 0; what arrives from Warmup until Warmup + Length counts.
type Trace struct {
	Name   string // unique, for tests
	Label  string // tells its rows from the others of its table; may be empty
	Shape  Shape
	Warmup time.Duration
	Length time.Duration
	Cold   time.Duration // processor time that the first request of each route in each process costs more
	Load   func(p *Play)
}

const (
	sweepInterval = 100 * time.Millisecond
	// grace is how long a play goes on behind the measured time until the pages of that time are answered; what is not is failed.
	grace = 20 * time.Second
	// pauseAfterRefusal is when a visitor who was refused asks again.
	pauseAfterRefusal = time.Second
	seed              = 4
)

// Play is one trace under one policy.
type Play struct {
	*Machine
	policy   Policy
	trace    *Trace
	sources  uint64
	conns    int
	open     int // pages that count and are not over
	over     bool
	requests []*Request // that arrived in the measured time, or were open at its beginning
}

// play runs a trace under a policy and returns what became of its requests.
func play(t *Trace, c Contender) *Play {
	p := &Play{Machine: NewMachine(t.Shape.Processors, t.Shape.Workers), trace: t}
	p.cold = t.Cold
	p.policy = c.New(p.Machine, t.Shape)
	p.sweep()
	t.Load(p)
	ended := func(r *Request) { p.policy.Ended(r) }
	p.Run(p.end(), ended, func() bool { return false })
	p.over = true
	p.Run(p.end()+grace, ended, func() bool { return p.open == 0 })
	return p
}

func (p *Play) end() time.Duration { return p.trace.Warmup + p.trace.Length }

func (p *Play) sweep() {
	p.policy.Sweep()
	p.After(sweepInterval, p.sweep)
}

// ask lets a request arrive; done is called once, when it is answered or refused or its client leaves.
func (p *Play) ask(r *Request, done func()) {
	r.Arrived = p.Now()
	counts := r.Arrived >= p.trace.Warmup && !p.over
	if counts && r.Page {
		p.open++
	}
	r.done = func(r *Request) {
		r.done = nil
		if counts && r.Page {
			p.open--
		}
		if done != nil {
			p.After(0, done)
		}
	}
	if r.Patience > 0 {
		p.After(r.Patience, func() {
			if r.Result == Pending || r.Result == Running {
				r.left = true
				r.done(r)
				p.policy.Left(r)
			}
		})
	}
	if !p.over {
		p.requests = append(p.requests, r)
	}
	p.policy.Arrive(r)
}

// Chance returns the generator of one more source. The n-th source gets the same numbers whatever the policy.
func (p *Play) Chance() *rand.Rand {
	p.sources++
	return rand.New(rand.NewPCG(seed, p.sources))
}

// Conn returns the number of a new connection.
func (p *Play) Conn() int {
	p.conns++
	return p.conns
}

// Every lets a new visitor ask once each interval, whatever becomes of the earlier ones.
func (p *Play) Every(interval time.Duration, next func(*rand.Rand) *Request) {
	p.stream(next, func(*rand.Rand) time.Duration { return interval })
}

// Poisson lets new visitors ask at random, so many a second.
func (p *Play) Poisson(rate float64, next func(*rand.Rand) *Request) {
	p.stream(next, func(c *rand.Rand) time.Duration {
		return time.Duration(c.ExpFloat64() / rate * float64(time.Second)).Round(time.Microsecond)
	})
}

func (p *Play) stream(next func(*rand.Rand) *Request, gap func(*rand.Rand) time.Duration) {
	chance := p.Chance()
	var arrive func()
	arrive = func() {
		r := next(chance)
		r.Conn = p.Conn()
		if r.Client == 0 {
			r.Client = uint64(r.Conn)
		}
		p.ask(r, nil)
		p.After(gap(chance), arrive)
	}
	p.After(gap(chance), arrive)
}

// Visitors lets n visitors ask over one connection each, again as soon as they are answered.
func (p *Play) Visitors(n int, next func(*rand.Rand) *Request) {
	for range n {
		chance, conn := p.Chance(), p.Conn()
		var arrive func()
		var r *Request
		arrive = func() {
			r = next(chance)
			r.Conn, r.Client = conn, uint64(conn)
			p.ask(r, func() {
				if r.Result == Refused {
					p.After(pauseAfterRefusal, arrive)
				} else {
					arrive()
				}
			})
		}
		p.After(time.Duration(chance.Int64N(int64(500*time.Millisecond))), arrive)
	}
}
