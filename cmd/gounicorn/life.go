package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"

	"github.com/gounicorn/gounicorn/server/logfile"
)

// What the master does about itself as a process while it runs: its name, its pid file, its user, other masters, rest and wake.

// name is what the log calls us: the second of two masters is Master.2.
func (m *master) name() string {
	if m.other.parent != 0 {
		return "Master.2"
	}
	return "Master"
}

// showTitle sets what ps shows of us.
func (m *master) showTitle() {
	name := m.v.ProcName
	if name == "" {
		name = m.v.WSGIApp
	}
	if m.other.parent != 0 {
		name += ".2"
	}
	m.proc.title.set("gounicorn: master [" + name + "]")
}

// tell speaks to the service manager.
func (m *master) tell(state string) {
	if err := m.proc.notify.tell(state); err != nil {
		m.log.Debugf("%v", err)
	}
}

// pidPath is where a pid file belongs: the second of two masters keeps its own.
func (m *master) pidPath(path string) string {
	if path != "" && m.other.parent != 0 {
		return path + ".2"
	}
	return path
}

// claim writes the pid file.
func (m *master) claim() (err error) {
	if path := m.pidPath(m.v.PIDFile); path != "" {
		m.pidFile, err = createPIDFile(path, &m.owner)
	}
	return err
}

// disclaim removes the pid file at the end.
func (m *master) disclaim() {
	if m.pidFile != nil {
		if err := m.pidFile.remove(); err != nil {
			m.log.Warningf("pid file: %v", err)
		}
	}
}

// background starts the server in the background; what has been started here was for the settings. It returns our exit code.
func (m *master) background() int {
	m.stopPool(quickGrace)
	code, err := m.proc.background(m.v.EnableStdioInheritance, m.stderr)
	if err != nil {
		fmt.Fprintf(m.stderr, "\nError: %v\n", err)
	}
	return code
}

// renamePID moves the pid file to where it belongs now, after a reload or a promotion.
func (m *master) renamePID(path string) {
	path = m.pidPath(path)
	var err error
	switch {
	case m.pidFile == nil && path == "" || m.pidFile != nil && m.pidFile.path == path:
	case m.pidFile == nil:
		m.pidFile, err = createPIDFile(path, nil)
	case path == "":
		err = m.pidFile.remove()
		m.pidFile = nil
	default:
		err = m.pidFile.move(path)
	}
	if err != nil {
		m.log.Errorf("%v", err)
	}
}

// drop makes us the user of the settings. The workers' zygote does that by itself.
func (m *master) drop() error {
	if l := m.logs.Load(); m.owner.changes() {
		for _, w := range []*logfile.Writer{l.errFile, l.accessFile} {
			if w == nil {
				continue
			}
			if err := w.Chown(m.owner.uid, m.owner.gid); err != nil {
				return err
			}
		}
	}
	return m.owner.become()
}

// applyProcess applies the settings that a reload has changed as far as they are ours.
func (m *master) applyProcess() {
	m.renamePID(m.v.PIDFile)
	m.showTitle()
	if err := m.rebind(); err != nil {
		m.log.Errorf("%v; the addresses stay as they were", err)
	}
}

// upgrade starts a second master. The error says why there is none.
func (m *master) upgrade() error {
	switch {
	case m.other.child != 0:
		return errors.New("Child exists.")
	case m.other.parent != 0:
		return errors.New("Parent exists.")
	case os.Getpid() == 1:
		return errors.New("All processes of a container end with the first, which this is; HUP loads new code, and a new image needs a new container.")
	case !m.serving:
		return errors.New("The application is not loaded yet.")
	}
	_ = m.pool.PreExec(context.Background()) // fails when the pool has ended, and so does what follows
	sockets := m.sockets
	if m.proc.admin != nil && m.private != nil {
		sockets = append(slices.Clone(sockets), socket{Listener: m.private, name: m.proc.admin.name})
	}
	if err := m.other.launch(m.proc, sockets, func(why string) { m.log.Errorf("%s", why) }); err != nil {
		return fmt.Errorf("Cannot start a second master: %w.", err)
	}
	m.log.Infof("Starting a second master with pid: %d", m.other.child)
	return nil
}

// promote makes the second master the first, because that one has gone.
func (m *master) promote() {
	m.other.parent, m.other.parentGone = 0, nil
	m.log.Infof("Master has been promoted.")
	m.renamePID(m.v.PIDFile)
	m.showTitle()
	m.promoteControl()
	m.troupe.Hold(false)
	m.tell(stateMain(os.Getpid()))
	m.serves("")
	m.servePrivate()
}

// childEnded is told that the second master has gone; this one stays what it is.
func (m *master) childEnded() {
	m.log.Warningf("The second master (pid:%d) has ended; this one goes on.", m.other.child)
	m.other.child, m.other.childGone = 0, nil
}

// rest is the state after WINCH: sockets open, nothing accepted, no workers.
type rest struct {
	cancel context.CancelFunc
	done   chan struct{} // closed when the workers have been sent away, or are not to be
}

// winch sends the workers away; another master is to serve (WINCH).
func (m *master) winch() {
	if !m.v.Daemon {
		m.log.Debugf("SIGWINCH ignored. Not daemonized")
		return
	}
	if m.resting != nil || !m.serving {
		return
	}
	m.log.Infof("graceful stop of workers")
	for _, s := range m.sockets {
		s.Suspend()
	}
	ctx, cancel := context.WithTimeout(context.Background(), m.v.GracefulTimeout)
	r := &rest{cancel, make(chan struct{})}
	m.resting = r
	go func() {
		defer close(r.done)
		_ = m.server.Quiesce(ctx) // what does not end in time ends with its worker
		if ctx.Err() != context.Canceled {
			m.pool.Resize(0)
		}
	}()
}

// wake ends the rest, with so many workers; 0: whoever calls it asks for some.
func (m *master) wake(workers int) {
	if m.resting == nil {
		return
	}
	m.resting.cancel()
	<-m.resting.done
	m.resting = nil
	if workers > 0 {
		m.pool.Resize(workers)
	}
	m.server.Resume()
	for _, s := range m.sockets {
		s.Resume()
	}
}
