package prefork

import (
	"runtime"
	"sync"
	"sync/atomic"
	"time"

	"github.com/gounicorn/gounicorn/prefork/lane"
	"github.com/gounicorn/gounicorn/prefork/wire"
	"golang.org/x/sys/unix"
)

const (
	scoreboardSlots = 4096 // requests that may be with the workers at once; workers x threads stays far below
	// sendBuffer is asked for the workers' queue, in bytes; the kernel may give less.
	sendBuffer = 4 << 20
)

// dispatcher hands jobs to the workers' queues: when and in which order is decided by package lane, here they get their slots and packets.
// All methods may be called concurrently.
type dispatcher struct {
	cfg       *Config
	epoch     time.Time // jobs' activity counts from here
	mono      uint64    // CLOCK_MONOTONIC at epoch, nanoseconds: what workers write into slots
	board     *wire.Scoreboard
	mayReturn bool                                 // a thread whose priority was lowered may raise it again
	jobs      [scoreboardSlots]atomic.Pointer[Job] // by slot

	mu      sync.Mutex
	target  *generation // where packets go; nil: nowhere
	lanes   *lane.Scheduler
	more    bool // there is a worker that may get further threads
	free    []uint32
	numbers [scoreboardSlots]uint32 // generation of each slot
	closed  bool
	packet  []byte // scratch
	packed  []*Job // scratch
	heavy   []*Job // jobs with the workers that compute for long
	blocked bool   // the queue's buffer was full; try again when a job ends
	company int    // fast jobs that waited when the flusher was there last
	lazy    bool   // the flusher was told to pump
	wanted  want   // what wanting was told last

	flush   chan struct{} // tells the flusher; capacity 1
	wanting chan struct{} // tells the supervisor that want has something new; capacity 1
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
		cfg: cfg, board: board, mayReturn: mayReturn(), epoch: time.Now(), mono: uint64(ts.Nano()), flush: make(chan struct{}, 1), wanting: make(chan struct{}, 1),
		lanes: newLanes(&cfg.Plan),
	}
	for slot := scoreboardSlots - 1; slot >= 0; slot-- {
		d.free = append(d.free, uint32(slot))
	}
	return d, nil
}

func newLanes(l *Plan) *lane.Scheduler {
	return lane.New(lane.Config{
		Rules: l.Lanes, Reserve: l.SlowReserve, SlowAfter: l.SlowAfter, MaxQueue: l.MaxQueue,
		QueueTimeout: l.QueueTimeout, QueueTarget: l.QueueTarget, CPUs: runtime.NumCPU(),
	})
}

// follow makes a plan the one that limits requests. The first time, no request has come yet, it also says what the lanes are.
func (d *dispatcher) follow(l Plan, first bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if first {
		d.lanes = newLanes(&l)
	} else {
		was := d.cfg.Plan
		l.MaxQueue, l.Lanes, l.QueueTarget, l.SlowReserve, l.SlowAfter, l.SlowNice = was.MaxQueue, was.Lanes, was.QueueTarget, was.SlowReserve, was.SlowAfter, was.SlowNice
	}
	d.cfg.Plan = l
}

// now is the time since the epoch in nanoseconds, on the clock that workers use too.
func (d *dispatcher) now() int64 { return int64(time.Since(d.epoch)) }

// submit takes a job; its Sink may be told of the end before submit returns.
func (d *dispatcher) submit(j *Job) {
	now := time.Since(d.epoch)
	j.submitted = now
	d.mu.Lock()
	if d.closed {
		d.mu.Unlock()
		j.Sink.Failed(Stopping)
		return
	}
	it := &j.item
	it.Of = j
	d.lanes.Arrive(it, j.Key, j.Client, now)
	j.Lane = it.Lane()
	if on := d.lanes.Admit(it); on != lane.None && len(d.free) > 0 && !d.worthWaiting(j, on) {
		d.send(j, on)
		d.mu.Unlock()
		return
	}
	if verdict := d.lanes.Wait(it, now); verdict != lane.Kept {
		failure := d.refused(j, verdict)
		d.mu.Unlock()
		j.Sink.Failed(failure)
		return
	}
	j.where = waiting
	tell := it.Class() == lane.Fast && !d.lazy && len(d.free) > 0 && d.lanes.Where(it) == lane.Computing
	d.lazy = d.lazy || tell
	d.need()
	d.mu.Unlock()
	if tell {
		d.flush <- struct{}{}
	}
}

