package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"math"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/gounicorn/gounicorn/prefork"
	"github.com/gounicorn/gounicorn/server"
	"github.com/gounicorn/gounicorn/server/control"
	"github.com/gounicorn/gounicorn/server/settings"
	"golang.org/x/sys/unix"
)

const (
	controlLock   = time.Second // for another instance that looks for its place in the same folder
	privateMode   = 0o077       // of a socket without any of these only its owner may use it
	controlParent = 0o700       // of ~/.gunicorn, when we make it
)

// controlSocket is the socket on which gounicornc talks to us.
type controlSocket struct {
	path   string
	file   os.FileInfo // to know it again
	ln     *net.UnixListener
	server *control.Server // nil: nobody is answered yet
}

// controlPaths are the places for our socket, best first. A path that was named is the only one; the default one may be another
// instance's, and then ours has the process id in it. The second of two masters has a name of its own until it is promoted.
func (m *master) controlPaths() (paths []string, named bool) {
	path := m.v.ControlSocket
	if named = m.v.Origin("control_socket").Layer != settings.FromDefault; !named {
		path = control.DefaultPath(m.env)
	}
	if path == "" {
		return nil, named
	}
	if !filepath.IsAbs(path) {
		path = filepath.Join(m.directory, path)
	}
	if m.other.parent != 0 {
		return []string{path + ".2"}, named
	}
	if named {
		return []string{path}, named
	}
	own := strings.TrimSuffix(path, ".ctl") + fmt.Sprintf("-%d.ctl", os.Getpid())
	return []string{path, own}, named
}

// openControl opens the control socket. Without it the server works as well: only who named a path is warned when that fails.
func (m *master) openControl() {
	if m.v.ControlSocketDisable {
		return
	}
	paths, named := m.controlPaths()
	err := errors.New("there is neither XDG_RUNTIME_DIR nor a home folder")
	for _, path := range paths {
		if m.control, err = m.listenControl(path); err == nil {
			return
		}
		if !errors.Is(err, server.ErrInUse) {
			break
		}
	}
	if named {
		m.log.Warningf("no control socket: %v; name another path with --control-socket, or none with --no-control-socket", err)
		return
	}
	m.log.Debugf("no control socket: %v", err)
}

// listenControl opens one path. A socket that nobody listens on any more is replaced, by one instance at a time.
func (m *master) listenControl(path string) (*controlSocket, error) {
	dir := filepath.Dir(path)
	// The folder stays ours when the socket is given to the user of the server: it is in our home, not in theirs.
	if err := os.Mkdir(dir, controlParent); err != nil && !errors.Is(err, os.ErrExist) {
		return nil, err
	}
	defer lockFolder(dir)()
	how := server.Socket{Umask: 0o777 &^ os.FileMode(m.v.ControlSocketMode)}
	if m.owner.changes() {
		how.Owner = &server.Owner{UID: m.owner.uid, GID: m.owner.gid}
	}
	ln, err := server.ListenUnix(path, how)
	if err != nil {
		return nil, err
	}
	file, err := os.Lstat(path)
	if err != nil {
		_ = ln.Close()
		return nil, err
	}
	return &controlSocket{path: path, file: file, ln: ln}, nil
}

// lockFolder keeps other instances from looking for a place in a folder, until unlock is called. Who holds it for too long is ignored:
// in a folder of everybody that may be anybody.
func lockFolder(dir string) (unlock func()) {
	f, err := os.Open(dir)
	if err != nil {
		return func() {}
	}
	for end := time.Now().Add(controlLock); ; time.Sleep(10 * time.Millisecond) {
		if unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB) == nil || time.Now().After(end) {
			return func() { _ = f.Close() }
		}
	}
}

// serveControl begins to answer.
func (m *master) serveControl() {
	if m.control == nil {
		return
	}
	m.control.server = control.NewServer(m.control.ln, (*governor)(m), m.v.ControlSocketMode&privateMode == 0,
		func(text string) { m.log.Debugf("control socket: %s", text) })
	go m.control.server.Serve()
	m.log.Infof("Control socket listening at %s", m.control.path)
}

// closeControl ends it, and removes the file if it is still ours.
func (m *master) closeControl() {
	c := m.control
	if c == nil {
		return
	}
	if c.owns() {
		if err := os.Remove(c.path); err != nil {
			m.log.Debugf("the control socket stays: %v", err) // in a folder that our user may not write; the next start replaces it
		}
	}
	if c.server != nil {
		c.server.Close()
		return
	}
	_ = c.ln.Close()
}

func (c *controlSocket) owns() bool {
	st, err := os.Lstat(c.path)
	return err == nil && os.SameFile(st, c.file)
}

// promoteControl moves the socket of a second master to where it belongs now that the first has gone.
func (m *master) promoteControl() {
	c := m.control
	paths, _ := m.controlPaths()
	if c == nil || !c.owns() {
		return
	}
	for _, path := range paths {
		if err := c.move(path); err != nil {
			m.log.Debugf("the control socket stays at %s: %v", c.path, err)
			continue
		}
		m.log.Infof("Control socket listening at %s", path)
		return
	}
}

func (c *controlSocket) move(path string) error {
	defer lockFolder(filepath.Dir(path))()
	if conn, err := net.Dial("unix", path); err == nil {
		_ = conn.Close()
		return fmt.Errorf("%w: %s", server.ErrInUse, path)
	}
	if err := os.Rename(c.path, path); err != nil {
		return err
	}
	c.path = path
	return nil
}

// governor is the master as the commands see it. What the goroutine of serve owns is read and changed by that one.
type governor master

var errLeaving = errors.New("the server is shutting down")

