package main

import (
	"context"
	"log/slog"
	"os"
	"sync/atomic"
	"time"

	"github.com/gounicorn/gounicorn/server/errorlog"
)

const quickGrace = 2 * time.Second // for everything when we stop at once, as gunicorn has it

// recently is for how long a client that keeps its connection may be silent, and still gets the answer to its next request from a master that
// was replaced.
const recently = time.Second

// twice is for how long after a TERM another one is taken for the same.
const twice = time.Second

// stop ends gracefully: no new connections, then the requests, then the workers, then the companions. INT or QUIT ends what still runs; a
// second TERM only hurries the companions, because some process managers send it to the whole group and so twice. It returns the exit
// code.
func (m *master) stop(sigs <-chan os.Signal) int {
	began := time.Now()
	all, end := context.WithCancel(context.Background()) // the companions are killed at its end
	defer end()
	if m.v.StopTimeout > 0 {
		defer time.AfterFunc(m.v.StopTimeout, end).Stop()
	}
	ctx, cancel := context.WithTimeout(all, m.v.GracefulTimeout)
	defer cancel()
	var hurried atomic.Bool
	hurry := func() {
		if hurried.Swap(true) {
			end()
			return
		}
		m.troupe.Hasten(quickGrace)
	}
	go func() {
		quick := false
		for {
			select {
			case sig := <-sigs:
				switch act, _ := actionOf(sig); {
				case act == actQuick && quick:
					end()
				case act == actQuick:
					quick = true
					m.log.Infof("Quick shutdown requested")
					time.AfterFunc(quickGrace, cancel)
					time.AfterFunc(2*quickGrace, end)
					hurry()
					go func() {
						m.ending.Store(true)
						m.pool.Quit()
						m.stopPool(quickGrace)
					}()
				case act == actGraceful && time.Since(began) > twice:
					hurry()
				}
			case <-all.Done():
				return
			}
		}
	}()
	m.draining.Store(true)
	m.farewell()
	m.closeSockets(ctx, m.sockets)
	if m.other.child != 0 {
		m.server.AwaitRecent(recently) // the second master will get their next connection
	}
	if err := m.server.Shutdown(ctx); err != nil {
		m.log.Warningf("Some requests did not end within %v", m.v.GracefulTimeout)
	}
	m.ending.Store(true)
	if m.pool.Shutdown(ctx) != nil {
		m.log.Warningf("Some workers had to be killed")
	}
	m.server.Close()
	m.closePrivate()
	if hurried.Load() {
		defer time.AfterFunc(quickGrace, end).Stop()
	}
	code := m.dismiss(all)
	m.shutDown()
	if hurried.Load() {
		return exitOK // somebody wanted it so
	}
	return code
}

// quit ends at once: workers leave in the middle of what they run, whose clients get an error.
func (m *master) quit() {
	ctx, cancel := context.WithTimeout(context.Background(), quickGrace)
	defer cancel()
	m.draining.Store(true)
	m.farewell()
	m.closeSockets(ctx, m.sockets)
	m.ending.Store(true)
	dismissed := make(chan struct{})
	go func() {
		defer close(dismissed)
		m.troupe.Stop(ctx) // that some had to be killed is what we asked for
	}()
	m.pool.Quit()
	_ = m.pool.Shutdown(ctx)   // that some had to be killed is what we asked for
	_ = m.server.Shutdown(ctx) // answers are written out
	m.server.Close()
	m.closePrivate()
	<-dismissed
	m.shutDown()
}

// abandon ends a start that has failed. Who is in the queue of a socket already gets 503.
func (m *master) abandon() {
	ctx, cancel := context.WithTimeout(context.Background(), quickGrace)
	defer cancel()
	if m.server != nil {
		m.closeSockets(ctx, m.sockets)
	}
	if m.server != nil {
		now, cancel := context.WithCancel(context.Background())
		cancel()
		_ = m.server.Shutdown(now) // what is answered from here on is the last of its connection
	}
	if m.pool != nil {
		m.stopPool(quickGrace)
	}
	m.troupe.Stop(ctx)
	if m.server != nil {
		ctx, cancel := context.WithTimeout(context.Background(), quickGrace)
		defer cancel()
		_ = m.server.Shutdown(ctx) // what was asked meanwhile has its 503
		m.server.Close()
	}
}

// leave says that the goroutine of serve does nothing for others any more.
func (m *master) leave() { m.leaving.Do(func() { close(m.left) }) }

// farewell tells the service manager, once, that we leave, or who stays. What follows has bounds of its own, which it need not know.
func (m *master) farewell() {
	if m.departing {
		return
	}
	m.departing = true
	m.steady()
	if m.other.child != 0 {
		m.tell(stateMain(m.other.child))
		return
	}
	m.tell(stateStopping)
	m.pulse("ends when the requests that run have ended, and the companions") // for as long as we live
}

func (m *master) closePrivate() {
	m.closeDashboard()
	if m.private == nil {
		return
	}
	if m.proc.admin == nil {
		_ = m.private.Remove() // in a folder that our user may not write it stays, and is replaced by the next start
	}
	_ = m.private.Close()
}

// shutDown says, once, that there is no worker any more; on_exit follows.
func (m *master) shutDown() { m.sayGoodbye(errorlog.LevelInfo) }

func (m *master) sayGoodbye(level slog.Level) {
	m.goodbye.Do(func() {
		if m.opened() {
			m.log.Record(time.Time{}, level, 0, "Shutting down: "+m.name())
		}
		m.records.close()
	})
}

func (m *master) stopPool(grace time.Duration) {
	ctx, cancel := context.WithTimeout(context.Background(), grace)
	defer cancel()
	_ = m.pool.Shutdown(ctx) // that some had to be killed is what we asked for
}
