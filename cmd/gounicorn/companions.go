package main

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"github.com/gounicorn/gounicorn/prefork/companion"
	"github.com/gounicorn/gounicorn/server/control"
	"github.com/gounicorn/gounicorn/server/errorlog"
	"github.com/gounicorn/gounicorn/server/logfile"
	"github.com/gounicorn/gounicorn/server/metrics"
	"github.com/gounicorn/gounicorn/server/settings"
)

// troupe is the companions with what the master does for them.
type troupe struct {
	*companion.Manager
	gaveUp chan *companion.Program // an essential one does not come up any more; the first counts
	mu     sync.Mutex
	files  map[string]*logfile.Writer // guarded by mu; by their path
}

// newTroupe makes it, before the pool of workers: that asks it whose the children are.
func (m *master) newTroupe() *troupe {
	t := &troupe{gaveUp: make(chan *companion.Program, 1), files: map[string]*logfile.Writer{}}
	levels := map[companion.Level]func(pid int, text string){
		companion.Info:    func(pid int, text string) { m.log.Record(time.Time{}, errorlog.LevelInfo, pid, text) },
		companion.Warning: func(pid int, text string) { m.log.Record(time.Time{}, errorlog.LevelWarning, pid, text) },
		companion.Error:   func(pid int, text string) { m.log.Record(time.Time{}, errorlog.LevelError, pid, text) },
	}
	t.Manager = companion.New(companion.Config{
		Log: func(level companion.Level, pid int, text string) { levels[level](pid, text) },
		Line: func(p *companion.Program, name string, pid int, line []byte) {
			if f := t.file(p.LogFile); f != nil {
				_, _ = f.Write(append(line[:len(line):len(line)], '\n')) // it counts what it drops
				return
			}
			m.log.Line(pid, name, line)
		},
		GaveUp: func(p *companion.Program) {
			select {
			case t.gaveUp <- p:
			default: // one is enough
			}
		},
		HTTP: probe,
	})
	return t
}

// probe asks whether a URL answers with 2xx or 3xx.
func probe(ctx context.Context, url string) error {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return err
	}
	client := http.Client{
		Transport:     &http.Transport{DisableKeepAlives: true},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	reply, err := client.Do(request)
	if err != nil {
		return err
	}
	_ = reply.Body.Close()
	if reply.StatusCode < 200 || reply.StatusCode > 399 {
		return fmt.Errorf("%s is answered with %d", url, reply.StatusCode)
	}
	return nil
}

// recruit makes programs of the settings. owner is who we shall be when they run.
func (in *intent) recruit(directory, python string, owner *ownership) error {
	v := &in.v
	c := companion.Context{
		Env: append(os.Environ(), v.RawEnv...), Directory: directory, UID: owner.uid, Bin: filepath.Dir(python), Split: settings.SplitWords,
	}
	if v.Chdir != "" {
		if c.Directory = v.Chdir; !filepath.IsAbs(c.Directory) {
			c.Directory = filepath.Join(directory, c.Directory)
		}
	}
	document, err := withCommands(v)
	if err != nil {
		return err
	}
	if in.companions, err = companion.Parse(document, c); err != nil {
		name := "companions"
		if len(v.Companions) == 0 {
			name = "companion_commands"
		}
		return badSetting(v, name, v.Text(name), err)
	}
	for _, text := range v.Prestart {
		step, err := companion.ParseStep(text, c)
		if err != nil {
			return badSetting(v, "prestart", text, err)
		}
		if owner.changes() {
			step.Owner = &companion.Owner{UID: uint32(owner.uid), GID: uint32(owner.gid)}
			for _, gid := range owner.groups {
				step.Owner.Groups = append(step.Owner.Groups, uint32(gid))
			}
		}
		in.steps = append(in.steps, step)
	}
	return nil
}

// withCommands adds what --companion says to the dictionary of the setting companions.
func withCommands(v *settings.Values) ([]byte, error) {
	if len(v.CompanionCommands) == 0 {
		return v.Companions, nil
	}
	programs := map[string]json.RawMessage{}
	if len(v.Companions) > 0 {
		if err := json.Unmarshal(v.Companions, &programs); err != nil {
			return nil, badSetting(v, "companions", v.Text("companions"), errors.New("it must be a dictionary"))
		}
	}
	for _, text := range v.CompanionCommands {
		name, command, found := strings.Cut(text, "=")
		if !found || strings.TrimSpace(command) == "" {
			return nil, badSetting(v, "companion_commands", text, errors.New(`it must look like NAME=COMMAND, such as worker="celery -A proj worker"`))
		}
		keys := map[string]json.RawMessage{}
		_ = json.Unmarshal(programs[name], &keys) // one that is a command alone has no keys
		keys["command"], _ = json.Marshal(command)
		programs[name], _ = json.Marshal(keys)
	}
	return json.Marshal(programs)
}

