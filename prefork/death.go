package prefork

import (
	"fmt"
	"syscall"
	"time"

	"github.com/gounicorn/gounicorn/prefork/wire"
	"golang.org/x/sys/unix"
)

// lost is told that a worker's process is dead: its streams will end, then its jobs are settled.
func (p *Pool) lost(w *worker) {
	if w.state == dead {
		return
	}
	if w.state == ready {
		p.d.seat(w, 0, 0)
	}
	before := w.state
	p.unsucceed(w)
	w.state, w.sudden = dead, before != retiring
	close(w.gone)
	for _, answer := range w.curious {
		close(answer)
	}
	w.curious = nil
	w.control.Drain()
	for _, s := range w.streams {
		if s != nil {
			s.Drain()
		}
	}
	go func() {
		w.readers.Wait()
		p.do(func() { p.settle(w, before) })
	}()
}

// settle ends the jobs of a dead worker.
func (p *Pool) settle(w *worker, before workerState) {
	jobs := p.d.owned(w.g, w.id)
	for _, j := range jobs {
		p.fail(w, j)
	}
	p.d.resend(w.g)
	w.drained = true
	if w.pidfd != nil {
		_ = w.pidfd.Close()
	}
	w.before, w.age, w.poisoned = before, time.Since(w.since), w.useful.Load() && len(jobs) > 0
	if w.status != nil || w.g.exited {
		p.bury(w)
		return
	}
	time.AfterFunc(statusWait, func() { p.do(func() { p.bury(w) }) })
}

// reseat starts the successor of a dead worker, or lets some time pass first if it was not fit to live.
func (p *Pool) reseat(w *worker) {
	if w.before == retiring || p.stopping || w.g.ending {
		return
	}
	// Who could answer and died of a request, or was killed from outside, may be replaced at once: it is not to blame, and there is one fork
	// for each request or kill.
	early := w.before == booting || w.age < provenAfter && !w.poisoned && !p.assassinated(w)
	switch {
	case early && w.overflow:
		p.overflow.postpone(time.Now())
	case early:
		p.failures++
		w.g.failures++
		if w.g == p.incoming && w.bootError == nil && w.g.failures >= bootTries {
			w.bootError = &BootError{Code: 3, PID: w.pid, Text: "Worker failed to boot: the process died while it loaded the application."}
		}
		if w.bootError == nil || w.g != p.incoming { // a generation that is to come ends with the first worker that cannot boot
			p.later(w.g)
		}
	default:
		p.fill(w.g)
	}
}

// assassinated reports whether somebody else killed a worker: neither we nor the kernel for lack of memory.
func (p *Pool) assassinated(w *worker) bool {
	if w.status == nil || !w.status.Signaled() || w.status.Signal() != unix.SIGKILL || w.killed != "" || w.broken.Load() {
		return false
	}
	p.whoKilled(w)
	return w.killer == killerSomebody
}

// fail ends one job of a dead worker, or gives it a second chance.
func (p *Pool) fail(w *worker, j *Job) {
	failure := WorkerDied
	switch {
	case w.broken.Load():
		failure = Broken
	case w.guilty == j:
		failure = w.failure
	case w.guilty != nil:
		failure = Collateral
	}
	blame := ""
	if failure == WorkerDied && p.d.board.Load(j.slot).State() == wire.SlotRunning { // not if only its answer was still to be sent
		if n := p.d.blame(j); n > 1 {
			blame = fmt.Sprintf(" (%d workers have died on this route)", n)
		}
	}
	mayRetry := failure != TimedOut && j.Idempotent && !j.Retried && !j.answered.Load() && !j.cancelled.Load()
	if mayRetry && !p.stopping {
		p.cfg.warning(w.pid, fmt.Sprintf("request is tried once more, %v: %s%s", failure, j.Sink, blame))
		p.d.retry(j)
		return
	}
	sink, text := j.Sink, j.Sink.String()
	p.cfg.error(w.pid, fmt.Sprintf("request failed, %v: %s%s", failure, text, blame))
	p.d.over(j, false, false)
	sink.Failed(failure)
}

