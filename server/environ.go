package server

import (
	"bytes"
	"strconv"

	"github.com/gounicorn/gounicorn/server/exchange"
	"github.com/gounicorn/gounicorn/server/http1"
	"github.com/gounicorn/gounicorn/wsgi"
)

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
