package server

import (
	"bytes"
	"errors"
	"io"
	"net"
	"strconv"
	"time"

	"github.com/gounicorn/gounicorn/server/exchange"
	"github.com/gounicorn/gounicorn/server/http1"
	"github.com/gounicorn/gounicorn/server/http2"
	"github.com/gounicorn/gounicorn/server/spool"
	"github.com/gounicorn/gounicorn/wsgi"
)

// handler turns exchanges into calls, by one configuration.
type handler struct {
	s          *Server
	app        App
	trust      Trust
	responders []responder
	cfg        Answers
	clients    bool // the environ has their certificates
}

// responder is an exchange.Responder and what it says of itself.
type responder struct {
	exchange.Responder
	name   string
	silent bool
}

func newResponders(all []exchange.Responder) []responder {
	made := make([]responder, len(all))
	for i, r := range all {
		quiet, ok := r.(interface{ Silent() bool })
		made[i] = responder{r, r.Name(), ok && quiet.Silent()}
	}
	return made
}

// inbound is an exchange of ours: the engines can refuse a request with one of their verdicts.
type inbound interface {
	exchange.Exchange
	Refuse(cause http1.Cause) bool
}

// ServeHTTP1 implements http1.Handler.
func (h *handler) ServeHTTP1(x *http1.Exchange) { h.serve(x) }

// serveHTTP2 is http2.Config.Handler.
func (h *handler) serveHTTP2(x *http2.Exchange) { h.serve(x) }

