package main

import (
	"cmp"
	"fmt"
	"io"
	"io/fs"
	"os"
	"runtime"
	"runtime/debug"
	"sync"
	"sync/atomic"
	"time"

	"github.com/gounicorn/gounicorn/cmd/gounicorn/insight"
	"github.com/gounicorn/gounicorn/prefork"
	"github.com/gounicorn/gounicorn/prefork/companion"
	"github.com/gounicorn/gounicorn/prefork/lane"
	"github.com/gounicorn/gounicorn/server"
	"github.com/gounicorn/gounicorn/server/accesslog"
	"github.com/gounicorn/gounicorn/server/cache"
	"github.com/gounicorn/gounicorn/server/courtesy"
	"github.com/gounicorn/gounicorn/server/edge"
	"github.com/gounicorn/gounicorn/server/errorlog"
	"github.com/gounicorn/gounicorn/server/history"
	"github.com/gounicorn/gounicorn/server/metrics"
	"github.com/gounicorn/gounicorn/server/settings"
	"github.com/gounicorn/gounicorn/server/site"
)

const gcPercent = 400 // the master's heap is small and its garbage short-lived

// master is one running gounicorn.
type master struct {
	command     *settings.Command
	v           settings.Values
	env         func(string) (string, bool)
	stderr      io.Writer // for what is wrong before the logs are open
	started     time.Time
	directory   string // where it was started
	config      string // the config file, see settings.Command.ConfigLocation
	interpreter interpreter
	workerBin   string
	troupe      *troupe
	companions  []companion.Program
	steps       []companion.Program // before the start
	lanes       []lane.Rule
	workers     int
	sizing      string // how the number of workers came about
	answers     answers
	cache       *cache.Cache
	adopted     chan *intent  // of a generation that serves, and of the first when its config file was read
	kept        chan struct{} // a reload failed, and the old generation goes on; capacity 1
	logs        atomic.Pointer[logs]
	log         *errorlog.Logger
	access      *accesslog.Logger
	records     *recorder // for a configuration whose logger is Python's
	metrics     *metrics.Metrics
	history     *history.Recorder
	journal     history.Journal
	census      insight.Census
	memory      atomic.Int64 // bytes that master and workers have, as last measured
	root        fs.FS        // the machine's file system
	observed    int          // workers, when that was last told
	pool        *prefork.Pool
	edits       *edits // nil without --reload
	proc        *process
	owner       ownership
	server      *server.Server // nil until there may be listeners
	serving     bool           // the first workers have loaded the application
	sockets     []socket
	secrets     secrets
	front       front
	rules       edge.Config
	draining    atomic.Bool      // we stop; nobody should send more
	private     *server.Listener // for metrics; nil: none
	board       board
	pidFile     *pidFile // nil: none
	other       upgrade
	resting     *rest         // nil: we serve
	calls       chan func()   // what the goroutine of serve does for others, between two signals
	left        chan struct{} // closed when it takes no more of them
	leaving     sync.Once
	site        site.Site      // the files that are served
	sites       sites          // what generations to come say of theirs
	control     *controlSocket // nil: none
	reloads     int            // that succeeded
	ending      atomic.Bool    // "Shutting down" may be said when the last worker has gone
	goodbye     sync.Once      // it was said
	steady      func()         // ends what the service manager is told while something takes its time
	departing   bool           // it knows that we leave
	note        string         // for its line about us, as is the rest
	status      string
	statusTold  time.Time
}

// newMaster finds what has to be there before the config file can be read.
func newMaster(p *process, command *settings.Command, env func(string) (string, bool), stderr io.Writer) (*master, error) {
	m := &master{proc: p, command: command, env: env, stderr: stderr, started: time.Now(), adopted: make(chan *intent, 16), kept: make(chan struct{}, 1), calls: make(chan func()), left: make(chan struct{}), steady: func() {}}
	m.root = os.DirFS("/")
	m.site.Courtesy = &courtesy.Gate{}
	m.cache = cache.New(cache.Config{}) // until the settings are known
	m.troupe = m.newTroupe()
	m.records = newRecorder(func(level int, payload []byte) error { return m.pool.Record(level, payload) })
	var err error
	if m.directory, err = startDirectory(); err != nil {
		return nil, err
	}
	if m.config, err = command.ConfigLocation(m.directory, exists); err != nil {
		return nil, err
	}
	if m.interpreter, err = findInterpreter(command.Python, env); err != nil {
		return nil, err
	}
	if m.workerBin, err = findWorker(command.WorkerBin, m.interpreter.version); err != nil {
		return nil, err
	}
	return m, nil
}

// run is the life of the master: it runs until a signal ends it, or until --check-config has its answer, and returns the exit code.
func (m *master) run() int {
	if percent, set := m.env("GOGC"); !set || percent == "" {
		debug.SetGCPercent(gcPercent)
	}
	if procs, set := m.env("GOMAXPROCS"); !set || procs == "" {
		// The workers need the processors more than we do, and fewer threads of ours find more requests each time they wake.
		runtime.GOMAXPROCS(max(1, processors()/2))
	}
	sigs := received()
	if err := m.configure(sigs); err != nil {
		return m.failed(err)
	}
	if m.v.CheckConfig || m.v.PrintConfig {
		return m.check(sigs)
	}
	if m.v.Daemon && m.proc.detaches() {
		return m.background()
	}
	defer m.disclaim()
	defer m.closeControl()
	defer m.closeSecrets()
	if err := m.start(sigs); err != nil {
		return m.failed(err)
	}
	return m.serve(sigs)
}

