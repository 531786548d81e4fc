package main

import (
	"context"
	"errors"
	"os"
	"runtime"
	"runtime/debug"
	"time"

	"github.com/gounicorn/gounicorn/prefork"
	"github.com/gounicorn/gounicorn/prefork/lane"
	"github.com/gounicorn/gounicorn/server"
	"github.com/gounicorn/gounicorn/server/accesslog"
	"github.com/gounicorn/gounicorn/server/errorlog"
	"github.com/gounicorn/gounicorn/server/logfile"
	"github.com/gounicorn/gounicorn/server/metrics"
	"github.com/gounicorn/gounicorn/server/settings"
)

const gcPercent = 400 // the master's heap is small and its garbage short-lived

// master is one running gounicorn.
type master struct {
	v            settings.Values
	env          func(string) (string, bool)
	started      time.Time
	interpreter  interpreter
	workerBin    string
	lanes        []lane.Rule
	workers      int
	sizing       string // how the number of workers came about
	errFile      *logfile.Writer
	accessFile   *logfile.Writer
	accessFormat *accesslog.Format
	outFile      *logfile.Writer // what workers print to standard output
	log          *errorlog.Logger
	metrics      *metrics.Metrics
	pool         *prefork.Pool
	server       *server.Server
	serving      bool // the first workers have loaded the application
	proc         *process
	owner        ownership
	pidFile      *pidFile // nil: none
	other        upgrade
	resting      *rest // nil: we serve
	sockets      []socket
	// of the private listener; nil: none
	metricsSocket *server.Listener
}

// newMaster checks what can be checked before anything starts and opens the logs.
func newMaster(p *process, v settings.Values, env func(string) (string, bool)) (*master, error) {
	m := &master{proc: p, v: v, env: env, started: time.Now()}
	if v.WSGIApp == "" {
		return nil, errors.New("No application module specified.\n\nName it as module:callable, for example: gounicorn myproject.wsgi:application")
	}
	var err error
	for _, text := range v.Lanes {
		rule, err := lane.ParseRule(text)
		if err != nil {
			return nil, &settings.ValueError{Setting: settings.Lookup("lanes"), From: v.Origin("lanes"), Value: text, Problem: err.Error()}
		}
		m.lanes = append(m.lanes, rule)
	}
	if m.owner, err = resolveOwnership(v.User, v.Group, v.InitGroups); err != nil {
		return nil, err
	}
	if err = m.openLogs(); err != nil {
		return nil, err
	}
	m.workers = v.Workers
	if m.workers == 0 {
		s := settings.DefaultWorkers(os.DirFS("/"), processors())
		m.workers, m.sizing = s.Workers, s.Why
	}
	if m.interpreter, err = findInterpreter(v.Python, env); err != nil {
		return nil, err
	}
	if m.workerBin, err = findWorker(v.WorkerBin, m.interpreter.version); err != nil {
		return nil, err
	}
	names := []string{lane.FastName, lane.NewName, lane.SlowName}
	for _, rule := range m.lanes {
		names = append(names, rule.Lane)
	}
	m.metrics = metrics.New(metrics.Build{Version: version, GoVersion: goVersion(), Python: m.interpreter.version}, names...)
	return m, nil
}

// check loads the application in one worker and says whether that worked (--check-config).
func (m *master) check() int {
	if err := m.newPool(1); err != nil {
		m.log.Errorf("%v", err)
		return exitError
	}
	err := m.pool.Start(context.Background())
	m.stopPool(m.v.GracefulTimeout)
	if err != nil {
		m.log.Record(time.Time{}, errorlog.LevelError, 0, err.Error())
		return exitError
	}
	return exitOK
}

// serve runs until a signal ends it and returns the exit code.
func (m *master) serve() int {
	debug.SetGCPercent(gcPercent)
	if procs, set := m.env("GOMAXPROCS"); !set || procs == "" {
		// The workers need the processors more than we do, and fewer threads of ours find more requests each time they wake.
		runtime.GOMAXPROCS(max(1, processors()/2))
	}
	sigs := received()
	m.log.Infof("Starting gounicorn %s", version)
	for _, w := range m.v.Warnings {
		m.log.Warningf("%s", w)
	}
	if err := m.other.follow(m.proc.parent); err != nil {
		m.log.Errorf("%v", err)
		return exitError
	}
	if err := m.claim(); err != nil {
		m.log.Errorf("%v", err)
		return exitError
	}
	defer func() {
		if m.pidFile != nil {
			if err := m.pidFile.remove(); err != nil {
				m.log.Warningf("pid file: %v", err)
			}
		}
	}()
	if err := m.listen(sigs); err != nil {
		m.log.Errorf("%v", err)
		return exitError
	}
	m.log.Infof("Listening at: %s (%d)", m.addresses(), os.Getpid())
	class := "sync"
	if max(m.v.Threads, m.v.MaxThreads) > 1 {
		class = "gthread"
	}
	m.log.Infof("Using worker: %s", class)
	if m.sizing != "" {
		m.log.Infof("Using %d workers: %s", m.workers, m.sizing)
	}
	m.showTitle()
	if err := m.drop(); err != nil {
		m.log.Errorf("%v", err)
		return exitError
	}
	if err := m.newPool(m.workers); err != nil {
		m.log.Errorf("%v", err)
		return exitError
	}
	started := make(chan error, 1)
	go func() { started <- m.pool.Start(context.Background()) }()
	m.server = server.New(m.serverConfig())
	for {
		select {
		case err := <-started:
			if err != nil {
				return m.bootFailed(err)
			}
			m.begin()
		case <-m.other.parentGone:
			m.promote()
		case <-m.other.childGone:
			m.childEnded()
		case sig := <-sigs:
			act, name := actionOf(sig)
			if act == actNothing {
				continue
			}
			m.log.Infof("Handling signal: %s", name)
			switch act {
			case actReload:
				if m.serving {
					m.log.Infof("Hang up: %s", m.name())
					m.tell(stateReloading())
					m.wake(m.workers)
					m.pool.Reload()
				}
			case actReopen:
				m.reopen()
			case actMore:
				m.grow(1)
			case actFewer:
				m.grow(-1)
			case actRest:
				m.winch()
			case actUpgrade:
				m.upgrade()
			case actGraceful:
				m.stop(sigs)
				return exitOK
			case actQuick:
				m.quit()
				return exitOK
			}
		}
	}
}

// begin opens the doors: the workers are ready.
func (m *master) begin() {
	m.serving = true
	for _, s := range m.sockets {
		m.accept(s)
	}
	if err := m.serveMetrics(); err != nil {
		m.log.Errorf("%v", err)
	}
	m.tell(stateReady("gounicorn serves"))
	m.proc.daemon.done(exitOK)
}

// bootFailed reports why the application could not be loaded; the pool has stopped itself.
func (m *master) bootFailed(err error) int {
	ctx, cancel := context.WithTimeout(context.Background(), quickGrace)
	defer cancel()
	_ = m.pool.Shutdown(ctx)
	m.closeSockets(ctx, m.sockets)
	_ = m.server.Shutdown(ctx)
	m.server.Close()
	var boot *prefork.BootError
	if !errors.As(err, &boot) {
		m.log.Errorf("%v", err)
		return exitError
	}
	m.log.Record(time.Time{}, errorlog.LevelError, boot.PID, boot.Text)
	m.log.Infof("Shutting down: %s", m.name())
	switch boot.Code {
	case exitBoot:
		m.log.Infof("Reason: Worker failed to boot.")
	case exitAppErr:
		m.log.Infof("Reason: App failed to load.")
	default:
		return exitError
	}
	return boot.Code
}
