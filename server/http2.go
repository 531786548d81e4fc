package server

import (
	"context"
	"crypto/tls"

	"github.com/gounicorn/gounicorn/server/exchange"
	"github.com/gounicorn/gounicorn/server/http1"
	"github.com/gounicorn/gounicorn/server/http2"
)

// HTTP2 is what clients of HTTP/2 are told; see http2.Config for units, and what 0 means. They are those of ServeTLS whose handshake
// agreed on it, which the tls.Config must offer.
type HTTP2 struct{ Streams, Window, FrameSize, HeaderList int }

// ConnectionMemory is http2.Config.ConnectionMemory.
func (h HTTP2) ConnectionMemory() int64 {
	return http2.Config{Window: h.Window, FrameSize: h.FrameSize, HeaderList: h.HeaderList}.ConnectionMemory()
}

// second is what the engine of HTTP/2 needs to know of a configuration.
func (s *Server) second(cfg Config, h *handler, first http1.Config) http2.Config {
	return http2.Config{
		Handler: h.serveHTTP2, Rules: http1.NewRules(first), Timeouts: cfg.Timeouts, MaxRequests: cfg.MaxKeepAliveRequests, MaxAge: cfg.MaxKeepAliveTime, ServerName: cfg.ServerName,
		Streams: cfg.HTTP2.Streams, Window: cfg.HTTP2.Window, FrameSize: cfg.HTTP2.FrameSize, HeaderList: cfg.HTTP2.HeaderList,
		BodyShare: bodyShare(cfg), Room: first.Room,
		OnError: func(x *http2.Exchange, v http1.Verdict) { s.refused(x.Conn(), *x.UserData(), v) },
		OnPanic: func(c *http2.Conn, value any, stack []byte) { s.panicked(c, value, stack) },
		Logf:    s.cfg.Debugf,
	}
}

// bodyShare is how much of the room for bodies one connection may take: a quarter.
func bodyShare(cfg Config) int64 {
	if cfg.SpoolMemory == 0 || cfg.SpoolDisk == 0 {
		return 0
	}
	return (cfg.SpoolMemory + cfg.SpoolDisk) / 4
}

// next serves connections whose handshake agreed on another protocol than HTTP/1.
func (s *Server) next() map[string]func(*tls.Conn, exchange.Conn) {
	return map[string]func(*tls.Conn, exchange.Conn){
		http2.Protocol: func(tc *tls.Conn, c exchange.Conn) { s.http2.Serve(tc, c) },
	}
}

// drain has clients of HTTP/2 asked to go while the first engine waits for its connections, which theirs are too.
func (s *Server) drain(ctx context.Context, first func(context.Context) error) error {
	asking, cancel := context.WithCancel(ctx)
	asked := make(chan struct{})
	go func() {
		defer close(asked)
		s.http2.Drain(asking)
	}()
	err := first(ctx)
	cancel()
	<-asked
	return err
}
