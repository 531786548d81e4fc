package prefork

import (
	"cmp"
	"fmt"
	"slices"
	"time"
)

// Workers are replaced when they have served their share, are old or have grown, or somebody asks for it. One at a time, and each serves until its successor is
// ready, unless there is no memory for both.

const (
	weighEvery  = 5 * time.Second // how often the memory of workers is measured: the kernel walks all their pages
	recycleWait = time.Second     // after a successor was not to be had, at least
)

// recycling is the replacement of one worker.
type recycling struct {
	old, successor *worker // successor is nil when the old one is to leave first, or needs none
	cause          Cause
	leavesFirst    bool // there is no memory for both
}

// recycle begins to replace the oldest worker that is to be, if none is being replaced and nothing else changes.
func (p *Pool) recycle(now time.Time) {
	g := p.current
	if g == nil || g.ending || g.exited || g.paused || g.recycling != nil || p.incoming != nil || p.stopping || now.Before(g.recycleAfter) {
		return
	}
	var old *worker
	var cause Cause
	var why string
	for _, w := range g.workers {
		if w.state == booting || w.state == retiring {
			return
		}
		if w.state != ready || old != nil && !w.started.Before(old.started) {
			continue
		}
		if c, text := w.spent(now); c != causeUnknown {
			old, cause, why = w, c, text
		}
	}
	if old != nil {
		p.cfg.info(old.pid, why)
		p.replace(old, cause)
	}
}

// spent says why a worker is to be replaced, causeUnknown when it is not.
func (w *worker) spent(now time.Time) (why Cause, text string) {
	l := &w.g.plan
	switch age := now.Sub(w.since); {
	case w.unwanted:
		return CauseSignal, "Restarting worker: it was asked for"
	case w.due:
		return CauseMaxRequests, "Autorestarting worker after current request."
	case l.MaxMemory > 0 && w.memory > l.MaxMemory && w.loaded <= l.MaxMemory:
		return CauseMemory, fmt.Sprintf("Autorestarting worker: %d MB used, --max-worker-memory is %s", w.memory>>20, size(l.MaxMemory))
	case w.lifetime > 0 && age >= w.lifetime:
		return CauseAge, fmt.Sprintf("Autorestarting worker: it is %v old, --max-worker-age is %v", age.Round(time.Second), l.MaxAge)
	}
	return causeUnknown, ""
}

// replace begins to replace a worker.
func (p *Pool) replace(old *worker, cause Cause) {
	g := old.g // whose youngest worker shows what a new one will have for itself
	r := &recycling{old: old, cause: cause}
	g.recycling = r
	if old.overflow { // nobody succeeds it
		p.stop(old, cause)
		return
	}
	if need, have := privateMemory(p.cfg.os.root, g.byAge(ready, 1)[0].pid), MemoryLeft(p.cfg.os.root); have < need {
		p.cfg.warning(old.pid, fmt.Sprintf("There is no memory for its successor beside it, so it leaves first: %d MiB are available, %d MiB must be",
			have>>20, need>>20))
		r.leavesFirst = true
		p.stop(old, cause)
		return
	}
	if r.successor = p.fork(g, false); r.successor == nil {
		p.giveUp(g)
	}
}

// byAge lists up to so many workers in some state, the youngest first.
func (g *generation) byAge(state workerState, most int) (all []*worker) {
	for _, w := range g.workers {
		if w.state == state {
			all = append(all, w)
		}
	}
	slices.SortFunc(all, func(a, b *worker) int { return cmp.Compare(b.id, a.id) })
	return all[:min(most, len(all))]
}

// succeed lets a worker go whose successor is ready.
func (p *Pool) succeed(w *worker) {
	if r := w.g.recycling; r != nil && r.successor == w && r.old.state == ready {
		p.stop(r.old, r.cause)
		r.old.dismissed = r.cause != CauseMaxRequests // gunicorn's leave by themselves then
	}
}

// unsucceed is told that a worker is dead. If it was a successor that never was ready, the old one stays for now.
func (p *Pool) unsucceed(w *worker) {
	if r := w.g.recycling; r != nil && r.successor == w && w.state == booting {
		p.giveUp(w.g)
	}
}

func (p *Pool) giveUp(g *generation) {
	g.recycling, g.recycleAfter = nil, time.Now().Add(max(recycleWait, backoff(p.failures+1)))
}

// recycled is told that a worker is gone.
func (p *Pool) recycled(w *worker) {
	if r := w.g.recycling; r != nil && r.old == w {
		w.g.recycling = nil
		p.fill(w.g)
	}
}

// scales is what the supervisor remembers of measuring the memory of workers.
type scales struct {
	next  time.Time // when it is to be done
	busy  bool      // it is being done
	blind bool      // that it cannot be done has been said
}

// weigh measures the memory of the workers when it is time, if it is limited. That takes milliseconds, so it happens beside the supervisor.
func (p *Pool) weigh(now time.Time) {
	g := p.current
	if g == nil || g.plan.MaxMemory <= 0 || p.scales.busy || now.Before(p.scales.next) {
		return
	}
	p.scales.busy, p.scales.next = true, now.Add(weighEvery)
	pids := map[uint32]int{}
	for id, w := range g.workers {
		if w.state == ready {
			pids[id] = w.pid
		}
	}
	go func() {
		found := make(map[uint32]int64, len(pids))
		for id, pid := range pids {
			if n, ok := proportionalMemory(p.cfg.os.root, pid); ok {
				found[id] = n
			}
		}
		p.do(func() { p.weighed(g, len(pids), found) })
	}()
}

// weighed takes the memory of so many workers that were asked for.
func (p *Pool) weighed(g *generation, asked int, found map[uint32]int64) {
	p.scales.busy = false
	for id, n := range found {
		w := g.workers[id]
		if w == nil {
			continue
		}
		w.memory = n
		if w.loaded == 0 {
			w.loaded = n
		}
		if w.loaded > g.plan.MaxMemory && !g.heavy {
			g.heavy = true
			p.cfg.warning(w.pid, fmt.Sprintf("A worker uses %d MB as soon as it has loaded the application, and --max-worker-memory is %s: such workers are not replaced for it",
				w.loaded>>20, size(g.plan.MaxMemory)))
		}
	}
	if asked > 0 && len(found) == 0 && !p.scales.blind {
		p.scales.blind = true
		p.cfg.warning(0, "The memory of the workers cannot be measured (/proc/PID/smaps_rollup), so --max-worker-memory has no effect")
	}
}

// size writes a number of bytes as the settings do.
func size(n int64) string {
	for _, unit := range []struct {
		bytes int64
		name  string
	}{{1 << 30, "G"}, {1 << 20, "M"}, {1 << 10, "K"}} {
		if n%unit.bytes == 0 {
			return fmt.Sprintf("%d%s", n/unit.bytes, unit.name)
		}
	}
	return fmt.Sprint(n)
}
