package main

import (
	"context"
	"os"
	"time"
)

const quickGrace = 2 * time.Second // for everything when we stop at once, as gunicorn has it

// stop ends gracefully: no new connections, then the requests, then the workers. INT or QUIT makes it quick; a second TERM does
// not, because some process managers send it to the whole group and so twice.
func (m *master) stop(sigs <-chan os.Signal) {
	ctx, cancel := context.WithTimeout(context.Background(), m.v.GracefulTimeout)
	defer cancel()
	go func() {
		for {
			select {
			case sig := <-sigs:
				if act, _ := actionOf(sig); act == actQuick {
					m.log.Infof("Quick shutdown requested")
					time.AfterFunc(quickGrace, cancel)
					return
				}
			case <-ctx.Done():
				return
			}
		}
	}()
	m.leave(ctx)
}

// quit ends at once.
func (m *master) quit() {
	ctx, cancel := context.WithTimeout(context.Background(), min(quickGrace, m.v.GracefulTimeout))
	defer cancel()
	m.leave(ctx)
}

// leave ends everything, what is left when ctx is done by force.
func (m *master) leave(ctx context.Context) {
	state := stateStopping
	if m.other.child != 0 {
		state = stateMain(m.other.child) // the service goes on
	}
	m.tell(state)
	m.closeSockets(ctx, m.sockets)
	if m.serving {
		if err := m.server.Shutdown(ctx); err != nil {
			m.log.Warningf("Some requests did not end within %v", m.v.GracefulTimeout)
		}
		if m.pool.Shutdown(ctx) != nil {
			m.log.Warningf("Some workers had to be killed")
		}
	} else {
		// Nobody can serve what waits: it gets 503.
		_ = m.pool.Shutdown(ctx)
		_ = m.server.Shutdown(ctx)
	}
	m.server.Close()
	if m.metricsSocket != nil {
		_ = m.metricsSocket.Remove()
		_ = m.metricsSocket.Close()
	}
	m.log.Infof("Shutting down: %s", m.name())
}

func (m *master) stopPool(grace time.Duration) {
	ctx, cancel := context.WithTimeout(context.Background(), grace)
	defer cancel()
	_ = m.pool.Shutdown(ctx) // that some had to be killed is what we asked for
}
