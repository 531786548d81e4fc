package sim

import (
	"math"
	"math/rand/v2"
	"testing"
	"time"
)

const ms = time.Millisecond

// near fails unless got is within a share of want.
func near(t *testing.T, what string, got, want, share float64) {
	t.Helper()
	if math.Abs(got-want) > share*want {
		t.Errorf("%s: %.4g, want %.4g ± %.0f %%", what, got, want, 100*share)
	}
}

// queue plays Poisson arrivals for long and returns the mean time in the system of each client number, in seconds, and the mean
// number of requests in the system, which is measured by itself.
func queue(s Shape, c Contender, rates []float64, service func(client uint64, c *rand.Rand) time.Duration) (mean []float64, inside float64) {
	var area float64
	var last time.Duration
	n := 0
	trace := &Trace{Shape: s, Length: 40000 * time.Second}
	trace.Load = func(p *Play) {
		count := func(change int) {
			area += float64(n) * (p.Now() - last).Seconds()
			last, n = p.Now(), n+change
		}
		for client, rate := range rates {
			chance := p.Chance()
			var arrive func()
			arrive = func() {
				count(1)
				p.ask(&Request{Client: uint64(client), CPU: service(uint64(client), chance)}, func() { count(-1) })
				p.After(time.Duration(chance.ExpFloat64()/rate*float64(time.Second)), arrive)
			}
			arrive()
		}
	}
	p := play(trace, c)
	sum, answers := make([]float64, len(rates)), make([]float64, len(rates))
	for _, r := range p.requests {
		if r.Result == Answered {
			sum[r.Client] += (r.Ended - r.Arrived).Seconds()
			answers[r.Client]++
		}
	}
	for i := range sum {
		mean = append(mean, sum[i]/answers[i])
	}
	return mean, area / last.Seconds()
}

func exponential(mean float64) func(uint64, *rand.Rand) time.Duration {
	return func(_ uint64, c *rand.Rand) time.Duration {
		return time.Duration(c.ExpFloat64() * mean * float64(time.Second))
	}
}

// With as many processors as processes and one queue, the machine is M/M/c.
func TestOneQueueIsErlangC(t *testing.T) {
	t.Parallel()
	for _, c := range []int{1, 2, 4} {
		const service, load = 1.0, 0.8
		rate := load * float64(c) / service
		offered := rate * service
		term, sum := 1.0, 0.0
		for k := range c {
			sum += term
			term *= offered / float64(k+1)
		}
		last := term / (1 - load)
		waiting := last / (sum + last) // Erlang's C: the probability to wait
		want := service + waiting*service/(float64(c)*(1-load))
		mean, inside := queue(Shape{c, c, 1}, Peers[0], []float64{rate}, exponential(service))
		near(t, "mean time in the system", mean[0], want, 0.05)
		near(t, "Little's law", inside, rate*mean[0], 0.02)
	}
}

// With more processes than ever are busy, one processor is M/G/1 processor sharing: the mean depends on the load only.
func TestProcessorSharingDependsOnTheMeanOnly(t *testing.T) {
	t.Parallel()
	bimodal := func(_ uint64, c *rand.Rand) time.Duration {
		if c.IntN(10) == 0 {
			return 5500 * ms
		}
		return 500 * ms
	}
	for name, service := range map[string]func(uint64, *rand.Rand) time.Duration{"exponential": exponential(1), "bimodal": bimodal} {
		mean, inside := queue(Shape{1, 30, 1}, Peers[0], []float64{0.6}, service)
		near(t, name, mean[0], 1/(1-0.6), 0.05)
		near(t, "Little's law", inside, 0.6*mean[0], 0.02)
	}
}

// One interpreter lock that is passed on every 5 ms is processor sharing too, when requests are much longer than that.
func TestLockSharesOneProcessorWhateverThereAre(t *testing.T) {
	t.Parallel()
	trace := func(p *Play) {
		p.Poisson(6, func(c *rand.Rand) *Request { return &Request{CPU: time.Duration(c.ExpFloat64() * float64(100*ms))} })
	}
	p := play(&Trace{Shape: Shape{4, 1, 40}, Length: 4000 * time.Second, Load: trace}, Peers[0])
	var sum float64
	for _, r := range p.requests {
		sum += (r.Ended - r.Arrived).Seconds()
	}
	near(t, "mean time in the system", sum/float64(len(p.requests)), 0.1/(1-0.6), 0.05)
}

