package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"

	"github.com/gounicorn/gounicorn/server"
	"github.com/gounicorn/gounicorn/server/dashboard"
	"github.com/gounicorn/gounicorn/server/errorlog"
	"github.com/gounicorn/gounicorn/server/history"
)

// board is the dashboard of this server.
type board struct {
	token string // empty: there is no dashboard
	ln    *server.Listener
	end   context.CancelFunc
}

// openDashboard finds the token, while we may still read what our user may not.
func (m *master) openDashboard() (err error) {
	switch {
	case m.v.DashboardBind.IsZero():
		return nil
	case m.v.DashboardTokenFile != "":
		m.board.token, err = dashboard.TokenFile(m.v.DashboardTokenFile, m.give)
		return err
	case !m.log.Enabled(errorlog.LevelInfo):
		return fmt.Errorf("nobody would see the token of the dashboard with --log-level %s; name a file for it with --dashboard-token-file", m.v.LogLevel)
	}
	m.board.token = dashboard.NewToken()
	return nil
}

// give makes a file that of our user.
func (m *master) give(f *os.File) error {
	if !m.owner.changes() {
		return nil
	}
	return f.Chown(m.owner.uid, m.owner.gid)
}

// serveDashboard serves it. While another master has its address, that is tried again when that one has gone.
func (m *master) serveDashboard() error {
	network, address, ok := m.v.DashboardBind.ListenArgs()
	if !ok || m.board.token == "" || m.board.ln != nil {
		return nil
	}
	ln, err := server.Listen(server.Address{Network: network, Address: address}, server.Socket{Umask: os.FileMode(m.v.Umask)})
	if errors.Is(err, server.ErrInUse) && m.other.parent != 0 {
		m.log.Infof("The dashboard follows when the old master has gone.")
		return nil
	}
	if err != nil {
		return fmt.Errorf("cannot serve the dashboard at %s: %w", m.v.DashboardBind, err)
	}
	g := (*governor)(m)
	d := dashboard.New(dashboard.Config{
		Token: m.board.token, Hosts: append(m.v.DashboardHosts, m.v.DashboardBind.Host), ReadOnly: m.v.DashboardReadOnly,
		Look: func() (any, *history.Record, error) {
			document, err := g.look()
			return &document, &document.Record, err
		},
		Reload: g.Reload, Scale: g.Resize,
		Log:    func(text string) { m.log.Infof("Dashboard: %s", text) },
		Failed: func(text string) { m.log.Errorf("%s", text) },
	})
	var ctx context.Context
	m.board.ln = ln
	ctx, m.board.end = context.WithCancel(context.Background())
	m.log.Infof("Dashboard at: %s", m.dashboardText(ln.Addr()))
	go func() {
		if err := d.Serve(ctx, ln); err != nil {
			m.log.Errorf("%v", err)
		}
	}()
	return nil
}

// dashboardText is what the log says of the dashboard: its URL, with the token if that is nowhere else. Browsers send to no server what
// stands behind the #.
func (m *master) dashboardText(a net.Addr) string {
	token := "#token=" + m.board.token
	if m.v.DashboardTokenFile != "" {
		token = ""
	}
	tcp, ok := a.(*net.TCPAddr)
	switch {
	case !ok && token == "":
		return fmt.Sprintf("unix:%s, with the token in %s", a, m.v.DashboardTokenFile)
	case !ok:
		return fmt.Sprintf("unix:%s, behind a proxy as /%s", a, token)
	}
	where := *tcp
	if where.IP.IsUnspecified() {
		where.IP = net.IPv4(127, 0, 0, 1)
	}
	text := fmt.Sprintf("http://%s/%s", where.String(), token)
	if token == "" {
		text += ", with the token in " + m.v.DashboardTokenFile
	}
	if !where.IP.IsLoopback() || tcp.IP.IsUnspecified() {
		m.log.Warningf("The dashboard listens at %s without TLS: whoever can read the traffic has its token. Bind it to 127.0.0.1, or to a unix socket behind a proxy with TLS", a)
	}
	return text
}

// closeDashboard ends it.
func (m *master) closeDashboard() {
	if m.board.ln != nil {
		_ = m.board.ln.Remove() // in a folder that our user may not write it stays, and is replaced by the next start
		m.board.end()
	}
}
