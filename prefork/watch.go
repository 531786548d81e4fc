package prefork

import (
	"fmt"
	"os"
	"time"
)

// look is what a serving thread had spent at some moment, as the kernel counts it.
type look struct {
	at         time.Time
	cpu, delay time.Duration // on a processor, and waiting for one
}

// lookAt reads what a thread has spent. It fails where the kernel keeps no schedstat.
func lookAt(pid, tid int) (l look, err error) {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/task/%d/schedstat", pid, tid))
	if err == nil {
		_, err = fmt.Sscan(string(text), &l.cpu, &l.delay)
	}
	l.at = time.Now()
	return l, err
}

// watch tells from two looks at the thread of a running job, a sweep apart, whether the job waits or computes; sure is false as long
// as that cannot be told. While the first request of a route runs for long, nothing else can say: ten long polls of a new route want
// the spare threads, ten reports do not. The caller holds mu and is the supervisor.
func (j *Job) watch(d *dispatcher) (waits, sure bool) {
	w, tid := j.owner.workers[d.board.Load(j.slot).Worker()], int(d.board.Times(j.slot).TID)
	if w == nil || w.pid <= 0 || tid <= 0 {
		return false, false
	}
	now, err := lookAt(w.pid, tid)
	if err != nil {
		return false, false
	}
	before := j.seen
	j.seen = now
	if before.at.IsZero() {
		return false, false
	}
	own, cpu := now.at.Sub(before.at)-(now.delay-before.delay), now.cpu-before.cpu
	return cpu < own/4, cpu < own/4 || cpu > own/2
}
