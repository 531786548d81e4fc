package prefork

import (
	"sync"
	"sync/atomic"
	"time"

	"github.com/gounicorn/gounicorn/prefork/wire"
	"golang.org/x/sys/unix"
)

const (
	scoreboardSlots = 4096 // requests that may be with the workers at once; workers x threads stays far below
	// window is how many fast requests, for each serving thread, may lie on the workers' queue beyond those that run: enough that a
	// worker which finishes finds its next request there and nobody waits for the master to wake up.
	window = 8
	// sendBuffer is asked for the workers' queue, in bytes; the kernel may give less.
	sendBuffer = 4 << 20
)

// dispatcher holds the jobs that wait and hands them to the workers' queue. A job that is known to be fast may be sent ahead of a
// free thread; one that is slow or unknown is sent only when a thread is free for it, and one that is known to be slow never to the
// last SlowReserve threads.
// All methods may be called concurrently.
type dispatcher struct {
	cfg   *Config
	epoch time.Time // jobs' activity counts from here
	mono  uint64    // CLOCK_MONOTONIC at epoch, nanoseconds: what workers write into slots
	board *wire.Scoreboard
	jobs  [scoreboardSlots]atomic.Pointer[Job] // by slot

	mu       sync.Mutex
	target   *generation   // where packets go; nil: nowhere
	capacity int           // computing threads that are ready there
	busy     [classes]int  // jobs with the workers, by class
	waits    [classes]fifo // jobs that wait, by class
	routes   routes
	free     []uint32
	numbers  [scoreboardSlots]uint32 // generation of each slot
	closed   bool
	packet   []byte // scratch
	packed   []*Job // scratch
	heavy    []*Job // jobs with the workers that compute for long
	blocked  bool   // the queue's buffer was full; try again when a job ends
	lazy     bool   // the flusher was told to pump

	flush   chan struct{} // tells the flusher; capacity 1
	wanting chan struct{} // tells the supervisor that something is lacking; capacity 1
}

func newDispatcher(cfg *Config) (*dispatcher, error) {
	board, err := wire.NewScoreboard(scoreboardSlots)
	if err != nil {
		return nil, err
	}
	var ts unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_MONOTONIC, &ts); err != nil {
		return nil, err
	}
	d := &dispatcher{
		cfg: cfg, board: board, epoch: time.Now(), mono: uint64(ts.Nano()), routes: newRoutes(cfg.SlowAfter), flush: make(chan struct{}, 1),
		wanting: make(chan struct{}, 1),
	}
	for slot := scoreboardSlots - 1; slot >= 0; slot-- {
		d.free = append(d.free, uint32(slot))
	}
	return d, nil
}

// now is the time since the epoch in nanoseconds, on the clock that workers use too.
func (d *dispatcher) now() int64 { return int64(time.Since(d.epoch)) }

// submit takes a job; its Sink may be told of the end before submit returns.
func (d *dispatcher) submit(j *Job) {
	j.submitted = time.Now()
	d.mu.Lock()
	if d.closed {
		d.mu.Unlock()
		j.Sink.Failed(Stopping)
		return
	}
	j.route = d.routes.at(j.Key)
	j.class = j.route.class()
	if (d.waits[j.class].n == 0 || j.class == unknown) && !d.worthWaiting(j) && d.admits(j) && d.send(j) {
		d.mu.Unlock()
		return
	}
	if d.waiting() >= d.cfg.MaxQueue {
		d.mu.Unlock()
		j.Sink.Failed(QueueFull)
		return
	}
	d.wait(j)
	d.tell()
	tell := j.class == fast && !d.lazy && d.admits(j)
	d.lazy = d.lazy || tell
	d.mu.Unlock()
	if tell {
		d.flush <- struct{}{}
	}
}

// waiting is the number of jobs that wait.
func (d *dispatcher) waiting() (n int) {
	for c := range d.waits {
		n += d.waits[c].n
	}
	return n
}

// admits reports whether a job may be sent now.
func (d *dispatcher) admits(j *Job) bool {
	if d.target == nil || d.capacity == 0 || len(d.free) == 0 {
		return false
	}
	held := d.busy[slow] + d.busy[unknown] // threads that may be taken for long
	open := d.capacity - min(d.cfg.SlowReserve, d.capacity-1)
	switch j.class {
	case fast:
		return d.busy[fast] < max(d.capacity-held, 0)+window*d.capacity
	case unknown:
		// The reserved threads are open to it as well, but only to the first request of its route: of ten at once that turn out to be
		// slow, nine have kept away from them.
		return held < open || held < d.capacity && (j.route == nil || j.route.running == 0)
	default:
		return held < d.capacity && d.busy[slow] < open
	}
}

