package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"runtime"
	"runtime/debug"
	"strings"
	"time"

	"log/slog"

	"github.com/gounicorn/gounicorn/prefork"
	"github.com/gounicorn/gounicorn/prefork/lane"
	"github.com/gounicorn/gounicorn/prefork/wire"
	"github.com/gounicorn/gounicorn/server"
	"github.com/gounicorn/gounicorn/server/accesslog"
	"github.com/gounicorn/gounicorn/server/errorlog"
	"github.com/gounicorn/gounicorn/server/http1"
	"github.com/gounicorn/gounicorn/server/logfile"
	"github.com/gounicorn/gounicorn/server/metrics"
	"github.com/gounicorn/gounicorn/server/settings"
)

const (
	bindTries  = 5 // as gunicorn: a predecessor may be about to leave
	bindPause  = time.Second
	quickGrace = time.Second // for workers when we stop at once
	flushGrace = 2 * time.Second
	gcPercent  = 400 // the master's heap is small and its garbage short-lived
)

// master is one running gounicorn.
type master struct {
	v            settings.Values
	env          func(string) (string, bool)
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
	listeners    []net.Listener
}

// newMaster checks what can be checked before anything starts and opens the logs.
func newMaster(v settings.Values, env func(string) (string, bool)) (*master, error) {
	m := &master{v: v, env: env}
	if v.WSGIApp == "" {
		return nil, errors.New("No application module specified.\n\nName it as module:callable, for example: gounicorn myproject.wsgi:application")
	}
	var err error
	if m.accessFormat, err = accesslog.Compile(v.AccessLogFormat); err != nil {
		return nil, &settings.ValueError{
			Setting: settings.Lookup("access_log_format"), From: v.Origin("access_log_format"), Value: v.AccessLogFormat, Problem: err.Error(),
		}
	}
	for _, text := range v.Lanes {
		rule, err := lane.ParseRule(text)
		if err != nil {
			return nil, &settings.ValueError{Setting: settings.Lookup("lanes"), From: v.Origin("lanes"), Value: text, Problem: err.Error()}
		}
		m.lanes = append(m.lanes, rule)
	}
	if m.errFile, err = logfile.Open(logfile.Config{Path: v.ErrorLog, Std: os.Stderr}); err != nil {
		return nil, fmt.Errorf("error log: %w", err)
	}
	if m.outFile, err = logfile.Open(logfile.Config{Path: "-", Std: os.Stdout}); err != nil {
		return nil, fmt.Errorf("standard output: %w", err)
	}
	level, _ := errorlog.ParseLevel(v.LogLevel)
	m.log = errorlog.New(errorlog.Config{Writer: m.errFile, Level: level, Pid: os.Getpid()})
	if v.AccessLog != "" {
		if m.accessFile, err = logfile.Open(logfile.Config{Path: v.AccessLog, Std: os.Stdout, Batch: true}); err != nil {
			return nil, fmt.Errorf("access log: %w", err)
		}
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
	m.metrics = metrics.New(metrics.Build{Version: version, GoVersion: goVersion(), Python: m.interpreter.version})
	return m, nil
}

// close writes out what the logs still hold.
func (m *master) close() {
	for _, f := range []*logfile.Writer{m.accessFile, m.outFile, m.errFile} {
		if f != nil {
			_ = f.Close()
		}
	}
}

// newPool prepares the pool of workers.
func (m *master) newPool(workers int) error {
	boot, err := newBootDocument(&m.v, workers)
	if err != nil {
		return err
	}
	v := &m.v
	m.pool, err = prefork.New(prefork.Config{
		Worker: m.workerBin, Boot: boot, Workers: workers, Threads: v.Threads,
		Env: append(os.Environ(), "GOUNICORN_PYTHON="+m.interpreter.path, "GOUNICORN_PYTHON_VERSION="+m.interpreter.version,
			"SERVER_SOFTWARE=gounicorn/"+version),
		MaxRequests: v.MaxRequests, MaxRequestsJitter: v.MaxRequestsJitter,
		Timeout: v.Timeout, RequestTimeout: v.RequestTimeout, QueueTimeout: v.QueueTimeout, GracefulTimeout: v.GracefulTimeout,
		BootTimeout: v.BootTimeout, SoftTimeout: v.SoftTimeout, Lanes: m.lanes, QueueTarget: v.QueueTarget,
		SlowReserve: v.SlowReserve, SlowAfter: v.SlowAfter, SlowNice: v.SlowNice,
		MaxWorkers: v.MaxWorkers, OverflowIdle: v.OverflowIdle, MaxThreads: v.MaxThreads,
		Stdout: func(_ int, text []byte) { _, _ = m.outFile.Write(text) },
		Stderr: func(_ int, text []byte) { m.log.WriteRaw(text) },
		Log: func(level, pid int, msg string) {
			m.log.Record(time.Time{}, slogLevel(level), pid, msg)
		},
		Replaced: func(why prefork.Cause) { m.metrics.Restarted(restarts[why]) },
	})
	if err != nil {
		return err
	}
	m.metrics.AddSource(m.poolState)
	return nil
}

func slogLevel(level int) slog.Level {
	switch {
	case level >= wire.LevelCritical:
		return errorlog.LevelCritical
	case level >= wire.LevelError:
		return errorlog.LevelError
	case level >= wire.LevelWarning:
		return errorlog.LevelWarning
	case level >= wire.LevelInfo:
		return errorlog.LevelInfo
	}
	return errorlog.LevelDebug
}

var restarts = map[prefork.Cause]metrics.Restart{
	prefork.CauseExit: metrics.RestartExit, prefork.CauseSignal: metrics.RestartSignal, prefork.CauseTimeout: metrics.RestartTimeout,
	prefork.CauseBoot: metrics.RestartBoot, prefork.CauseMaxRequests: metrics.RestartMaxRequests,
	prefork.CauseReload: metrics.RestartReload, prefork.CauseProtocol: metrics.RestartProtocol,
}

func (m *master) poolState(st *metrics.State) {
	s := m.pool.Stats()
	busy := min(s.Busy, s.Ready)
	st.Workers[metrics.WorkerBooting] += s.Booting
	st.Workers[metrics.WorkerBusy] += busy
	st.Workers[metrics.WorkerIdle] += s.Ready - busy
	st.Workers[metrics.WorkerRetiring] += s.Retiring
	st.InFlight += s.Busy
	st.QueueLength[metrics.Fast] += s.WaitingFast
	st.QueueLength[metrics.Slow] += s.WaitingSlow
	st.LogDropped[metrics.ErrorLog] += m.errFile.Dropped()
	if m.accessFile != nil {
		st.LogDropped[metrics.AccessLog] += m.accessFile.Dropped()
	}
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

// listen opens every address. A port that is in use gets some time to become free.
func (m *master) listen(sigs <-chan os.Signal) error {
	for _, a := range m.addressesToBind() {
		for try := 1; ; try++ {
			ln, err := server.Listen(a, m.v.Backlog)
			if err == nil {
				m.listeners = append(m.listeners, ln)
				break
			}
			if !errors.Is(err, server.ErrInUse) {
				return fmt.Errorf("cannot listen at %s: %w", describe(a), err)
			}
			m.log.Errorf("Connection in use: %s", describe(a))
			if try == bindTries {
				return fmt.Errorf("Can't connect to %s: %w; stop what listens there, or choose another address with --bind", describe(a), err)
			}
			m.log.Errorf("Retrying in 1 second.")
			select {
			case <-time.After(bindPause):
			case <-sigs:
				return errors.New("stopped while waiting for the address")
			}
		}
	}
	return nil
}

func (m *master) addressesToBind() []server.Address {
	var all []server.Address
	if fds := inheritedSockets(m.env, os.Getpid()); len(fds) > 0 {
		for _, fd := range fds {
			all = append(all, server.Address{Network: "fd", FD: fd})
		}
		return all
	}
	for _, a := range m.v.Bind {
		if network, address, ok := a.ListenArgs(); ok {
			all = append(all, server.Address{Network: network, Address: address})
		} else {
			all = append(all, server.Address{Network: "fd", FD: a.FD})
		}
	}
	return all
}

func describe(a server.Address) string {
	if a.Network == "fd" {
		return fmt.Sprintf("fd://%d", a.FD)
	}
	return a.Address
}

// addresses is what the log says of the listeners.
func (m *master) addresses() string {
	var all []string
	for _, ln := range m.listeners {
		if ln.Addr().Network() == "unix" {
			all = append(all, "unix:"+ln.Addr().String())
		} else {
			all = append(all, "http://"+ln.Addr().String())
		}
	}
	return strings.Join(all, ",")
}

// serverConfig turns the settings into what the HTTP side needs.
func (m *master) serverConfig() server.Config {
	v := &m.v
	never := func(d time.Duration) time.Duration {
		if d == 0 {
			return -1
		}
		return d
	}
	cfg := server.Config{
		App: &dispatch{m.pool},
		Limits: http1.Limits{
			RequestLine: v.LimitRequestLine, Fields: v.LimitRequestFields, FieldSize: v.LimitRequestFieldSize, Body: v.LimitRequestBody,
		},
		Timeouts: http1.Timeouts{
			Header: never(v.HeaderTimeout), Body: never(v.BodyTimeout), Send: never(v.SendTimeout), Idle: never(v.KeepAlive),
		},
		MaxConnections: v.ConnectionLimit(m.workers), ServerName: "gounicorn",
		SpoolMemory: v.SpoolMemory, SpoolDisk: v.SpoolDisk, SpoolDir: v.SpoolDir,
		PID: os.Getpid(), Metrics: m.metrics, Debugf: m.log.Debugf, Warnf: m.log.Warningf, Errorf: m.log.Errorf,
	}
	if v.KeepAlive == 0 {
		cfg.MaxKeepAliveRequests = 1
	}
	if m.accessFile != nil {
		cfg.AccessLog = accesslog.New(m.accessFormat, m.accessFile)
	}
	return cfg
}

func (m *master) serveMetrics() error {
	network, address, ok := m.v.MetricsBind.ListenArgs()
	if !ok {
		return nil
	}
	ln, err := server.Listen(server.Address{Network: network, Address: address}, 0)
	if err != nil {
		return fmt.Errorf("cannot serve metrics at %s: %w", m.v.MetricsBind, err)
	}
	m.log.Infof("Metrics at: http://%s/metrics", ln.Addr())
	go func() {
		if err := metrics.Serve(context.Background(), ln, m.metrics.Handler(m.v.MetricsPprof)); err != nil {
			m.log.Errorf("metrics: %v", err)
		}
	}()
	return nil
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

// stop ends gracefully: no new connections, then the requests, then the workers. INT or QUIT makes it quick; a second TERM does
// not, because some process managers send it to the whole group and so twice.
func (m *master) stop(srv *server.Server, sigs <-chan os.Signal) {
	ctx, cancel := context.WithTimeout(context.Background(), m.v.GracefulTimeout)
	defer cancel()
	go func() {
		for {
			select {
			case sig := <-sigs:
				if act, _ := actionOf(sig); act == actQuick {
					cancel()
				}
			case <-ctx.Done():
				return
			}
		}
	}()
	if err := srv.Shutdown(ctx); err != nil {
		m.log.Warningf("Some requests did not end within %v", m.v.GracefulTimeout)
	}
	m.closeListeners()
	if m.pool.Shutdown(ctx) != nil {
		m.log.Warningf("Some workers had to be killed")
	}
	srv.Close()
	m.log.Infof("Shutting down: Master")
}

// quit ends at once.
func (m *master) quit(srv *server.Server) {
	m.closeListeners()
	m.stopPool(quickGrace)
	srv.Close()
	m.log.Infof("Shutting down: Master")
}

func (m *master) stopPool(grace time.Duration) {
	ctx, cancel := context.WithTimeout(context.Background(), grace)
	defer cancel()
	_ = m.pool.Shutdown(ctx) // that some had to be killed is what we asked for
}

// closeListeners stops accepting; a unix socket is removed from its folder.
func (m *master) closeListeners() {
	for _, ln := range m.listeners {
		_ = ln.Close() // a server may have closed it before us
	}
}

func (m *master) reopen() {
	for _, f := range []*logfile.Writer{m.errFile, m.accessFile} {
		if f != nil {
			if err := f.Reopen(); err != nil {
				m.log.Errorf("reopen log: %v", err)
			}
		}
	}
}
