package http2

import (
	"context"
	"net/http"
	"runtime/debug"
	"sync"
	"sync/atomic"
	"time"

	"github.com/gounicorn/gounicorn/server/exchange"
	"github.com/gounicorn/gounicorn/server/http1"
)

// States of the answer. They only go forward, except that a head that was begun may be given up for an error page.
const (
	stateOpen      int32 = iota // no answer yet
	stateBuilding               // Start was called
	stateCommitted              // the answer is fixed, and sent by the goroutine of the stream
)

// Exchange is one stream, see exchange.Exchange. It serves a later stream of its connection when it has ended.
type Exchange struct {
	conn     *Conn
	userData any // the handler's
	req      exchange.Request
	head     http1.Head
	arena    []byte   // the head, which req aliases
	room     int64    // bytes taken from Config.Room
	names    []string // of its fields

	w    http.ResponseWriter
	ctl  *http.ResponseController
	hr   *http.Request
	ctx  context.Context
	done func(exchange.Exchange, exchange.Result)
	body body

	state  atomic.Int32
	isHead bool
	closes atomic.Bool
	wake   chan struct{} // something for the goroutine of the stream, of capacity 1

	mu       sync.Mutex // guards what follows
	sending  bool       // w may be used
	interims []interim
	given    given
	stopGone func() bool
	goneOver chan struct{} // closed when the function of SetGone has returned

	// The head of the answer, owned by whoever gives it until it is committed, and then by the goroutine of the stream.
	status    int
	length    int64 // Content-Length given by the application, -1 if none
	fields    []field
	values    []string
	hasDate   bool
	hasServer bool
	sent      int64 // bytes of the body
	tail      bool  // net/http still keeps some of them
	timer     *time.Timer
	writing   atomic.Int64 // since when a piece is being sent, in ns of Unix time; 0: none
	reading   atomic.Int64 // since when bytes of the body are waited for, likewise
}

// field is a field of an answer. The name is in the form that net/http wants.
type field struct{ name, value string }

// interim is an informational answer.
type interim struct {
	status int
	fields []field
}

// Ways of giving an answer.
const (
	nothing uint8 = iota
	whole         // body
	pieces        // src
	aborted       // neither
)

// given is the answer as it was fixed.
type given struct {
	how    uint8
	body   []byte
	room   *[]byte // of body, back to the pool
	src    exchange.Source
	length int64 // of the body, -1 if it is not known
	err    error // why it is aborted
}

var _ exchange.Exchange = (*Exchange)(nil)

// serve is the http.Handler.
func (s *Server) serve(w http.ResponseWriter, hr *http.Request) {
	c, _ := hr.Context().Value(connKey{}).(*Conn)
	var x *Exchange
	if c != nil && hr.ProtoMajor == 2 {
		x = c.take()
	}
	if x == nil {
		panic(http.ErrAbortHandler) // the connection was given up
	}
	x.begin(w, hr)
	x.run()
	reset := x.send()
	x.clear()
	c.give(x)
	if reset {
		panic(http.ErrAbortHandler) // net/http resets the stream
	}
}

// begin prepares x for a new stream.
func (x *Exchange) begin(w http.ResponseWriter, hr *http.Request) {
	x.w, x.hr, x.ctx, x.ctl = w, hr, hr.Context(), http.NewResponseController(w)
	x.req = exchange.Request{Major: 2, Received: time.Now()}
	x.body = body{}
	x.state.Store(stateOpen)
	x.closes.Store(false)
	x.isHead = hr.Method == http.MethodHead
	x.sending = true
	x.sent, x.tail = 0, false
	x.reset()
	x.conn.requests.Add(1)
}

// clear lets go of what belongs to the stream.
func (x *Exchange) clear() {
	x.w, x.hr, x.ctx, x.ctl, x.done = nil, nil, nil, nil, nil
	x.given, x.stopGone, x.goneOver = given{}, nil, nil
	if cap(x.arena) > keptHead {
		x.arena, x.head = nil, http1.Head{}
	}
	select {
	case <-x.wake:
	default:
	}
}

// keptHead is the size of a head in bytes for which an exchange keeps memory.
const keptHead = 8 << 10

// run reads the head and has the request answered.
func (x *Exchange) run() {
	defer func() {
		if v := recover(); v != nil {
			x.panicked(v)
			if x.claim() {
				x.page(500, 0, "")
			} else {
				x.abort(exchange.ErrAborted, stateBuilding)
			}
		}
	}()
	switch cause := x.load(); {
	case cause != http1.CauseNone:
		x.Refuse(cause)
	case x.head.Asterisk():
		x.options()
	default:
		x.conn.cfg.Handler(x)
		x.afterHandler()
	}
}

func (x *Exchange) panicked(v any) {
	if f := x.conn.cfg.OnPanic; f != nil {
		f(x.conn, v, debug.Stack())
	}
}

// Request returns the request.
func (x *Exchange) Request() *exchange.Request { return &x.req }

// Conn returns the connection.
func (x *Exchange) Conn() exchange.Conn { return x.conn }

// UserData is the handler's own; it stays for another exchange of the connection.
func (x *Exchange) UserData() *any { return &x.userData }

// SetDone sets a function that is called exactly once when the answer was handed over or failed, on the goroutine of the stream. The last
// bytes of a short answer are on their way then, and not yet with the kernel.
func (x *Exchange) SetDone(f func(exchange.Exchange, exchange.Result)) { x.done = f }

// SetGone sets a function that is called with Reset, on a goroutine of its own, when the client breaks the stream off or its connection
// ends before the exchange has ended.
func (x *Exchange) SetGone(f func(exchange.Gone)) {
	x.mu.Lock()
	defer x.mu.Unlock()
	if x.stopGone != nil && x.stopGone() {
		x.stopGone = nil
	}
	if f == nil || x.stopGone != nil {
		return
	}
	over := make(chan struct{})
	x.goneOver = over
	x.stopGone = context.AfterFunc(x.ctx, func() {
		defer close(over)
		f(exchange.Reset)
	})
}

// HalfClosed is always false: a stream whose client has sent everything waits for its answer.
func (x *Exchange) HalfClosed() bool { return false }

// CloseAfter makes the connection end when its streams have: GOAWAY is sent with this answer.
func (x *Exchange) CloseAfter() { x.closes.Store(true) }

// end reports the result, when nothing is sent any more.
func (x *Exchange) end(r exchange.Result) {
	x.mu.Lock()
	x.sending = false
	stop, over := x.stopGone, x.goneOver
	x.mu.Unlock()
	if stop != nil && !stop() {
		<-over // it may not meet the next stream
	}
	if f := x.done; f != nil {
		f(x, r)
	}
	x.conn.held.Add(-x.body.read)
	x.conn.cfg.Room.Give(x.room)
	x.room = 0
	if g := &x.given; g.room != nil {
		bodies.Put(g.room)
	}
}
