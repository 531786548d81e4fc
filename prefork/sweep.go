package prefork

import (
	"fmt"
	"time"

	"github.com/gounicorn/gounicorn/prefork/wire"
	"golang.org/x/sys/unix"
)

// sweep enforces every deadline of the pool; it is the only place that does, so that a request costs no timer.
func (p *Pool) sweep(now time.Time) {
	found := p.d.sweep(now)
	for _, j := range found.expired {
		j.Sink.Failed(QueueTimeout)
	}
	for _, o := range found.overdue {
		w := o.owner.workers[o.worker]
		if w == nil { // the slot names a worker that there is not
			p.d.mu.Lock()
			s := p.d.stray(o.job)
			p.d.mu.Unlock()
			p.strayed(s)
		} else if w.state != dead && w.guilty == nil {
			p.timeout(w, o.job)
		}
	}
	for _, s := range found.strays {
		p.strayed(s)
	}
	for _, o := range found.soft {
		p.interrupt(o)
	}
	p.demote(found.demote)
	for _, g := range p.generations {
		if !g.loaded && !g.deadline.IsZero() && now.After(g.deadline) {
			g.deadline = time.Time{}
			p.bootFailed(g, &BootError{Code: 3, PID: g.cmd.Process.Pid, Text: fmt.Sprintf(
				"The application was not preloaded within %v (--boot-timeout)", p.cfg.BootTimeout)})
			_ = g.cmd.Process.Kill()
		}
		for _, w := range g.workers {
			if w.state == dead || w.deadline.IsZero() || now.Before(w.deadline) {
				continue
			}
			w.deadline = time.Time{}
			switch {
			case w.dumping:
				p.cfg.error(w.pid, "the worker did not show its stacks in time")
				w.dumping = false
			case w.state == booting:
				w.cause = CauseBoot
				w.bootError = &BootError{Code: 3, PID: w.pid, Text: fmt.Sprintf(
					"Worker failed to boot: it did not load the application within %v (--boot-timeout)", p.cfg.BootTimeout)}
			default:
				p.cfg.warning(w.pid, fmt.Sprintf("Worker (pid:%d) did not finish within %v and is killed", w.pid, p.cfg.GracefulTimeout))
			}
			w.signal(unix.SIGKILL)
		}
	}
	p.reapOrphans()
}

// strayed ends the worker that is to blame for a spoilt slot, as far as it is known, and tells the job's Sink.
func (p *Pool) strayed(s strayJob) {
	if w := s.owner.workers[s.worker]; w != nil && w.state != dead {
		w.breakOff(p.d, fmt.Errorf("%w: the slot of a request it runs is not as it should be", wire.ErrProtocol))
	}
	if s.ended {
		p.cfg.error(0, fmt.Sprintf("request failed, %v: %s", Broken, s.job.Sink))
		s.job.Sink.Failed(Broken)
	}
}

// timeout asks a worker whose request is overdue for its Python stacks, then kills it.
func (p *Pool) timeout(w *worker, j *Job) {
	w.guilty, w.failure = j, TimedOut
	p.cfg.Log(wire.LevelCritical, w.pid, fmt.Sprintf("WORKER TIMEOUT (pid:%d) %s, running for %v", w.pid, j.Sink, p.d.running(j).Round(time.Millisecond)))
	p.retire(w, CauseTimeout)
	w.dumping = true
	w.deadline = time.Now().Add(stacksWait)
	if w.control.Send(wire.Header{Kind: wire.KindDump}, nil) != nil {
		w.dumping = false
		w.signal(unix.SIGKILL)
	}
}

// interrupt has SoftTimeout raised where a request runs.
func (p *Pool) interrupt(o softJob) {
	w := o.owner.workers[o.worker]
	if w == nil || w.state == dead {
		return
	}
	p.cfg.warning(w.pid, fmt.Sprintf("SOFT TIMEOUT (pid:%d) %s, running for %v", w.pid, o.request, o.run.Round(time.Millisecond)))
	_ = w.control.Send(wire.Header{Kind: wire.KindInterrupt, A: o.slot, B: o.generation}, nil) // fails when it is dead, which is noticed anyway
}

// reapOrphans collects processes that became ours because their parent died.
func (p *Pool) reapOrphans() {
	for {
		var info unix.Siginfo
		err := unix.Waitid(unix.P_ALL, 0, &info, unix.WEXITED|unix.WNOHANG|unix.WNOWAIT, nil)
		if err != nil {
			return
		}
		pid := siginfoPID(&info)
		if pid == 0 || p.children[pid] {
			return // nobody, or a zygote that exec.Cmd is about to reap
		}
		if _, err := unix.Wait4(pid, nil, unix.WNOHANG, nil); err != nil {
			return
		}
	}
}

// overdueJob is a job that ran too long, and who runs it.
type overdueJob struct {
	job    *Job
	owner  *generation
	worker uint32
}

// softJob is a job that ran for longer than SoftTimeout. It may be over by the time that it is looked at.
type softJob struct {
	runner
	request string
	run     time.Duration
}

