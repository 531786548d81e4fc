package lane

import (
	"cmp"
	"slices"
	"time"
)

// fewItems is among how many new items one is sought that may take a reserved slot.
const fewItems = 64

// Config says what a scheduler may do.
type Config struct {
	Rules        []Rule
	Reserve      int           // computing slots that slow work never takes; one is open to everything all the same
	SlowAfter    time.Duration // what needs longer is slow; 0: 100 ms
	MaxQueue     int           // items that may wait; 0: 16384
	QueueTimeout time.Duration // longest wait of lanes without a deadline; 0: none
	QueueTarget  time.Duration // wait that is normal under load; a lane above it for that long again is thinned out; 0: off
	CPUs         int           // up to that many computing slow requests at once are worth a further worker; 0: 1
}

// Scheduler decides which request goes where and when. See the package.
type Scheduler struct {
	cfg   Config
	table table

	lanes    []*lane // by priority
	builtin  [classes]*lane
	byName   map[string]*lane
	waiting  int
	arrivals uint64

	computing, spare int // slots there are
	busy             [classes]int
	spareBusy        int
	spareTried       int // of those, items that are not known to wait
	slowComputing    int // of the busy computing slots, those known to compute for long
	fastWaits        int // and those of fast work that waits rather than computes
	reserved         int // of the busy ones, those that new items took of the reserve
	prior            float64
}

// New makes a scheduler without slots.
func New(cfg Config) *Scheduler {
	if cfg.SlowAfter <= 0 {
		cfg.SlowAfter = 100 * time.Millisecond
	}
	if cfg.MaxQueue <= 0 {
		cfg.MaxQueue = 16384
	}
	cfg.Reserve, cfg.CPUs = max(cfg.Reserve, 0), max(cfg.CPUs, 1)
	s := &Scheduler{cfg: cfg, table: newTable(cfg.Rules), byName: map[string]*lane{}}
	for _, b := range []struct {
		class    Class
		priority int
	}{{Fast, fastPriority}, {Unknown, newPriority}, {Slow, slowPriority}} {
		l := s.laneNamed(b.class.String())
		l.priority, l.builtin = b.priority, true
		s.builtin[b.class] = l
	}
	for i := range cfg.Rules {
		r := &cfg.Rules[i]
		l := s.laneNamed(r.Lane)
		if r.Priority != nil {
			l.priority = *r.Priority
		}
		if r.Concurrency > 0 {
			l.concurrency = r.Concurrency
		}
		if r.Queue > 0 {
			l.queue = r.Queue
		}
		if r.Deadline > 0 {
			l.deadline = r.Deadline
		}
	}
	slices.SortStableFunc(s.lanes, func(a, b *lane) int { return cmp.Compare(a.priority, b.priority) })
	return s
}

// Waiting is the number of items that wait.
func (s *Scheduler) Waiting() int { return s.waiting }

// WaitingIn is the number of items that wait in the built-in lane of a class.
func (s *Scheduler) WaitingIn(c Class) int { return s.builtin[c].waiting }

// Arrive takes an item up and judges it: Class, Waits and Lane are known from here on. key may be empty, client is 0 when it is not
// known. Start or Wait must follow.
func (s *Scheduler) Arrive(it *Item, key []byte, client uint64, now time.Duration) {
	it.key, it.client, it.arrived = key, client, now
	s.arrivals++
	it.number = s.arrivals
	it.tag, it.state, it.on, it.reserved, it.abandoned = 0, gone, None, false, false
	it.entry = s.table.at(key)
	s.judge(it)
}

// judge sets what follows from what is known of the item's route.
func (s *Scheduler) judge(it *Item) {
	it.route, it.rule = nil, nil
	if e := it.entry; e != nil {
		it.route, it.rule = e.route, e.rule
		if e.folded && len(s.table.rules) > 0 {
			it.rule = s.table.rule(it.key)
		}
	}
	it.class = it.route.class()
	it.waits = it.route != nil && it.route.waits && it.class != Unknown
	it.lane = nil
	if it.rule != nil {
		it.lane = s.byName[it.rule.Lane]
		it.class = Slow
		if it.lane == s.builtin[Fast] {
			it.class = Fast
		}
	}
	if it.lane == nil {
		it.lane = s.builtin[it.class]
	}
	it.cost = int64(s.cfg.SlowAfter)
	if it.route != nil && it.route.known {
		it.cost = int64(it.route.estimate)
	}
}

// Admit says where an item that has just arrived may be started at once, None when it has to wait.
func (s *Scheduler) Admit(it *Item) Slot {
	if len(it.line().heap) > 0 && it.class != Unknown { // a new one may take a reserved slot that the first one may not
		return None
	}
	return s.Where(it)
}

// line is where an item waits.
func (it *Item) line() *line {
	if it.waits {
		return &it.lane.lines[1]
	}
	return &it.lane.lines[0]
}

// Wait puts an item that arrived into its lane. When it says anything but Kept, the item is gone.
func (s *Scheduler) Wait(it *Item, now time.Duration) Verdict {
	l := it.lane
	if s.waiting >= s.cfg.MaxQueue || l.queue > 0 && l.waiting >= l.queue {
		l.refused++
		return Full
	}
	if s.hopeless(it, now) {
		l.refused++
		return Refused
	}
	s.charge(it)
	s.enqueue(it, nil)
	return Kept
}

