package server

import (
	"context"
	"errors"
	"fmt"
	"net"
	"sync"
	"sync/atomic"
	"time"

	"github.com/gounicorn/gounicorn/server/accel"
	"github.com/gounicorn/gounicorn/server/accesslog"
	"github.com/gounicorn/gounicorn/server/cache"
	"github.com/gounicorn/gounicorn/server/compress"
	"github.com/gounicorn/gounicorn/server/courtesy"
	"github.com/gounicorn/gounicorn/server/exchange"
	"github.com/gounicorn/gounicorn/server/history"
	"github.com/gounicorn/gounicorn/server/http1"
	"github.com/gounicorn/gounicorn/server/http2"
	"github.com/gounicorn/gounicorn/server/metrics"
	"github.com/gounicorn/gounicorn/server/pages"
	"github.com/gounicorn/gounicorn/server/spool"
)

// Config says how a Server serves.
type Config struct {
	App      App // required
	Limits   http1.Limits
	Timeouts http1.Timeouts

	Answers
	// TLS is for the listeners of ServeTLS; nil: they speak plain HTTP.
	TLS *TLS

	Courtesy *courtesy.Gate // that the answers of the Responders pass, to be told of the App's requests; nil: none
	// Responders are asked in this order before the App.
	Responders []exchange.Responder

	Trust          Trust
	AnyMethod      bool // every token is a method (permit_unconventional_http_method)
	CasefoldMethod bool // methods are turned into capitals (casefold_http_method)

	MaxConnections       int
	Gate                 http1.Gate    // nil: none
	MaxKeepAliveTime     time.Duration // age at which a connection is closed; 0: no limit
	MaxKeepAliveRequests int           // requests after which a connection is closed; 0: no limit, 1: no keep-alive
	ServerName           string        // value of the Server field
	HTTP2                HTTP2         // what its clients are told

	SpoolMemory, SpoolDisk int64  // bytes that all bodies together may hold; 0: no limit
	SpoolDir               string // for the files; empty: the system's

	RequestMemory int64 // bytes that requests under way may take beyond what connections have for themselves, see http1.Room; 0: no limit

	PID       int               // of the master, for the access log of requests no worker saw
	AccessLog *accesslog.Logger // nil: none
	Metrics   *metrics.Metrics  // required
	History   *history.Recorder // nil: none
	// Environ has the entries that workers add to every environ, by name in lower case, as Python prints them; for the access log.
	Environ map[string]string

	// Log functions, in the manner of Printf; all required.
	Debugf, Warnf, Errorf func(format string, args ...any)
}

// Answers say what becomes of the application's answers. The zero value leaves them as they are.
type Answers struct {
	Types         map[string]string    // media types of such files, see static.TypeOf
	Files         *accel.Files         // which files the application may name in place of an answer; nil: none
	Cache         *cache.Cache         // nil: none
	Compress      *compress.Compressor // nil: none
	Pages         *pages.Pages         // for answers of our own; nil: the engine's
	OverridePages bool                 // and in place of the application's, from 500 on
}

// Server serves HTTP on any number of listeners. Its methods may be called concurrently.
type Server struct {
	cfg    Config
	budget spool.Budget
	room   http1.Room
	hsts   atomic.Pointer[string] // see SetHSTS
	engine *http1.Server
	http2  *http2.Server // connections of engine that agreed on HTTP/2

	refusals   throttle // lines about requests that the engine refused
	complaints throttle // lines about responses and bodies
}

// New returns a Server. Nothing runs before Serve.
func New(cfg Config) *Server {
	s := &Server{cfg: cfg}
	s.budget.Dir, s.budget.Memory, s.budget.Disk = cfg.SpoolDir, cfg.SpoolMemory, cfg.SpoolDisk
	one, two := s.engineConfigs(cfg)
	s.http2 = http2.New(two)
	s.engine = http1.New(one)
	cfg.Metrics.AddSource(func(st *metrics.State) {
		memory, disk := s.budget.Used()
		st.Held += cfg.Courtesy.Held()
		st.Spool[metrics.Memory] += memory
		st.Spool[metrics.Disk] += disk
		active, idle := s.engine.ConnectionStates()
		st.Connections[metrics.ConnActive] += active
		st.Connections[metrics.ConnIdle] += idle
	})
	return s
}

// SetHSTS sets the value of Strict-Transport-Security for what is answered here, without the application, over https; empty: none. It must be
// a valid field value.
func (s *Server) SetHSTS(value string) { s.hsts.Store(&value) }

// Reconfigure gives other limits, timeouts, responders and trust to the connections that are accepted from now on. The app, the spool, the
// logs and the metrics stay as they were.
func (s *Server) Reconfigure(cfg Config) {
	one, two := s.engineConfigs(cfg)
	s.http2.Reconfigure(two)
	s.engine.Reconfigure(one)
}

