package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"
)

const (
	extendEvery = 2 * time.Second  // between two requests for more time
	extendBy    = 15 * time.Second // what each asks for
	statusEvery = 5 * time.Second  // between two lines about what we do, at least
)

// beat tells the service manager that we live, twice as often as it wants to hear it (WATCHDOG=1), but only while that is so: somebody
// handles signals, somebody accepts connections, and a worker answers. It goes on to the end of the process.
func (m *master) beat() {
	every := m.proc.notify.every
	if every < minWatchdog {
		return
	}
	var before error
	for range time.Tick(every / 2) {
		ctx, cancel := context.WithTimeout(context.Background(), every/2)
		err := m.vital(ctx)
		cancel()
		switch {
		case err == nil:
			m.tell(stateAlive)
			if before != nil {
				m.log.Warningf("The watchdog is told again that the server lives.")
			}
		case before == nil:
			m.log.Criticalf("The watchdog is not told that the server lives: %v.", err)
		}
		before = err
	}
}

// vital is nil as long as what must go on does. An application that is slow, or does not let go of the GIL, is not a reason to be started
// again: --timeout is for that.
func (m *master) vital(ctx context.Context) error {
	var sockets []socket
	looked := make(chan struct{})
	select {
	case m.calls <- func() { sockets = slices.Clone(m.sockets); close(looked) }:
		<-looked
	case <-m.left:
		return nil // the end has bounds of its own
	case <-ctx.Done():
		return errors.New("signals are not handled")
	}
	for _, s := range sockets {
		if !m.server.Full() && !s.Turns(ctx) && !m.server.Full() {
			return fmt.Errorf("connections to %s are not accepted", s.Addr())
		}
	}
	return m.pool.Ping(ctx)
}

// pulse tells the service manager what we do, and asks for more time, until the function that it returns is called. It is for what has a
// bound among the settings, so that nobody need tell that bound to the service manager too.
func (m *master) pulse(status string) (stop func()) {
	if m.proc.notify.address == "" {
		return func() {}
	}
	m.tell(stateStatus(status))
	done := make(chan struct{})
	var told sync.WaitGroup
	told.Go(func() {
		again := time.NewTicker(extendEvery)
		defer again.Stop()
		for {
			m.tell(stateExtend(extendBy))
			select {
			case <-again.C:
			case <-done:
				return
			}
		}
	})
	return sync.OnceFunc(func() { close(done); told.Wait() })
}

// bounded is pulse, unless what is done has no bound.
func (m *master) bounded(bound time.Duration, status string) (stop func()) {
	if bound <= 0 {
		m.tell(stateStatus(status))
		return func() {}
	}
	return m.pulse(status)
}

// reloading tells the service manager that a reload has begun.
func (m *master) reloading() {
	if m.departing {
		return
	}
	m.tell(stateReloading())
	m.steady()
	m.steady = m.bounded(m.v.BootTimeout, "loads the application anew, and serves meanwhile")
}

// serves tells it that we do, for the first time or as before.
func (m *master) serves(note string) {
	if m.departing {
		return
	}
	m.steady()
	m.note, m.status, m.statusTold = note, m.line(note), time.Now()
	m.tell(stateReady(m.status))
}

// line is what we do, in one line.
func (m *master) line(note string) string {
	s, waiting := m.pool.Stats(), 0
	for _, l := range s.Lanes {
		waiting += l.Waiting
	}
	return strings.TrimSuffix(fmt.Sprintf("serves with %d workers: %d requests run, %d wait; %s", s.Ready, s.Busy, waiting, note), "; ")
}

// describe tells the service manager what we do when that has changed, for systemctl status. observe calls it every second.
func (m *master) describe() {
	if m.departing || m.proc.notify.address == "" || time.Since(m.statusTold) < statusEvery {
		return
	}
	if now := m.line(m.note); now != m.status {
		m.status, m.statusTold = now, time.Now()
		m.tell(stateStatus(now))
	}
}