// charge sets an item's place in the order of its lane: clients take turns by expected cost.
func (s *Scheduler) charge(it *Item) {
	it.tag = it.lane.clients.charge(it.client, it.lane.clock, it.cost)
}

// refund takes back what an item was charged that is not served.
func (s *Scheduler) refund(it *Item) {
	if it.tag != front && it.tag != 0 {
		it.lane.clients.refund(it.client, it.cost)
	}
}

func (s *Scheduler) enqueue(it, after *Item) {
	it.state = queued
	it.line().add(it, after)
	it.lane.waiting++
	it.lane.work += it.cost
	s.waiting++
	if it.route != nil {
		it.route.waiting++
	}
}

func (s *Scheduler) dequeue(it *Item) {
	it.state = gone
	it.line().remove(it)
	it.lane.waiting--
	it.lane.work -= it.cost
	s.waiting--
	if it.route != nil {
		it.route.waiting--
	}
}

// Peek returns the item that goes next and the kind of slot it gets, or nil when nothing may go. It stays where it is until Start.
func (s *Scheduler) Peek(now time.Duration) (*Item, Slot) {
	if s.waiting == 0 || s.computing == 0 {
		return nil, None
	}
	var next, aged *Item
	var on, agedOn Slot
	for _, l := range s.lanes {
		if l.waiting == 0 || l.full() {
			continue
		}
		age := l.age()
		var best *Item
		var bestOn Slot
		for i := range l.lines {
			q := &l.lines[i]
			if len(q.heap) == 0 {
				continue
			}
			if old := q.oldest; now-old.arrived > age && (aged == nil || old.number < aged.number) {
				if w := s.Where(old); w != None {
					aged, agedOn = old, w
				}
			}
			if next == nil || next.lane.priority == l.priority {
				it, w := s.first(l, q)
				if it != nil && (best == nil || it.before(best)) {
					best, bestOn = it, w
				}
			}
		}
		if best != nil && (next == nil || best.number < next.number) { // lanes of one priority: first come, first served
			next, on = best, bestOn
		}
	}
	if aged != nil {
		return aged, agedOn
	}
	return next, on
}

// first returns the item of a line that goes first and may go.
func (s *Scheduler) first(l *lane, q *line) (*Item, Slot) {
	it := q.heap[0]
	if on := s.Where(it); on != None {
		return it, on
	}
	if l != s.builtin[Unknown] || !s.reserveOpen() {
		return nil, None
	}
	var best *Item // one of a route that may not go on does not hold up the others
	for _, it := range q.heap[:min(len(q.heap), fewItems)] {
		if (best == nil || it.before(best)) && s.Where(it) != None {
			best = it
		}
	}
	if best == nil {
		return nil, None
	}
	return best, s.Where(best)
}

// Start books an item, which has just arrived or waits, into a slot of the kind that Admit or Peek named.
func (s *Scheduler) Start(it *Item, on Slot) {
	if it.state == queued {
		s.dequeue(it)
	} else if it.class != Fast && it.tag == 0 {
		s.charge(it)
	}
	it.state, it.on = started, on
	it.lane.running++
	it.lane.sent++
	if it.route != nil {
		it.route.running++
	}
	if on == Computing && it.class == Unknown && s.held() >= s.open() {
		it.reserved = true
		s.reserved++
	}
	s.occupy(it, 1)
}

// End gives the slot of a started item back. The item may then be passed to Learn, once.
func (s *Scheduler) End(it *Item, now time.Duration) {
	if it.state != started {
		return
	}
	l := it.lane
	s.vacate(it)
	l.clock = max(l.clock, it.tag)
	if !it.abandoned {
		l.stayed()
	}
	l.rate.ended(it.cost, now, l.waiting > 0)
}

// Requeue takes a started item back and makes it the first of its lane.
func (s *Scheduler) Requeue(it *Item) {
	if it.state != started {
		return
	}
	s.vacate(it)
	it.lane.sent--
	s.refund(it)
	it.tag = front
	s.judge(it)
	s.enqueue(it, nil)
}

// Remove forgets an item that waits or has started.
func (s *Scheduler) Remove(it *Item) {
	switch it.state {
	case queued:
		s.dequeue(it)
	case started:
		s.vacate(it)
	default:
		return
	}
	s.refund(it)
}

// Drop is Remove for an item that is refused or has waited for too long, and counts it as that.
func (s *Scheduler) Drop(it *Item, why Verdict) {
	if it.state == gone {
		return
	}
	if why == Expired {
		it.lane.expired++
	} else {
		it.lane.refused++
	}
	s.Remove(it)
}

// Drain calls gone for each item that waits and forgets it.
func (s *Scheduler) Drain(gone func(*Item)) {
	for _, l := range s.lanes {
		for i := range l.lines {
			for l.lines[i].oldest != nil {
				it := l.lines[i].oldest
				s.Remove(it)
				gone(it)
			}
		}
	}
}