// refused notes why the scheduler gave a job up, and when it may come again.
func (d *dispatcher) refused(j *Job, verdict lane.Verdict) Failure {
	j.RetryAfter = d.lanes.RetryAfter(&j.item)
	switch verdict {
	case lane.Full:
		return QueueFull
	case lane.Expired:
		return QueueTimeout
	default:
		return Overloaded
	}
}

// pump sends what may be sent. The caller holds mu.
func (d *dispatcher) pump() {
	if d.lanes.Waiting() == 0 {
		return
	}
	now := time.Since(d.epoch)
	for len(d.free) > 0 {
		it, on := d.lanes.Peek(now)
		if it == nil {
			return
		}
		j := it.Of.(*Job)
		sent := false
		if on == lane.Computing && d.worthPacking(j) {
			sent = d.pack(j, now)
		} else {
			sent = d.send(j, on)
		}
		if !sent {
			return
		}
	}
}

// book gives a job its slot and counts it as sent.
func (d *dispatcher) book(j *Job, on lane.Slot) {
	slot := d.free[len(d.free)-1]
	d.free = d.free[:len(d.free)-1]
	d.numbers[slot]++
	j.slot, j.generation, j.owner, j.packed = slot, d.numbers[slot], d.target, time.Time{}
	d.board.Queue(slot, j.generation)
	j.claim.Store(uint64(claimOf(slot, j.generation)))
	j.doneSince, j.soft, j.seen = time.Time{}, false, look{}
	j.activity.Store(0)
	j.where = sent
	d.lanes.Start(&j.item, on)
	if on == lane.Spare {
		j.seat = d.spareSeat()
		j.seat.take()
	} else if j.item.Background() {
		d.weigh(j)
	}
	d.jobs[slot].Store(j) // before the packet is there: the answer may be quicker than we are
}

// send puts a job's packet on a queue of the workers and reports whether there was room; if not, the job waits.
func (d *dispatcher) send(j *Job, on lane.Slot) bool {
	d.book(j, on)
	if d.write(j) == nil {
		return true
	}
	d.requeue(j)
	d.blocked = true
	return false
}

// write sends the packet of a job that has its slot.
func (d *dispatcher) write(j *Job) error {
	queue := d.target.queue
	if j.seat != nil {
		queue = j.seat.queue
	}
	h := j.header()
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

// header is that of the job's REQUEST frame, without its length.
func (j *Job) header() wire.Header {
	h := wire.Header{Kind: wire.KindRequest, Aux: uint16(j.Pairs), A: j.slot, B: j.generation}
	if j.Body != nil {
		h.Flags |= wire.FlagBodyFD
	}
	if j.item.Background() {
		h.Flags |= wire.FlagBackground
	}
	if j.Loan {
		h.Flags |= wire.FlagLoan
	}
	return h
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
	d.pumpSoon()
	d.mu.Unlock()
}

// pumpSoon sends what may be sent, or leaves it to the flusher, which comes when the requests at hand have all been submitted, if that is
// less than a packet. The caller holds mu.
func (d *dispatcher) pumpSoon() {
	if !d.lazy || !d.crowded() || d.lanes.WaitingIn(lane.Fast) >= packMost/2 {
		d.pump()
	}
}

// over takes a job off the books, learns from it when it ran to its end, and sends the next one, unless more has come from the
// same worker, after which the caller calls next. After it the job is its caller's.
func (d *dispatcher) over(j *Job, learn, more bool) {
	times := d.board.Times(j.slot)
	d.mu.Lock()
	d.release(j)
	own := j.measure(times, d.mono, d.epoch)
	d.lanes.End(&j.item, j.submitted+j.Queued+j.Run)
	if learn && j.PID != 0 {
		d.lanes.Learn(&j.item, lane.Spent{Own: own, CPU: j.CPU, Route: times.Route})
	}
	if !more {
		d.pumpSoon()
	}
	d.mu.Unlock()
}

// measure turns what the worker wrote into the slot into durations, and returns the time that the request needed for itself.
func (j *Job) measure(t wire.Times, mono uint64, epoch time.Time) (own time.Duration) {
	j.Slow, j.Lane = j.item.Class() == lane.Slow, j.item.Lane()
	if t.Started == 0 {
		j.Queued = time.Since(epoch) - j.submitted
		return 0
	}
	started := time.Duration(t.Started - mono)
	j.PID = int(t.PID)
	j.Queued = max(started-j.submitted, 0)
	if t.Ended >= t.Started {
		j.Run = time.Duration(t.Ended - t.Started)
	} else {
		j.Run = max(time.Since(epoch)-started, 0)
	}
	j.CPU = time.Duration(t.CPU)
	if j.Waited = Unmeasured; j.Run > wire.DelayFrom {
		j.Waited = time.Duration(min(t.Delay, uint64(j.Run)))
	}
	return j.Run - max(j.Waited, 0)
}

// release gives the slot back. What follows for the lanes is the caller's to say.
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
}

