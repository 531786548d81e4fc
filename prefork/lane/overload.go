package lane

import "time"

// Verdict says what became of an item that has to wait.
type Verdict uint8

// Verdicts.
const (
	Kept    Verdict = iota
	Full            // too many items wait, in all or in its lane
	Refused         // its lane is overloaded: it would wait for too long, or has
	Expired         // it waited for its deadline
)

// Retry-After is bounded to these.
const (
	leastRetry = time.Second
	mostRetry  = time.Minute
)

// rate measures how much work a lane gets done while items of it wait, in nanoseconds of expected cost for each nanosecond.
type rate struct {
	last       time.Duration // end of the latest item, if others waited then; 0: none
	work, time float64       // decaying sums
	ends       int           // how many went into them, up to rateLeast
}

const (
	rateKeeps = 1 - 1.0/32 // share of the past that stays at each end
	rateLeast = 8          // ends before which the rate is only assumed
)

func (r *rate) ended(cost int64, now time.Duration, backlog bool) {
	if r.last > 0 && now >= r.last {
		r.work = r.work*rateKeeps + float64(cost)
		r.time = r.time*rateKeeps + float64(now-r.last)
		r.ends = min(r.ends+1, rateLeast)
	}
	r.last = 0
	if backlog {
		r.last = now
	}
}

// per returns the rate, or what is assumed while too little was measured.
func (r *rate) per(assumed float64) float64 {
	if r.ends < rateLeast || r.work <= 0 || r.time <= 0 {
		return assumed
	}
	return r.work / r.time
}

// slots is how many slots work of a lane may have at once.
func (s *Scheduler) slots(l *lane) float64 {
	n := s.open()
	switch {
	case l == s.builtin[Fast]:
		n = s.computing - min(s.held(), s.computing-1)
	case len(l.lines[1].heap) > len(l.lines[0].heap):
		n = max(n, s.spare)
	}
	if l.concurrency > 0 {
		n = min(n, l.concurrency)
	}
	return float64(max(n, 1))
}

// ExpectedWait is how long an item that would join the end of the lane now may have to wait.
func (s *Scheduler) ExpectedWait(it *Item) time.Duration { return s.expected(it.lane) }

func (s *Scheduler) expected(l *lane) time.Duration {
	if l.waiting == 0 {
		return 0
	}
	return s.takes(l, l.work)
}

// takes is how long the lane needs for so much work.
func (s *Scheduler) takes(l *lane, work int64) time.Duration {
	return time.Duration(float64(work) / l.rate.per(s.slots(l)))
}

// RetryAfter is when an item that was refused may be worth another try: the expected wait, from a second to a minute.
func (s *Scheduler) RetryAfter(it *Item) time.Duration {
	return min(max(s.expected(it.lane), leastRetry), mostRetry)
}

// hopeless reports whether an item of slow work would wait for longer than its deadline behind what goes before it. That is only an
// estimate, so it counts only once the lane has shown that it is behind. One of a client who has asked for little goes before most.
func (s *Scheduler) hopeless(it *Item, now time.Duration) bool {
	l := it.lane
	limit := l.limit()
	if s.cfg.QueueTarget <= 0 || limit <= 0 || l.waiting == 0 || it.class != Slow ||
		now-l.oldest().arrived <= limit/2 || s.expected(l) <= limit {
		return false
	}
	ahead, tag := int64(0), l.clients.peek(it.client, l.clock, it.cost)
	for i := range l.lines {
		for _, o := range l.lines[i].heap {
			if o.tag <= tag {
				ahead += o.cost
			}
		}
	}
	return s.takes(l, ahead) > limit
}

// limit is how long it is worth to wait in a lane: until its deadline, or as long as its clients stay to the end.
func (l *lane) limit() time.Duration {
	if l.patience > 0 {
		return min(l.patience, l.deadline)
	}
	return l.deadline
}

// What a lane learns of its clients' patience: it falls to a tenth less than one who left had waited; with each that left while its
// request ran by a tenth at least; and grows by a two-hundredth with each that stayed. So at most about one in twenty is served in vain.
const (
	patienceFalls = 10
	patienceGrows = 200
)

