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

// guessedJob is a job of which nothing but its own long run is known. It may be over by the time that it is looked at.
type guessedJob struct {
	slowJob
	job *Job
}

// watch looks at the thread of a job that runs for long and whose route is new. While the first request of a route runs, nothing else can
// say whether it waits or computes: ten long polls want the spare threads, ten reports do not. It reads a file: the caller is the
// supervisor and does not hold the dispatcher's mutex.
func (p *Pool) watch(g guessedJob) {
	w, tid := g.owner.workers[g.word.Worker()], int(p.d.board.Times(g.slot).TID)
	if w == nil || w.pid <= 0 || tid <= 0 {
		return
	}
	if now, err := lookAt(w.pid, tid); err == nil {
		p.d.observe(g, now)
	}
}

// observe tells the lanes, from a look at the thread of a job and the one a sweep before, whether the job waits or computes, as soon as
// that is certain. The job is the one that the slot's word was read for, or the look means nothing.
func (d *dispatcher) observe(g guessedJob, now look) {
	d.mu.Lock()
	defer d.mu.Unlock()
	j := g.job
	if d.jobs[g.slot].Load() != j || d.board.Load(g.slot) != g.word || !d.lanes.Guessed(&j.item) {
		return
	}
	before := j.seen
	j.seen = now
	if before.at.IsZero() {
		return
	}
	own, cpu := now.at.Sub(before.at)-(now.delay-before.delay), now.cpu-before.cpu
	waits := cpu < own/4
	if !waits && cpu <= own/2 || !d.lanes.Observe(&j.item, waits) {
		return
	}
	if waits {
		d.unweigh(j)
	} else if j.seat == nil {
		d.weigh(j)
	}
	d.pump()
}
