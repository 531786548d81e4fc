package prefork

import (
	"fmt"

	"golang.org/x/sys/unix"
)

// demote lowers the priority of the thread that runs a job which only turned out slow. The thread puts it back at the end of the request,
// because the slot says so. The caller holds mu and is the supervisor.
func (d *dispatcher) demote(j *Job) {
	word, tid := d.board.Load(j.slot), int(d.board.Times(j.slot).TID)
	w := j.owner.workers[word.Worker()]
	if d.cfg.SlowNice <= 0 || w == nil || !w.owns(tid) {
		return
	}
	running := func() bool { return d.board.Load(j.slot) == word }
	before, err := unix.SchedGetAttr(tid, 0)
	if err != nil {
		return
	}
	d.board.Demote(j.slot)
	after := *before
	if d.mayReturn {
		after.Nice = min(before.Nice+int32(d.cfg.SlowNice), 19)
	} else {
		after.Policy = unix.SCHED_BATCH
	}
	if !running() || unix.SchedSetAttr(tid, &after, 0) != nil {
		return
	}
	if !running() { // it may have looked at the slot before; the next request must not pay for this one
		_ = unix.SchedSetAttr(tid, before, 0)
	}
}

// owns reports whether a thread is the worker's. The worker may write any number into a slot.
func (w *worker) owns(tid int) bool {
	return w.pid > 0 && tid > 0 && unix.Access(fmt.Sprintf("/proc/%d/task/%d", w.pid, tid), unix.F_OK) == nil
}

// mayReturn reports whether a thread of ours may take a nice value back: it has CAP_SYS_NICE, or a limit that goes down to 0. Leaving
// SCHED_BATCH is always allowed.
func mayReturn() bool {
	var limit unix.Rlimit
	if unix.Getrlimit(unix.RLIMIT_NICE, &limit) == nil && limit.Cur >= 20 {
		return true
	}
	header := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
	var data [2]unix.CapUserData
	return unix.Capget(&header, &data[0]) == nil && data[0].Effective&(1<<unix.CAP_SYS_NICE) != 0
}
