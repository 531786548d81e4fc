package companion

import (
	"fmt"
	"syscall"
	"time"
)

// leaderGone is called when the leader is dead and reaped. What it has left in its group has the rest of the grace.
func (pr *process) leaderGone() {
	if pr.watch != nil {
		pr.watch.Stop()
		pr.watch = nil
	}
	if !groupLives(pr.run.pid) {
		pr.over()
		return
	}
	pr.empty = time.NewTicker(emptyEvery)
	if pr.state == Stopping {
		if pr.step < len(pr.spec.Stop) {
			signalGroup(pr.run.pid, pr.spec.Stop[pr.step].Signal)
		} else {
			signalGroup(pr.run.pid, syscall.SIGKILL)
		}
		return
	}
	signalGroup(pr.run.pid, pr.spec.Stop[0].Signal)
	pr.set(min(leftoverMax, pr.spec.stopTime()), func() { signalGroup(pr.run.pid, syscall.SIGKILL) })
}

func (pr *process) lookAtGroup() {
	if !groupLives(pr.run.pid) {
		pr.empty.Stop()
		pr.empty = nil
		pr.over()
	}
}

// over ends a run of which nothing lives any more, and decides what comes now.
func (pr *process) over() {
	pr.disarm()
	r := pr.run
	killStrays(r.mark)
	pr.m.guard.remove(r.pid)
	r.finish()
	pr.unlock()
	pr.run = nil
	code, text := r.outcome()
	lived := time.Since(r.started)
	pr.lastExit, pr.lastGood = fmt.Sprintf("%s after %s", text, rounded(lived)), pr.spec.expected(code)
	asked, was := pr.state == Stopping, pr.state
	defer func() { pr.sick = "" }()
	if lived >= calmAfter {
		pr.quick = 0
	}
	switch {
	case pr.failing != "":
		why := pr.failing
		pr.failing = ""
		if !pr.want {
			pr.become(Stopped, "")
			return
		}
		pr.failed(why)
	case pr.sick != "" && pr.want && !pr.again && !pr.leaving:
		pr.quick++
		pr.backOff(pr.m.cfg.Pause(pr.quick), pr.sick)
	case asked && pr.again && !pr.leaving:
		pr.again = false
		pr.start()
	case asked && pr.want && pr.spec.Timer != nil: // it ran for too long
		pr.lastGood = false
		pr.state = Exited
		pr.arm()
	case asked || !pr.want:
		pr.say(Info, r.pid, "has stopped (%s)", pr.lastExit)
		pr.become(Stopped, "")
	case pr.spec.Timer != nil:
		pr.ranOnce(r.pid)
	case was == Starting:
		pr.failed(pr.lastExit)
	default:
		pr.ended(r)
	}
}

// ranOnce is the end of a run of a timer.
func (pr *process) ranOnce(pid int) {
	if !pr.lastGood {
		pr.say(Error, pid, "has failed: %s", pr.lastExit)
		if pr.spec.Essential {
			pr.giveUp(pr.lastExit)
			return
		}
	}
	pr.state = Exited
	pr.arm()
}

// ended is the end of a program that had been running, and was not asked to end.
func (pr *process) ended(r *run) {
	level := Warning
	if pr.lastGood {
		level = Info
	}
	if pr.spec.Restart == Never || pr.spec.Restart == Unexpected && pr.lastGood {
		pr.say(level, r.pid, "has ended: %s%s", pr.lastExit, r.memory())
		if !pr.lastGood && pr.spec.Essential {
			pr.giveUp(pr.lastExit)
			return
		}
		pr.become(Exited, "")
		return
	}
	pr.quick++
	d := pr.m.cfg.Pause(pr.quick)
	pr.say(level, r.pid, "has ended: %s%s. It is started again in %s.", pr.lastExit, r.memory(), rounded(d))
	pr.backOff(d, pr.lastExit)
}

// failed is a start that failed.
func (pr *process) failed(why string) {
	pr.unlock()
	pr.tries++
	pr.quick = max(pr.quick, pr.tries)
	if pr.spec.Timer != nil { // which has its next run
		pr.say(Error, 0, "was not started: %s", why)
		pr.state = Exited
		pr.arm()
		return
	}
	if pr.spec.Retries >= 0 && pr.tries > pr.spec.Retries {
		pr.giveUp(why)
		return
	}
	d := pr.m.cfg.Pause(pr.quick)
	of := ""
	if pr.spec.Retries >= 0 {
		of = fmt.Sprintf(" of %d", pr.spec.Retries+1)
	}
	pr.say(Warning, 0, "did not start, try %d%s: %s. The next one is in %s.", pr.tries, of, why, rounded(d))
	pr.backOff(d, why)
}

func (pr *process) backOff(d time.Duration, why string) {
	pr.set(d, pr.start)
	pr.become(Backoff, why)
}

// giveUp leaves it as it is.
func (pr *process) giveUp(why string) {
	pr.say(Error, 0, "is given up: %s", why)
	pr.become(Fatal, why)
	if pr.spec.Essential {
		pr.m.cfg.GaveUp(pr.spec)
	}
}

// rounded is a duration for people.
func rounded(d time.Duration) time.Duration {
	if d > 10*time.Second {
		return d.Round(time.Second)
	}
	return d.Round(10 * time.Millisecond)
}
