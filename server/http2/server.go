package http2

import (
	"context"
	"crypto/tls"
	"log"
	"net"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/gounicorn/gounicorn/server/exchange"
)

// Protocol is the name of HTTP/2 in ALPN (RFC 9113 3.2).
const Protocol = "h2"

// Server serves connections whose TLS handshake is done and has agreed on Protocol. Who accepts them counts and limits them. All methods
// are safe for concurrent use.
type Server struct {
	draining atomic.Bool
	date     atomic.Pointer[date]

	mu    sync.Mutex // guards the rest
	era   *era       // for new connections
	cfg   Config     // likewise
	conns map[net.Conn]*Conn
}

// era is a Config in use. Its http.Server cannot be used again once it was told to end.
type era struct {
	cfg   Config
	http  *http.Server
	queue *queue
	left  int  // connections
	over  bool // no connection is added
}

// New returns a Server. It starts nothing.
func New(c Config) *Server {
	s := &Server{cfg: c.withDefaults(), conns: make(map[net.Conn]*Conn)}
	c.Room.OnShort(s.shed)
	return s
}

// Reconfigure gives another Config to the connections that come from now on; those that are open keep theirs.
func (s *Server) Reconfigure(c Config) {
	s.mu.Lock()
	s.cfg = c.withDefaults()
	s.retire(s.era)
	s.mu.Unlock()
}

// retire has no more connections added to an era, and ends it with its last one. The caller holds mu.
func (s *Server) retire(e *era) {
	if e == nil {
		return
	}
	e.over = true
	if s.era == e {
		s.era = nil
	}
	if e.left == 0 {
		_ = e.http.Close() // nothing is open
	}
}

// current returns the era for a new connection. The caller holds mu.
func (s *Server) current() *era {
	if s.era != nil {
		return s.era
	}
	c := s.cfg
	e := &era{cfg: c, queue: &queue{conns: make(chan net.Conn), end: make(chan struct{})}}
	protocols := new(http.Protocols)
	protocols.SetHTTP2(true)
	e.http = &http.Server{
		Handler:                      http.HandlerFunc(s.serve),
		Protocols:                    protocols,
		DisableGeneralOptionsHandler: true,
		IdleTimeout:                  c.Timeouts.Idle,
		MaxHeaderBytes:               max(c.HeaderList-headerSlack, 1),
		HTTP2: &http.HTTP2Config{
			MaxConcurrentStreams: c.Streams, MaxReadFrameSize: c.FrameSize, MaxDecoderHeaderTableSize: headerTable, MaxEncoderHeaderTableSize: headerTable,
			MaxReceiveBufferPerStream: c.Window, MaxReceiveBufferPerConnection: max(c.Window, connWindow), WriteByteTimeout: c.Timeouts.Send,
		},
		ConnState: s.state,
		ConnContext: func(ctx context.Context, nc net.Conn) context.Context {
			return context.WithValue(ctx, connKey{}, s.find(nc))
		},
		ErrorLog: log.New(logWriter(c.Logf), "", 0),
	}
	go func() { _ = e.http.Serve(e.queue) }() // ends with the era
	s.era = e
	return e
}

// Serve serves a connection and returns when it, and every exchange of it, has ended. conn says who the client is. If it has a method
// SetIdle(bool), that is told when the connection has no stream, and when it has one again.
func (s *Server) Serve(tc *tls.Conn, conn exchange.Conn) {
	s.mu.Lock()
	e := s.current()
	c := newConn(s, e, conn)
	s.conns[tc] = c
	e.left++
	s.mu.Unlock()
	select {
	case e.queue.conns <- tc:
	case <-e.queue.end:
		s.forget(tc)
	}
	<-c.over
}

func (s *Server) find(nc net.Conn) *Conn {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.conns[nc]
}

// state is told by net/http what a connection does.
func (s *Server) state(nc net.Conn, state http.ConnState) {
	switch state {
	case http.StateClosed:
		s.forget(nc)
	case http.StateIdle, http.StateActive:
		if c := s.find(nc); c != nil && c.setIdle != nil {
			c.setIdle(state == http.StateIdle)
		}
	}
}

// forget is the end of a connection.
func (s *Server) forget(nc net.Conn) {
	s.mu.Lock()
	c := s.conns[nc]
	if c != nil {
		delete(s.conns, nc)
		c.era.left--
		if c.era.over {
			s.retire(c.era)
		}
	}
	s.mu.Unlock()
	if c != nil {
		c.end()
	}
}

// drainLook is how often Drain looks for clients that have come.
const drainLook = 50 * time.Millisecond

// Drain asks every client to go (GOAWAY), also those that come meanwhile, and lets running exchanges end, until ctx is done. Clients
// that come later are told with their first answer, until Resume.
func (s *Server) Drain(ctx context.Context) {
	s.draining.Store(true)
	look := time.NewTicker(drainLook)
	defer look.Stop()
	for {
		s.farewell()
		select {
		case <-look.C:
		case <-ctx.Done():
			return
		}
	}
}

// Resume keeps connections open again.
func (s *Server) Resume() { s.draining.Store(false) }

// farewell sends GOAWAY to all that did not get it yet.
func (s *Server) farewell() {
	s.mu.Lock()
	eras := make(map[*era]struct{})
	for _, c := range s.conns {
		eras[c.era] = struct{}{}
	}
	s.retire(s.era)
	s.mu.Unlock()
	for e := range eras {
		at, cancel := context.WithCancel(context.Background())
		cancel()
		_ = e.http.Shutdown(at) // tells and does not wait
	}
}

// Close lets go of what waits for connections. Those that are open belong to who accepted them.
func (s *Server) Close() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.retire(s.era)
}

// queue is the listener of an http.Server: what ServeConn is given.
type queue struct {
	conns chan net.Conn
	once  sync.Once
	end   chan struct{}
}

// Accept implements net.Listener.
func (q *queue) Accept() (net.Conn, error) {
	select {
	case nc := <-q.conns:
		return nc, nil
	case <-q.end:
		return nil, net.ErrClosed
	}
}

// Close implements net.Listener.
func (q *queue) Close() error {
	q.once.Do(func() { close(q.end) })
	return nil
}

// Addr implements net.Listener.
func (q *queue) Addr() net.Addr { return &net.UnixAddr{Name: Protocol, Net: Protocol} }

// logWriter is where net/http logs to.
type logWriter func(format string, args ...any)

func (f logWriter) Write(p []byte) (int, error) {
	if f != nil {
		f("%s", strings.TrimSpace(string(p)))
	}
	return len(p), nil
}

// date is the value of Date for one second.
type date struct {
	second int64
	text   string
}

// now returns the value of Date.
func (s *Server) now() string {
	t := time.Now()
	if d := s.date.Load(); d != nil && d.second == t.Unix() {
		return d.text
	}
	d := &date{t.Unix(), t.UTC().Format(http.TimeFormat)}
	s.date.Store(d)
	return d.text
}
