package main

import (
	"fmt"
	"net"
	"slices"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"github.com/gounicorn/gounicorn/server/errorlog"
	"github.com/gounicorn/gounicorn/server/settings"
)

// observeEvery is how often gunicorn's arbiter looks around.
const observeEvery = time.Second

// observe writes what gunicorn's arbiter says and measures about itself: the number of workers when it changes and, if asked for, what
// waits in the listen queues. It runs until stop is closed.
func (m *master) observe(stop <-chan struct{}) {
	tick := time.NewTicker(observeEvery)
	defer tick.Stop()
	last := -1
	for {
		stats := m.pool.Stats()
		l := m.logs.Load()
		if n := stats.Booting + stats.Ready + stats.Retiring; n != last {
			last = n
			m.log.Debugf("%d workers", n)
			if l.statsd != nil {
				l.statsd.Gauge("gunicorn.workers", n)
			}
		}
		if m.v.EnableBacklogMetric {
			if n, ok := backlog(m.listeners); ok {
				m.log.Debugf("socket backlog: %d", n)
				if l.statsd != nil {
					l.statsd.Histogram("gunicorn.backlog", n)
				}
			}
		}
		select {
		case <-tick.C:
		case <-stop:
			return
		}
	}
}

// backlog is the number of connections that nobody has accepted yet; ok is false if no listener can tell, as those of unix sockets.
func backlog(listeners []net.Listener) (n int, ok bool) {
	for _, ln := range listeners {
		socket, is := ln.(syscall.Conn)
		if !is || ln.Addr().Network() != "tcp" {
			continue
		}
		raw, err := socket.SyscallConn()
		if err != nil {
			continue // closed
		}
		_ = raw.Control(func(fd uintptr) {
			if info, err := unix.GetsockoptTCPInfo(int(fd), unix.IPPROTO_TCP, unix.TCP_INFO); err == nil {
				n, ok = n+int(info.Unacked), true // tcpi_unacked of a listening socket, see tcp_get_info in Linux
			}
		})
	}
	return n, ok
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
