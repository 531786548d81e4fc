package server

import (
	"errors"
	"io"
	"net"
	"strconv"
	"time"

	"github.com/gounicorn/gounicorn/server/exchange"
	"github.com/gounicorn/gounicorn/server/http1"
	"github.com/gounicorn/gounicorn/server/http2"
	"github.com/gounicorn/gounicorn/server/spool"
)

// handler turns exchanges into calls, by one configuration.
type handler struct {
	s          *Server
	app        App
	trust      Trust
	responders []responder
	cfg        Answers
	pages      exchange.PageSource // of cfg
	clients    bool                // the environ has their certificates
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
	if c.req.ContentLength != 0 {
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
	c.direct = nil
	if own, ok := x.(*http1.Exchange); ok && h.cfg.Compress == nil && c.ticket == nil && own.Lends() {
		c.direct = own
	}
	c.Loan = c.direct != nil
	c.working = true
	h.s.cfg.Courtesy.Begin()
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
