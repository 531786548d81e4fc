package main

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/gounicorn/gounicorn/server/errorlog"
	"github.com/gounicorn/gounicorn/server/settings"
)

// observeEvery is how often gunicorn's arbiter looks around.
const observeEvery = time.Second

// observe writes what gunicorn's arbiter says and measures about itself: the number of workers when it changes and, if asked for, what
// waits in the listen queues. The goroutine of serve calls it every observeEvery.
func (m *master) observe() {
	m.describe()
	m.remember()
	stats := m.pool.Stats()
	l := m.logs.Load()
	if n := stats.Booting + stats.Ready + stats.Retiring; n != m.observed {
		m.observed = n
		m.log.Debugf("%d workers", n)
		if l.statsd != nil {
			l.statsd.Gauge("gunicorn.workers", n)
		}
	}
	if !m.v.EnableBacklogMetric {
		return
	}
	waiting, known := 0, false
	for _, s := range m.sockets {
		if n, ok := s.Backlog(); ok {
			waiting, known = waiting+n, true
		}
	}
	if known {
		m.log.Debugf("socket backlog: %d", waiting)
		if l.statsd != nil {
			l.statsd.Histogram("gunicorn.backlog", waiting)
		}
	}
}

// dumpConfiguration writes all settings at the level debug, sorted by name.
func (m *master) dumpConfiguration() {
	if !m.log.Enabled(errorlog.LevelDebug) {
		return
	}
	var lines []string
	for _, s := range settings.All {
		lines = append(lines, fmt.Sprintf("  %s: %s", s.Name, m.v.Text(s.Name)))
	}
	slices.Sort(lines)
	m.log.Trace(errorlog.LevelDebug, "Current configuration:", strings.Join(lines, "\n"))
}
