package http1

import (
	"container/list"
	"crypto/tls"
	"errors"
	"net"
	"os"
	"time"

	"github.com/gounicorn/gounicorn/server/exchange"
)

// TLS says how connections that ServeTLS accepts are secured.
type TLS struct {
	// Config is for the handshakes. It needs certificates; its NextProtos decide what is offered.
	Config *tls.Config
	// Timeout is how long a handshake may take; 0 means 10 s.
	Timeout time.Duration
	// Handshakes is how many may be under way. One more, and the one that has taken longest is given up: a client that means it needs
	// milliseconds. 0 means 512.
	Handshakes int
	// Next serves a connection that agreed on a protocol of NextProtos other than http/1.1, by its name, and returns when it has ended. A
	// protocol without an entry is closed after the handshake, which is all that "acme-tls/1" wants (RFC 8737). The Conn is a *Conn and
	// says who the client is.
	Next map[string]func(tc *tls.Conn, c exchange.Conn)
	// OnHandshake, if set, is called at the end of every handshake with its error, on the connection's goroutine. ErrHandshakeTimeout
	// means that it took too long or was given up, ErrNoTLS that the client spoke plain HTTP.
	OnHandshake func(c *Conn, err error)
}

// What OnHandshake is told.
var (
	ErrHandshakeTimeout = errors.New("the handshake took too long")
	ErrNoTLS            = errors.New("the client speaks plain HTTP")
)

const (
	defaultShakeTime = 10 * time.Second
	defaultShakes    = 512
	protocolHTTP1    = "http/1.1"
)

func (t *TLS) timeout() time.Duration {
	if t.Timeout <= 0 {
		return defaultShakeTime
	}
	return t.Timeout
}

// ServeTLS is Serve for connections that begin with a handshake, if the Config has TLS; else it is Serve. A PROXY header comes before
// the handshake.
func (s *Server) ServeTLS(ln net.Listener) error {
	return s.serve(ln, func(nc net.Conn) *Conn {
		c := newConn(s, nc, ln.Addr())
		if c.shake = c.terms.TLS; c.shake != nil {
			c.phase.Store(phaseShake) // its time runs from here on
		}
		return c
	})
}

// secure makes the handshake that the connection begins with, if any, and reports whether requests of HTTP/1 follow.
func (c *Conn) secure() bool {
	t := c.shake
	if t == nil {
		return true
	}
	c.mu.Lock()
	var early []byte
	if c.r < c.w {
		early = append(early, c.buf.b[c.r:c.w]...)
	}
	c.releaseBuffers()
	c.mu.Unlock()
	if !c.enter(phaseShake) {
		return false
	}
	under := newUnderlay(c.nc, c.raw, early, &c.srv.pool)
	tc := tls.Server(under, t.Config)
	place := c.srv.beginShake(c, t)
	err := tc.Handshake()
	c.srv.endShake(place)
	if plain := (tls.RecordHeaderError{}); errors.As(err, &plain) && plain.Conn != nil && looksPlain(plain.RecordHeader) {
		c.shook(t, ErrNoTLS)
		return c.refuseProxy(CausePlain)
	}
	if err != nil {
		if c.phase.Load() == phaseClosed || errors.Is(err, os.ErrDeadlineExceeded) {
			err = ErrHandshakeTimeout
		}
		c.shook(t, err)
		return false
	}
	c.shook(t, nil)
	state := tc.ConnectionState()
	if state.NegotiatedProtocol != "" && state.NegotiatedProtocol != protocolHTTP1 {
		c.tls = &state
		if next := t.Next[state.NegotiatedProtocol]; next != nil && c.enter(phaseHandle) {
			next(tc, c)
		}
		_ = tc.Close() // closed already, or nobody waits for more
		return false
	}
	c.mu.Lock() // kill may look
	if c.nc, c.tls = tc, &state; c.raw != nil {
		under.gather()
		c.under, c.raw, c.readFn, c.writeFn = under, nil, nil, nil
	}
	c.mu.Unlock()
	return c.enter(phaseIdle)
}

func (c *Conn) shook(t *TLS, err error) {
	if t.OnHandshake != nil {
		t.OnHandshake(c, err)
	}
}

// SetIdle is for TLS.Next: it says whether a request runs on the connection. One that is idle may be closed for a new one
// (Config.MaxConnections).
func (c *Conn) SetIdle(idle bool) {
	if idle {
		c.enter(phaseGuest) // false: it was closed, as whoever has it will see
		return
	}
	c.enter(phaseHandle)
}

// looksPlain reports whether the first bytes on a connection for TLS are those of a request.
func looksPlain(b [5]byte) bool {
	for i, c := range b {
		if c == ' ' && i >= 3 {
			return true
		}
		if c < 'A' || c > 'Z' {
			return false
		}
	}
	return true
}

// shakes are the handshakes under way, the oldest first. Guarded by the server's mutex.
type shakes struct{ list.List }

// beginShake counts a handshake in and gives the oldest up if there are too many.
func (s *Server) beginShake(c *Conn, t *TLS) *list.Element {
	most := t.Handshakes
	if most <= 0 {
		most = defaultShakes
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	place := s.shakes.PushBack(c)
	if s.shakes.Len() > most {
		s.shakes.Front().Value.(*Conn).kill()
	}
	return place
}

func (s *Server) endShake(place *list.Element) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.shakes.Remove(place)
}

// tryTLS is tryWrite for a connection with TLS.
func (c *Conn) tryTLS(a, b []byte) (n int, err error) {
	u := c.under
	if _, all, err := u.push(false); err != nil || !all {
		return 0, err
	}
	room := min(len(a)+len(b), sealBytes)
	u.expect(room)
	for _, p := range [2][]byte{a, b} {
		for len(p) > 0 && n < tryMost {
			k := min(len(p), room)
			if _, err := c.nc.Write(p[:k]); err != nil {
				return n, err
			}
			p, n, room = p[k:], n+k, room-k
			if room > 0 {
				continue
			}
			if _, all, err := u.push(false); err != nil || !all {
				return n, err
			}
			room = sealBytes
		}
	}
	_, _, err = u.push(false)
	return n, err
}

// writeTLS is writeAll for a connection with TLS. Without bytes it sends what is held.
func (c *Conn) writeTLS(p []byte) (total int, err error) {
	u := c.under
	defer c.sending.Store(0)
	c.sending.Store(c.srv.clock.Load())
	for {
		for all := false; !all; {
			if _, all, err = u.push(true); err != nil {
				return total, err
			}
			c.sending.Store(c.srv.clock.Load())
		}
		if len(p) == 0 {
			return total, nil
		}
		k := min(len(p), sealBytes)
		u.expect(k)
		n, err := c.nc.Write(p[:k])
		total += n
		if err != nil {
			return total, err
		}
		p = p[k:]
	}
}
