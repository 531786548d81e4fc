package prefork

import "fmt"

// Where memory does not hold two generations, the new one takes the place of the old one worker by worker. Requests go to the old one
// until the new one has as many workers, less one, as are left of it. So half of the workers serve at any time; of one alone, none for
// as long as its successor boots if not even one more fits, and requests wait. If the new one fails, the old one is filled up again.

// samples is of how many workers the memory is measured to know that of the others: the kernel walks all their pages.
const samples = 3

// count is the number of workers in one of some states.
func (g *generation) count(states ...workerState) (n int) {
	for _, w := range g.workers {
		for _, s := range states {
			if w.state == s {
				n++
			}
		}
	}
	return n
}

// living is the number of processes in all generations that are no zygotes, those included that are about to be.
func (p *Pool) living() (n int) {
	for _, g := range p.generations {
		n += g.count(booting, ready, retiring)
	}
	return n
}

// measure decides whether a generation that is about to fork its workers replaces the old ones one by one.
func (p *Pool) measure(g *generation) {
	old := p.current
	if old == nil || old.count(ready) == 0 {
		return
	}
	var private int64
	for _, w := range old.byAge(ready, samples) {
		private = max(private, privateMemory(p.cfg.os.root, w.pid))
	}
	private += private / 2 // what loading takes for a while
	have := MemoryLeft(p.cfg.os.root)
	if need := private * int64(g.size); have < need {
		p.cfg.warning(0, fmt.Sprintf("There is no memory for %d more workers beside the old ones, so they are replaced one by one: %d MiB are available, %d MiB must be",
			g.size, have>>20, need>>20))
	} else if !g.plan.OneByOne {
		return
	}
	g.room = p.living()
	if have >= private {
		g.room++
	}
}

// enough reports whether a generation that replaces another one by one may take over with so many workers ready.
func (p *Pool) enough(g *generation, able int) bool {
	return g == p.incoming && g.room > 0 && able > 0 && able >= p.current.count(ready)-1
}

// advance takes the replacement of workers one by one a step further, if one is under way: it forks a worker or asks an old one to leave.
func (p *Pool) advance() {
	if g := p.current; g != nil && g.room > 0 {
		if p.living() == g.count(booting, ready, retiring) {
			g.room = 0
		}
		p.fill(g)
	}
	g := p.incoming
	if g == nil || g.room == 0 || p.current == nil || p.stopping {
		return
	}
	p.fill(g)
	if g.count(booting) > 0 || g.paused || p.current.count(retiring) > 0 {
		return
	}
	var oldest *worker
	for _, w := range p.current.workers {
		if w.state == ready && (oldest == nil || w.started.Before(oldest.started)) {
			oldest = w
		}
	}
	if oldest != nil {
		p.stop(oldest, CauseReload)
	} else if able := g.count(ready); able > 0 {
		p.mayServe(g)
	}
}
