package prefork

import (
	"fmt"

	"github.com/gounicorn/gounicorn/prefork/wire"
	"golang.org/x/sys/unix"
)

// slowJob is a job that turned out slow while it runs. It may be over by the time that it is looked at.
type slowJob struct {
	owner *generation
	slot  uint32
	word  wire.Word // of its slot while it runs
}

// demote lowers the priority of the thread that runs a job which only turned out slow, and whose slot says DEMOTED. The thread puts it
// back at the end of the request. It makes system calls: the caller is the supervisor and does not hold the dispatcher's mutex.
func (p *Pool) demote(j slowJob) {
	board := p.d.board
	w, tid := j.owner.workers[j.word.Worker()], int(board.Times(j.slot).TID)
	running := func() bool { return board.Load(j.slot) == j.word }
	if w == nil || !running() || !w.owns(tid) {
		return
	}
	before, err := unix.Getpriority(unix.PRIO_PROCESS, tid)
	if err != nil {
		return
	}
	base := 20 - before // the system call returns 40 to 1 for -20 to 19
	if !running() || unix.Setpriority(unix.PRIO_PROCESS, tid, min(base+p.cfg.SlowNice, 19)) != nil {
		return
	}
	if !running() { // it may have looked at the slot before; the next request must not pay for this one
		_ = unix.Setpriority(unix.PRIO_PROCESS, tid, base)
	}
}

// owns reports whether a thread is the worker's. The worker may write any number into a slot.
func (w *worker) owns(tid int) bool {
	return w.pid > 0 && tid > 0 && unix.Access(fmt.Sprintf("/proc/%d/task/%d", w.pid, tid), unix.F_OK) == nil
}

// mayReturn reports whether a thread of ours may take a nice value back: it has CAP_SYS_NICE, or a limit that goes down to 0. Without that
// nothing is demoted: what needs no privilege (SCHED_BATCH, longer slices) helps nobody.
func mayReturn() bool {
	var limit unix.Rlimit
	if unix.Getrlimit(unix.RLIMIT_NICE, &limit) == nil && limit.Cur >= 20 {
		return true
	}
	header := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
	var data [2]unix.CapUserData
	return unix.Capget(&header, &data[0]) == nil && data[0].Effective&(1<<unix.CAP_SYS_NICE) != 0
}
