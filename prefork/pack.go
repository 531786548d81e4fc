package prefork

import (
	"runtime"
	"time"

	"github.com/gounicorn/gounicorn/prefork/lane"
	"github.com/gounicorn/gounicorn/prefork/wire"
)

// When no thread is free, short requests are sent several to a packet: the system call and the wake-up of a worker cost as much as
// a short request itself (measured: 38 instead of 30 µs of CPU for each, master and workers together). A request that shares a
// packet waits at most for the few before it, each of which is known to be short; if one of them turns out not to be, the rest is
// taken back (sweep).
const (
	// packMost is how many requests may share a packet, and packBelow how little time each must be known to take: so short that waiting
	// for the others in the packet costs less than waking a worker for each. See pack.
	packMost  = 8
	packBelow = 500 * time.Microsecond
	// stuckAfter is when a request that shares a packet is taken back from a worker that does not get to it.
	stuckAfter = 50 * time.Millisecond
)

// worthWaiting reports whether a job had better wait for company: no thread is free for it, and it may share a packet.
func (d *dispatcher) worthWaiting(j *Job, on lane.Slot) bool {
	return on == lane.Computing && d.lanes.Busy() >= d.lanes.Computing() && j.packable()
}

// worthPacking reports whether more fast jobs wait than there are threads, none of which is free, so that j had better share a packet.
func (d *dispatcher) worthPacking(j *Job) bool {
	threads := d.lanes.Computing()
	return d.lanes.Busy() >= threads && d.lanes.WaitingIn(lane.Fast) > threads && j.packable()
}

// packable reports whether a job may share a packet: it is short, small, harmless to run again, and its route has ended no worker.
func (j *Job) packable() bool {
	it := &j.item
	return it.Class() == lane.Fast && it.Estimate() > 0 && it.Estimate() < packBelow && it.Deaths() == 0 &&
		j.Idempotent && !j.Retried && j.Body == nil && len(j.Payload) < wire.MaxPacket/packMost
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
		d.pump()
		d.mu.Unlock()
	}
}

// pack sends several short requests, of which j goes first, in one packet: one system call and at most one wake-up for all. It reports
// whether there was room; if not, they wait.
func (d *dispatcher) pack(j *Job, now time.Duration) bool {
	threads := d.lanes.Computing()
	share := min((d.lanes.WaitingIn(lane.Fast)+threads-1)/threads, packMost, len(d.free))
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
		if j = it.Of.(*Job); !j.packable() {
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
