package http1

import (
	"sync"
	"sync/atomic"
	"time"

	"github.com/gounicorn/gounicorn/server/exchange"
)

// Handler answers requests.
type Handler interface {
	// ServeHTTP1 is called on the connection's goroutine and may return before
	// the answer exists. Somebody must end every exchange exactly once, by
	// Finish, Stream, Error or Abort; until then the connection serves nothing
	// else. It is not called again for a connection before the exchange ended.
	ServeHTTP1(x *Exchange)
}

// HandlerFunc is a function that is a Handler.
type HandlerFunc func(x *Exchange)

// ServeHTTP1 calls f.
func (f HandlerFunc) ServeHTTP1(x *Exchange) { f(x) }

// States of the answer. They only go forward, except that a head that was
// begun may be given up for an error page.
const (
	stateOpen      int32 = iota // no answer yet
	stateBuilding               // Start was called
	stateCommitted              // the answer is being written
	stateOver                   // ended
)

// Exchange is one request and its answer, see exchange.Exchange. It belongs to
// its connection and is used again for the next request; all byte slices of the
// request alias the connection's buffer. Watching for the client's leaving
// begins when ServeHTTP1 has returned.
type Exchange struct {
	req  exchange.Request
	done func(exchange.Exchange, exchange.Result)

	conn     *Conn
	asterisk bool
	head     bool // HEAD
	fields   []exchange.Field
	path     []byte

	// The body, owned by the connection's goroutine but for the atomics.
	frame     framing
	chunks    chunked
	received  int64
	bodyErr   error
	undrained bool
	hasExpect bool
	unread    atomic.Int64 // bytes of the body not yet read, or unknownLength
	continued atomic.Bool

	goneMu sync.Mutex // guards gone and how
	gone   func(exchange.Gone)
	how    exchange.Gone

	// The answer, owned by whoever gives it.
	state     atomic.Int32
	wantClose atomic.Bool
	wmu       sync.Mutex // guards writing to the connection against sendContinue
	out       []byte     // head under construction, behind unsent interim answers
	outBuf    *buffer
	interim   int // bytes of out that belong to interim answers
	status    int
	length    int64 // Content-Length given by the application, -1 if none
	hasDate   bool
	hasServer bool
	keep      bool // the connection stays open after this answer
}

// Request returns the request.
func (x *Exchange) Request() *exchange.Request { return &x.req }

// Conn returns the connection.
func (x *Exchange) Conn() exchange.Conn { return x.conn }

// UserData is the handler's own; it stays for the next exchange of the
// connection. Only the handler touches it, inside ServeHTTP1.
func (x *Exchange) UserData() *any { return &x.conn.userData }

// SetDone sets a function that is called exactly once when the answer was
// handed to the kernel or failed, on the goroutine that found out. It must be
// called inside ServeHTTP1. The function must not block.
func (x *Exchange) SetDone(f func(exchange.Exchange, exchange.Result)) { x.done = f }

// SetGone sets a function that is called on the connection's goroutine when
// the client leaves before the exchange has ended: at most once with
// HalfClosed and at most once, later or instead, with Reset. What was noticed
// before is reported at once. It may still run while the exchange is being
// ended elsewhere. Watching begins when ServeHTTP1 has returned.
func (x *Exchange) SetGone(f func(exchange.Gone)) {
	x.goneMu.Lock()
	x.gone = f
	how := x.how
	x.goneMu.Unlock()
	if how != 0 && f != nil {
		f(how)
	}
}

// HalfClosed reports whether the client has ended its side of the connection.
func (x *Exchange) HalfClosed() bool {
	x.goneMu.Lock()
	defer x.goneMu.Unlock()
	return x.how != 0
}

func (x *Exchange) left(how exchange.Gone) {
	x.goneMu.Lock()
	x.how = how
	f := x.gone
	x.goneMu.Unlock()
	if f != nil {
		f(how)
	}
}

// begin prepares x for a new request on c.
func (x *Exchange) begin(c *Conn) {
	x.conn = c
	x.req = exchange.Request{Major: 1, Minor: 1, Received: time.Now()}
	x.done = nil
	x.asterisk, x.head = false, false
	x.frame, x.chunks, x.received, x.bodyErr = framing{}, chunked{}, 0, nil
	x.undrained, x.hasExpect = false, false
	x.unread.Store(0)
	x.continued.Store(false)
	c.bodySince.Store(0)
	c.bodyBytes.Store(0)
	x.goneMu.Lock()
	x.gone, x.how = nil, 0
	if c.eof {
		x.how = exchange.HalfClosed
	}
	x.goneMu.Unlock()
	x.out, x.interim = nil, 0
	x.status, x.length = 0, -1
	x.hasDate, x.hasServer, x.keep = false, false, false
	x.wantClose.Store(false)
	x.state.Store(stateOpen)
}

// loadRefused fills in what the answer to a refused head depends on.
func (x *Exchange) loadRefused(h *head, b []byte) {
	x.loadPartial(h, b)
	x.fields = h.accepts(b, x.fields)
	x.req.Fields = x.fields
}

// loadPartial fills in what every answer depends on.
func (x *Exchange) loadPartial(h *head, b []byte) {
	if h.method.end == 0 {
		return
	}
	x.req.Method = h.method.of(b)
	x.req.Minor = int(h.minor)
	x.head = string(x.req.Method) == "HEAD"
}

// load fills in the request from a complete head.
func (x *Exchange) load(h *head, b []byte, f framing) {
	x.frame = f
	x.loadPartial(h, b)
	x.hasExpect = f.expect
	x.asterisk = h.parsed.form == formAsterisk
	x.fields, x.path = h.request(b, f, &x.req, x.fields, x.path)
	switch f.body {
	case bodyLength:
		x.unread.Store(f.length)
	case bodyChunked:
		x.chunks.fields = h.seen
		x.unread.Store(unknownLength)
	}
}