// engineConfigs are what the engines need to know of a configuration.
func (s *Server) engineConfigs(cfg Config) (http1.Config, http2.Config) {
	s.room.SetLimit(cfg.RequestMemory)
	h := &handler{s: s, app: s.cfg.App, trust: cfg.Trust.normal(), responders: newResponders(cfg.Responders), cfg: cfg.Answers, pages: cfg.Pages.Get, clients: cfg.TLS != nil && cfg.TLS.Clients}
	trust := &h.trust
	one := http1.Config{
		Limits: cfg.Limits, Timeouts: cfg.Timeouts, Handler: h, ServerName: cfg.ServerName, MaxConnections: cfg.MaxConnections,
		MaxKeepAliveRequests: cfg.MaxKeepAliveRequests, MaxKeepAliveTime: cfg.MaxKeepAliveTime, PermitUnconventionalMethod: cfg.AnyMethod, CasefoldMethod: cfg.CasefoldMethod,
		Underscores: trust.HeaderMap, Forwarder: trust.forwarder, ProxyProtocol: trust.Proxy,
		ProxyAllowed:  func(c *http1.Conn) bool { return trust.ProxyAllow.Has(c.PeerAddr().Addr()) },
		Page:          h.pages,
		OnError:       func(c *http1.Conn, v http1.Verdict) { s.refused(c, c.UserData(), v) },
		OnPanic:       func(c *http1.Conn, value any, stack []byte) { s.panicked(c, value, stack) },
		TLS:           s.secure(cfg.TLS),
		Gate:          cfg.Gate,
		Room:          &s.room,
		OnConnect:     s.cfg.Metrics.Accepted,
		OnAcceptError: func(err error) { s.cfg.Errorf("cannot accept connections: %v", err) },
	}
	return one, s.second(cfg, h, one)
}

// refused reports a request that an engine refused. userData is what the handler kept with its exchange.
func (s *Server) refused(c exchange.Conn, userData any, v http1.Verdict) {
	s.cfg.Metrics.BadRequest(v.Cause.String())
	if s.refusals.pass() {
		s.cfg.Warnf("Invalid request from ip=%s: %s", peerName(c), v.Text)
	}
	s.logRefused(c, userData, v)
}

func (s *Server) panicked(c exchange.Conn, value any, stack []byte) {
	s.cfg.Errorf("panic while serving %s: %v\n%s", peerName(c), value, stack)
}

// Serve serves one listener until Shutdown or Close; it returns nil then.
func (s *Server) Serve(ln net.Listener) error { return s.serve(ln, s.engine.Serve) }

// ServeTLS is Serve with the handshakes of Config.TLS, if there are any.
func (s *Server) ServeTLS(ln net.Listener) error { return s.serve(ln, s.engine.ServeTLS) }

func (s *Server) serve(ln net.Listener, serve func(net.Listener) error) error {
	if err := serve(ln); !errors.Is(err, http1.ErrServerClosed) && !errors.Is(err, net.ErrClosed) {
		return fmt.Errorf("serve %s: %w", ln.Addr(), err)
	}
	return nil
}

// logRefused writes the access line of a request whose head was refused, of which nothing else is known. One whose body was refused is
// a call, and logged as such.
func (s *Server) logRefused(c exchange.Conn, userData any, v http1.Verdict) {
	if call, ok := userData.(*Call); !s.cfg.AccessLog.Enabled() || (ok && call.open) {
		return
	}
	e := accesslog.Entry{Time: time.Now(), Status: v.Status, Pid: s.cfg.PID, By: byServer}
	if a := c.RemoteAddr(); a.IsValid() {
		e.RemoteAddr = a.Addr().AppendTo(nil)
	}
	s.cfg.AccessLog.Log(&e)
}

func peerName(c exchange.Conn) string {
	if a := c.RemoteAddr(); a.IsValid() {
		return a.Addr().String()
	}
	return ""
}

// Shutdown stops accepting, lets the requests that have begun end, and closes every connection. When ctx is done it closes what is
// left and returns its error.
func (s *Server) Shutdown(ctx context.Context) error {
	return s.drain(ctx, s.engine.Shutdown)
}

// AwaitRecent has Shutdown wait for the next request of clients that have had an answer within d. It is for a server that another one
// replaces on the same sockets.
func (s *Server) AwaitRecent(d time.Duration) { s.engine.AwaitRecent(d) }

// Quiesce is Shutdown of what there is, and not for good: Resume ends it. The listeners are to be suspended before.
func (s *Server) Quiesce(ctx context.Context) error { return s.drain(ctx, s.engine.Quiesce) }

// Resume ends Quiesce.
func (s *Server) Resume() {
	s.http2.Resume()
	s.engine.Resume()
}

// CheckSpool reports why bodies of more than so many bytes cannot be buffered; nil when they can.
func (s *Server) CheckSpool() (most int64, err error) { return s.budget.MemoryBody(), s.budget.Check() }

// Full reports whether as many connections are open as may be; the next one waits to be accepted.
func (s *Server) Full() bool { return s.engine.Full() }

// Close closes every connection at once and waits until the App has ended the calls that it has.
func (s *Server) Close() {
	_ = s.engine.Close()
	s.http2.Close()
}

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
