package prefork

import (
	"fmt"
	"time"

	"github.com/gounicorn/gounicorn/prefork/lane"
	"github.com/gounicorn/gounicorn/prefork/wire"
	"golang.org/x/sys/unix"
)

// sweep enforces every deadline of the pool; it is the only place that does, so that a request costs no timer.
func (p *Pool) sweep(now time.Time) {
	found := p.d.sweep(now)
	for _, j := range found.expired {
		j.Sink.Failed(j.failure)
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
	for _, j := range found.slow {
		p.demote(j)
	}
	for _, g := range found.guessed {
		p.watch(g)
	}
	for _, g := range p.generations {
		if !g.deadline.IsZero() && now.After(g.deadline) {
			g.deadline = time.Time{}
			text := fmt.Sprintf("The application was not preloaded, or a hook did not end, within %v (--boot-timeout)", g.plan.BootTimeout)
			if g.phase == spawned {
				text = fmt.Sprintf("The configuration was not read within %v (--boot-timeout)", p.current.plan.BootTimeout)
			}
			p.bootFailed(g, &BootError{Code: 3, PID: g.cmd.Process.Pid, Text: text})
			_ = g.cmd.Process.Kill()
		}
		for _, w := range g.workers {
			p.prove(w, now)
			if w.state == dead || w.deadline.IsZero() || now.Before(w.deadline) {
				continue
			}
			w.deadline = time.Time{}
			why := tooLong
			switch {
			case w.dumping:
				p.cfg.error(w.pid, "the worker did not show its stacks in time")
				w.dumping = false
			case w.aborted: // its time is over
			case w.state == booting:
				w.cause = CauseBoot
				w.bootError = &BootError{Code: 3, PID: w.pid, Text: fmt.Sprintf(
					"Worker failed to boot: it did not load the application within %v (--boot-timeout)", g.plan.BootTimeout)}
			default:
				why = fmt.Sprintf("It did not finish within %v (--graceful-timeout).", g.plan.GracefulTimeout)
			}
			w.kill(why)
		}
	}
	p.reapOrphans()
}

// provenAfter is how long a worker must serve before its end no longer counts as a failed boot.
const provenAfter = time.Second

// prove forgets the failures before a worker that has served for a while. One that only became ready proves nothing: it may be about to
// die as the last one did, and without the pause the two would make a loop.
func (p *Pool) prove(w *worker, now time.Time) {
	if w.proven || w.state != ready || now.Sub(w.since) < provenAfter {
		return
	}
	w.proven = true
	p.failures, w.g.failures = 0, 0
	if w.overflow {
		p.overflow.failures = 0
	}
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

const tooLong = "A request in it was silent or ran for too long (--timeout, --request-timeout)."

// timeout asks a worker whose request is overdue for its Python stacks, then kills it.
func (p *Pool) timeout(w *worker, j *Job) {
	w.guilty, w.failure = j, TimedOut
	p.cfg.Log(wire.LevelCritical, 0, fmt.Sprintf("WORKER TIMEOUT (pid:%d)", w.pid)) // gunicorn's line, whole
	p.cfg.error(w.pid, fmt.Sprintf("The request that took too long: %s, running for %v", j.Sink, p.d.running(j).Round(time.Millisecond)))
	p.retire(w, CauseTimeout)
	w.dumping = true
	w.deadline = time.Now().Add(stacksWait)
	if w.control.Send(wire.Header{Kind: wire.KindDump}, nil) != nil {
		w.dumping = false
		w.kill(tooLong)
	}
}

// interrupt has SoftTimeout raised where a request runs.
func (p *Pool) interrupt(o softJob) {
	w := o.owner.workers[o.worker]
	if w == nil || w.state == dead {
		return
	}
	p.cfg.warning(w.pid, fmt.Sprintf("SOFT TIMEOUT (pid:%d) %s, running for %v", w.pid, o.request, o.run.Round(time.Millisecond)))
	p.mu.Lock()
	p.stats.SoftTimeouts++
	p.mu.Unlock()
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
		if pid == 0 || p.children[pid] || p.cfg.Owns(pid) {
			return // nobody, or a child that exec.Cmd is about to reap
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
	owner            *generation
	worker           uint32
	slot, generation uint32
	request          string
	run              time.Duration
}

// swept is what a sweep of the dispatcher found.
type swept struct {
	expired []*Job       // waited too long or are refused; off the books, with failure set
	overdue []overdueJob // their worker was silent or ran for too long
	strays  []strayJob   // their slot was spoilt
	soft    []softJob    // ran for longer than SoftTimeout, for the first time
	slow    []slowJob    // turned out slow and are to yield the processor
	guessed []guessedJob // run for long, and are the first of their route
}

// sweep looks at all jobs. On the way it counts as slow what runs longer than a fast request may.
func (d *dispatcher) sweep(now time.Time) (found swept) {
	d.mu.Lock()
	defer d.mu.Unlock()
	at := now.Sub(d.epoch)
	d.lanes.Expire(at, func(it *lane.Item, verdict lane.Verdict) {
		j := it.Of.(*Job)
		j.where, j.Queued, j.failure = nowhere, at-j.submitted, d.refused(j, verdict)
		found.expired = append(found.expired, j)
	})
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
			if (j.unpackable(now, stuckAfter) || d.lanes.Misjudged(&j.item)) && d.withdraw(j) {
				d.requeue(j)
				changed = true
				continue
			}
			if limit := j.item.Deadline(); limit > 0 && at-j.submitted > limit && d.withdraw(j) {
				d.release(j)
				d.lanes.Drop(&j.item, lane.Expired)
				j.Queued, j.failure = at-j.submitted, d.refused(j, lane.Expired)
				found.expired = append(found.expired, j)
				changed = true
			}
		case wire.SlotRunning:
			run := d.running(j)
			if run > d.cfg.SlowAfter {
				learnt, turned := d.overstays(j, run)
				changed = changed || learnt
				if turned && d.cfg.SlowNice > 0 && d.mayReturn {
					d.board.Demote(j.slot)
					found.slow = append(found.slow, slowJob{j.owner, j.slot, word})
				}
				if d.lanes.Guessed(&j.item) {
					found.guessed = append(found.guessed, guessedJob{slowJob{j.owner, j.slot, word}, j})
				}
			}
			if d.cfg.SoftTimeout > 0 && run > d.cfg.SoftTimeout && !j.soft && !j.answered.Load() {
				j.soft = true
				found.soft = append(found.soft, softJob{j.owner, word.Worker(), j.slot, j.generation, j.Sink.String(), run})
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

// overstays counts a request that runs for longer than a fast one may as slow. It reports whether anything changed, and whether the
// request was not slow before.
func (d *dispatcher) overstays(j *Job, run time.Duration) (changed, turned bool) {
	was := j.item.Class()
	changed = d.lanes.Overstay(&j.item, run)
	turned = was != lane.Slow && j.item.Class() == lane.Slow
	if turned && j.seat == nil {
		d.weigh(j)
	}
	return changed, turned
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
	var jobs []*Job
	d.lanes.Drain(func(it *lane.Item) { jobs = append(jobs, it.Of.(*Job)) })
	for slot := range d.jobs {
		if j := d.jobs[slot].Load(); j != nil && d.withdraw(j) {
			d.release(j)
			d.lanes.Remove(&j.item)
			jobs = append(jobs, j)
		}
	}
	for _, j := range jobs {
		j.where = nowhere
	}
	return jobs
}
