package server

import (
	"context"
	"errors"
	"fmt"
	"net"
	"sync"
	"time"

	"github.com/gounicorn/gounicorn/server/accesslog"
	"github.com/gounicorn/gounicorn/server/exchange"
	"github.com/gounicorn/gounicorn/server/http1"
	"github.com/gounicorn/gounicorn/server/metrics"
	"github.com/gounicorn/gounicorn/server/spool"
)

// Config says how a Server serves.
type Config struct {
	App      App // required
	Limits   http1.Limits
	Timeouts http1.Timeouts

	// Responders are asked in this order before the App.
	Responders []exchange.Responder

	Trust          Trust
	AnyMethod      bool // every token is a method (permit_unconventional_http_method)
	CasefoldMethod bool // methods are turned into capitals (casefold_http_method)

	MaxConnections       int
	Gate                 http1.Gate // nil: none
	MaxKeepAliveRequests int        // requests after which a connection is closed; 0: no limit, 1: no keep-alive
	ServerName           string     // value of the Server field

	SpoolMemory, SpoolDisk int64  // bytes that all bodies together may hold; 0: no limit
	SpoolDir               string // for the files; empty: the system's

	PID       int               // of the master, for the access log of requests no worker saw
	AccessLog *accesslog.Logger // nil: none
	Metrics   *metrics.Metrics  // required
	// Environ has the entries that workers add to every environ, by name in lower case, as Python prints them; for the access log.
	Environ map[string]string

	// Log functions, in the manner of Printf; all required.
	Debugf, Warnf, Errorf func(format string, args ...any)
}

// Server serves HTTP on any number of listeners. Its methods may be called concurrently.
type Server struct {
	cfg    Config
	budget spool.Budget
	engine *http1.Server

	refusals   throttle // lines about requests that the engine refused
	complaints throttle // lines about responses and bodies
}

// New returns a Server. Nothing runs before Serve.
func New(cfg Config) *Server {
	s := &Server{cfg: cfg}
	s.budget.Dir, s.budget.Memory, s.budget.Disk = cfg.SpoolDir, cfg.SpoolMemory, cfg.SpoolDisk
	s.engine = http1.New(s.engineConfig(cfg))
	cfg.Metrics.AddSource(func(st *metrics.State) {
		memory, disk := s.budget.Used()
		st.Spool[metrics.Memory] += memory
		st.Spool[metrics.Disk] += disk
		active, idle := s.engine.ConnectionStates()
		st.Connections[metrics.ConnActive] += active
		st.Connections[metrics.ConnIdle] += idle
	})
	return s
}

// Reconfigure gives other limits, timeouts, responders and trust to the connections that are accepted from now on. The app, the spool, the
// logs and the metrics stay as they were.
func (s *Server) Reconfigure(cfg Config) { s.engine.Reconfigure(s.engineConfig(cfg)) }

// engineConfig is what the engine needs to know of a configuration.
func (s *Server) engineConfig(cfg Config) http1.Config {
	h := &handler{s: s, app: s.cfg.App, trust: cfg.Trust.normal(), responders: newResponders(cfg.Responders)}
	trust := &h.trust
	return http1.Config{
		Limits: cfg.Limits, Timeouts: cfg.Timeouts, Handler: h, ServerName: cfg.ServerName, MaxConnections: cfg.MaxConnections,
		MaxKeepAliveRequests: cfg.MaxKeepAliveRequests, PermitUnconventionalMethod: cfg.AnyMethod, CasefoldMethod: cfg.CasefoldMethod,
		Underscores: trust.HeaderMap, Forwarder: trust.forwarder, ProxyProtocol: trust.Proxy,
		ProxyAllowed: func(c *http1.Conn) bool { return trust.ProxyAllow.Has(c.PeerAddr().Addr()) },
		OnError: func(c *http1.Conn, v http1.Verdict) {
			s.cfg.Metrics.BadRequest(v.Cause.String())
			if s.refusals.pass() {
				s.cfg.Warnf("Invalid request from ip=%s: %s", peerName(c), v.Text)
			}
			s.logRefused(c, v)
		},
		OnPanic: func(c *http1.Conn, value any, stack []byte) {
			s.cfg.Errorf("panic while serving %s: %v\n%s", peerName(c), value, stack)
		},
		Gate:          cfg.Gate,
		OnConnect:     s.cfg.Metrics.Accepted,
		OnAcceptError: func(err error) { s.cfg.Errorf("cannot accept connections: %v", err) },
	}
}

// Serve serves one listener until Shutdown or Close; it returns nil then.
func (s *Server) Serve(ln net.Listener) error {
	if err := s.engine.Serve(ln); !errors.Is(err, http1.ErrServerClosed) && !errors.Is(err, net.ErrClosed) {
		return fmt.Errorf("serve %s: %w", ln.Addr(), err)
	}
	return nil
}

// logRefused writes the access line of a request whose head was refused, of which nothing else is known. One whose body was refused is
// a call, and logged as such.
func (s *Server) logRefused(c *http1.Conn, v http1.Verdict) {
	if call, ok := c.UserData().(*Call); !s.cfg.AccessLog.Enabled() || (ok && call.open) {
		return
	}
	e := accesslog.Entry{Time: time.Now(), Status: v.Status, Pid: s.cfg.PID, By: byServer}
	if a := c.RemoteAddr(); a.IsValid() {
		e.RemoteAddr = a.Addr().AppendTo(nil)
	}
	s.cfg.AccessLog.Log(&e)
}

func peerName(c *http1.Conn) string {
	if a := c.RemoteAddr(); a.IsValid() {
		return a.Addr().String()
	}
	return ""
}

// Shutdown stops accepting, lets the requests that have begun end, and closes every connection. When ctx is done it closes what is
// left and returns its error.
func (s *Server) Shutdown(ctx context.Context) error { return s.engine.Shutdown(ctx) }

// Quiesce is Shutdown of what there is, and not for good: Resume ends it. The listeners are to be suspended before.
func (s *Server) Quiesce(ctx context.Context) error { return s.engine.Quiesce(ctx) }

// Resume ends Quiesce.
func (s *Server) Resume() { s.engine.Resume() }

// Close closes every connection at once and waits until the App has ended the calls that it has.
func (s *Server) Close() { _ = s.engine.Close() }

// complain logs something that a request or an application could make happen for every request: at most ten times a second.
func (s *Server) complain(logf func(string, ...any), format string, args ...any) {
	if s.complaints.pass() {
		logf(format, args...)
	}
}

// A throttle lets ten lines of a kind pass in a second. Each kind has its own, so that strangers who send garbage cannot hide what is
// wrong with the application. The zero throttle is ready, for concurrent use.
type throttle struct {
	mu     sync.Mutex
	since  time.Time
	passed int
}

func (t *throttle) pass() bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	if now := time.Now(); now.Sub(t.since) > time.Second {
		t.since, t.passed = now, 0
	}
	t.passed++
	return t.passed <= 10
}