// pump sends what may be sent: what is known to be fast first.
func (d *dispatcher) pump() {
	for _, c := range [...]class{fast, unknown, slow} {
		q := &d.waits[c]
		for q.n > 0 {
			if c == fast && d.pack() {
				continue
			}
			var j *Job
			if c == unknown { // one of a route that may not go on does not hold up the others
				j = q.first(d.admits)
			} else if d.admits(q.head) {
				j = q.pop()
			}
			if j == nil {
				break
			}
			if !d.send(j) {
				q.pushFront(j)
				return
			}
		}
	}
}

// book gives a job its slot and counts it as sent.
func (d *dispatcher) book(j *Job) {
	slot := d.free[len(d.free)-1]
	d.free = d.free[:len(d.free)-1]
	d.numbers[slot]++
	j.slot, j.generation, j.owner, j.packed = slot, d.numbers[slot], d.target, time.Time{}
	d.board.Queue(slot, j.generation)
	j.claim.Store(uint64(claimOf(slot, j.generation)))
	j.doneSince, j.soft = time.Time{}, false
	j.activity.Store(0)
	j.where = sent
	d.busy[j.class]++
	if j.route != nil {
		j.route.running++
	}
	d.jobs[slot].Store(j) // before the packet is there: the answer may be quicker than we are
}

// send puts a job's packet on the workers' queue and reports whether there was room.
func (d *dispatcher) send(j *Job) bool {
	d.book(j)
	if d.write(j) == nil {
		return true
	}
	d.release(j)
	d.blocked = true
	return false
}

// write sends the packet of a job that has its slot.
func (d *dispatcher) write(j *Job) error {
	queue := d.target.queue
	if j.seat != nil {
		queue = j.seat.queue
	}
	h := wire.Header{Kind: wire.KindRequest, Aux: uint16(j.Pairs), A: j.slot, B: j.generation}
	if j.Body != nil {
		h.Flags |= wire.FlagBodyFD
	}
	if wire.HeaderSize+len(j.Payload) <= wire.MaxPacket {
		h.Length = uint32(len(j.Payload))
		d.packet = append(wire.AppendHeader(d.packet[:0], h), j.Payload...)
		if j.Body == nil {
			return queue.send(d.packet)
		}
		return queue.sendFDs(d.packet, int(j.Body.Fd()))
	}
	payload, err := memfd("gounicorn-request", j.Payload)
	if err != nil {
		return err
	}
	defer payload.Close()
	h.Length, h.Flags = uint32(len(j.Payload)), h.Flags|wire.FlagPayloadFD
	d.packet = wire.AppendHeader(d.packet[:0], h)
	if j.Body == nil {
		return queue.sendFDs(d.packet, int(payload.Fd()))
	}
	return queue.sendFDs(d.packet, int(payload.Fd()), int(j.Body.Fd()))
}

// job returns the job that a response frame belongs to, or nil.
func (d *dispatcher) job(slot, generation uint32) *Job {
	if slot >= scoreboardSlots {
		return nil
	}
	j := d.jobs[slot].Load()
	if j == nil || j.generation != generation {
		return nil
	}
	return j
}

// next sends what may be sent.
func (d *dispatcher) next() {
	d.mu.Lock()
	d.pump()
	d.mu.Unlock()
}

// over takes a job off the books, learns from it when it ran to its end, and sends the next one, unless more has come from the
// same worker, after which the caller calls next. After it the job is its caller's.
func (d *dispatcher) over(j *Job, learn, more bool) {
	times := d.board.Times(j.slot)
	d.mu.Lock()
	d.release(j)
	j.measure(times, d.mono, d.epoch)
	if learn && j.PID != 0 && d.routes.learn(j.route, j.own) {
		d.reclassify()
	}
	if !more && d.waiting() > 0 {
		d.pump()
	}
	d.mu.Unlock()
}