// bury forgets a dead worker and says how it ended.
func (p *Pool) bury(w *worker) {
	if w.g.workers[w.id] != w {
		return
	}
	p.reseat(w)
	delete(w.g.workers, w.id)
	if w.dismissed || w.killed != "" {
		p.dismissed++
	}
	_ = w.control.Close()
	w.tray.Close() // its readers have ended
	if q := w.seat.queue; q != nil {
		_ = q.local.Close()
	}
	p.recycled(w)
	p.dying++
	printed := make(chan struct{})
	go func() { w.pumps.Wait(); close(printed) }()
	go func() {
		select {
		case <-printed:
		case <-time.After(outputGrace): // a process that the application left behind holds its output open
		}
		p.do(func() {
			p.dying--
			p.obituary(w)
			p.farewell()
		})
	}()
	p.generationEnded(w.g)
	p.advance()
}

// obituary draws the consequences of a worker's end and logs it, in gunicorn's words where it has some.
func (p *Pool) obituary(w *worker) {
	if st := w.status; st != nil && st.Signaled() && st.Signal() == unix.SIGKILL && w.killed == "" {
		p.whoKilled(w)
	}
	if !p.stopping && !w.g.ending && w.cause != causeIdle {
		p.cfg.Replaced(w.pid, w.epitaph())
	}
	p.exited(w)
	switch {
	case w.bootError != nil && w.overflow:
		p.cfg.error(w.pid, "An overflow worker did not boot; the site goes on without it. "+w.bootError.Text)
	case w.bootError != nil:
		p.bootFailed(w.g, w.bootError)
	}
}

// exited logs the status with which a process ended, as the master's line. That it leaves, a worker says by itself.
func (p *Pool) exited(w *worker) {
	switch st := w.status; {
	case w.pid == 0 && w.bootError != nil: // which is said
	case w.pid == 0:
		p.cfg.error(0, "a worker could not be forked")
	case st == nil:
		p.cfg.info(w.pid, fmt.Sprintf("Worker (pid:%d) ended; its zygote is gone, so its status is unknown", w.pid))
	case st.Signaled() && w.broken.Load():
	case st.Signaled():
		p.signalled(w, *st)
	case st.ExitStatus() != 0:
		p.cfg.error(0, fmt.Sprintf("Worker (pid:%d) exited with code %d.", w.pid, st.ExitStatus()))
	case w.sudden: // as after os._exit(0)
		p.cfg.Log(wire.LevelDebug, 0, fmt.Sprintf("Worker (pid:%d) exited with code 0.", w.pid))
	}
}

// signalled logs that a signal ended a worker, at gunicorn's level and in its words, but for SIGKILL, of which gunicorn always supposes
// that memory was short: it says who sent it, as far as can be known.
func (p *Pool) signalled(w *worker, st syscall.WaitStatus) {
	name := unix.SignalName(st.Signal())
	if name == "" {
		name = fmt.Sprintf("signal %d", int(st.Signal()))
	}
	text := fmt.Sprintf("Worker (pid:%d) was sent %s!", w.pid, name)
	switch {
	case st.Signal() == unix.SIGKILL && w.killed != "":
		p.cfg.warning(0, text+" "+w.killed)
	case st.Signal() == unix.SIGKILL:
		p.cfg.error(0, text+" "+w.killer)
	case st.Signal() == unix.SIGTERM:
		p.cfg.info(0, text)
	case st.CoreDump():
		p.cfg.warning(0, text+" Core dumped.")
	default:
		p.cfg.warning(0, text)
	}
}

const killerSomebody = "Not out of memory (oom_kill did not change): somebody else sent it."

// whoKilled looks, once for each worker, whether the kernel's counter of processes that it killed for memory has grown since the last look.
func (p *Pool) whoKilled(w *worker) {
	if w.killer != "" {
		return
	}
	now, ok := OOMKills(p.cfg.os.root)
	before := p.oomKills
	p.oomKills = now
	switch {
	case !ok:
		w.killer = "Perhaps out of memory?"
	case now > before:
		w.starved = true
		w.killer = fmt.Sprintf("Out of memory: the kernel killed it (oom_kill went from %d to %d).", before, now)
	default:
		w.killer = killerSomebody
	}
}

// kill ends a worker at once. why is a sentence for the log.
func (w *worker) kill(why string) {
	if w.killed == "" {
		w.killed = why
	}
	w.signal(unix.SIGKILL)
}

// epitaph is the cause of a restart.
func (w *worker) epitaph() Cause {
	switch {
	case w.bootError != nil:
		return CauseBoot
	case w.starved:
		return CauseOOM
	case w.cause != causeUnknown:
		return w.cause
	case w.broken.Load():
		return CauseProtocol
	case w.status != nil && w.status.Signaled():
		return CauseSignal
	default:
		return CauseExit
	}
}