// swept is what a sweep of the dispatcher found.
type swept struct {
	expired []*Job       // waited too long; off the books
	overdue []overdueJob // their worker was silent or ran for too long
	strays  []strayJob   // their slot was spoilt
	soft    []softJob    // ran for longer than SoftTimeout, for the first time
	demote  []demotion   // turned out to be slow
}

// sweep looks at all jobs. On the way it counts as slow what runs longer than a fast request may.
func (d *dispatcher) sweep(now time.Time) (found swept) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if limit := d.cfg.QueueTimeout; limit > 0 {
		late := func(j *Job) bool { return now.Sub(j.submitted) > limit }
		found.expired = d.take(late)
		for _, j := range found.expired {
			j.where = nowhere
			j.Queued = now.Sub(j.submitted)
		}
	}
	changed := false
	for slot := range d.jobs {
		j := d.jobs[slot].Load()
		if j == nil {
			continue
		}
		word := d.board.Load(j.slot)
		if word.Generation() != j.generation {
			found.strays, changed = append(found.strays, d.stray(j)), true
			continue
		}
		switch word.State() {
		case wire.SlotDone:
			switch {
			case j.stalled.Load():
				j.doneSince = time.Time{}
			case j.doneSince.IsZero():
				j.doneSince = now
			case now.Sub(j.doneSince) > doneWait:
				found.strays, changed = append(found.strays, d.stray(j)), true
			}
		case wire.SlotQueued:
			if !j.packed.IsZero() && now.Sub(j.packed) > stuckAfter && d.withdraw(j) {
				d.requeue(j)
				changed = true
				continue
			}
			if d.cfg.QueueTimeout > 0 && now.Sub(j.submitted) > d.cfg.QueueTimeout && d.withdraw(j) {
				d.release(j)
				j.Queued = now.Sub(j.submitted)
				found.expired = append(found.expired, j)
				changed = true
			}
		case wire.SlotRunning:
			run := d.running(j)
			if run > d.cfg.SlowAfter {
				was := j.class
				changed = d.overstays(j, run) || changed
				if was != slow && j.class == slow && j.seat == nil && d.cfg.SlowNice > 0 {
					d.weigh(j)
					found.demote = append(found.demote, demotion{d.runner(j, word), int(d.board.Times(j.slot).TID)})
				}
			}
			if d.cfg.SoftTimeout > 0 && run > d.cfg.SoftTimeout && !j.soft && !j.answered.Load() {
				j.soft = true
				found.soft = append(found.soft, softJob{d.runner(j, word), j.Sink.String(), run})
			}
			silent := min(run, time.Duration(d.now()-j.activity.Load()))
			if (d.cfg.Timeout > 0 && silent > d.cfg.Timeout && !j.stalled.Load()) || (d.cfg.RequestTimeout > 0 && run > d.cfg.RequestTimeout) {
				found.overdue = append(found.overdue, overdueJob{j, j.owner, word.Worker()})
			}
		default: // FREE and CANCELLED are the master's to write, and it takes the job off the books with them
			found.strays, changed = append(found.strays, d.stray(j)), true
		}
	}
	if changed || d.blocked {
		d.blocked = false
		d.pump()
	}
	return found
}

// runner names a job that runs.
func (d *dispatcher) runner(j *Job, word wire.Word) runner {
	return runner{owner: j.owner, worker: word.Worker(), slot: j.slot, generation: j.generation}
}

// certain is by how many times a request of a route that is known to be fast must exceed slowAfter before the route is suspected:
// on a busy machine any request may exceed it once.
const certain = 10

// overstays counts a request that runs for longer than a fast one may as slow, and its route too if nothing is known of it yet or
// the time is beyond doubt. It reports whether anything changed.
func (d *dispatcher) overstays(j *Job, run time.Duration) (changed bool) {
	if j.class == unknown || run > certain*d.cfg.SlowAfter {
		if d.routes.suspect(j.route, run) {
			d.reclassify()
			changed = true
		}
	}
	if j.class != slow {
		d.busy[j.class]--
		d.busy[slow]++
		j.class = slow
		changed = true
	}
	return changed
}

// take removes the waiting jobs that match.
func (d *dispatcher) take(match func(*Job) bool) (jobs []*Job) {
	for c := range d.waits {
		jobs = append(jobs, d.waits[c].take(match)...)
	}
	return jobs
}

// running is how long a job has run, 0 when it has not started.
func (d *dispatcher) running(j *Job) time.Duration {
	started := d.board.Times(j.slot).Started
	if started == 0 {
		return 0
	}
	return max(time.Duration(d.now()-int64(started-d.mono)), 0)
}

// close refuses new jobs and returns those that wait, now off the books.
func (d *dispatcher) close() []*Job {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.closed = true
	jobs := d.take(func(*Job) bool { return true })
	for slot := range d.jobs {
		if j := d.jobs[slot].Load(); j != nil && d.withdraw(j) {
			d.release(j)
			jobs = append(jobs, j)
		}
	}
	for _, j := range jobs {
		j.where = nowhere
	}
	return jobs
}
