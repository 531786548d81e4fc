package http1

import (
	"net/netip"
	"sync"
	"sync/atomic"
	"time"
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

// Gone says how a client left.
type Gone uint8

// The ways of leaving.
const (
	// HalfClosed means that the client will send no more. It may still wait
	// for the answer, or may have closed: TCP does not tell.
	HalfClosed Gone = iota + 1
	// Reset means that the connection failed: nobody can get the answer.
	Reset
)

// Result is how an exchange ended.
type Result struct {
	Status int   // of the final answer, 0 if there was none
	Sent   int64 // bytes of the body, without framing, handed to the kernel
	Err    error // nil if the whole answer was handed to the kernel
}

// States of the answer. They only go forward, except that a head that was
// begun may be given up for an error page.
const (
	stateOpen      int32 = iota // no answer yet
	stateBuilding               // Start was called
	stateCommitted              // the answer is being written
	stateOver                   // ended
)

// Exchange is one request and its answer. It belongs to its connection and is
// used again for the next request.
//
// The request part may be read from any goroutine until the exchange has
// ended; all byte slices alias the connection's buffer and end with it. Read
// and InlineBody belong to ServeHTTP1. The answer may be given from any
// goroutine, by one at a time. After Finish, Error or Abort have been called,
// and after OnDone of a Stream, nobody but ServeHTTP1 itself may touch the
// Exchange, because it may already serve the next request.
type Exchange struct {
	Method        []byte
	Target        []byte    // as sent
	Path          []byte    // percent-decoded once
	RawPath       []byte    // as sent; empty if the target has none
	RawQuery      []byte    // behind the "?", as sent
	Host          []byte    // authority of the target or value of Host, nil if neither
	Minor         int       // 1 for HTTP/1.1
	Fields        []Field   // in order, with the names as sent
	Dropped       int       // fields dropped by rule ("_" in names, Proxy)
	ContentLength int64     // -1 if the body is chunked, 0 if there is none
	KeepAlive     bool      // the client wants to keep the connection
	Received      time.Time // when the head was complete

	// OnDone, if set inside ServeHTTP1, is called exactly once when the answer
	// was handed to the kernel or failed, on the goroutine that found out. The
	// request part is still valid. It must not block.
	OnDone func(x *Exchange, r Result)
	// UserData is for the handler; it is nil at the start of every exchange.
	UserData any

	conn     *Conn
	asterisk bool
	head     bool // HEAD
	line     []byte
	fields   []Field
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
	gone   func(Gone)
	how    Gone

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

// Conn returns the connection.
func (x *Exchange) Conn() *Conn { return x.conn }

// RemoteAddr returns the client's address, see Conn.RemoteAddr.
func (x *Exchange) RemoteAddr() netip.AddrPort { return x.conn.remote }

// LocalAddr returns our address; it is not valid for Unix sockets.
func (x *Exchange) LocalAddr() netip.AddrPort { return x.conn.LocalAddr() }

// RequestLine returns the request line as sent, without its line end.
func (x *Exchange) RequestLine() []byte { return x.line }

// Get returns the value of the first field with the name, which must be
// lower-case, or nil.
func (x *Exchange) Get(lower string) []byte {
	for i := range x.Fields {
		if foldEqual(x.Fields[i].Name, lower) {
			return x.Fields[i].Value
		}
	}
	return nil
}

// SetGone sets a function that is called on the connection's goroutine when
// the client leaves before the exchange has ended: at most once with
// HalfClosed and at most once, later or instead, with Reset. What was noticed
// before is reported at once. It may still run while the exchange is being
// ended elsewhere. Watching begins when ServeHTTP1 has returned.
func (x *Exchange) SetGone(f func(Gone)) {
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

func (x *Exchange) left(how Gone) {
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
	x.Method, x.Target, x.Path, x.RawPath, x.RawQuery, x.Host, x.line = nil, nil, nil, nil, nil, nil, nil
	x.Fields = nil
	x.Minor, x.Dropped, x.ContentLength, x.KeepAlive = 1, 0, 0, false
	x.OnDone, x.UserData = nil, nil
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
		x.how = HalfClosed
	}
	x.goneMu.Unlock()
	x.out, x.interim = nil, 0
	x.status, x.length = 0, -1
	x.hasDate, x.hasServer, x.keep = false, false, false
	x.wantClose.Store(false)
	x.Received = time.Now()
	x.state.Store(stateOpen)
}

// loadPartial fills in what an answer to a refused head depends on.
func (x *Exchange) loadPartial(h *head, b []byte) {
	if h.method.end == 0 {
		return
	}
	x.Method = h.method.of(b)
	x.Minor = int(h.minor)
	x.head = string(x.Method) == "HEAD"
}

// load fills in the request from a complete head.
func (x *Exchange) load(h *head, b []byte, f framing) {
	x.frame = f
	x.loadPartial(h, b)
	x.line = h.reqline.of(b)
	x.Target = h.target.of(b)
	x.Host = h.effectiveHost(b)
	x.Dropped = h.dropped
	x.KeepAlive = f.keep
	x.hasExpect = f.expect
	x.asterisk = h.parsed.form == formAsterisk
	x.RawQuery = h.parsed.query.of(x.Target)
	x.RawPath = h.parsed.path.of(x.Target)
	x.Path, x.path = h.parsed.decoded(x.Target, x.path)
	x.fields = x.fields[:0]
	for _, s := range h.fields {
		v := s.value.of(b)
		if s.value == h.host && h.hosts == 1 {
			v = x.Host // an absolute-form target rewrites Host
		}
		x.fields = append(x.fields, Field{s.name.of(b), v})
	}
	x.Fields = x.fields
	switch f.body {
	case bodyLength:
		x.ContentLength = f.length
		x.unread.Store(f.length)
	case bodyChunked:
		x.ContentLength = -1
		x.chunks.fields = h.seen
		x.unread.Store(unknownLength)
	}
}
