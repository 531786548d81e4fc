package main

import (
	"context"
	"os"
	"time"

	"github.com/gounicorn/gounicorn/server"
)

const quickGrace = time.Second // for workers when we stop at once

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
	m.ending.Store(true)
	if m.pool.Shutdown(ctx) != nil {
		m.log.Warningf("Some workers had to be killed")
	}
	srv.Close()
	m.shutDown()
}

// quit ends at once.
func (m *master) quit(srv *server.Server) {
	m.closeListeners()
	m.ending.Store(true)
	m.pool.Quit()
	m.stopPool(quickGrace)
	srv.Close()
	m.shutDown()
}

// shutDown says, once, that there is no worker any more; on_exit follows.
func (m *master) shutDown() {
	m.goodbye.Do(func() {
		if m.opened.Load() {
			m.log.Infof("Shutting down: Master")
		}
		if m.records != nil {
			m.records.close()
		}
	})
}

func (m *master) stopPool(grace time.Duration) {
	ctx, cancel := context.WithTimeout(context.Background(), grace)
	defer cancel()
	_ = m.pool.Shutdown(ctx) // that some had to be killed is what we asked for
}
