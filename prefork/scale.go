package prefork

import (
	"fmt"
	"time"

	"github.com/gounicorn/gounicorn/prefork/wire"
)

// A worker beyond Plan.Workers is also forked when requests of a lane wait for too long while processors are idle, whatever holds the
// others. Where no processor is idle, one more would only take turns with them.

const (
	pressFor   = time.Second // for so long requests must wait for too long at each look
	worthwhile = 0.5         // idle processors from which on one more worker helps
	lookEvery  = time.Second // how often the processors are looked at, while requests wait
)

// pressure is what the supervisor remembers of requests that wait.
type pressure struct {
	since   time.Time // when they began to wait for too long; zero: they do not
	lane    string    // where they wait longest, and how long
	longest time.Duration
	before  spent // the processors, when that was last looked at
	idle    float64
	refused bool // that the processors are busy has been said

	looks, full int // since overflow workers were last found needed: looks, and those at which one fewer had not been enough
}

// press looks how long requests wait and what the processors do.
func (p *Pool) press(now time.Time) {
	g, s := p.current, &p.overflow.pressure
	if g == nil || g.plan.MaxWorkers <= g.plan.Workers || g.plan.ScaleWait <= 0 {
		*s = pressure{}
		return
	}
	lane, wait, crowded := p.d.longest()
	s.looks++
	if crowded {
		s.full++
	}
	if wait <= g.plan.ScaleWait {
		s.since, s.before, s.refused = time.Time{}, spent{}, false
		return
	}
	if s.since.IsZero() {
		s.since, s.before = now, spentNow(p.cfg.os.root, now)
	}
	s.lane, s.longest = lane, wait
	if now.Sub(s.before.at) >= lookEvery {
		look := spentNow(p.cfg.os.root, now)
		s.idle, s.before = look.idleSince(s.before), look
	}
}

// pressed reports whether requests have waited for too long for long enough, and a further worker would find a processor.
func (p *Pool) pressed(now time.Time) bool {
	s := &p.overflow.pressure
	if s.since.IsZero() || now.Sub(s.since) < pressFor || s.before.at.Equal(s.since) {
		return false
	}
	if s.idle >= worthwhile {
		return true
	}
	if !s.refused {
		s.refused = true
		p.cfg.info(0, fmt.Sprintf("Requests of the lane %s wait (%v, --scale-wait is %v), but the processors are busy: another worker would not help",
			s.lane, s.longest.Round(time.Millisecond), p.current.plan.ScaleWait))
	}
	return false
}

// crowd reports whether the workers that there are have been needed now and then since the last call, and begins to count anew.
func (s *pressure) crowd() bool {
	often := s.full*10 > s.looks
	s.looks, s.full = 0, 0
	return often
}

// longest returns the lane in which a request waits longest, how long, and whether as many requests run as there are slots.
func (d *dispatcher) longest() (lane string, wait time.Duration, crowded bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	now := time.Since(d.epoch)
	lane, wait = d.lanes.Longest(now)
	if d.lanes.Busy() > d.lanes.Computing() { // what is sent ahead waits too
		for slot := range d.jobs {
			j := d.jobs[slot].Load()
			if j != nil && now-j.submitted > wait && d.board.Load(j.slot).State() == wire.SlotQueued {
				lane, wait = j.item.Lane(), now-j.submitted
			}
		}
	}
	return lane, wait, d.lanes.Busy() >= d.lanes.Computing()
}
