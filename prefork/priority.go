package prefork

import (
	"fmt"

	"github.com/gounicorn/gounicorn/prefork/wire"
	"golang.org/x/sys/unix"
)

// demotion is a request that turned out to be slow while it runs: its thread is to yield the processor to others.
type demotion struct {
	runner
	tid int // as the worker says
}

// runner names one request and who runs it.
type runner struct {
	owner            *generation
	worker           uint32
	slot, generation uint32
}

// demote lowers the priority of the threads that run these requests. The worker puts it back at the end of the request, because the
// slot says so; if the request ended before it could see that, we do.
func (p *Pool) demote(ds []demotion) {
	for _, o := range ds {
		w := o.owner.workers[o.worker]
		if w == nil || w.state == dead || !w.has(o.tid) {
			continue
		}
		p.d.board.Demote(o.slot)
		if p.priority.lower(o.tid, p.cfg.SlowNice) != nil {
			continue // the thread or the right to do so is gone; either way there is nothing to put back
		}
		if word := p.d.board.Load(o.slot); word.State() != wire.SlotRunning || word.Generation() != o.generation {
			_ = p.priority.restore(o.tid)
		}
	}
}

// has checks that a thread belongs to the worker: what is in a slot is only a report.
func (w *worker) has(tid int) bool {
	return tid > 0 && unix.Access(fmt.Sprintf("/proc/%d/task/%d", w.pid, tid), unix.F_OK) == nil
}

// priority lowers and restores the priority of single threads, in the way that the worker uses too: by nice value if we have the right
// to go back to the former one, else by telling the scheduler that the thread only computes.
type priority struct {
	base  int  // nice value of the master, which workers inherit
	nices bool // may go back to it
}

// ownPriority finds out what this process may do.
func ownPriority() priority {
	raw, err := unix.Getpriority(unix.PRIO_PROCESS, 0)
	if err != nil {
		raw = 20
	}
	pr := priority{base: 20 - raw} // as the system call returns it
	var data [2]unix.CapUserData
	if unix.Capget(&unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}, &data[0]) == nil {
		pr.nices = data[0].Effective&(1<<unix.CAP_SYS_NICE) != 0
	}
	var limit unix.Rlimit
	if unix.Getrlimit(unix.RLIMIT_NICE, &limit) == nil && limit.Cur >= uint64(20-pr.base) {
		pr.nices = true
	}
	return pr
}

func (pr priority) lower(tid, by int) error {
	if pr.nices {
		return unix.Setpriority(unix.PRIO_PROCESS, tid, min(pr.base+by, 19))
	}
	return unix.SchedSetAttr(tid, &unix.SchedAttr{Policy: unix.SCHED_BATCH, Nice: int32(pr.base)}, 0)
}

func (pr priority) restore(tid int) error {
	if pr.nices {
		return unix.Setpriority(unix.PRIO_PROCESS, tid, pr.base)
	}
	return unix.SchedSetAttr(tid, &unix.SchedAttr{Policy: unix.SCHED_NORMAL, Nice: int32(pr.base)}, 0)
}
