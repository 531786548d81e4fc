package companion

import (
	"context"
	"fmt"
	"os"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// StepError is a step before the start that failed.
type StepError struct {
	Command string // as it was written
	Why     string
}

// Error names the command and what became of it.
func (e *StepError) Error() string {
	return fmt.Sprintf("the step %q before the start failed: %s", e.Command, e.Why)
}

// RunSteps runs the commands one after another, each to its end, within timeout for each; 0 is no limit. The first that fails ends it with
// a *StepError. When ctx ends, what runs is killed. Programs are as those of Parse; their names are the commands as they were written.
func (m *Manager) RunSteps(ctx context.Context, steps []Program, timeout time.Duration) error {
	for i := range steps {
		step := &steps[i]
		m.cfg.Log(Info, 0, fmt.Sprintf("Running %s", step.Name))
		began := time.Now()
		limited, cancel := ctx, context.CancelFunc(func() {})
		if timeout > 0 {
			limited, cancel = context.WithTimeout(ctx, timeout)
		}
		err := m.runOnce(limited, step, func(pid int, line []byte) { m.cfg.Line(step, "prestart", pid, line) })
		timedOut := limited.Err() != nil && ctx.Err() == nil
		cancel()
		switch {
		case timedOut:
			return &StepError{step.Name, fmt.Sprintf("it did not end within %v (--prestart-timeout)", timeout)}
		case ctx.Err() != nil:
			return ctx.Err()
		case err != nil:
			return &StepError{step.Name, err.Error()}
		}
		m.cfg.Log(Info, 0, fmt.Sprintf("%s has ended after %s", step.Name, rounded(time.Since(began))))
	}
	return nil
}

// ParseStep makes a Program of a command before the start.
func ParseStep(text string, c Context) (Program, error) {
	d := draft{context: c, Program: Program{Name: text, Umask: -1, Directory: c.Directory}}
	var err error
	if d.Args, err = c.Split(text); err != nil {
		return Program{}, err
	}
	if len(d.Args) == 0 {
		return Program{}, fmt.Errorf("it is empty")
	}
	return d.Program, d.environ()
}

// runOnce runs a command in a session of its own and waits for its end; the error says how that was if it was no exit with 0. When ctx
// ends all of it is killed.
func (m *Manager) runOnce(ctx context.Context, p *Program, line func(pid int, line []byte)) error {
	r := &run{mark: mark(), cancel: func() {}}
	env := append(append([]string(nil), p.Env...), markVariable+"="+r.mark)
	cmd, out, errs, hold, err := command(p, p.Args, env)
	if err != nil {
		return err
	}
	err = m.start(cmd)
	closeOurs(cmd)
	if err != nil {
		for _, f := range []*os.File{out, errs, hold} {
			_ = f.Close() // nil is refused
		}
		return explained(err, p)
	}
	r.cmd, r.pid = cmd, cmd.Process.Pid
	var one sync.Mutex
	r.listen([]*os.File{out, errs}, func(text []byte) {
		one.Lock()
		defer one.Unlock()
		line(r.pid, text)
	})
	end := context.AfterFunc(ctx, func() { signalGroup(r.pid, syscall.SIGKILL) })
	released := release(p, r.pid, hold)
	m.wait(cmd)
	end()
	signalGroup(r.pid, unix.SIGKILL) // what it left in its group has no business any more
	killStrays(r.mark)
	r.finish()
	if released != nil {
		return released
	}
	if code, text := r.outcome(); code != 0 {
		return fmt.Errorf("%s", text)
	}
	return nil
}

// lockFile locks a file until it is closed, false when somebody else has.
func lockFile(f *os.File) bool { return unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB) == nil }