// do has f run by the goroutine of serve.
func (g *governor) do(f func(m *master)) error {
	done := make(chan struct{})
	select {
	case g.calls <- func() { defer close(done); f((*master)(g)) }:
		<-done
		return nil
	case <-g.left:
		return errLeaving
	}
}

// Workers implements control.Master.
func (g *governor) Workers() (workers []control.Worker, err error) {
	err = g.do(func(m *master) {
		for _, w := range m.pool.Status().Workers {
			if w.State != "dead" {
				workers = append(workers, workerOf(&w))
			}
		}
	})
	slices.SortFunc(workers, func(a, b control.Worker) int { return cmp.Compare(a.Age, b.Age) })
	return workers, err
}

func workerOf(w *prefork.WorkerStatus) control.Worker {
	one := control.Worker{
		PID: w.PID, Age: w.ID, Booted: w.State != "booting", Aborted: w.Aborted, State: w.State, Overflow: w.Overflow, Threads: w.Threads,
		Requests: len(w.Requests), Uptime: rounded(w.Age), RSS: residentBytes(w.PID),
	}
	if one.Booted {
		beat := 0.0
		if len(w.Requests) > 0 {
			beat = rounded(w.Requests[0].Seconds)
		}
		one.LastHeartbeat = &beat
	}
	return one
}

// rounded has hundredths of a second, as gunicorn shows them.
func rounded(seconds float64) float64 { return math.Round(seconds*100) / 100 }

// residentBytes is the memory of a process, pages that it shares included; 0 if it has gone.
func residentBytes(pid int) int64 {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/statm", pid))
	if err != nil {
		return 0
	}
	var size, resident int64
	if _, err := fmt.Sscan(string(text), &size, &resident); err != nil {
		return 0
	}
	return resident * int64(os.Getpagesize())
}

// Config implements control.Master.
func (g *governor) Config() (values map[string]any, err error) {
	err = g.do(func(m *master) {
		values = m.v.Cfg()
		values["workers"] = m.pool.Size() // which may have been computed, or changed since
		values["control_socket"] = m.control.path
	})
	return values, err
}

// Stats implements control.Master.
func (g *governor) Stats() (stats control.Stats, err error) {
	err = g.do(func(m *master) {
		s := m.pool.Stats()
		stats = control.Stats{
			Uptime: rounded(time.Since(m.started).Seconds()), PID: os.Getpid(),
			WorkersCurrent: s.Booting + s.Ready + s.Retiring, WorkersTarget: m.pool.Size(),
			WorkersSpawned: s.Spawned, WorkersKilled: s.Ended, Reloads: m.reloads,
		}
	})
	return stats, err
}

// Listeners implements control.Master.
func (g *governor) Listeners() (listeners []control.Listener, err error) {
	err = g.do(func(m *master) {
		for _, s := range m.sockets {
			one := control.Listener{Address: m.socketText(s), FD: s.FD(), Type: "tcp"}
			switch a := s.Addr().(type) {
			case *net.UnixAddr:
				one.Type = "unix"
			case *net.TCPAddr:
				if a.IP.To4() == nil {
					one.Type = "tcp6"
				}
			}
			listeners = append(listeners, one)
		}
	})
	return listeners, err
}

// Resize implements control.Master.
func (g *governor) Resize(by int) (before, after int, err error) {
	err = g.do(func(m *master) {
		if by > 0 {
			m.wake(0)
		}
		before, after = m.pool.Grow(by)
	})
	return before, after, err
}

// Retire implements control.Master.
func (g *governor) Retire(pid int) (found bool, err error) {
	err = g.do(func(m *master) { found = m.pool.Retire(pid) })
	return found, err
}

// What has a signal is done by that signal: it takes effect while the server stops, too, and the log says the same as ever.

// Reload implements control.Master.
func (g *governor) Reload() error { return g.signal(unix.SIGHUP) }

// Reopen implements control.Master.
func (g *governor) Reopen() error { return g.signal(unix.SIGUSR1) }

// Shutdown implements control.Master.
func (g *governor) Shutdown(quick bool) error {
	if quick {
		return unix.Kill(os.Getpid(), unix.SIGINT)
	}
	return unix.Kill(os.Getpid(), unix.SIGTERM)
}

// Upgrade implements control.Master. It is no signal, as who asks for it is to hear why not.
func (g *governor) Upgrade() (err error) {
	gone := g.do(func(m *master) { err = m.upgrade() })
	return cmp.Or(gone, err)
}

// Settings implements control.Master.
func (g *governor) Settings() (all []control.Setting, err error) {
	err = g.do(func(m *master) {
		for _, s := range settings.All {
			all = append(all, control.Setting{Name: s.Name, Value: m.v.Text(s.Name), From: m.v.Origin(s.Name).String()})
		}
	})
	slices.SortFunc(all, func(a, b control.Setting) int { return cmp.Compare(a.Name, b.Name) })
	return all, err
}

// Logs implements control.Master.
func (g *governor) Logs(since uint64, n int, latest bool) (any, error) {
	return g.journal.Since(since, n, latest), nil
}

// stacksWait bounds the wait for the stacks of a worker, which answers within 1 s unless it is stopped.
const stacksWait = 5 * time.Second

// Stacks implements control.Master.
func (g *governor) Stacks(pid int) (string, error) {
	ctx, cancel := context.WithTimeout(context.Background(), stacksWait)
	defer cancel()
	text, err := g.pool.Stacks(ctx, pid)
	if errors.Is(err, prefork.ErrNoWorker) {
		err = fmt.Errorf("there is no worker with the pid %d", pid)
	}
	return text, err
}

func (g *governor) signal(sig unix.Signal) error {
	select {
	case <-g.left:
		return errLeaving
	default:
		return unix.Kill(os.Getpid(), sig)
	}
}
