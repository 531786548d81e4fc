package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/gounicorn/gounicorn/server"
	"github.com/gounicorn/gounicorn/server/metrics"
	"github.com/gounicorn/gounicorn/server/settings"
)

const (
	bindTries = 5 // as gunicorn: a predecessor may be about to leave
	bindPause = time.Second
	drainTime = 10 * time.Second // for the queue of an address that is closed after a reload
)

// socket is a listener and the address in the settings that it is for.
type socket struct {
	*server.Listener
	of    string // as place writes it; empty: nobody knows
	name  string // that the service manager has for it
	plain bool   // without TLS in any case
}

// listen opens every address, or takes the sockets that we were given. What is in use gets some time to become free.
func (m *master) listen(sigs <-chan os.Signal) error {
	all := places(&m.v)
	if len(m.proc.given) == 0 {
		kept, missing, err := m.reclaim(all)
		m.sockets = kept
		if err != nil {
			return err
		}
		opened, err := m.open(missing, bindTries, sigs)
		m.sockets = append(m.sockets, opened...)
		m.entrust(m.sockets)
		return err
	}
	for i, g := range m.proc.given {
		s, err := m.adoptSocket(g)
		if err != nil {
			return err
		}
		if !m.proc.lent && len(m.proc.given) == len(all) {
			s.of, s.plain = all[i].String(), all[i].plain // another master of ours opened them in this order
		}
		m.sockets = append(m.sockets, s)
	}
	m.entrust(m.sockets)
	return nil
}

// open opens addresses, or none of them.
func (m *master) open(addresses []place, tries int, sigs <-chan os.Signal) (opened []socket, err error) {
	how := server.Socket{Backlog: m.v.Backlog, ReusePort: m.v.ReusePort, Umask: os.FileMode(m.v.Umask)}
	if m.owner.changes() {
		how.Owner = &server.Owner{UID: m.owner.uid, GID: m.owner.gid}
	}
	for _, a := range addresses {
		ln, err := m.openOne(a.Address, how, tries, sigs)
		if err != nil {
			for _, s := range opened {
				_ = s.Remove()
				_ = s.Close()
			}
			return nil, err
		}
		opened = append(opened, socket{Listener: ln, of: a.String(), plain: a.plain})
	}
	return opened, nil
}

// openOne opens one address, with gunicorn's lines when that fails.
func (m *master) openOne(a settings.Address, how server.Socket, tries int, sigs <-chan os.Signal) (*server.Listener, error) {
	where := server.Address{Network: "fd", FD: a.FD}
	if network, address, ok := a.ListenArgs(); ok {
		where = server.Address{Network: network, Address: address}
	}
	name := addressText(a)
	for try := 1; ; try++ {
		ln, err := server.Listen(where, how)
		if err == nil {
			return ln, nil
		}
		missing := errors.Is(err, syscall.EADDRNOTAVAIL)
		if !errors.Is(err, server.ErrInUse) && !missing {
			return nil, fmt.Errorf("cannot listen at %s: %w", name, err)
		}
		if missing {
			m.log.Errorf("Invalid address: %s", name)
		} else {
			m.log.Errorf("Connection in use: %s", name)
		}
		m.log.Errorf("connection to %s failed: %s", name, pythonError(err))
		if try == tries {
			return nil, fmt.Errorf("Can't connect to %s; stop what listens there, or choose another address with --bind", name)
		}
		m.log.Debugf("Retrying in 1 second.")
		select {
		case <-time.After(bindPause):
		case <-sigs:
			return nil, errors.New("stopped while waiting for the address")
		}
	}
}

// addressText writes an address as gunicorn logs it: as Python shows it.
func addressText(a settings.Address) string {
	switch a.Network {
	case settings.TCP4, settings.TCP6:
		return fmt.Sprintf("('%s', %d)", a.Host, a.Port)
	case settings.Unix:
		return a.Path
	default:
		return a.String()
	}
}

// pythonError writes an error of the system as Python does.
func pythonError(err error) string {
	var number syscall.Errno
	if !errors.As(err, &number) {
		if !errors.Is(err, server.ErrInUse) {
			return err.Error()
		}
		number = syscall.EADDRINUSE
	}
	text := number.Error()
	return fmt.Sprintf("[Errno %d] %s", int(number), strings.ToUpper(text[:1])+text[1:])
}

// addresses is what the log says of the listeners.
func (m *master) addresses() string {
	var all []string
	for _, s := range m.sockets {
		all = append(all, m.socketText(s))
	}
	return strings.Join(all, ",")
}

func (m *master) socketText(s socket) string {
	if s.Addr().Network() == "unix" {
		return "unix:" + s.Addr().String()
	}
	if !s.plain && m.encrypts() {
		return "https://" + s.Addr().String()
	}
	return "http://" + s.Addr().String()
}

