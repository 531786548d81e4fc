package lane

import "time"

// ageBound is from which wait on an item goes before all that are younger, in a lane without a deadline.
const ageBound = 10 * time.Second

// Priorities of the built-in lanes; lower goes first.
const (
	fastPriority = 0
	newPriority  = 10
	slowPriority = 20
)

// lane is what shares limits and an order.
type lane struct {
	name        string
	priority    int
	concurrency int
	queue       int
	deadline    time.Duration
	builtin     bool

	lines   [2]line // of what computes, of what waits for something else
	waiting int
	running int
	work    int64 // expected cost of what waits

	clock    int64 // virtual time: the tag of the latest item that ended
	clients  clients
	above    time.Duration // since when its oldest item waits longer than the target; 0: it does not
	rate     rate
	patience time.Duration // how long clients stay, when that is less than the deadline; 0: not known

	sent, refused, expired uint64
}

// full reports whether the lane may have no further item with the workers.
func (l *lane) full() bool { return l.concurrency > 0 && l.running >= l.concurrency }

// age is from which wait on an item goes first.
func (l *lane) age() time.Duration {
	if l.deadline > 0 {
		return l.deadline / 2
	}
	return ageBound
}

// laneNamed returns the lane of a name, a new one if need be.
func (s *Scheduler) laneNamed(name string) *lane {
	l := s.byName[name]
	if l == nil {
		l = &lane{name: name, priority: slowPriority, deadline: s.cfg.QueueTimeout}
		s.byName[name] = l
		s.lanes = append(s.lanes, l)
	}
	return l
}
