package lane

import (
	"slices"
	"time"
)

// priorGain is how fast the prior follows.
const priorGain = 1.0 / 8

// Spent is what a request took.
type Spent struct {
	Own   time.Duration // its run without the time for which its thread only waited for a processor
	CPU   time.Duration // 0: not known
	Route uint64        // the framework's route, see Name; 0: not told
}

// Learn records what an item took that has run to its end. It reports whether items that wait count differently now, so that Peek may
// have something.
func (s *Scheduler) Learn(it *Item, spent Spent) (changed bool) {
	if it.entry == nil {
		return false
	}
	key := it.key
	e := s.table.current(it.entry, key)
	it.entry = nil
	if spent.Route != e.hash && spent.Route != 0 && !e.gone {
		e, changed = s.named(e, key, spent.Route)
	}
	if s.shared(e) && e.route.ended >= warmUp {
		switch class := e.route.class(); {
		case class == Fast && spent.Own > s.cfg.SlowAfter:
			if o := s.apart(e, key, true); o != nil {
				e = o
			}
		case class == Slow && spent.Own < s.cfg.SlowAfter/2:
			if o := s.apart(e, key, false); o != nil {
				e = o
			}
		}
	}
	rt := e.route
	first, guessed := !rt.known, rt.provisional && rt.ended == 0
	judged := rt.learn(spent.Own, spent.CPU, s.cfg.SlowAfter, s.warm())
	switch {
	case first:
		s.foretell(rt.slow)
	case guessed && !rt.slow: // it took long only because the machine is busy
		s.prior = max(s.prior-priorGain, 0)
	}
	if judged {
		s.rejudge(rt)
		changed = true
	}
	if (first || judged) && !e.folded && !e.gone && !e.apart && e.hash == 0 {
		if before := s.table.foldFresh(e, key); before != nil {
			s.rejudge(before...)
			changed = true
		}
	}
	return changed
}

// shared reports whether an entry's route is that of other keys too.
func (s *Scheduler) shared(e *entry) bool { return !e.gone && (e.folded || e.route.shared > 1) }

// apart gives a key whose requests are unlike the others of its route a route of its own.
func (s *Scheduler) apart(e *entry, key []byte, knowing bool) *entry {
	before := e.route
	o := s.table.split(e, key, knowing)
	if o != nil && o == e {
		s.rejudge(before)
	}
	return o
}

// named notes that the framework gives the requests of a key this route, and returns the entry that the key has now.
func (s *Scheduler) named(e *entry, key []byte, hash uint64) (*entry, bool) {
	if e.folded && e.hash != 0 { // one of many, and unlike them
		o := s.table.split(e, key, false)
		if o == nil {
			return e, false
		}
		o.apart = false
		e = o
	}
	method, _ := split(key)
	before := s.table.alias(e, string(method), hash)
	if before != nil {
		s.rejudge(before)
	}
	if !e.folded && e.from == nil && !e.apart {
		s.table.foldAlike(e, key)
	}
	return e, before != nil
}

// foretell moves the prior.
func (s *Scheduler) foretell(slow bool) {
	share := 0.0
	if slow {
		share = 1
	}
	s.prior += (share - s.prior) * priorGain
}

// Name notes what the framework calls the route of a hash.
func (s *Scheduler) Name(hash uint64, name string) { s.table.name(hash, name) }

// warm is for how many requests of a route the second least counts: in each worker the first one may be cold.
func (s *Scheduler) warm() int { return warmUp + s.computing }

// Overstay says that a started item has been running for so long. Beyond SlowAfter it counts as slow, and its route too if nothing is
// known of it yet or the time is beyond doubt. It reports whether anything changed.
func (s *Scheduler) Overstay(it *Item, run time.Duration) (changed bool) {
	if it.state != started || run <= s.cfg.SlowAfter {
		return false
	}
	if it.entry != nil && (it.class == Unknown || run > certain*s.cfg.SlowAfter) {
		e := s.table.current(it.entry, it.key)
		if e.route.class() == Fast && s.shared(e) {
			if o := s.apart(e, it.key, true); o != nil {
				e = o
				it.entry = o
			}
		}
		first := !e.route.known
		if (e.route.ended == 0 || run > certain*s.cfg.SlowAfter) && e.route.suspect(run) {
			e.route.trial = run < certain*s.cfg.SlowAfter
			if first {
				s.foretell(true)
			}
			s.rejudge(e.route)
			changed = true
		}
	}
	if it.class == Slow {
		return changed
	}
	s.occupy(it, -1)
	it.class, it.waits = Slow, false
	s.occupy(it, 1)
	if it.rule == nil {
		it.lane.running--
		it.lane.clock = max(it.lane.clock, it.tag)
		it.lane, it.tag = s.builtin[Slow], 0 // of another clock
		it.lane.running++
	}
	return true
}

// Misjudged reports whether a started item was sent as fast and its route has turned out not to be. If it has not begun to run, it
// had better be taken back: sent ahead of a free thread, such items would keep fast ones from all of them.
func (s *Scheduler) Misjudged(it *Item) bool {
	return it.state == started && it.class == Fast && it.rule == nil && it.entry != nil &&
		s.table.current(it.entry, it.key).route.class() != Fast
}

// Guessed reports whether nothing but its own long run is known of a started item: no request of its route has ended. Then the caller
// may look at what it does, and tell with Observe.
func (s *Scheduler) Guessed(it *Item) bool {
	return it.state == started && it.class == Slow && it.entry != nil && s.table.current(it.entry, it.key).route.ended == 0
}

// Observe says whether an item of which Guessed is true was seen to wait or to compute, until an end tells for certain. It reports
// whether something may now go that could not.
func (s *Scheduler) Observe(it *Item, waits bool) (changed bool) {
	rt := s.table.current(it.entry, it.key).route
	if it.waits == waits && rt.waits == waits && !rt.trial {
		return false
	}
	s.occupy(it, -1)
	it.waits = waits
	s.occupy(it, 1)
	if rt.waits != waits || waits && rt.trial {
		rt.waits, rt.trial = waits, rt.trial && !waits
		s.rejudge(rt)
	}
	return true
}

// rejudge moves the waiting items of routes to where they belong by what is known now.
func (s *Scheduler) rejudge(routes ...*route) {
	left := 0
	for _, rt := range routes {
		left += rt.waiting
	}
	if left == 0 {
		return
	}
	moved := make([]*Item, 0, left)
	for _, l := range s.lanes {
		for i := range l.lines {
			for it := l.lines[i].oldest; it != nil && len(moved) < left; it = it.newer {
				if slices.Contains(routes, it.route) {
					moved = append(moved, it)
				}
			}
		}
	}
	for _, it := range moved { // all refunds first, so that a client's first item is not charged behind its last
		s.dequeue(it)
		s.refund(it)
	}
	var after *Item // moved just before
	for _, it := range moved {
		s.judge(it)
		if it.tag != front {
			s.charge(it)
		}
		if after != nil && (after.line() != it.line() || after.number > it.number) {
			after = nil
		}
		s.enqueue(it, after)
		after = it
	}
}

// Blame counts the death of a worker against the route of a key and returns the number of such deaths so far.
func (s *Scheduler) Blame(key []byte) int {
	e := s.table.at(key)
	if e == nil {
		return 1
	}
	e.route.deaths++
	return e.route.deaths
}