// accept serves what connects to a socket, until it is closed.
func (m *master) accept(s socket) {
	go func() {
		serve := m.server.ServeTLS
		if s.plain {
			serve = m.server.Serve
		}
		if err := serve(s); err != nil {
			m.log.Criticalf("%v", err)
		}
	}()
}

// closeSockets stops listening, without a reset for those whom the kernel has accepted: they are served, or, when another master has
// the same sockets, left to that one. When ctx is done they are closed in any case.
func (m *master) closeSockets(ctx context.Context, sockets []socket) {
	ours := m.other.alone() && !m.proc.lent
	if ours {
		m.disown(sockets)
	}
	if ours && !m.v.ReusePort {
		m.remove(sockets)
	}
	if !m.serving {
		for _, s := range sockets {
			m.accept(s) // for what waits already
		}
	}
	closeAll(ctx, sockets, ours)
}

// remove removes the files of unix sockets.
func (m *master) remove(sockets []socket) {
	for _, s := range sockets {
		if err := s.Remove(); err != nil {
			m.log.Debugf("the file of the socket stays: %v", err) // in a folder that our user may not write; the next start replaces it
		}
	}
}

// closeAll drains all at the same time.
func closeAll(ctx context.Context, sockets []socket, ours bool) {
	var drains sync.WaitGroup
	for _, s := range sockets {
		drains.Go(func() { s.Drain(ctx, !ours) })
	}
	drains.Wait()
}

// rebind opens what is new in the settings bind and http_bind and closes what is not in them any more, after a reload. When something cannot be opened
// all stays.
func (m *master) rebind() error {
	wanted, have := map[string]bool{}, map[string]bool{}
	for _, a := range places(&m.v) {
		wanted[a.String()] = true
	}
	var all, gone []socket
	for _, s := range m.sockets {
		if wanted[s.of] || s.of == "" {
			all, have[s.of] = append(all, s), true
		} else {
			gone = append(gone, s)
		}
	}
	if have[""] {
		return nil // sockets that we were given count for more than bind
	}
	var fresh []place
	for _, a := range places(&m.v) {
		if !have[a.String()] {
			fresh, have[a.String()] = append(fresh, a), true
		}
	}
	if len(fresh) == 0 && len(gone) == 0 {
		return nil
	}
	opened, err := m.open(fresh, 1, nil)
	if err != nil {
		return err
	}
	m.sockets = append(all, opened...)
	m.entrust(opened)
	m.disown(gone)
	m.log.Infof("Listening at: %s", m.addresses())
	for _, s := range opened {
		m.accept(s)
	}
	ours := m.other.alone()
	if ours && !m.v.ReusePort {
		m.remove(gone)
	}
	go func() {
		ctx, cancel := context.WithTimeout(context.Background(), drainTime)
		defer cancel()
		closeAll(ctx, gone, ours)
	}()
	return nil
}

// servePrivate serves what is not for the public. The site does not depend on it.
func (m *master) servePrivate() {
	for _, serve := range []func() error{m.serveMetrics, m.serveDashboard} {
		if err := serve(); err != nil {
			m.log.Errorf("%v", err)
		}
	}
}

// serveMetrics serves the private listener. While another master has its address, that is tried again when that one has gone.
func (m *master) serveMetrics() error {
	network, address, ok := m.v.MetricsBind.ListenArgs()
	where := server.Address{Network: network, Address: address}
	if m.proc.admin != nil {
		where, ok = server.Address{Network: "fd", FD: m.proc.admin.fd}, true
	}
	if !ok || m.private != nil {
		return nil
	}
	follows := m.proc.admin != nil && m.other.parent != 0 // it would share the socket with us
	var ln *server.Listener
	var err error
	if !follows {
		ln, err = server.Listen(where, server.Socket{})
	}
	if follows || errors.Is(err, server.ErrInUse) && m.other.parent != 0 {
		m.log.Infof("Metrics follow when the old master has gone.")
		return nil
	}
	if err != nil {
		return fmt.Errorf("cannot serve metrics at %s: %w", m.v.MetricsBind, err)
	}
	m.private = ln
	if ln.Addr().Network() == "unix" {
		m.log.Infof("Metrics at: unix:%s", ln.Addr())
	} else {
		m.log.Infof("Metrics at: http://%s/metrics", ln.Addr())
	}
	handler := observer(m.metrics.Handler(m.v.MetricsPprof), (*governor)(m).look, m.pool)
	go func() {
		if err := metrics.Serve(context.Background(), ln, handler); err != nil && !errors.Is(err, net.ErrClosed) { // closed by us at the end
			m.log.Errorf("metrics: %v", err)
		}
	}()
	return nil
}
