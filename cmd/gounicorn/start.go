package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/gounicorn/gounicorn/prefork"
	"github.com/gounicorn/gounicorn/prefork/companion"
	"github.com/gounicorn/gounicorn/prefork/lane"
	"github.com/gounicorn/gounicorn/server/accesslog"
	"github.com/gounicorn/gounicorn/server/edge"
	"github.com/gounicorn/gounicorn/server/errorlog"
	"github.com/gounicorn/gounicorn/server/history"
	"github.com/gounicorn/gounicorn/server/settings"
	"github.com/gounicorn/gounicorn/server/site"
)

// errStopped ends the start: a signal asked for it.
var errStopped = errors.New("stopped by a signal")

// intent is what the settings make of a generation: its values, and what is derived from them.
type intent struct {
	v       settings.Values
	lanes   []lane.Rule
	rules   edge.Config
	workers int
	sizing  string // how the number of workers came about
	site    site.Options
	answers answers

	companions, steps []companion.Program
}

// newIntent checks what the settings package cannot check by itself.
func newIntent(v settings.Values) (*intent, error) {
	in := &intent{v: v, workers: v.Workers}
	if v.WSGIApp == "" && v.Paste == "" {
		return nil, errors.New("No application module specified.\n\nName it as module:callable, for example: gounicorn myproject.wsgi:application")
	}
	if err := v.CheckPaths(exists); err != nil {
		return nil, err
	}
	if err := v.CheckTLS(); err != nil {
		return nil, err
	}
	for _, text := range v.Lanes {
		rule, err := lane.ParseRule(text)
		if err != nil {
			return nil, badSetting(&v, "lanes", text, err)
		}
		in.lanes = append(in.lanes, rule)
	}
	if _, err := accesslog.Compile(v.AccessLogFormat); err != nil {
		return nil, badSetting(&v, "access_log_format", v.AccessLogFormat, err)
	}
	var err error
	if in.site, err = siteOptions(&v); err != nil {
		return nil, err
	}
	if err := checkWarmup(&v); err != nil {
		return nil, err
	}
	if in.answers, err = newAnswers(&in.v); err != nil {
		return nil, err
	}
	in.answers.Types = in.site.Types
	if in.rules, err = edgeRules(&v); err != nil {
		return nil, err
	}
	if in.workers == 0 {
		s := settings.DefaultWorkers(os.DirFS("/"), processors())
		in.workers, in.sizing = s.Workers, s.Why
	}
	return in, nil
}

// configure starts the zygote, which reads the config file, and makes the settings complete. The logs are open when it returns.
func (m *master) configure(sigs <-chan os.Signal) error {
	if err := m.newPool(); err != nil {
		return err
	}
	if err := m.await(sigs, m.pool.Configure); err != nil {
		return err
	}
	in := <-m.adopted
	m.v, m.lanes, m.rules, m.workers, m.sizing = in.v, in.lanes, in.rules, in.workers, in.sizing
	m.answers = in.answers
	m.cache.Update(in.answers.cache)
	m.companions, m.steps = in.companions, in.steps
	m.countRequests()
	if err := m.openLogs(&m.v); err != nil {
		return err
	}
	return m.openSecrets()
}

// await does one step of the start. A signal that stops the server ends it with errStopped.
func (m *master) await(sigs <-chan os.Signal, step func(context.Context) error) error {
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	done := make(chan error, 1)
	go func() { done <- step(ctx) }()
	for {
		select {
		case err := <-done:
			return err
		case sig := <-sigs:
			switch act, name := actionOf(sig); act {
			case actGraceful, actQuick:
				if m.opened() {
					m.log.Infof("Handling signal: %s", name)
				}
				return errStopped
			case actReopen:
				if m.opened() {
					m.reopen()
				}
			}
		}
	}
}

// decide makes the plan of a generation from its config document. For a generation after the first a wrong value leaves all as it is.
func (m *master) decide(generation int, document []byte) (prefork.Plan, error) {
	file, err := settings.ParseFile(document)
	if err != nil {
		return prefork.Plan{}, err
	}
	v, err := m.command.Finish(file)
	if err != nil {
		return prefork.Plan{}, err
	}
	in, err := newIntent(v)
	if err != nil {
		return prefork.Plan{}, err
	}
	before := -1
	if generation > 1 {
		before = m.pool.Size()
	} else if m.owner, err = resolveOwnership(v.User, v.Group, v.InitGroups); err != nil {
		return prefork.Plan{}, err
	}
	if err := in.recruit(m.directory, m.interpreter.path, &m.owner); err != nil {
		return prefork.Plan{}, err
	}
	plan, err := in.plan(generation, before, &m.owner)
	if err != nil {
		return prefork.Plan{}, err
	}
	if generation == 1 {
		m.adopted <- in
		plan.Serving = func() { m.serveFiles(generation, in) }
		return plan, nil
	}
	plan.Serving = func() {
		m.serveFiles(generation, in)
		m.adopted <- in
	}
	return plan, nil
}

