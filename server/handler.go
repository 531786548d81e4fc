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
	if cause := c.build(); cause != http1.CauseNone {
		c.refs.Store(1)
		x.Refuse(cause)
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
		c.trusted = h.s.cfg.Trust.Forwarded.Has(conn.PeerAddr().Addr())
		if near := x.RemoteAddr(); near.IsValid() {
			c.near = near.Addr().AppendTo(nil)
			c.client = ClientOf(c.near)
			c.port = strconv.AppendUint(nil, uint64(near.Port()), 10)
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
	c.x, c.open, c.remote = x, true, c.near
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

// build makes the packet's payload: the environ as PEP 3333 and gunicorn have it. It returns why the request must be refused.
func (c *Call) build() http1.Cause {
	x, e, trust := c.x, &c.environ, &c.h.s.cfg.Trust
	scheme := "http"
	if c.trusted {
		var ok bool
		if scheme, ok = trust.scheme(x.Fields); !ok {
			return http1.CauseScheme
		}
	}
	script, path, ok := c.mount()
	if !ok {
		return http1.CauseScriptName
	}
	e.Reset()
	e.Set(wsgi.KeyRequestMethod, x.Method)
	e.Set(wsgi.KeyRawURI, x.Target)
	e.Set(wsgi.KeyPathInfo, path)
	if len(script) > 0 {
		e.Set(wsgi.KeyScriptName, script)
	}
	e.Set(wsgi.KeyQueryString, x.RawQuery)
	e.SetString(wsgi.KeyServerProtocol, protocolNames[min(x.Minor, 1)])
	e.SetString(wsgi.KeyURLScheme, scheme)
	c.serverAddress(scheme)
	c.address()
	size := int64(len(c.inline))
	if c.BodyFile != nil {
		size = c.body.Size()
	}
	chunked := x.ContentLength < 0
	if chunked { // the length is known by now, and Django reads nothing without it
		c.size = strconv.AppendInt(c.size[:0], size, 10)
		e.Set(wsgi.KeyContentLength, c.size)
	}
	strict := trust.DropClaims && !c.trusted
	for i := range x.Fields {
		f := &x.Fields[i]
		if len(c.requestID) > 0 && equalFold(f.Name, requestIDField) {
			continue // set below
		}
		if (strict && claims(f.Name)) || (chunked && equalFold(f.Name, "transfer-encoding")) {
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
	return http1.CauseNone
}

// mount returns SCRIPT_NAME and PATH_INFO. A believed peer's field of that name, with the underscore, wins over the configuration; the
// engine lets it through from nobody else, unless header_map is dangerous. What is taken off is what was sent, before its escapes are
// decoded, as in gunicorn. ok is false when the path does not begin so.
func (c *Call) mount() (script, path []byte, ok bool) {
	x, trust := c.x, &c.h.s.cfg.Trust
	for i := range x.Fields {
		if equalFold(x.Fields[i].Name, "script_name") {
			script = x.Fields[i].Value
		}
	}
	switch {
	case script != nil:
	case trust.ScriptName == "":
		return nil, x.Path, true
	default:
		c.scratch = append(c.scratch[:0], trust.ScriptName...)
		script = c.scratch
	}
	if !bytes.HasPrefix(x.RawPath, script) {
		return nil, nil, false
	}
	c.path = http1.AppendDecoded(c.path[:0], x.RawPath[len(script):])
	return script, c.path, true
}

// address sets REMOTE_ADDR and what belongs to it, and who counts as the client in turns among clients.
func (c *Call) address() {
	x, e, trust := c.x, &c.environ, &c.h.s.cfg.Trust
	c.Client = c.client
	port := c.port
	if c.trusted {
		hop := netip.AddrPort{}
		if near := x.RemoteAddr(); trust.Hops > 0 && trust.Forwarded.Has(near.Addr()) {
			hop = trust.client(x.Fields)
		}
		if hop.IsValid() {
			c.hop = hop.Addr().AppendTo(c.hop[:0])
			c.remote, c.origin, c.Client, port = c.hop, c.hop, ClientOf(c.hop), nil
			if hop.Port() != 0 {
				c.scratch = strconv.AppendUint(c.scratch[:0], uint64(hop.Port()), 10)
				port = c.scratch
			}
		} else {
			for i := range x.Fields {
				if equalFold(x.Fields[i].Name, "x-forwarded-for") {
					c.origin = bytes.TrimSpace(lastOf(x.Fields[i].Value))
					c.Client = ClientOf(c.origin)
				}
			}
		}
	}
	e.Set(wsgi.KeyRemoteAddr, c.remote)
	if port != nil {
		e.Set(wsgi.KeyRemotePort, port)
	}
	if proxy := x.Conn().Proxy(); proxy.Protocol != "" {
		c.scratch = append(c.scratch[:0], proxy.Protocol...)
		e.SetName("PROXY_PROTOCOL", c.scratch)
		if proxy.Dest.IsValid() {
			c.scratch = proxy.Dest.Addr().AppendTo(c.scratch[:0])
			e.SetName("PROXY_ADDR", c.scratch)
			c.scratch = strconv.AppendUint(c.scratch[:0], uint64(proxy.Dest.Port()), 10)
			e.SetName("PROXY_PORT", c.scratch)
		}
	}
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
