package lane

import (
	"cmp"
	"slices"
	"time"
)

const (
	// Window is how many fast requests, for each computing slot, may be sent beyond those that run: enough that a worker which
	// finishes finds its next request there and nobody waits for the master to wake up.
	Window = 8
	// ageBound is from which wait on an item goes before all that are younger, in a lane without a deadline.
	ageBound = 10 * time.Second
	// fewItems is among how many new items one is sought that may take a reserved slot.
	fewItems = 64
	// priorGain is how fast the prior follows, and priorMost up to which a route that nothing is known of is expected to be fast.
	priorGain = 1.0 / 8
	priorMost = 0.25
)

// Priorities of the built-in lanes; lower goes first.
const (
	fastPriority = 0
	newPriority  = 10
	slowPriority = 20
)

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

// Resize changes how many slots there are. When they become more, Peek may have something.
func (s *Scheduler) Resize(computing, spare int) {
	s.computing, s.spare = max(computing, 0), max(spare, 0)
}

// Computing is the number of computing slots.
func (s *Scheduler) Computing() int { return s.computing }

// Spare is the number of spare slots.
func (s *Scheduler) Spare() int { return s.spare }

// Waiting is the number of items that wait.
func (s *Scheduler) Waiting() int { return s.waiting }

// WaitingIn is the number of items that wait in the built-in lane of a class.
func (s *Scheduler) WaitingIn(c Class) int { return s.builtin[c].waiting }

// Busy is the number of items in computing slots, those in the window included.
func (s *Scheduler) Busy() int { return s.busy[Unknown] + s.busy[Fast] + s.busy[Slow] }

// SpareBusy is the number of items in spare slots.
func (s *Scheduler) SpareBusy() int { return s.spareBusy }

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
	return s.where(it)
}

// May says which kind of slot an item could have now if it were its turn.
func (s *Scheduler) May(it *Item) Slot { return s.where(it) }

// line is where an item waits.
func (it *Item) line() *line {
	if it.waits {
		return &it.lane.lines[1]
	}
	return &it.lane.lines[0]
}

// open is how many computing slots what may take long can have.
func (s *Scheduler) open() int { return s.computing - min(s.cfg.Reserve, s.computing-1) }

// held is how many it has.
func (s *Scheduler) held() int { return s.busy[Unknown] + s.busy[Slow] }

// where says which kind of slot an item may have now.
func (s *Scheduler) where(it *Item) Slot {
	if s.computing == 0 || it.lane.full() {
		return None
	}
	held, spare := s.held(), s.spareBusy < s.spare
	switch it.class {
	case Fast:
		if it.waits && spare && s.busy[Fast]+held >= s.computing {
			return Spare
		}
		if s.busy[Fast] < max(s.computing-held, 0)+Window*s.computing {
			return Computing
		}
	case Slow:
		if it.waits && spare {
			return Spare
		}
		if held < s.open() {
			return Computing
		}
	default:
		if held < s.open() {
			return Computing
		}
		if spare && s.spareTried == 0 && (it.route == nil || it.route.running == 0) {
			return Spare
		}
		if s.reserveOpen() && (it.route == nil || it.route.running == 0) {
			return Computing
		}
	}
	return None
}

// reserveOpen reports whether a reserved slot is free for one that nothing is known of: such routes mostly turn out fast, and no
// other is being tried there.
func (s *Scheduler) reserveOpen() bool {
	return s.held() < s.computing && s.reserved == 0 && s.prior < priorMost
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
				if w := s.where(old); w != None {
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
	if on := s.where(it); on != None {
		return it, on
	}
	if l != s.builtin[Unknown] || !s.reserveOpen() {
		return nil, None
	}
	var best *Item // one of a route that may not go on does not hold up the others
	for _, it := range q.heap[:min(len(q.heap), fewItems)] {
		if (best == nil || it.before(best)) && s.where(it) != None {
			best = it
		}
	}
	if best == nil {
		return nil, None
	}
	return best, s.where(best)
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

// occupy counts an item in its slot.
func (s *Scheduler) occupy(it *Item, by int) {
	if it.on == Spare {
		s.spareBusy += by
		if !it.waits {
			s.spareTried += by
		}
		return
	}
	s.busy[it.class] += by
	switch {
	case it.class == Slow && !it.waits:
		s.slowComputing += by
	case it.class == Fast && it.waits:
		s.fastWaits += by
	}
}

// vacate takes an item out of its slot.
func (s *Scheduler) vacate(it *Item) {
	it.lane.running--
	if it.route != nil {
		it.route.running--
	}
	s.occupy(it, -1)
	if it.reserved {
		s.reserved--
	}
	it.state, it.on, it.reserved = gone, None, false
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

// warm is for how many requests of a route the least counts: in each worker the first one may be cold.
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
