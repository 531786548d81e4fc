package server

import (
	"bytes"
	"net"
	"strconv"
	"sync/atomic"

	"github.com/gounicorn/gounicorn/server/exchange"
)

// The ports that an URL need not name.
const (
	portHTTP  = 80
	portHTTPS = 443
)

// Redirect is a Responder that sends clients of plain HTTP to https. Its methods may be called concurrently.
type Redirect struct {
	// Except are beginnings of paths that stay with plain HTTP.
	Except []string

	port atomic.Int32 // that speaks https
}

// SetPort says where https is spoken. A client that named no port in its URL, but did not come to port 80, came through somebody who
// maps the ports, and is sent to 443.
func (r *Redirect) SetPort(port int) { r.port.Store(int32(port)) }

// Name implements exchange.Responder.
func (r *Redirect) Name() string { return "redirect" }

// Respond implements exchange.Responder. A request that a trusted proxy received by https is not redirected.
func (r *Redirect) Respond(x exchange.Exchange) bool {
	q := x.Request()
	if x.Conn().TLS() != nil || q.Scheme != "http" {
		return false
	}
	for _, path := range r.Except {
		if bytes.HasPrefix(q.Path, []byte(path)) {
			return false
		}
	}
	host, named := splitHost(q.Host)
	if len(host) == 0 { // HTTP/1.0
		x.Error(400, 0)
		return true
	}
	to := append([]byte("https://"), host...)
	port := int(r.port.Load())
	here, _ := x.Conn().Listener().(*net.TCPAddr)
	mapped := len(named) == 0 && here != nil && here.Port != portHTTP
	if port != portHTTPS && port != 0 && !mapped {
		to = strconv.AppendInt(append(to, ':'), int64(port), 10)
	}
	if len(q.RawPath) == 0 {
		to = append(to, '/')
	}
	to = append(to, q.RawPath...)
	if i := bytes.IndexByte(q.Target, '?'); i >= 0 {
		to = append(to, q.Target[i:]...)
	}
	status := 308
	if m := string(q.Method); m == "GET" || m == "HEAD" {
		status = 301
	}
	if err := x.Start(status, nil); err != nil {
		x.Abort()
		return true
	}
	if err := x.Field([]byte("Location"), to); err != nil {
		x.Error(400, 0) // a host that no URL can have
		return true
	}
	_ = x.Finish(nil) // nothing can disagree with an empty body
	return true
}
