package server

import (
	"bytes"
	"errors"
	"net"
	"net/netip"
	"strconv"
	"time"

	"github.com/gounicorn/gounicorn/server/http1"
	"github.com/gounicorn/gounicorn/server/spool"
	"github.com/gounicorn/gounicorn/wsgi"
)

// handler turns exchanges into calls.
type handler struct {
	s   *Server
	app App
}

// ServeHTTP1 implements http1.Handler.
func (h *handler) ServeHTTP1(x *http1.Exchange) {
	c := h.call(x)
	if h.s.cfg.AccessLog.WantsRequestID() {
		c.identify(x.Get(requestIDField))
	}
	if !h.readBody(c, x) {
		return
	}
	if x.ContentLength != 0 && h.s.cfg.AccessLog.Enabled() {
		c.receive = time.Since(x.Received)
	}
	if c.BodyFile != nil {
		h.s.cfg.Metrics.Received(int(c.body.Size()))
	} else {
		h.s.cfg.Metrics.Received(len(c.inline))
	}
	if !c.build() {
		c.refs.Store(1)
		x.Error(400, 0)
		return
	}
	h.app.Serve(c)
	x.SetGone(c.onGone)
}

// call returns the connection's Call, ready for x. A Call whose last use the app has not left yet is left to it.
func (h *handler) call(x *http1.Exchange) *Call {
	conn := x.Conn()
	c, _ := conn.UserData.(*Call)
	if c == nil || c.refs.Load() != 0 {
		c = &Call{h: h, body: spool.Body{Budget: &h.s.budget}}
		c.onDone, c.onGone = c.done, c.left
		if peer := x.RemoteAddr(); peer.IsValid() {
			c.remote = peer.Addr().AppendTo(nil)
			c.peer = ClientOf(c.remote)
			c.port = strconv.AppendUint(nil, uint64(peer.Port()), 10)
		}
		switch a := conn.Listener().(type) {
		case *net.TCPAddr:
			c.serverName, c.serverPort = a.IP.String(), strconv.Itoa(a.Port)
		case net.Addr:
			c.unixName = a.String()
		}
		conn.UserData = c
	}
	c.mu.Lock()
	c.turn++
	c.gone = false
	c.mu.Unlock()
	c.x = x
	c.failed = Failure{}
	c.origin, c.receive, c.requestID = c.remote, 0, c.requestID[:0]
	c.Report = Report{}
	x.OnDone = c.onDone
	c.refs.Store(2)
	return c
}

// readBody buffers the request body and reports whether the request may go on.
func (h *handler) readBody(c *Call, x *http1.Exchange) bool {
	if x.ContentLength == 0 {
		return true
	}
	if x.ContentLength > 0 && x.ContentLength <= spool.InlineBody {
		if p := x.InlineBody(); p != nil {
			c.inline = p
			return true
		}
	}
	err := c.body.Fill(x, x.ContentLength)
	var v http1.Verdict
	switch {
	case err == nil:
		c.inline = c.body.Bytes()
		c.BodyFile = c.body.File()
		return true
	case errors.As(err, &v):
		c.refs.Store(1) // the engine answers its verdict
	case errors.Is(err, spool.ErrFull):
		h.s.complain(h.s.cfg.Errorf, "request body refused: %v", err)
		c.refs.Store(1)
		x.CloseAfter()
		x.Error(503, 5)
	default: // the connection failed
		c.mu.Lock()
		c.gone = true
		c.mu.Unlock()
		c.refs.Store(1)
		x.Abort()
	}
	return false
}

// longestName bounds what of a request target the log shows when something went wrong, in bytes.
const longestName = 500

// build makes the packet's payload: the environ as PEP 3333 and gunicorn have it. It is false when the request contradicts itself.
func (c *Call) build() bool {
	x, e := c.x, &c.environ
	peer := x.RemoteAddr()
	scheme, trust := "http", trusted(peer)
	if trust {
		var ok bool
		if scheme, ok = schemeOf(x.Fields); !ok {
			return false
		}
	}
	e.Reset()
	e.Set(wsgi.KeyRequestMethod, x.Method)
	e.Set(wsgi.KeyRawURI, x.Target)
	e.Set(wsgi.KeyPathInfo, x.Path)
	e.Set(wsgi.KeyQueryString, x.RawQuery)
	e.SetString(wsgi.KeyServerProtocol, protocolNames[min(x.Minor, 1)])
	e.SetString(wsgi.KeyURLScheme, scheme)
	c.serverAddress(scheme)
	e.Set(wsgi.KeyRemoteAddr, c.remote)
	if peer != (netip.AddrPort{}) {
		e.Set(wsgi.KeyRemotePort, c.port)
	}
	size := int64(len(c.inline))
	if c.BodyFile != nil {
		size = c.body.Size()
	}
	chunked := x.ContentLength < 0
	if chunked { // the length is known by now, and Django reads nothing without it
		c.size = strconv.AppendInt(c.size[:0], size, 10)
		e.Set(wsgi.KeyContentLength, c.size)
	}
	c.Client = c.peer
	for i := range x.Fields {
		f := &x.Fields[i]
		if trust && equalFold(f.Name, "x-forwarded-for") {
			c.origin = bytes.TrimSpace(lastOf(f.Value))
			c.Client = ClientOf(c.origin)
		}
		if len(c.requestID) > 0 && equalFold(f.Name, requestIDField) {
			continue // set below
		}
		if (!trust && forwarded(f.Name)) || (chunked && equalFold(f.Name, "transfer-encoding")) {
			continue
		}
		e.Field(f.Name, f.Value)
	}
	if len(c.requestID) > 0 {
		e.Field(requestIDName, c.requestID)
	}
	c.Payload = e.Payload(uint64(size), c.inlineBody())
	c.Pairs = e.Pairs()
	c.name = append(append(append(c.name[:0], x.Method...), ' '), x.Target[:min(len(x.Target), longestName)]...)
	c.key = appendRouteKey(c.key[:0], x.Method, x.Path)
	c.Key = c.key
	c.Idempotent = string(x.Method) == "GET" || string(x.Method) == "HEAD"
	return true
}

func (c *Call) inlineBody() []byte {
	if c.BodyFile != nil {
		return nil
	}
	return c.inline
}

// serverAddress sets SERVER_NAME and SERVER_PORT: the listener's address, never Host, as gunicorn has it; on a unix socket, which has
// none, what Host says.
func (c *Call) serverAddress(scheme string) {
	e := &c.environ
	if c.serverName != "" {
		e.SetString(wsgi.KeyServerName, c.serverName)
		e.SetString(wsgi.KeyServerPort, c.serverPort)
		return
	}
	host, port := splitHost(c.x.Host)
	if len(host) == 0 {
		e.SetString(wsgi.KeyServerName, c.unixName)
		e.SetString(wsgi.KeyServerPort, "")
		return
	}
	e.Set(wsgi.KeyServerName, host)
	switch {
	case len(port) > 0:
		e.Set(wsgi.KeyServerPort, port)
	case scheme == "https":
		e.SetString(wsgi.KeyServerPort, "443")
	default:
		e.SetString(wsgi.KeyServerPort, "80")
	}
}

// splitHost cuts a valid authority into host and port.
func splitHost(authority []byte) (host, port []byte) {
	for i := len(authority) - 1; i >= 0; i-- {
		switch authority[i] {
		case ':':
			return authority[:i], authority[i+1:]
		case ']':
			return authority, nil
		}
	}
	return authority, nil
}

var protocolNames = [2]string{"HTTP/1.0", "HTTP/1.1"}
