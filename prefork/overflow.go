package prefork

import (
	"cmp"
	"fmt"
	"slices"
	"time"

	"github.com/gounicorn/gounicorn/prefork/lane"
)

// Overflow workers are forked while slow requests hold every other one, so that what is fast finds a thread, or requests wait for long
// (scale.go), and leave when nothing has needed them for a while. They are workers like all others, but none is ever replaced, and their trouble is not the site's.

// Pauses after an overflow worker was not to be had: doubled from the first to the last.
const (
	overflowFirstPause = time.Second
	overflowLastPause  = time.Minute
)

// overflow is what the supervisor remembers of overflow workers.
type overflow struct {
	wanted   time.Time // since when one more has been wanted at each look; zero: it is not
	needed   time.Time // when there was last need of as many as there are
	notUntil time.Time // after a failure
	failures int       // in a row
	refused  bool      // lack of memory has been logged
	pressure pressure
}

// postpone keeps the next overflow worker away for a while.
func (o *overflow) postpone(now time.Time) {
	o.notUntil = now.Add(min(overflowFirstPause<<min(o.failures, 10), overflowLastPause))
	o.failures++
}

// adapt gives the current generation one worker or one thread more when the dispatcher lacks it, and ends what was not needed for
// long. While a generation boots or ends nothing changes.
func (p *Pool) adapt(now time.Time, lacks want) {
	g := p.current
	if g == nil || g.ending || g.exited || p.incoming != nil || p.stopping {
		return
	}
	o := &p.overflow
	switch {
	case lacks.Worker && o.wanted.IsZero():
		o.wanted, o.needed = now, now
	case lacks.Worker && now.Sub(o.wanted) >= p.cfg.SlowAfter: // what holds all others takes long indeed
		o.needed = now
		p.forkOverflow(g, now, "Slow requests hold every worker")
	case lacks.Worker:
		o.needed = now
	case !lacks.Thread && p.pressed(now):
		o.wanted, o.needed = time.Time{}, now
		p.forkOverflow(g, now, fmt.Sprintf("Requests of the lane %s wait for %v (--scale-wait is %v) and processors are idle",
			o.pressure.lane, o.pressure.longest.Round(time.Millisecond), g.plan.ScaleWait))
	default:
		o.wanted = time.Time{}
		p.retireOverflow(g, now)
	}
	if lacks.Thread {
		p.addThread(g, now)
	}
	p.endThreads(g, now)
}

// forkOverflow forks an overflow worker if there may be one more and memory allows it. While a worker boots, help is under way. why is
// for the log.
func (p *Pool) forkOverflow(g *generation, now time.Time, why string) {
	living := 0
	var newest *worker
	for _, w := range g.workers {
		switch w.state {
		case booting:
			return
		case ready:
			living++
			if newest == nil || w.started.After(newest.started) {
				newest = w
			}
		}
	}
	if newest == nil || living >= g.most() || now.Before(p.overflow.notUntil) {
		return
	}
	if need, have, ok := memoryFor(p.cfg.os.root, newest.pid); !ok {
		if !p.overflow.refused {
			p.overflow.refused = true
			p.cfg.info(0, fmt.Sprintf("An overflow worker is needed, but there is not enough memory: %d MiB are available, %d MiB must be",
				have>>20, need>>20))
		}
		p.overflow.notUntil = now.Add(overflowFirstPause)
		return
	}
	p.overflow.refused = false
	p.cfg.info(0, fmt.Sprintf("%s: overflow worker %d of %d is forked", why, living+1-g.size, g.most()-g.size))
	p.overflow.pressure.since = time.Time{} // whether that helps is to be seen
	p.fork(g, true)
}

// most is how many workers there may be, overflow workers included.
func (g *generation) most() int { return g.size + g.plan.MaxWorkers - g.plan.Workers }

// retireOverflow ends one overflow worker when the others have been enough for long. One that runs something long is left to it.
func (p *Pool) retireOverflow(g *generation, now time.Time) {
	var extra []*worker
	for _, w := range g.workers {
		if w.overflow && w.state == ready {
			extra = append(extra, w)
		}
	}
	if len(extra) == 0 {
		return
	}
	if !p.d.spares(extra[0].computing, g.plan.Threads-extra[0].computing) {
		p.overflow.needed = now
	}
	if now.Sub(p.overflow.needed) < g.plan.OverflowIdle {
		return
	}
	if p.overflow.pressure.crowd() {
		p.overflow.needed = now
		return
	}
	slices.SortFunc(extra, func(a, b *worker) int { return cmp.Compare(b.id, a.id) })
	for _, w := range extra {
		if p.d.idle(w.id) {
			p.cfg.info(w.pid, fmt.Sprintf("Overflow worker (pid:%d) is not needed any more", w.pid))
			p.stop(w, causeIdle)
			p.overflow.needed = now // the next one gets its own time
			return
		}
	}
}

// spares reports whether everything would run as it does with so many threads fewer.
func (d *dispatcher) spares(computing, spare int) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.lanes.Spares(computing, spare)
}

// idle reports whether a worker runs nothing that takes long.
func (d *dispatcher) idle(worker uint32) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	for slot := range d.jobs {
		j := d.jobs[slot].Load()
		if j != nil && d.board.Load(j.slot).Worker() == worker && (j.item.Class() != lane.Fast || d.running(j) > d.cfg.SlowAfter) {
			return false
		}
	}
	return true
}
