package companion

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// Variables that each process gets.
const (
	nameVariable  = "GOUNICORN_COMPANION"       // the program
	indexVariable = "GOUNICORN_COMPANION_INDEX" // 0, 1, …
	markVariable  = "GOUNICORN_COMPANION_RUN"   // tells the processes of one run from all others, wherever they have gone
)

// run is one run of a process. It belongs to the goroutine of the process, but for what its own goroutines do with cmd and output.
type run struct {
	cmd      *exec.Cmd
	pid      int // of the leader, and so of its group and session
	mark     string
	started  time.Time
	gone     chan struct{}   // closed when the leader is dead and reaped
	ready    chan error      // gets the outcome of the check; nil: there is none, or it is known
	able     bool            // the check has said so
	env      []string        // of the process, for checks
	ctx      context.Context // of its checks; cancel ends it
	ails     chan ailment    // of its health; nil: nobody looks
	checks   sync.WaitGroup
	survived bool          // StartTime
	extra    time.Duration // that it may be older than MaxAge
	cancel   context.CancelFunc
	pipes    []*lines
	output   sync.WaitGroup
}

// parent is the goroutine that starts all processes. It keeps its thread for ever: the kernel kills a process with the thread that started
// it (PR_SET_PDEATHSIG), and so all of them with us, however we die.
func (m *Manager) parent() {
	runtime.LockOSThread()
	for f := range m.spawn {
		f()
	}
}

// start starts a command and notes the child before anybody can take it for one without an owner.
func (m *Manager) start(cmd *exec.Cmd) (err error) {
	started := make(chan struct{})
	m.spawn <- func() {
		defer close(started)
		m.starting.Add(1)
		defer m.starting.Add(-1)
		if err = cmd.Start(); err == nil {
			m.children.Store(cmd.Process.Pid, true)
		}
	}
	<-started
	return err
}

// wait reaps a command that start started.
func (m *Manager) wait(cmd *exec.Cmd) {
	_ = cmd.Wait() // ProcessState has it
	m.children.Delete(cmd.Process.Pid)
}

// shim holds the program back until its limits are set, and sets the umask, for which the kernel has no way from outside.
const shim = `umask "$1" && read -r _ <&3; exec 3<&-; shift; exec "$@"`

// command makes the command of a program, with pipes for what it prints. hold is not nil when it waits for its limits; closing it lets it go.
func command(p *Program, args, env []string) (cmd *exec.Cmd, out, errs, hold *os.File, err error) {
	path, err := lookUp(args[0], p.Env, p.Directory)
	if err != nil {
		return nil, nil, nil, nil, err
	}
	cmd = &exec.Cmd{Path: path, Args: args, Env: env, Dir: p.Directory, SysProcAttr: &syscall.SysProcAttr{Setsid: true, Pdeathsig: syscall.SIGKILL}}
	if o := p.Owner; o != nil {
		cmd.SysProcAttr.Credential = &syscall.Credential{Uid: o.UID, Gid: o.GID, Groups: o.Groups}
	}
	var files [3][2]*os.File
	for i := range files {
		if i == 2 && p.Umask < 0 && len(p.Limits) == 0 && p.OOMScore == nil {
			break
		}
		if files[i][0], files[i][1], err = os.Pipe(); err != nil {
			for _, pair := range files[:i] {
				_, _ = pair[0].Close(), pair[1].Close()
			}
			return nil, nil, nil, nil, fmt.Errorf("pipe: %w", err)
		}
	}
	cmd.Stdout, cmd.Stderr = files[0][1], files[1][1]
	if files[2][0] != nil {
		umask := fmt.Sprintf("%04o", p.Umask)
		if p.Umask < 0 {
			umask = currentUmask()
		}
		cmd.Path, cmd.Args = "/bin/sh", append([]string{"sh", "-c", shim, args[0], umask, path}, args[1:]...)
		cmd.ExtraFiles = []*os.File{files[2][0]} // 3
	}
	return cmd, files[0][0], files[1][0], files[2][1], nil
}

// currentUmask reads ours without changing it.
func currentUmask() string {
	text, _ := os.ReadFile("/proc/self/status")
	for line := range strings.Lines(string(text)) {
		if value, ok := strings.CutPrefix(line, "Umask:"); ok {
			return strings.TrimSpace(value)
		}
	}
	return "0022"
}

// closeOurs closes the ends that the child has now, or never will.
func closeOurs(cmd *exec.Cmd) {
	for _, f := range append([]*os.File{cmd.Stdout.(*os.File), cmd.Stderr.(*os.File)}, cmd.ExtraFiles...) {
		_ = f.Close()
	}
}

// release sets the limits and lets the child go.
func release(p *Program, pid int, hold *os.File) error {
	if hold == nil {
		return nil
	}
	var failed []error
	for _, l := range p.Limits {
		if err := unix.Prlimit(pid, l.Resource, &unix.Rlimit{Cur: l.Soft, Max: l.Hard}, nil); err != nil {
			failed = append(failed, fmt.Errorf("limits: %w; only root may raise what it was started with", err))
		}
	}
	if p.OOMScore != nil {
		if err := os.WriteFile(fmt.Sprintf("/proc/%d/oom_score_adj", pid), []byte(strconv.Itoa(*p.OOMScore)), 0); err != nil {
			failed = append(failed, fmt.Errorf("oom_score_adj: %w; only root may lower it", err))
		}
	}
	if len(failed) > 0 {
		_ = unix.Kill(-pid, unix.SIGKILL)
	}
	_ = hold.Close()
	return errors.Join(failed...)
}