// plan is what the pool needs to know of the settings.
func (in *intent) plan(generation, before int, owner *ownership) (prefork.Plan, error) {
	v := &in.v
	boot, err := newBootDocument(v, generation, in.workers, before, in.host(), owner)
	if err != nil {
		return prefork.Plan{}, err
	}
	return prefork.Plan{
		Boot: boot, Workers: in.workers, Threads: v.Threads, MaxWorkers: v.MaxWorkers, OverflowIdle: v.OverflowIdle, MaxThreads: v.MaxThreads,
		MaxRequests: v.MaxRequests, MaxRequestsJitter: v.MaxRequestsJitter, ScaleWait: v.ScaleWait,
		MaxAge: v.MaxWorkerAge, MaxAgeJitter: v.MaxWorkerAgeJitter, MaxMemory: v.MaxWorkerMemory, OneByOne: v.ReloadOneByOne,
		Timeout: v.Timeout, RequestTimeout: v.RequestTimeout, SoftTimeout: v.SoftTimeout, QueueTimeout: v.QueueTimeout,
		GracefulTimeout: v.GracefulTimeout, BootTimeout: v.BootTimeout, Abort: v.Hooked("worker_abort"),
		Lanes: in.lanes, QueueTarget: v.QueueTarget, SlowReserve: v.SlowReserve, SlowAfter: v.SlowAfter, SlowNice: v.SlowNice,
	}, nil
}

// adopt takes over the settings of a generation that serves, as far as that goes without a new master.
func (m *master) adopt(in *intent) {
	old, encrypted := m.v, m.encrypts()
	m.reloads++
	m.history.Event(history.Event{Kind: history.KindReload, Text: "requests go to the new generation"})
	m.v, m.rules, m.workers, m.sizing, m.companions = in.v, in.rules, in.workers, in.sizing, in.companions
	for _, w := range in.v.Warnings {
		m.log.Warningf("%s", w)
	}
	for _, c := range settings.Changed(&old, &in.v) {
		if c.Setting.Reload == settings.Restart {
			m.log.Warningf("%s has changed from %q to %q, which takes effect when gounicorn is started again", c.Setting.Name, c.Old, c.New)
		}
	}
	m.v.ACMEDomains = old.ACMEDomains // as said: who asks for certificates, and whether there is https for them, is decided at the start
	m.answers = in.answers
	m.cache.Update(in.answers.cache)
	m.applyProcess()
	m.applyLogs(&old)
	m.adoptSecrets()
	if m.encrypts() != encrypted { // --certfile came or went: connections from now on have TLS, or none
		m.log.Infof("Listening at: %s", m.addresses())
	}
	m.engage()
	m.front.update(&m.v, m.rules)
	m.server.Reconfigure(m.serverConfig())
}

// failed reports why the server did not come up and returns the exit code. Everything that was started is stopped.
func (m *master) failed(err error) int {
	code, boot, step := exitError, (*prefork.BootError)(nil), (*companion.StepError)(nil)
	switch {
	case errors.Is(err, errStopped):
		code = exitOK
	case errors.As(err, &step):
		code = exitStep
		m.complain(err)
	case !errors.As(err, &boot):
		m.complain(err)
	case m.opened():
		code = boot.Code
		if !boot.Told {
			m.log.Record(time.Time{}, errorlog.LevelError, boot.PID, boot.Text)
		}
	default: // the config file
		code = boot.Code
		fmt.Fprintf(m.stderr, "\n%s\n", strings.TrimSpace(boot.Text))
	}
	m.abandon()
	level := errorlog.LevelError
	if code == exitOK {
		level = errorlog.LevelInfo
	}
	m.sayGoodbye(level)
	if boot != nil && m.opened() {
		switch boot.Code {
		case exitBoot:
			m.log.Errorf("Reason: Worker failed to boot.")
		case exitAppErr:
			m.log.Errorf("Reason: App failed to load.")
		}
	}
	return code
}

// complain says what is wrong, in the log if there is one.
func (m *master) complain(err error) {
	if m.opened() {
		m.log.Errorf("%v", err)
		return
	}
	fmt.Fprintf(m.stderr, "\nError: %v\n", err)
}

// startDirectory is where gounicorn was started, by the name that the shell has for it.
func startDirectory() (string, error) {
	here, err := os.Getwd() // looks at PWD
	if err != nil {
		return "", fmt.Errorf("the current directory: %w", err)
	}
	return filepath.Clean(here), nil
}

func exists(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}
