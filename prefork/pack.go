package prefork

import (
	"runtime"
	"time"

	"github.com/gounicorn/gounicorn/prefork/lane"
	"github.com/gounicorn/gounicorn/prefork/wire"
)

// Short requests that arrive together are sent several to a packet: the system calls and the wake-ups of a worker and of the master cost as much as
// a short request itself. A request that shares a packet waits at most for the few before it, each of which is known to be short; if one of
// them turns out not to be, the worker says so and the rest is taken back (unpack).
const (
	// packBelow is how little time each request of a packet must be known to take.
	packBelow = 500 * time.Microsecond
	// packTime is how much time the requests of one packet may take together, whoever else could run them: about what it costs both sides
	// to wake another worker and to read its answer. Requests that take less than half of it wait for company even when a thread is free.
	packTime = 80 * time.Microsecond
	// packMost is how many of those share a packet, and packEven how many others, which share it because no thread is free.
	packMost = 16
	packEven = 8
	// behindAfter is how old a packet is whose requests are taken back when a worker says that some wait there in vain. stuckAfter is when
	// that happens in any case.
	behindAfter = 500 * time.Microsecond
	stuckAfter  = 50 * time.Millisecond
)

// worthWaiting reports whether a job had better wait for company: it may share a packet, and no thread is free for it, or it is so short that what
// comes with it should go with it, as it did the last time.
func (d *dispatcher) worthWaiting(j *Job, on lane.Slot) bool {
	if on != lane.Computing || !j.packable() {
		return false
	}
	return d.lanes.Busy() >= d.lanes.Computing() || d.crowded() && j.tiny()
}

// crowded reports whether more short requests came together, the last time that some did, than there are threads.
func (d *dispatcher) crowded() bool { return d.company > d.lanes.Computing() }

// worthPacking reports whether j had better share a packet: more fast jobs wait than there are threads, none of which is free, or it is so short that
// one thread does as well.
func (d *dispatcher) worthPacking(j *Job) bool {
	if !j.packable() {
		return false
	}
	waiting, threads := d.lanes.WaitingIn(lane.Fast), d.lanes.Computing()
	return waiting > threads && d.lanes.Busy() >= threads || waiting > 1 && j.tiny()
}

// tiny reports whether waking another worker for a packable job costs more than to let it wait.
func (j *Job) tiny() bool { return j.item.Estimate() < packTime/2 }

// packable reports whether a job may share a packet: it is short, small, harmless to run again, and its route has ended no worker.
func (j *Job) packable() bool {
	it := &j.item
	return it.Class() == lane.Fast && it.Estimate() > 0 && it.Estimate() < packBelow && it.Deaths() == 0 &&
		j.Idempotent && !j.Retried && j.Body == nil && len(j.Payload) < wire.MaxPacket/packEven
}

// flusher sends what waited for company, once the requests that arrived together have all been submitted.
func (d *dispatcher) flusher(stop <-chan struct{}) {
	for {
		select {
		case <-d.flush:
		case <-stop:
			return
		}
		runtime.Gosched() // whoever has a request in hand goes first
		d.mu.Lock()
		d.lazy = false
		d.company = d.lanes.WaitingIn(lane.Fast)
		d.pump()
		d.mu.Unlock()
	}
}

// pack sends several short requests, of which j goes first, in one packet: one system call and at most one wake-up for all. It reports
// whether there was room; if not, they wait.
func (d *dispatcher) pack(j *Job, now time.Duration) bool {
	share := d.share(j)
	d.packet = d.packet[:0]
	d.packed = d.packed[:0]
	for {
		d.book(j, lane.Computing)
		h := j.header()
		h.Length = uint32(len(j.Payload))
		d.packet = append(wire.AppendHeader(d.packet, h), j.Payload...)
		d.packed = append(d.packed, j)
		if len(d.packed) >= share {
			break
		}
		it, on := d.lanes.Peek(now)
		if it == nil || on != lane.Computing {
			break
		}
		if j = it.Of.(*Job); !j.packable() || len(d.packet)+wire.HeaderSize+len(j.Payload) > wire.MaxPacket {
			break
		}
	}
	at := time.Now()
	for _, j := range d.packed {
		j.packed = at
	}
	if d.target.queue.send(d.packet) == nil {
		return true
	}
	d.blocked = true
	for _, j := range d.packed {
		d.requeue(j)
	}
	return false
}

// share is how many of the jobs that wait, of which j is next, go into one packet.
func (d *dispatcher) share(j *Job) int {
	threads := d.lanes.Computing()
	even := min((d.lanes.WaitingIn(lane.Fast)+threads-1)/threads, packEven)
	return min(max(even, int(packTime/j.item.Estimate())), packMost, len(d.free))
}

// unpack takes back what waits in packets that a worker should have been through by now, and sends it again.
func (d *dispatcher) unpack(now time.Time) {
	d.mu.Lock()
	defer d.mu.Unlock()
	for slot := range d.jobs {
		if j := d.jobs[slot].Load(); j != nil && j.unpackable(now, behindAfter) && d.withdraw(j) {
			d.requeue(j)
		}
	}
	d.pump()
}

// unpackable reports whether a job was sent in a packet with others longer ago than that.
func (j *Job) unpackable(now time.Time, after time.Duration) bool {
	return !j.packed.IsZero() && now.Sub(j.packed) > after
}