// Abandon says that the client of an item has left, or most likely has: what the item takes is wasted. When that happens in a lane of
// slow work that is behind, the lane takes less in, so that what it starts is still wanted when it is done. Else overload would end
// with every slot busy for nobody, long before the deadline refuses anything.
func (s *Scheduler) Abandon(it *Item, now time.Duration) {
	if it.state == gone || it.abandoned {
		return
	}
	it.abandoned = true
	l, least := it.lane, min(s.cfg.QueueTarget, it.lane.deadline)
	if it.class != Slow || least <= 0 || l.waiting == 0 || now-l.oldest().arrived <= min(least, l.limit()/2) {
		return
	}
	stays := now - it.arrived
	if it.state == started {
		stays = min(stays, l.limit())
	}
	l.patience = max(min(stays-stays/patienceFalls, l.limit()), least)
}

// stayed says that the client of an item was there to the end.
func (l *lane) stayed() {
	if l.patience > 0 {
		if l.patience += l.patience / patienceGrows; l.patience >= l.deadline {
			l.patience = 0
		}
	}
}

// oldest returns the item of a lane that waits for longest; it has one.
func (l *lane) oldest() *Item {
	a, b := l.lines[0].oldest, l.lines[1].oldest
	if a == nil || b != nil && b.number < a.number {
		return b
	}
	return a
}

// Expire takes the items out that have waited for too long, and calls gone for each of them: those over the deadline of their lane, and
// in a lane that has been behind its target for a while those that have waited for longest. Lanes whose target counts give way one
// at a time, the least valuable first.
func (s *Scheduler) Expire(now time.Duration, gone func(*Item, Verdict)) {
	for _, l := range s.lanes {
		for l.deadline > 0 && l.waiting > 0 && now-l.oldest().arrived > l.limit() {
			it, why := l.oldest(), Refused
			if now-it.arrived > l.deadline {
				why = Expired
			}
			s.Drop(it, why)
			gone(it, why)
		}
	}
	target := s.cfg.QueueTarget
	if target <= 0 {
		return
	}
	thinned := false
	for i := len(s.lanes) - 1; i >= 0; i-- {
		l := s.lanes[i]
		switch {
		case l != s.builtin[Fast] && l != s.builtin[Unknown]:
		case l.waiting == 0 || now-l.oldest().arrived <= target:
			l.above = 0
		case l.above == 0:
			l.above = now
		case now-l.above > target && !thinned:
			thinned = true
			for l.waiting > 0 && now-l.oldest().arrived > target {
				it := l.oldest()
				s.Drop(it, Refused)
				gone(it, Refused)
			}
		}
	}
}

// Want is what the scheduler could use.
type Want struct{ Worker, Thread bool }

// Spares reports whether what runs and takes long would have room with so many slots fewer, and leave one for what is fast.
func (s *Scheduler) Spares(computing, spare int) bool {
	left := s.computing - computing
	return s.held() < left && s.held() <= left-min(s.cfg.Reserve, left-1) && s.spareBusy <= s.spare-spare
}

// Want says whether a further worker would help: something fast waits while every computing slot is held by what may take long, or
// something new while all of them are that it may have, or slow work waits that another worker could do: what waits rather than
// computes, or what computes while fewer such requests run than there are processors. If threads says that there may be more spare
// slots, what waits wants a thread instead; fast work of that kind wants one, too, once it waits behind other requests.
func (s *Scheduler) Want(threads bool) (w Want) {
	if s.computing == 0 {
		return w
	}
	held := s.held()
	w.Worker = held >= s.computing && s.busy[Fast] > 0 // sent ahead, and no thread gets to it
	w.Thread = threads && s.fastWaits > 0 && s.Busy() > s.computing && s.spareBusy >= s.spare
	if s.waiting == 0 {
		return w
	}
	for _, l := range s.lanes {
		if l.waiting == 0 || l.full() {
			continue
		}
		computes, waits := len(l.lines[0].heap) > 0, len(l.lines[1].heap) > 0
		w.Thread = w.Thread || waits && threads
		switch l {
		case s.builtin[Fast]:
			w.Worker = w.Worker || held >= s.computing
		case s.builtin[Unknown]:
			w.Worker = w.Worker || held >= s.open() && !s.reserveOpen()
		default:
			w.Worker = w.Worker || waits && !threads || computes && held >= s.open() && s.slowComputing < s.cfg.CPUs
		}
	}
	return w
}