// rehearse runs the steps before the start.
func (m *master) rehearse(sigs <-chan os.Signal) error {
	if len(m.steps) == 0 {
		return nil
	}
	over := make(chan struct{})
	err := m.await(sigs, func(ctx context.Context) error {
		defer close(over)
		return m.troupe.RunSteps(ctx, m.steps, m.v.PrestartTimeout)
	})
	<-over // at a signal the step is killed, and then this is soon
	return err
}

// engage makes the companions of the settings those that run.
func (m *master) engage() {
	m.troupe.open(m.companions, m.warnf)
	m.troupe.Hold(m.other.parent != 0)
	m.troupe.Apply(m.companions)
}

// open opens the log files that programs have. Those that no program has any more are closed when nobody can write to them any more.
func (t *troupe) open(programs []companion.Program, warn func(error)) {
	wanted := map[string]bool{}
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, p := range programs {
		wanted[p.LogFile] = true
		if p.LogFile == "" || t.files[p.LogFile] != nil {
			continue
		}
		f, err := logfile.Open(logfile.Config{Path: p.LogFile, MaxSize: p.LogSize, Backups: p.LogBackups, OnError: warn})
		if err != nil {
			warn(fmt.Errorf("companion %s: logfile: %w; its lines go to the log", p.Name, err))
			continue
		}
		t.files[p.LogFile] = f
	}
	for path, f := range t.files {
		if !wanted[path] {
			delete(t.files, path)
			time.AfterFunc(closeLater, func() { _ = f.Close() })
		}
	}
}

func (t *troupe) file(path string) *logfile.Writer {
	if path == "" {
		return nil
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.files[path]
}

// reopen opens the log files again by their names, after a rotation.
func (t *troupe) reopen() error {
	t.mu.Lock()
	defer t.mu.Unlock()
	var failed []error
	for _, f := range t.files {
		failed = append(failed, f.Reopen())
	}
	return errors.Join(failed...)
}

// close writes out what the log files still hold.
func (t *troupe) close() {
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, f := range t.files {
		_ = f.Close()
	}
}

// dismiss ends the companions, each within its grace and all of them before ctx ends, and returns the exit code.
func (m *master) dismiss(ctx context.Context) int {
	cut := m.troupe.Stop(ctx)
	if len(cut) == 0 {
		return exitOK
	}
	var names []string
	code := 0
	for _, p := range cut {
		names = append(names, p.Name)
		code = cmp.Or(code, p.ExitCode)
	}
	m.log.Warningf("Companions that did not stop in time and were killed: %s", strings.Join(names, ", "))
	return cmp.Or(code, exitCut)
}

// commandTime is for how long a command of the control socket waits for its effect; what takes longer goes on.
const commandTime = 20 * time.Second

// Companions implements control.Master.
func (g *governor) Companions() (all []control.Companion, err error) {
	for _, s := range g.troupe.Status() {
		one := control.Companion{
			Name: s.Name, Program: s.Program, State: string(s.State), Healthy: s.Healthy, PID: s.PID, Restarts: s.Restarts(), LastExit: s.LastExit, Note: s.Note,
		}
		if s.PID != 0 {
			one.Uptime = rounded(time.Since(s.Started).Seconds())
		}
		if !s.Next.IsZero() {
			one.Next = s.Next.Format(time.RFC3339)
		}
		all = append(all, one)
	}
	return all, nil
}

// count adds the programs to the metrics.
func (t *troupe) count(st *metrics.State) {
	memory := t.Memory()
	at := map[string]int{}
	for _, s := range t.Status() {
		i, known := at[s.Program]
		if !known {
			i, at[s.Program] = len(st.Companions), len(st.Companions)
			st.Companions = append(st.Companions, metrics.Companion{Program: s.Program, Processes: map[string]int{}, Memory: memory[s.Program]})
		}
		st.Companions[i].Processes[strings.ToLower(string(s.State))]++
		st.Companions[i].Restarts += s.Restarts()
	}
}

// soon runs a command and lets it go on when it takes too long.
func soon(f func(context.Context) error) error {
	ctx, cancel := context.WithTimeout(context.Background(), commandTime)
	defer cancel()
	err := f(ctx)
	if errors.Is(err, context.DeadlineExceeded) {
		return nil // the state that is shown says so
	}
	return err
}

// StartCompanion implements control.Master.
func (g *governor) StartCompanion(name string) error {
	return soon(func(ctx context.Context) error { return g.troupe.Start(ctx, name) })
}

// StopCompanion implements control.Master.
func (g *governor) StopCompanion(name string) error {
	return soon(func(ctx context.Context) error { return g.troupe.Halt(ctx, name) })
}

// RestartCompanion implements control.Master.
func (g *governor) RestartCompanion(name string) error {
	return soon(func(ctx context.Context) error { return g.troupe.Restart(ctx, name) })
}

// SignalCompanion implements control.Master.
func (g *governor) SignalCompanion(name, signal string) error {
	return soon(func(ctx context.Context) error { return g.troupe.Signal(ctx, name, signal) })
}