// Weighted sharing has a closed form for two classes with exponential needs (Fayolle, Mitrani, Iasnogorodski, 1980).
func TestNiceIsDiscriminatoryProcessorSharing(t *testing.T) {
	t.Parallel()
	const rho1, rho2 = 0.3, 0.4
	weights := [2]float64{normalWeight, niceWeight}
	niced := Contender{New: func(m *Machine, s Shape) Policy { return &nicedFIFO{newFIFO(m, s).(*fifo)} }}
	mean, _ := queue(Shape{1, 40, 1}, niced, []float64{rho1, rho2}, exponential(1))
	total := weights[0]*(1-rho1) + weights[1]*(1-rho2)
	near(t, "nice 0", mean[0], (1+rho2*(weights[1]-weights[0])/total)/(1-rho1-rho2), 0.06)
	near(t, "nice 10", mean[1], (1+rho1*(weights[0]-weights[1])/total)/(1-rho1-rho2), 0.06)
}

// nicedFIFO starts the requests of client 1 in the background.
type nicedFIFO struct{ *fifo }

func (f *nicedFIFO) Arrive(r *Request) {
	f.m.Start(r, f.idle[0], r.Client == 1)
	f.idle = f.idle[1:]
}

// What happens in a machine, worked out by hand.
func TestMachineByHand(t *testing.T) {
	t.Parallel()
	type start struct {
		at      time.Duration
		process int
		cpu     time.Duration
		wait    time.Duration
		nice    bool
		ends    time.Duration
		delay   time.Duration
	}
	for name, starts := range map[string][]start{
		"each process has a processor":         {{0, 0, 100 * ms, 0, false, 100 * ms, 0}, {0, 1, 100 * ms, 0, false, 100 * ms, 0}},
		"three share two processors":           {{0, 0, 100 * ms, 0, false, 150 * ms, 50 * ms}, {0, 1, 100 * ms, 0, false, 150 * ms, 50 * ms}, {0, 2, 100 * ms, 0, false, 150 * ms, 50 * ms}},
		"two threads share a lock":             {{0, 0, 10 * ms, 0, false, 15 * ms, 0}, {0, 0, 10 * ms, 0, false, 20 * ms, 0}},
		"who waits for something has no lock":  {{0, 0, 10 * ms, 100 * ms, false, 110 * ms, 0}, {20 * ms, 0, 50 * ms, 0, false, 70 * ms, 0}},
		"who comes back gets the lock in 5 ms": {{0, 0, 10 * ms, 20 * ms, false, 35 * ms, 0}, {5 * ms, 0, 50 * ms, 0, false, 60 * ms, 0}},
		// The first gets a whole processor of the two; the others share the second: 10 of its 10 ms, then half of both.
		"nice yields": {{0, 0, 10 * ms, 0, false, 10 * ms, 0}, {0, 1, 10 * ms, 0, true, 15 * ms, 5 * ms}, {0, 2, 10 * ms, 0, true, 15 * ms, 5 * ms}},
	} {
		m := NewMachine(2, 3)
		var all []*Request
		for _, s := range starts {
			r := &Request{CPU: s.cpu, Wait: s.wait}
			all = append(all, r)
			m.At(s.at, func() { m.Start(r, m.Processes[s.process], s.nice) })
		}
		m.Run(time.Second, func(*Request) {}, func() bool { return false })
		for i, s := range starts {
			off := func(a, b time.Duration) bool { return (a - b).Abs() > time.Microsecond }
			if r := all[i]; r.Result != Answered || off(r.Ended, s.ends) || off(r.Delay, s.delay) {
				t.Errorf("%s, %d: result %d, ended %v want %v, delay %v want %v", name, i, r.Result, r.Ended, s.ends, r.Delay, s.delay)
			}
		}
	}
}

// A route's first request in each process costs more.
func TestColdProcessesCostMore(t *testing.T) {
	t.Parallel()
	trace := &Trace{Shape: Shape{2, 2, 1}, Length: time.Second, Cold: 50 * ms, Load: func(p *Play) {
		p.Visitors(1, func(*rand.Rand) *Request { return &Request{Key: "k", CPU: 10 * ms, Patience: 5 * time.Second} })
	}}
	var took []time.Duration
	for _, r := range play(trace, Peers[0]).requests[:4] {
		took = append(took, r.Ended-r.Arrived)
	}
	if took[0] != 60*ms || took[1] != 60*ms || took[2] != 10*ms || took[3] != 10*ms {
		t.Errorf("took %v, want 60, 60, 10, 10 ms", took)
	}
}
