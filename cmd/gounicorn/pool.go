package main

import (
	"fmt"
	"log/slog"
	"os"
	"time"

	"github.com/gounicorn/gounicorn/prefork"
	"github.com/gounicorn/gounicorn/prefork/lane"
	"github.com/gounicorn/gounicorn/prefork/wire"
	"github.com/gounicorn/gounicorn/server/errorlog"
	"github.com/gounicorn/gounicorn/server/history"
	"github.com/gounicorn/gounicorn/server/metrics"
)

// newPool prepares the pool of workers. Until the logs are open, what its processes print goes to our own output.
func (m *master) newPool() error {
	task, err := newTask(m.directory, m.config, m.command.Paste)
	if err != nil {
		return err
	}
	m.pool, err = prefork.New(prefork.Config{
		Worker: m.workerBin, Configure: task, Decide: m.decide, Owns: m.troupe.Owns,
		Env: append(os.Environ(), "GOUNICORN_PYTHON="+m.interpreter.path, "GOUNICORN_PYTHON_VERSION="+m.interpreter.version,
			"SERVER_SOFTWARE=gounicorn/"+version),
		Stdout: func(pid int, text []byte) { m.printed(pid, "stdout", text) },
		Stderr: func(pid int, text []byte) { m.printed(pid, "stderr", text) },
		Log: func(level, pid int, msg string) {
			switch {
			case !m.opened():
				if level >= wire.LevelWarning {
					fmt.Fprintln(m.stderr, msg)
				}
			case level == wire.LevelPrinted:
				m.log.Printed(pid, "wsgi.errors", []byte(msg))
			default:
				m.log.Record(time.Time{}, slogLevel(level), pid, msg)
			}
		},
		AccessLog: func(line string) {
			if l := m.logs.Load(); l != nil && l.accessFile != nil {
				_, _ = l.accessFile.Write([]byte(line + "\n"))
			}
		},
		Files: func(names []string) {
			if m.edits != nil {
				m.edits.add(names...)
			}
		},
		Site:     m.sites.told,
		Replaced: m.replaced,
		Kept: func() {
			select {
			case m.kept <- struct{}{}:
			default: // is known already
			}
		},
		Stopped: func() {
			if m.ending.Load() { // else there is something to say before
				m.shutDown()
			}
		},
	})
	return err
}

// countRequests prepares the metrics, whose lanes are known when the settings are.
func (m *master) countRequests() {
	names := []string{lane.FastName, lane.NewName, lane.SlowName}
	for _, rule := range m.lanes {
		names = append(names, rule.Lane)
	}
	m.history = history.New(names...)
	m.metrics = metrics.New(metrics.Build{Version: version, GoVersion: goVersion(), Python: m.interpreter.version}, names...)
	m.metrics.AddSource(m.poolState)
	m.metrics.AddSource(m.troupe.count)
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
	prefork.CauseOOM: metrics.RestartMemory, prefork.CauseReload: metrics.RestartReload, prefork.CauseProtocol: metrics.RestartProtocol,
	prefork.CauseAge: metrics.RestartMaxAge, prefork.CauseMemory: metrics.RestartMaxMemory,
}

// replaced counts a worker that was replaced. The supervisor of the pool calls it.
func (m *master) replaced(pid int, why prefork.Cause) {
	cause := restarts[why]
	m.metrics.Restarted(cause)
	m.history.Event(history.Event{Kind: history.KindRestart, Cause: cause.String(), PID: pid, Text: fmt.Sprintf("worker %d was replaced", pid)})
}

func (m *master) poolState(st *metrics.State) {
	s := m.pool.Stats()
	busy := min(s.Busy, s.Ready)
	st.Workers[metrics.WorkerBooting] += s.Booting
	st.Workers[metrics.WorkerBusy] += busy
	st.Workers[metrics.WorkerIdle] += s.Ready - busy
	st.Workers[metrics.WorkerRetiring] += s.Retiring
	st.InFlight += s.Busy
	for _, l := range s.Lanes {
		st.QueueLength[l.Name] += l.Waiting
	}
	st.Overflow += s.Overflow
	st.OOMKills, _ = prefork.OOMKills(m.root)
	st.SoftTimeout += s.SoftTimeouts
	computing := min(s.Slots.ComputingBusy, s.Slots.Computing) // what is sent ahead runs nowhere yet
	st.Threads[metrics.Computing][metrics.ThreadBusy] += computing
	st.Threads[metrics.Computing][metrics.ThreadIdle] += s.Slots.Computing - computing
	spare := min(s.Slots.SpareBusy, s.Slots.Spare) // a worker that leaves takes its threads along
	st.Threads[metrics.Spare][metrics.ThreadBusy] += spare
	st.Threads[metrics.Spare][metrics.ThreadIdle] += s.Slots.Spare - spare
	m.logs.Load().dropped(st)
	st.LogDropped[metrics.ErrorLog] += m.records.dropped.Load()
}