// requeue makes a job that was sent and is withdrawn wait again, before all others of its lane. The caller holds mu.
func (d *dispatcher) requeue(j *Job) {
	d.release(j)
	d.lanes.Requeue(&j.item)
	j.where = waiting
}

// recall takes a job back that has not started, because its client left, and reports whether it did; its Sink is not called then.
func (d *dispatcher) recall(j *Job) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	if j.where == waiting {
		d.lanes.Abandon(&j.item, time.Since(d.epoch))
	}
	switch j.where {
	case waiting:
		j.where = nowhere
		d.lanes.Remove(&j.item)
	case sent:
		if !d.withdraw(j) {
			return false
		}
		d.release(j)
		d.lanes.Remove(&j.item)
		d.pump()
	default:
		return false
	}
	j.Queued = time.Since(d.epoch) - j.submitted
	return true
}

// abandon tells the worker that runs the job that its client left.
func (d *dispatcher) abandon(j *Job) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if j.where == sent {
		j.cancelled.Store(true)
		d.board.Abandon(j.slot)
		d.lanes.Abandon(&j.item, time.Since(d.epoch))
	}
}

// halfClosed lets the lane count what the job takes as wasted.
func (d *dispatcher) halfClosed(j *Job) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if j.where != nowhere {
		d.lanes.Abandon(&j.item, time.Since(d.epoch))
	}
}

// withdraw takes a job that was sent but not started back from the workers.
func (d *dispatcher) withdraw(j *Job) bool {
	return d.board.CompareAndSwap(j.slot, wire.MakeWord(j.generation, wire.SlotQueued, 0),
		wire.MakeWord(j.generation, wire.SlotCancelled, 0))
}

// retry puts a job whose worker died back to the front of its queue.
func (d *dispatcher) retry(j *Job) {
	d.mu.Lock()
	j.Retried = true
	d.requeue(j)
	d.pump()
	d.mu.Unlock()
}

// resize tells the lanes how many slots there are. The caller holds mu.
func (d *dispatcher) resize() {
	computing, spare := 0, 0
	d.more = false
	if d.target != nil {
		computing = d.target.ready
		spare, _ = d.spareSlots()
		for _, s := range d.target.seats {
			d.more = d.more || s.queue != nil && s.computing+s.spare < d.cfg.MaxThreads
		}
	}
	d.lanes.Resize(computing, spare)
}

// aim makes g the generation that gets requests from now on; what the old one has not started is sent again to g.
func (d *dispatcher) aim(g *generation) {
	d.mu.Lock()
	defer d.mu.Unlock()
	old := d.target
	d.target = g
	d.resize()
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

// blame counts the death of a worker against the route of the request that it ran, and returns the number of such deaths so far.
func (d *dispatcher) blame(j *Job) int {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.lanes.Blame(j.Key)
}

// want is what would help now, see lane.Want.
type want = lane.Want

// want says what would help now.
func (d *dispatcher) want() want {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.wanted = d.lanes.Want(d.more)
	return d.wanted
}

// need tells the supervisor when something is wanted that was not before. The caller holds mu.
func (d *dispatcher) need() {
	w := d.lanes.Want(d.more)
	news := w.Worker && !d.wanted.Worker || w.Thread && !d.wanted.Thread
	d.wanted = w
	if news {
		select {
		case d.wanting <- struct{}{}:
		default:
		}
	}
}

// routeName notes what the framework calls the route of a hash.
func (d *dispatcher) routeName(hash uint64, name string) {
	d.mu.Lock()
	d.lanes.Name(hash, name)
	d.mu.Unlock()
}

// status returns a snapshot of the lanes.
func (d *dispatcher) status() lane.Status {
	d.mu.Lock()
	x := d.lanes.Snapshot(time.Since(d.epoch))
	d.mu.Unlock()
	return x.Status()
}

// explain says what would happen to a request of a key and a client that came now.
func (d *dispatcher) explain(key []byte, client uint64) lane.Explanation {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.lanes.Explain(key, client, time.Since(d.epoch))
}
