package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"time"

	"github.com/gounicorn/gounicorn/server"
	"github.com/gounicorn/gounicorn/server/metrics"
)

const (
	bindTries = 5 // as gunicorn: a predecessor may be about to leave
	bindPause = time.Second
)

// listen opens every address. A port that is in use gets some time to become free.
func (m *master) listen(sigs <-chan os.Signal) error {
	for _, a := range m.addressesToBind() {
		for try := 1; ; try++ {
			ln, err := server.Listen(a, m.v.Backlog)
			if err == nil {
				m.listeners = append(m.listeners, ln)
				break
			}
			if !errors.Is(err, server.ErrInUse) {
				return fmt.Errorf("cannot listen at %s: %w", describe(a), err)
			}
			m.log.Errorf("Connection in use: %s", describe(a))
			if try == bindTries {
				return fmt.Errorf("Can't connect to %s: %w; stop what listens there, or choose another address with --bind", describe(a), err)
			}
			m.log.Errorf("Retrying in 1 second.")
			select {
			case <-time.After(bindPause):
			case <-sigs:
				return errors.New("stopped while waiting for the address")
			}
		}
	}
	return nil
}

func (m *master) addressesToBind() []server.Address {
	var all []server.Address
	if fds := inheritedSockets(m.env, os.Getpid()); len(fds) > 0 {
		for _, fd := range fds {
			all = append(all, server.Address{Network: "fd", FD: fd})
		}
		return all
	}
	for _, a := range m.v.Bind {
		if network, address, ok := a.ListenArgs(); ok {
			all = append(all, server.Address{Network: network, Address: address})
		} else {
			all = append(all, server.Address{Network: "fd", FD: a.FD})
		}
	}
	return all
}

func describe(a server.Address) string {
	if a.Network == "fd" {
		return fmt.Sprintf("fd://%d", a.FD)
	}
	return a.Address
}

// addresses is what the log says of the listeners.
func (m *master) addresses() string {
	var all []string
	for _, ln := range m.listeners {
		if ln.Addr().Network() == "unix" {
			all = append(all, "unix:"+ln.Addr().String())
		} else {
			all = append(all, "http://"+ln.Addr().String())
		}
	}
	return strings.Join(all, ",")
}

// closeListeners stops accepting; a unix socket is removed from its folder.
func (m *master) closeListeners() {
	for _, ln := range m.listeners {
		_ = ln.Close() // a server may have closed it before us
	}
}

func (m *master) serveMetrics() error {
	network, address, ok := m.v.MetricsBind.ListenArgs()
	if !ok {
		return nil
	}
	ln, err := server.Listen(server.Address{Network: network, Address: address}, 0)
	if err != nil {
		return fmt.Errorf("cannot serve metrics at %s: %w", m.v.MetricsBind, err)
	}
	if ln.Addr().Network() == "unix" {
		m.log.Infof("Metrics at: unix:%s", ln.Addr())
	} else {
		m.log.Infof("Metrics at: http://%s/metrics", ln.Addr())
	}
	handler := observer(m.metrics.Handler(m.v.MetricsPprof), m.pool, m.started)
	go func() {
		if err := metrics.Serve(context.Background(), ln, handler); err != nil {
			m.log.Errorf("metrics: %v", err)
		}
	}()
	return nil
}