// check loads the application, without any worker, and says whether that worked (--check-config). --print-config shows the settings too.
func (m *master) check(sigs <-chan os.Signal) int {
	if m.v.PrintConfig {
		fmt.Fprint(os.Stdout, m.v.Print(m.directory, os.Geteuid(), os.Getegid()))
	}
	err := m.await(sigs, m.pool.Load)
	m.stopPool(m.v.GracefulTimeout)
	if err == nil {
		err = m.checkFiles()
	}
	if err != nil {
		fmt.Fprintf(m.stderr, "\nError while loading the application:\n\n%v\n", err)
		return exitError
	}
	return exitOK
}

// start does everything up to the moment when the listeners are open and the workers have loaded the application.
func (m *master) start(sigs <-chan os.Signal) error {
	m.dumpConfiguration()
	m.log.Infof("Starting gounicorn %s", version)
	for _, w := range m.v.Warnings {
		m.log.Warningf("%s", w)
	}
	if err := m.other.follow(m.proc.parent); err != nil {
		return err
	}
	if err := m.claim(); err != nil {
		return err
	}
	if err := m.openDashboard(); err != nil {
		return err
	}
	defer func() { m.steady() }()
	if len(m.steps) > 0 {
		m.steady = m.bounded(m.v.PrestartTimeout, "runs what comes before the start")
	}
	if err := m.rehearse(sigs); err != nil {
		return err
	}
	if err := m.watchEdits(&m.v); err != nil {
		return err
	}
	m.steady()
	m.steady = m.bounded(m.v.BootTimeout, "loads the application")
	if err := m.await(sigs, m.pool.Load); err != nil {
		return err
	}
	m.records.begin()
	m.front.open(m)
	m.front.update(&m.v, m.rules)
	config := m.serverConfig()
	m.server = server.New(config)
	if err := m.listen(sigs); err != nil {
		return err
	}
	m.secrets.redirect.SetPort(m.firstPort(false))
	m.log.Infof("Listening at: %s (%d)", m.addresses(), os.Getpid())
	m.tellCertificates()
	m.log.Infof("Using worker: %s", m.v.WorkerClass)
	if m.sizing != "" {
		m.log.Infof("Using %d workers: %s", m.workers, m.sizing)
	}
	m.log.Infof("%s; heap of the master %s", buffers(&config, m.v.HTTPProtocols), m.limitHeap())
	m.showTitle()
	m.openControl()
	if err := m.drop(); err != nil {
		return err
	}
	m.inspect()
	return m.await(sigs, m.pool.Start)
}

// serve answers requests until a signal ends it and returns the exit code.
func (m *master) serve(sigs <-chan os.Signal) (code int) {
	defer func() {
		if v := recover(); v != nil {
			m.leave()
			m.log.Errorf("Unhandled exception in main loop: %v\n%s", v, debug.Stack())
			code = exitPanic
			m.abandon()
		}
	}()
	m.serving = true
	m.beginSecrets()
	for _, s := range m.sockets {
		m.accept(s)
	}
	m.servePrivate()
	m.history.Event(history.Event{Kind: history.KindServer, Text: "gounicorn " + version + " serves"})
	m.serves("")
	m.proc.daemon.done(exitOK)
	go m.beat()
	observing := time.NewTicker(observeEvery)
	defer observing.Stop()
	go m.weigh(m.left)
	m.observe()
	m.serveControl()
	m.engage()
	var drained <-chan time.Time // the end of --drain-delay
	for {
		select {
		case <-drained:
			m.leave()
			return m.stop(sigs)
		case <-observing.C:
			m.observe()
		case in := <-m.adopted:
			m.adopt(in)
			m.serves("")
		case call := <-m.calls:
			call()
		case p := <-m.troupe.gaveUp:
			m.log.Errorf("Companion %s is essential, so the server stops", p.Name)
			m.leave()
			_ = m.stop(sigs)
			return cmp.Or(p.ExitCode, exitGaveUp)
		case <-m.kept:
			m.serves("the last reload failed")
		case name := <-m.edited():
			m.log.Infof("Worker reloading: %s modified", name)
			m.reloading()
			m.pool.Renew()
		case <-m.renewed():
			m.renew()
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
				m.log.Infof("Hang up: %s", m.name())
				m.reloading()
				m.wake(m.workers)
				m.pool.Reload()
			case actReopen:
				m.reopen()
			case actMore:
				m.wake(0)
				m.pool.Grow(1)
			case actFewer:
				m.pool.Grow(-1)
			case actRest:
				m.winch()
			case actUpgrade:
				if err := m.upgrade(); err != nil {
					m.log.Warningf("USR2 signal ignored. %v", err)
				}
			case actGraceful:
				if m.v.DrainDelay > 0 && m.resting == nil {
					if drained == nil { // some process managers send TERM twice
						m.draining.Store(true)
						m.farewell()
						m.log.Infof("The graceful stop begins in %v (--drain-delay)", m.v.DrainDelay)
						drained = time.After(m.v.DrainDelay)
					}
					continue
				}
				m.leave()
				return m.stop(sigs)
			case actQuick:
				m.leave()
				m.quit()
				return exitOK
			}
		}
	}
}