// lookUp finds a command by the PATH of the program's environment.
func lookUp(name string, env []string, dir string) (string, error) {
	if strings.Contains(name, "/") {
		path := name
		if !filepath.IsAbs(path) {
			path = filepath.Join(dir, path)
		}
		if !runnable(path) {
			return "", fmt.Errorf("the command %s is no file that can be run", name)
		}
		return path, nil
	}
	search := ""
	for _, e := range env {
		if value, ok := strings.CutPrefix(e, "PATH="); ok {
			search = value
		}
	}
	for _, folder := range filepath.SplitList(search) {
		if path := filepath.Join(folder, name); filepath.IsAbs(folder) && runnable(path) {
			return path, nil
		}
	}
	return "", fmt.Errorf("the command %s is not found on PATH (%s); install it, or write its whole path", name, search)
}

// launch starts a run of a process.
func (m *Manager) launch(pr *process) (*run, error) {
	p := pr.spec
	r := &run{mark: mark(), gone: make(chan struct{})}
	env := append(append([]string(nil), p.Env...), nameVariable+"="+p.Name, fmt.Sprintf("%s=%d", indexVariable, pr.index), markVariable+"="+r.mark)
	var inbox *inbox
	if p.Ready != nil && p.Ready.Notify {
		var err error
		if inbox, err = newInbox(); err != nil {
			return nil, err
		}
		env = append(env, "NOTIFY_SOCKET="+inbox.name)
	}
	cmd, out, errs, hold, err := command(p, p.Args, env)
	if err != nil {
		inbox.close()
		return nil, err
	}
	m.guard.post()
	err = m.start(cmd)
	closeOurs(cmd)
	if err != nil {
		inbox.close()
		for _, f := range []*os.File{out, errs, hold} {
			_ = f.Close() // nil is refused
		}
		return nil, explained(err, p)
	}
	r.cmd, r.pid, r.started = cmd, cmd.Process.Pid, time.Now()
	m.guard.add(r.pid)
	name := pr.name()
	r.listen([]*os.File{out, errs}, func(line []byte) { m.cfg.Line(p, name, r.pid, line) })
	if err := release(p, r.pid, hold); err != nil {
		m.wait(cmd)
		m.guard.remove(r.pid)
		inbox.close()
		r.cancel = func() {}
		r.finish()
		return nil, err
	}
	go func() {
		defer close(r.gone)
		m.wait(cmd)
	}()
	ctx, cancel := context.WithCancel(context.Background())
	r.ctx, r.cancel, r.env = ctx, cancel, env
	if p.Ready != nil {
		r.ready = make(chan error, 1)
		to := r.ready
		r.checks.Go(func() { to <- m.check(ctx, p, env, inbox) })
	}
	return r, nil
}

// explained names the setting that a failed start is about.
func explained(err error, p *Program) error {
	st, failed := os.Stat(p.Directory)
	switch {
	case failed != nil:
		return fmt.Errorf("directory: %w", failed)
	case !st.IsDir():
		return fmt.Errorf("directory: %s is none", p.Directory)
	case errors.Is(err, os.ErrPermission) && p.Owner != nil:
		return fmt.Errorf("cannot become user %d: %w; only root can", p.Owner.UID, err)
	}
	return err
}

// listen hands on what comes from the pipes, each by a goroutine of its own.
func (r *run) listen(pipes []*os.File, line func([]byte)) {
	for _, f := range pipes {
		l := &lines{f: f}
		r.pipes = append(r.pipes, l)
		r.output.Add(1)
		go func() {
			defer r.output.Done()
			l.read(line)
		}()
	}
}

// finish ends the check and waits for the rest of the output. What holds the pipes open although it is none of ours has a moment.
func (r *run) finish() {
	r.cancel()
	r.checks.Wait() // one may be about to start a process, which nobody does when the Manager has stopped
	for _, l := range r.pipes {
		l.finish()
	}
	r.output.Wait()
}

// outcome is how the leader ended. The code is exitNotRun when a signal ended it.
func (r *run) outcome() (code int, text string) {
	status, ok := r.cmd.ProcessState.Sys().(syscall.WaitStatus)
	switch {
	case !ok:
		return exitNotRun, "an end that is not known"
	case status.Signaled():
		text = unix.SignalName(status.Signal())
		if status.CoreDump() {
			text += ", core dumped"
		}
		return exitNotRun, text
	}
	return status.ExitStatus(), fmt.Sprintf("exit code %d", status.ExitStatus())
}

// memory is the most that the leader used, for the log.
func (r *run) memory() string {
	if usage, ok := r.cmd.ProcessState.SysUsage().(*syscall.Rusage); ok {
		return fmt.Sprintf(", %d MB at most", usage.Maxrss>>10)
	}
	return ""
}
