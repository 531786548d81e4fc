package prefork

import "slices"

// seat is a worker as the dispatcher sees it. The dispatcher's mutex guards it.
//
// The threads that compute read the generation's queue, and the kernel chooses among them. The spare threads read the worker's own
// queue: they get requests that are known to wait rather than compute, and here the master chooses the worker.
type seat struct {
	worker    uint32
	owner     *generation
	queue     *requestQueue // the worker's own queue; nil: it has no spare threads and can get none
	computing int           // threads that read the generation's queue
	spare     int           // threads that read the worker's own queue
	busy      int           // requests on the own queue or running there
	peak      int           // the most of them since the supervisor last looked
}

// take and give count a request that is sent to the own queue, and its end.
func (s *seat) take() {
	s.busy++
	s.peak = max(s.peak, s.busy)
}

func (s *seat) give() { s.busy-- }

// seat says how many threads of each kind a worker offers from now on; 0 and 0 when it reads nothing more. What lies on the own queue
// of a worker that offers no spare thread any more waits again.
func (d *dispatcher) seat(w *worker, computing, spare int) {
	d.mu.Lock()
	defer d.mu.Unlock()
	s := w.seat
	g := s.owner
	g.ready += computing - s.computing
	s.computing, s.spare = computing, spare
	if i := slices.Index(g.seats, s); i < 0 && computing+spare > 0 {
		g.seats = append(g.seats, s)
	} else if i >= 0 && computing+spare == 0 {
		g.seats = slices.Delete(g.seats, i, i+1)
	}
	if spare == 0 && s.busy > 0 {
		d.evacuate(s)
	}
	if g == d.target {
		d.resize()
		d.pump()
	}
}

// evacuate takes back what a worker has on its own queue and has not started. The caller holds mu.
func (d *dispatcher) evacuate(s *seat) {
	for slot := range d.jobs {
		if j := d.jobs[slot].Load(); j != nil && j.seat == s && d.withdraw(j) {
			d.requeue(j)
		}
	}
}

// spareSeat returns the worker for a request that waits rather than computes: one with a free spare thread, of those the one that runs
// the fewest slow requests that compute, because they share its interpreter, and of those the one with the fewest others; nil when no
// spare thread is free. The caller holds mu.
func (d *dispatcher) spareSeat() (best *seat) {
	if d.target == nil {
		return nil
	}
	least := 0
	for _, s := range d.target.seats {
		if s.busy >= s.spare {
			continue
		}
		heavy := d.heavyIn(s)
		if best == nil || heavy < least || heavy == least && s.busy < best.busy {
			best, least = s, heavy
		}
	}
	return best
}

// heavyIn is the number of slow requests that compute and that this worker runs. There are at most as many in all as there are
// computing threads, so that looking at each is cheap. The caller holds mu.
func (d *dispatcher) heavyIn(s *seat) (n int) {
	for _, j := range d.heavy {
		if d.board.Load(j.slot).Worker() == s.worker {
			n++
		}
	}
	return n
}

// weigh notes that a job with the workers is known to compute for long. Its release ends that. The caller holds mu.
func (d *dispatcher) weigh(j *Job) {
	if !j.heavy {
		j.heavy = true
		d.heavy = append(d.heavy, j)
	}
}

func (d *dispatcher) unweigh(j *Job) {
	if j.heavy {
		j.heavy = false
		d.heavy = slices.DeleteFunc(d.heavy, func(o *Job) bool { return o == j })
	}
}

// spareSlots is the number of spare threads that requests may be sent to, and how many of them are taken. The caller holds mu.
func (d *dispatcher) spareSlots() (all, taken int) {
	if d.target == nil {
		return 0, 0
	}
	for _, s := range d.target.seats {
		all += s.spare
		taken += s.busy
	}
	return all, taken
}
