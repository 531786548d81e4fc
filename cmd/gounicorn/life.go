package main

import (
	"context"
	"os"

	"github.com/gounicorn/gounicorn/server/settings"
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
	for _, path := range []string{m.v.ErrorLog, m.v.AccessLog} {
		if err := m.owner.own(path); err != nil {
			return err
		}
	}
	return m.owner.become()
}

// applyProcess applies what a reload changed of us as a process; the sockets are m.rebind's.
func (m *master) applyProcess(v *settings.Values) {
	m.renamePID(v.PIDFile)
	m.v.PIDFile, m.v.ProcName = v.PIDFile, v.ProcName
	m.showTitle()
}

// upgrade starts a second master (USR2).
func (m *master) upgrade() {
	switch {
	case m.other.child != 0:
		m.log.Warningf("USR2 signal ignored. Child exists.")
	case m.other.parent != 0:
		m.log.Warningf("USR2 signal ignored. Parent exists.")
	case !m.serving:
		m.log.Warningf("USR2 signal ignored. The application is not loaded yet.")
	default:
		m.preExec()
		if err := m.other.launch(m.proc, m.sockets); err != nil {
			m.log.Errorf("cannot start a second master: %v", err)
			return
		}
		m.log.Infof("Starting a second master with pid: %d", m.other.child)
	}
}

// promote makes the second master the first, because that one has gone.
func (m *master) promote() {
	m.other.parent, m.other.parentGone = 0, nil
	m.log.Infof("Master has been promoted.")
	m.renamePID(m.v.PIDFile)
	m.showTitle()
	m.tell(stateMain(os.Getpid()) + "\n" + stateReady("gounicorn serves"))
	if m.serving {
		if err := m.serveMetrics(); err != nil {
			m.log.Errorf("%v", err)
		}
	}
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
			m.resize(0)
		}
	}()
}

// wake ends the rest, with so many workers.
func (m *master) wake(workers int) {
	if m.resting == nil {
		return
	}
	m.resting.cancel()
	<-m.resting.done
	m.resting = nil
	m.resize(workers)
	m.server.Resume()
	for _, s := range m.sockets {
		s.Resume()
	}
}

func (m *master) resize(workers int) {
	if p, ok := any(m.pool).(interface{ Resize(int) }); ok {
		p.Resize(workers)
	}
}

func (m *master) preExec() {
	if p, ok := any(m.pool).(interface{ PreExec(context.Context) error }); ok {
		_ = p.PreExec(context.Background())
	}
}

func (m *master) grow(by int) {
	if p, ok := any(m.pool).(interface{ Grow(int) }); ok {
		p.Grow(by)
	}
}
