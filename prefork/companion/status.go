package companion

import (
	"context"
	"slices"
	"time"
)

// State is what a process does, by supervisord's names.
type State string

// The states.
const (
	Stopped  State = "STOPPED"  // it is not to run, or not yet
	Starting State = "STARTING" // it runs for less than StartTime, is not ready, or waits for others
	Running  State = "RUNNING"
	Backoff  State = "BACKOFF" // it ended and is started again after a pause
	Stopping State = "STOPPING"
	Exited   State = "EXITED"  // it ended, and is not to be started again
	Fatal    State = "FATAL"   // it could not be started, and that is not tried any more
	Unknown  State = "UNKNOWN" // is never seen; supervisord has it
)

// Status is one process as others see it.
type Status struct {
	Name     string
	Program  string
	Index    int
	State    State
	PID      int       // 0: it does not run
	Since    time.Time // when it came into this state
	Started  time.Time // when PID was started
	Starts   int       // in all
	LastExit string    // how the last run ended; "": none has
	Note     string    // what it waits for
	Next     time.Time // the next run of a timer; zero: none
	Healthy  bool      // it is as it should be
}

// Restarts is how often it was started again.
func (s *Status) Restarts() int { return max(s.Starts-1, 0) }

// Status returns all processes, by program and index.
func (m *Manager) Status() []Status {
	m.mu.Lock()
	defer m.mu.Unlock()
	var all []Status
	for _, name := range m.order {
		p := m.programs[name]
		for _, pr := range p.processes {
			s := pr.status()
			s.Name = p.spec.process(pr.index)
			all = append(all, s)
		}
	}
	return all
}

// status is a copy of what the goroutine has published.
func (pr *process) status() Status {
	pr.mu.Lock()
	defer pr.mu.Unlock()
	return pr.shown
}

// usable reports whether programs that need this one may start.
func (pr *process) usable() bool {
	s := pr.status()
	return s.State == Running || s.State == Exited && s.Healthy
}

// publish shows a new state. The goroutine calls it.
func (pr *process) publish(state State, note string) {
	pr.mu.Lock()
	before := pr.shown.State
	if before != state {
		pr.shown.Since = time.Now()
	}
	s := &pr.shown
	s.State, s.Note, s.Next, s.PID, s.Starts, s.LastExit = state, note, pr.next, 0, pr.starts, pr.lastExit
	if pr.run != nil {
		s.PID, s.Started = pr.run.pid, pr.run.started
	}
	s.Healthy = pr.healthy(state)
	close(pr.news)
	pr.news = make(chan struct{})
	pr.mu.Unlock()
	if before != state {
		pr.m.announce()
	}
}

// healthy is whether a state is as it should be.
func (pr *process) healthy(state State) bool {
	switch state {
	case Running:
		return true
	case Stopped:
		return !pr.want || pr.spec.Timer != nil
	case Exited:
		return pr.lastExit == "" || pr.lastGood
	}
	return false
}

// await waits until the state is one that will do, or ctx or the process ends.
func (pr *process) await(ctx context.Context, enough func(State) bool) error {
	for {
		pr.mu.Lock()
		state, news := pr.shown.State, pr.news
		pr.mu.Unlock()
		if enough(state) {
			return nil
		}
		select {
		case <-news:
		case <-pr.done:
			return nil
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// expected reports whether an exit code is among those of the program.
func (p *Program) expected(code int) bool { return slices.Contains(p.ExitCodes, code) }
