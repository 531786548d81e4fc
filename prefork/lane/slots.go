package lane

const (
	// Window is how many fast requests, for each computing slot, may be sent beyond those that run: enough that a worker which
	// finishes finds its next request there and nobody waits for the master to wake up.
	Window = 8
	// priorMost is up to which prior a route that nothing is known of is expected to be fast.
	priorMost = 0.25
)

// Resize changes how many slots there are. When they become more, Peek may have something.
func (s *Scheduler) Resize(computing, spare int) {
	s.computing, s.spare = max(computing, 0), max(spare, 0)
}

// Computing is the number of computing slots.
func (s *Scheduler) Computing() int { return s.computing }

// Busy is the number of items in computing slots, those in the window included.
func (s *Scheduler) Busy() int { return s.busy[Unknown] + s.busy[Fast] + s.busy[Slow] }

// open is how many computing slots what may take long can have.
func (s *Scheduler) open() int { return s.computing - min(s.cfg.Reserve, s.computing-1) }

// held is how many it has.
func (s *Scheduler) held() int { return s.busy[Unknown] + s.busy[Slow] }

// Where says which kind of slot an item could have now if it were its turn.
func (s *Scheduler) Where(it *Item) Slot {
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