// serve answers a request or hands it to the application.
func (h *handler) serve(x inbound) {
	c := h.call(x)
	if cause := c.locate(); cause != http1.CauseNone {
		x.Refuse(cause)
		return
	}
	if h.s.cfg.AccessLog.WantsRequestID() {
		c.identify(c.req.Get(requestIDField))
	}
	for i := range h.responders {
		r := &h.responders[i]
		c.by, c.silent = r.name, r.silent
		if r.Respond(x) {
			return
		}
	}
	c.by, c.silent = "", false
	if limit := c.req.BodyLimit; limit > 0 && c.req.ContentLength > limit {
		x.Refuse(http1.CauseBodyTooLarge)
		return
	}
	if h.cfg.Cache != nil && c.askCache(x) {
		return
	}
	c.refs.Store(2)
	if !h.readBody(c, x) {
		return
	}
	if c.req.ContentLength != 0 && h.s.cfg.AccessLog.Enabled() {
		c.receive = time.Since(c.req.Received)
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

// call returns the exchange's Call of before, ready for x, which alone holds it so far. A Call whose last use the app has not left yet is
// left to it.
func (h *handler) call(x inbound) *Call {
	kept := x.UserData()
	c, _ := (*kept).(*Call)
	if c == nil || c.refs.Load() != 0 {
		c = newCall(h, x.Conn())
		*kept = c
	}
	c.mu.Lock()
	c.turn++
	c.mu.Unlock()
	c.gone.Store(false)
	c.x, c.req, c.open = x, x.Request(), true
	c.failed, c.by, c.silent = Failure{}, "", false
	c.held, c.settled, c.ticket = false, false, nil
	c.receive, c.requestID, c.Key = 0, c.requestID[:0], nil
	c.Report = Report{}
	c.environ.Reset()
	x.SetDone(c.onDone)
	c.refs.Store(1)
	return c
}

// newCall returns a Call for exchanges of a connection.
func newCall(h *handler, conn exchange.Conn) *Call {
	c := &Call{h: h, conn: conn, body: spool.Body{Budget: &h.s.budget}}
	c.onDone, c.onGone = c.done, c.left
	c.trusted = h.trust.Forwarded.Has(conn.PeerAddr().Addr())
	if state := conn.TLS(); state != nil {
		c.secure = true
		if h.clients {
			c.certificate = clientEntries(state)
		}
	}
	if near := conn.RemoteAddr(); near.IsValid() {
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
	return c
}

// readBody buffers the request body and reports whether the request may go on.
func (h *handler) readBody(c *Call, x inbound) bool {
	length := c.req.ContentLength
	if length == 0 {
		return true
	}
	if length > 0 && length <= spool.InlineBody {
		if p := x.InlineBody(); p != nil {
			c.inline = p
			return true
		}
	}
	from := io.Reader(x)
	if limit := c.req.BodyLimit; limit > 0 && length < 0 {
		from = &limited{x, limit}
	}
	err := c.body.Fill(from, length)
	var v http1.Verdict
	switch {
	case err == nil:
		c.inline = c.body.Bytes()
		c.BodyFile = c.body.File()
		return true
	case errors.As(err, &v):
		c.refs.Store(1) // the engine answers its verdict
	case errors.Is(err, errBodyLimit):
		c.refs.Store(1)
		x.Refuse(http1.CauseBodyTooLarge)
	case errors.Is(err, spool.ErrFull), errors.Is(err, http2.ErrShare):
		h.s.complain(h.s.cfg.Errorf, "request body refused: %v", err)
		c.refs.Store(1)
		x.CloseAfter()
		x.Error(503, 5)
	default: // the connection failed
		c.gone.Store(true)
		c.refs.Store(1)
		x.Abort()
	}
	return false
}

var errBodyLimit = errors.New("server: body over the limit of its path")

// limited gives no more of a body of unknown length than its path may have.
type limited struct {
	io.Reader
	left int64
}

func (l *limited) Read(p []byte) (int, error) {
	n, err := l.Reader.Read(p)
	if l.left -= int64(n); l.left < 0 {
		return 0, errBodyLimit
	}
	return n, err
}

// longestName bounds what of a request target the log shows when something went wrong, in bytes.
const longestName = 500

// build makes the packet's payload: the environ as PEP 3333 and gunicorn have it. It returns why the request must be refused.
func (c *Call) build() http1.Cause {
	x, e := c.req, &c.environ
	script, path, ok := c.mount()
	if !ok {
		return http1.CauseScriptName
	}
	e.Set(wsgi.KeyRequestMethod, x.Method)
	e.Set(wsgi.KeyRawURI, x.Target)
	e.Set(wsgi.KeyPathInfo, path)
	if len(script) > 0 {
		e.Set(wsgi.KeyScriptName, script)
	}
	e.Set(wsgi.KeyQueryString, x.RawQuery)
	e.SetString(wsgi.KeyServerProtocol, protocolName(x))
	e.SetString(wsgi.KeyURLScheme, x.Scheme)
	c.serverAddress()
	c.address()
	c.identity()
	if x.User != "" {
		e.SetName("REMOTE_USER", []byte(x.User)) // RFC 3875 4.1.11
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
	strict, second := c.h.trust.DropClaims && !c.trusted, x.Major == 2
	for i := range x.Fields {
		f := &x.Fields[i]
		if len(c.requestID) > 0 && equalFold(f.Name, requestIDField) {
			continue // set below
		}
		if c.ticket != nil && (exchange.Is(f.Name, "if-none-match") || exchange.Is(f.Name, "if-modified-since")) {
			continue // the answer is for others too, who have no copy
		}
		if (strict && claims(f.Name)) || (chunked && equalFold(f.Name, "transfer-encoding")) || (second && equalFold(f.Name, "version")) {
			continue
		}
		e.Field(f.Name, f.Value)
	}
	if second { // as gunicorn has it
		e.SetName("HTTP_VERSION", versionTwo)
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
	x, trust := c.req, &c.h.trust
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

// locate finds out who asks and how: REMOTE_ADDR, the URL scheme, and who counts as the client. It returns why the request must be refused.
func (c *Call) locate() http1.Cause {
	r, trust := c.req, &c.h.trust
	c.remote, c.origin, c.remotePort, c.Client = c.near, c.near, c.port, c.client
	r.Client = c.conn.RemoteAddr().Addr()
	secure := c.secure
	if c.trusted {
		said, is, ok := trust.scheme(r.Fields)
		if !ok {
			return http1.CauseScheme
		}
		if said {
			secure = is
		}
		c.believe()
	}
	r.Scheme = "http"
	if secure {
		r.Scheme = "https"
	}
	return http1.CauseNone
}

// believe takes the client's address from the fields of a believed peer.
func (c *Call) believe() {
	r, trust := c.req, &c.h.trust
	if trust.Hops > 0 && trust.Forwarded.Has(c.conn.RemoteAddr().Addr()) {
		if hop := trust.client(r.Fields); hop.IsValid() {
			c.hop = hop.Addr().AppendTo(c.hop[:0])
			c.remote, c.origin, c.Client, c.remotePort = c.hop, c.hop, ClientOf(c.hop), nil
			r.Client = hop.Addr()
			if hop.Port() != 0 {
				c.hopPort = strconv.AppendUint(c.hopPort[:0], uint64(hop.Port()), 10)
				c.remotePort = c.hopPort
			}
			return
		}
	}
	if list := lastField(r.Fields, "x-forwarded-for"); list != nil {
		c.origin = bytes.TrimSpace(lastOf(list))
		c.Client = ClientOf(c.origin)
		if a := parseNode(c.origin); a.IsValid() {
			r.Client = a.Addr()
		}
	}
}

// lastField returns the value of the last field of a name in lower case, or nil.
func lastField(fields []exchange.Field, lower string) []byte {
	for i := len(fields) - 1; i >= 0; i-- {
		if equalFold(fields[i].Name, lower) {
			return fields[i].Value
		}
	}
	return nil
}

// address sets REMOTE_ADDR and what belongs to it.
func (c *Call) address() {
	e := &c.environ
	e.Set(wsgi.KeyRemoteAddr, c.remote)
	if c.remotePort != nil {
		e.Set(wsgi.KeyRemotePort, c.remotePort)
	}
	if proxy := c.conn.Proxy(); proxy.Protocol != "" {
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

var versionTwo = []byte("2")

func (c *Call) inlineBody() []byte {
	if c.BodyFile != nil {
		return nil
	}
	return c.inline
}

// serverAddress sets SERVER_NAME and SERVER_PORT: the listener's address, never Host, as gunicorn has it; on a unix socket, which has
// none, what Host says.
func (c *Call) serverAddress() {
	e := &c.environ
	if c.serverName != "" {
		e.SetString(wsgi.KeyServerName, c.serverName)
		e.SetString(wsgi.KeyServerPort, c.serverPort)
		return
	}
	host, port := splitHost(c.req.Host)
	if len(host) == 0 {
		e.SetString(wsgi.KeyServerName, c.unixName)
		e.SetString(wsgi.KeyServerPort, "")
		return
	}
	e.Set(wsgi.KeyServerName, host)
	switch {
	case len(port) > 0:
		e.Set(wsgi.KeyServerPort, port)
	case c.req.Scheme == "https":
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

// protocolName is SERVER_PROTOCOL.
func protocolName(r *exchange.Request) string {
	switch {
	case r.Major == 2:
		return "HTTP/2.0"
	case r.Minor == 0:
		return "HTTP/1.0"
	}
	return "HTTP/1.1"
}