// measure turns what the worker wrote into the slot into durations.
func (j *Job) measure(t wire.Times, mono uint64, epoch time.Time) {
	j.Slow = j.class == slow
	if t.Started == 0 {
		j.Queued = time.Since(j.submitted)
		return
	}
	started := epoch.Add(time.Duration(t.Started - mono))
	j.PID = int(t.PID)
	j.Queued = max(started.Sub(j.submitted), 0)
	if t.Ended >= t.Started {
		j.Run = time.Duration(t.Ended - t.Started)
	} else {
		j.Run = max(time.Since(started), 0)
	}
	j.CPU = time.Duration(t.CPU)
	j.own = max(j.Run-time.Duration(min(t.Delay, uint64(j.Run))), 0)
}

// release gives the slot back and corrects the counts.
func (d *dispatcher) release(j *Job) {
	if j.where != sent {
		return
	}
	j.where = nowhere
	d.unweigh(j)
	if j.seat != nil {
		j.seat.give()
		j.seat = nil
	}
	d.jobs[j.slot].Store(nil)
	d.board.Free(j.slot, j.generation)
	d.free = append(d.free, j.slot)
	d.busy[j.class]--
	if j.route != nil {
		j.route.running--
	}
}

// recall takes a job back that has not started and reports whether it did; its Sink is not called then.
func (d *dispatcher) recall(j *Job) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	switch j.where {
	case waiting:
		if len(d.waits[j.class].take(func(o *Job) bool { return o == j })) == 0 {
			return false
		}
		j.where = nowhere
	case sent:
		if !d.withdraw(j) {
			return false
		}
		d.release(j)
		d.pump()
	default:
		return false
	}
	j.Queued = time.Since(j.submitted)
	return true
}

// abandon tells the worker that runs the job that its client left.
func (d *dispatcher) abandon(j *Job) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if j.where == sent {
		j.cancelled.Store(true)
		d.board.Abandon(j.slot)
	}
}

// withdraw takes a job that was sent but not started back from the workers.
func (d *dispatcher) withdraw(j *Job) bool {
	return d.board.CompareAndSwap(j.slot, wire.MakeWord(j.generation, wire.SlotQueued, 0),
		wire.MakeWord(j.generation, wire.SlotCancelled, 0))
}

// reclassify moves waiting jobs to the queue that fits what is now known of their routes.
func (d *dispatcher) reclassify() {
	var all fifo
	for c := range d.waits {
		q := &d.waits[c]
		for j := q.pop(); j != nil; j = q.pop() {
			all.push(j)
		}
	}
	for j := all.pop(); j != nil; j = all.pop() {
		j.class = j.route.class()
		d.wait(j)
	}
}

// wait appends a job to the queue of its class.
func (d *dispatcher) wait(j *Job) {
	j.where = waiting
	d.waits[j.class].push(j)
}

// retry puts a job whose worker died back to the front of its queue.
func (d *dispatcher) retry(j *Job) {
	d.mu.Lock()
	j.Retried = true
	d.requeue(j)
	d.pump()
	d.mu.Unlock()
}

// aim makes g the generation that gets requests from now on; what the old one has not started is sent again to g.
func (d *dispatcher) aim(g *generation) {
	d.mu.Lock()
	defer d.mu.Unlock()
	old := d.target
	d.target, d.capacity = g, 0
	if g != nil {
		d.capacity = g.ready
	}
	if old == nil {
		d.pump()
		return
	}
	for slot := range d.jobs {
		if j := d.jobs[slot].Load(); j != nil && j.owner == old && d.withdraw(j) {
			d.requeue(j)
		}
	}
	d.pump()
}

// resend sends the packets of g's jobs again that no worker has started: one of them may have been read by the worker that just
// died. Those that are still on the queue start once all the same.
func (d *dispatcher) resend(g *generation) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if g != d.target {
		return
	}
	for slot := range d.jobs {
		j := d.jobs[slot].Load()
		if j == nil || j.owner != g || j.seat != nil || d.board.Load(j.slot).State() != wire.SlotQueued {
			continue
		}
		if d.write(j) != nil {
			d.blocked = true
			return
		}
	}
}

// owned returns the jobs that a worker has started and not finished.
func (d *dispatcher) owned(g *generation, worker uint32) (jobs []*Job) {
	d.mu.Lock()
	defer d.mu.Unlock()
	for slot := range d.jobs {
		j := d.jobs[slot].Load()
		if j == nil || j.owner != g {
			continue
		}
		w := d.board.Load(j.slot)
		runs := w.Worker() == worker && (w.State() == wire.SlotRunning || w.State() == wire.SlotDone)
		if runs || claim(j.claim.Load()).worker() == worker {
			jobs = append(jobs, j)
		}
	}
	return jobs
}
