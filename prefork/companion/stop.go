package companion

import (
	"syscall"
	"time"
)

// halt stops it until it is asked for.
func (pr *process) halt() {
	pr.want, pr.again = false, false
	pr.stop()
}

// leave stops it for good.
func (pr *process) leave() {
	pr.leaving = true
	pr.halt()
}

// stop begins the steps of the stop, if they have not begun.
func (pr *process) stop() {
	if pr.state == Stopping {
		return
	}
	pr.disarm()
	pr.changed, pr.next = nil, time.Time{}
	if pr.run == nil {
		pr.unlock()
		pr.become(Stopped, "")
		return
	}
	pr.step = -1
	pr.become(Stopping, "")
	pr.nextStep()
}

// nextStep sends the next signal, in the end KILL to all.
func (pr *process) nextStep() {
	pr.step++
	if pr.step >= len(pr.spec.Stop) {
		pr.kill()
		return
	}
	s := pr.spec.Stop[pr.step]
	if pr.empty != nil { // the leader is dead: what it left has to be asked itself
		signalGroup(pr.run.pid, s.Signal)
	} else {
		pr.signal(s.Signal)
	}
	pr.set(s.Wait, pr.nextStep)
}

// hasten lets a stop take no longer than that from now.
func (pr *process) hasten(most time.Duration) {
	if pr.state == Stopping && pr.run != nil && pr.alarmed != nil && time.Until(pr.due) > 0 {
		pr.set(min(most, max(time.Until(pr.due), 0)), pr.kill)
		pr.step = len(pr.spec.Stop)
	}
}

// kill ends all of it at once. Only the wait that follows says that it is dead.
func (pr *process) kill() {
	pr.disarm()
	if pr.run == nil {
		return
	}
	if !pr.cut {
		pr.cut = true
		pr.say(Warning, pr.run.pid, "did not end in time and is killed")
	}
	signalGroup(pr.run.pid, syscall.SIGKILL)
	killStrays(pr.run.mark)
}

// signal sends a signal to the leader, false when there is none.
func (pr *process) signal(sig syscall.Signal) bool {
	if pr.run == nil || pr.empty != nil {
		return false
	}
	return pr.run.cmd.Process.Signal(sig) == nil
}
