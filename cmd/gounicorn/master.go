package main

import (
	"context"
	"errors"
	"net"
	"os"
	"runtime"
	"runtime/debug"
	"sync/atomic"
	"time"

	"github.com/gounicorn/gounicorn/prefork"
	"github.com/gounicorn/gounicorn/prefork/lane"
	"github.com/gounicorn/gounicorn/server"
	"github.com/gounicorn/gounicorn/server/accesslog"
	"github.com/gounicorn/gounicorn/server/errorlog"
	"github.com/gounicorn/gounicorn/server/metrics"
	"github.com/gounicorn/gounicorn/server/settings"
)

const gcPercent = 400 // the master's heap is small and its garbage short-lived

// master is one running gounicorn.
type master struct {
	v           settings.Values
	env         func(string) (string, bool)
	started     time.Time
	interpreter interpreter
	workerBin   string
	lanes       []lane.Rule
	workers     int
	sizing      string // how the number of workers came about
	logs        atomic.Pointer[logs]
	log         *errorlog.Logger
	access      *accesslog.Logger
	metrics     *metrics.Metrics
	pool        *prefork.Pool
	listeners   []net.Listener
}

// newMaster checks what can be checked before anything starts and opens the logs.
func newMaster(v settings.Values, env func(string) (string, bool)) (*master, error) {
	m := &master{v: v, env: env, started: time.Now()}
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
	if err = m.openLogs(&m.v); err != nil {
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
	m.dumpConfiguration()
	m.log.Infof("Starting gounicorn %s", version)
	for _, w := range m.v.Warnings {
		m.log.Warningf("%s", w)
	}
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
	if err := m.newPool(m.workers); err != nil {
		m.log.Errorf("%v", err)
		return exitError
	}
	started := make(chan error, 1)
	go func() { started <- m.pool.Start(context.Background()) }()
	stopObserving := make(chan struct{})
	defer close(stopObserving)
	go m.observe(stopObserving)
	srv := server.New(m.serverConfig())
	serving := false
	for {
		select {
		case err := <-started:
			if err != nil {
				return m.bootFailed(err)
			}
			serving = true
			for _, ln := range m.listeners {
				go func() {
					if err := srv.Serve(ln); err != nil {
						m.log.Criticalf("%v", err)
					}
				}()
			}
			if err := m.serveMetrics(); err != nil {
				m.log.Errorf("%v", err)
			}
		case sig := <-sigs:
			act, name := actionOf(sig)
			if act == actNothing {
				continue
			}
			if act == actLater {
				m.log.Warningf("Signal %s does nothing in this version", name)
				continue
			}
			m.log.Infof("Handling signal: %s", name)
			switch act {
			case actReload:
				if serving {
					m.log.Infof("Hang up: Master")
					m.pool.Reload()
				}
			case actReopen:
				m.reopen()
			case actGraceful:
				m.stop(srv, sigs)
				return exitOK
			case actQuick:
				m.quit(srv)
				return exitOK
			}
		}
	}
}

// bootFailed reports why the application could not be loaded; the pool has stopped itself.
func (m *master) bootFailed(err error) int {
	m.stopPool(quickGrace)
	m.closeListeners()
	var boot *prefork.BootError
	if !errors.As(err, &boot) {
		m.log.Errorf("%v", err)
		return exitError
	}
	m.log.Record(time.Time{}, errorlog.LevelError, boot.PID, boot.Text)
	m.log.Infof("Shutting down: Master")
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
