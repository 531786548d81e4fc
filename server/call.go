package server

import (
	"errors"
	"io"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"github.com/gounicorn/gounicorn/server/accesslog"
	"github.com/gounicorn/gounicorn/server/cache"
	"github.com/gounicorn/gounicorn/server/exchange"
	"github.com/gounicorn/gounicorn/server/http1"
	"github.com/gounicorn/gounicorn/server/metrics"
	"github.com/gounicorn/gounicorn/server/spool"
	"github.com/gounicorn/gounicorn/wsgi"
)

// App runs requests.
type App interface {
	// Serve takes a call. It must end it exactly once, from any goroutine and perhaps before it returns: by Head, Body or File with
	// end set, by Abort, Left or Fail.
	Serve(c *Call)
	// Withdraw takes a call back that has not started. It returns true when the app has forgotten the call and will not end it; false
	// when the call runs or has ended.
	Withdraw(c *Call) bool
	// Abandon says that nobody waits for the response any more. The app may hurry, and ends the call as usual. It may find the call
	// ended already.
	Abandon(c *Call)
	// HalfClosed says that the client has ended its side of the connection. Most who do have left, but TCP does not tell: a call that
	// runs goes on, and the app may only learn from it. It may find the call ended already.
	HalfClosed(c *Call)
}

// Report is what the app knows of a call when it ends it.
type Report struct {
	Queued, Run time.Duration
	PID         int           // of the worker; 0 if none was involved
	Waited      time.Duration // of Run, for a processor; negative: not known
	Lane        string        // empty if it got none
	Slow        bool          // was counted as slow
	Retried     bool
}

var (
	errAborted = errors.New("server: response aborted")
	errGone    = errors.New("server: client left")
)

// pastHalf is how long the request of a client that closed its side may wait for a worker, from its arrival on. TCP does not tell whether
// the client still listens. Who does has closed its side with the end of the request; who closes later has left, and waits in vain.
// Both get 503 in place of a worker.
const pastHalf = time.Second

// Call is one request on its way to the App and back. The exported fields are the app's to read from Serve on until it ends the
// call; Report is its to fill before. The methods are for the app, one goroutine at a time.
type Call struct {
	Payload    []byte // of a REQUEST packet
	Pairs      int
	BodyFile   *os.File // request body when it is not in Payload
	Key        []byte   // route key
	Client     uint64   // who asks, see ClientOf; 0: not known
	Idempotent bool     // may be run a second time if nothing came of the first (RFC 9110 9.2.2)
	Loan       bool     // the app may use Lend
	Report     Report
	Extra      any // the app's own; it stays when the call is used again

	h           *handler
	conn        exchange.Conn
	x           exchange.Exchange
	direct      *http1.Exchange   // x, if the app may write to its connection; else nil
	req         *exchange.Request // of x
	environ     wsgi.Environ
	body        spool.Body
	inline      []byte // the body when it is small
	size        []byte // its length as text, when it came in chunks
	key         []byte
	name        []byte  // method and target, for the log
	lane        []byte  // likewise
	path        []byte  // PATH_INFO, where it is not the path
	open        bool    // the exchange runs: its end will be logged
	by          string  // the Responder that was asked last; empty: the app
	silent      bool    // it wants no line in the access log
	trusted     bool    // the peer's fields are believed; of the connection
	secure      bool    // it has TLS
	certificate []entry // of the connection's client
	near        []byte  // address of the connection's client as text: the peer, or who its PROXY header names
	client      uint64  // ClientOf(near)
	port        []byte  // that goes with near
	remote      []byte  // REMOTE_ADDR: near, or hop
	hop         []byte  // address that the fields of a believed peer name
	hopPort     []byte  // and its port
	remotePort  []byte  // that goes with remote, nil if it is not known
	scratch     []byte
	origin      []byte // whose turn it is: near, or what a believed peer says; of the request
	user        []byte // for the log, as what follows
	receive     time.Duration
	entry       accesslog.Entry
	// requestID is empty unless the log wants ids.
	requestID []byte
	// The listener's address; on a unix socket only unixName is not empty.
	serverName, serverPort, unixName string

	buffer  *spool.Buffer // a response that comes in pieces
	kept    []byte        // payload of a HEAD frame, while held
	held    bool          // the answer waits for its next frame, see holds
	settled bool          // the exchange has been answered, whatever the app still gives
	ticket  *cache.Ticket // others may wait for this run; nil: not so
	working bool          // Courtesy has been told of it
	refs    atomic.Int32  // the app and the exchange; the call can be used again at 0
	failed  Failure

	gone atomic.Bool // the client left before the response was complete

	mu   sync.Mutex // guards what follows
	turn int        // counts the uses

	onDone func(exchange.Exchange, exchange.Result)
	onGone func(exchange.Gone)
}

// Failure is why the app could not answer; it decides the status.
type Failure struct {
	Status     int // 500, 502, 503 or 504
	RetryAfter int // seconds; 0: not said
	Refused    metrics.Refusal
}

// release drops one of the two holds on the call.
func (c *Call) release() {
	if c.refs.Add(-1) == 0 {
		c.leave()
		if c.ticket != nil {
			c.ticket.Drop()
		}
		c.body.Release()
		c.BodyFile, c.Payload, c.inline, c.buffer = nil, nil, nil, nil
		if cap(c.kept) > largeBody {
			c.kept = nil
		}
		c.environ.Trim()
	}
}

// leave tells the gate of the files that the application has done with the request.
func (c *Call) leave() {
	if !c.working {
		return
	}
	c.working = false
	if r := &c.Report; !r.Slow && r.Waited >= 0 {
		c.h.s.cfg.Courtesy.End(r.Run, r.Waited)
	} else {
		c.h.s.cfg.Courtesy.End(0, 0) // slow work waits by its own will: its priority is lower
	}
}

// String describes the request for the log. It may be called until the app has ended the call.
func (c *Call) String() string { return string(c.name) }

// Head gives status line and fields, as the payload of a HEAD frame, with the first bytes of the body; if there are none in it they may be in
// body, which is valid during the call. end says that this is the whole response. An error means that the payload is malformed; the call has been ended if end is set.
func (c *Call) Head(status int, payload, body []byte, end bool) error {
	head, err := wsgi.ParseHead(status, payload)
	if err != nil {
		c.refuse(end)
		return err
	}
	if len(head.Body) == 0 {
		head.Body = body
	}
	if !end && c.holds(&head) {
		c.held, c.kept = true, append(c.kept[:0], payload...)
		return nil
	}
	c.answer(&head, end)
	return nil
}

// Lend is Head for a whole response whose body has not come to us yet, for calls with Loan set: loan gets or sends it. payload is valid until loan.Back
// is called, which is done in any case, once, before anybody learns that the call is over. It ends the call.
func (c *Call) Lend(status int, payload []byte, loan exchange.Loan) error {
	head, err := wsgi.ParseHead(status, payload)
	if err == nil && len(head.Body) > 0 {
		err = errLoanBody
	}
	if err != nil {
		_, _, _ = fetch(loan)
		c.refuse(true)
		return err
	}
	x, h := c.direct, c.h
	if x == nil || c.ticket != nil || ordersOf(&head).any || (h.cfg.OverridePages && head.Status >= 500) {
		c.kept = append(c.kept[:0], payload...)
		_, body, err := fetch(loan)
		if err != nil {
			c.Fail(Failure{Status: 502})
			return nil // who waits for the worker says why it died
		}
		return c.Head(status, c.kept, body, true)
	}
	if !c.start(&head) {
		_, _, _ = fetch(loan)
		c.refuse(true)
		return nil
	}
	if err := x.FinishLoan(lent{loan, c}, h.keep); err != nil {
		h.s.complain(h.s.cfg.Warnf, "response of the application: %v", err)
	}
	return nil
}

// fetch lends nothing and so gets the whole body.
func fetch(loan exchange.Loan) (sent int, body []byte, err error) {
	_ = loan.Lend(-1) // Back finds the error again
	return loan.Back()
}

// lent is the loan of a call, which ends with it.
type lent struct {
	exchange.Loan
	c *Call
}

// Back implements exchange.Loan.
func (l lent) Back() (sent int, rest []byte, err error) {
	sent, rest, err = l.Loan.Back()
	l.c.h.s.cfg.Metrics.Lent(sent)
	l.c.release()
	return sent, rest, err
}

var errLoanBody = errors.New("server: a head with a body of its own and another one")

// refuse answers for an app whose response cannot be sent; what still comes of it is dropped.
func (c *Call) refuse(end bool) {
	x := c.x
	c.settled = true
	if end {
		c.release()
	}
	refuse(x, 500, 0)
}

// Body gives more bytes of the body.
func (c *Call) Body(p []byte, end bool) {
	c.proceed()
	if t := c.ticket; t != nil && t.Body(p) && end {
		t.Store()
	}
	c.piece(end, func(b *spool.Buffer) { b.Append(p) })
}

// File gives n bytes of f from off as the next piece of the body. f becomes the call's.
func (c *Call) File(f *os.File, off, n int64, end bool) {
	if c.held && end && c.sendWhole(f, off, n) {
		return
	}
	c.proceed()
	if c.ticket != nil {
		c.ticket.Pass()
	}
	if c.buffer == nil || off < 0 || n < 0 {
		_ = f.Close()
		c.piece(end, func(*spool.Buffer) {})
		return
	}
	c.piece(end, func(b *spool.Buffer) { b.AppendFile(f, off, n) })
}

func (c *Call) piece(end bool, add func(*spool.Buffer)) {
	b := c.buffer
	if b == nil { // the exchange has been answered without it
		if end {
			c.release()
		}
		return
	}
	add(b)
	if end {
		b.End(io.EOF)
		c.release()
	}
}

// Interim gives an informational response such as 103.
func (c *Call) Interim(status int, payload []byte) error {
	head, err := wsgi.ParseHead(status, payload)
	if err != nil || c.settled {
		return err
	}
	fields := make([]exchange.Field, 0, head.Len())
	head.Fields(func(name, value []byte) bool {
		fields = append(fields, exchange.Field{Name: name, Value: value})
		return true
	})
	if err := c.x.Interim(status, fields); err != nil && !errors.Is(err, exchange.ErrState) {
		c.h.s.complain(c.h.s.cfg.Warnf, "interim response of %s: %v", c, err)
	}
	return nil
}

// Room blocks while the response cannot be buffered, until stop is closed.
func (c *Call) Room(stop <-chan struct{}) {
	if b := c.buffer; b != nil {
		b.Room(stop)
	}
}

// Abort ends the call because the application failed: with a page when nothing was sent yet, otherwise by cutting the connection, so
// that nobody takes half a response for a whole one.
func (c *Call) Abort() { c.Fail(Failure{Status: 500}) }

// Left ends the call of a worker that stopped because the client had left. If it has not, the worker is mistaken, and that is a failure.
func (c *Call) Left() {
	c.mu.Lock() // whoever has noticed it is done with the call then
	gone := c.gone.Load()
	c.mu.Unlock()
	b, x := c.buffer, c.x
	switch {
	case c.settled:
		c.release()
	case !gone:
		c.Abort()
	case b != nil:
		c.release()
		b.End(errGone)
	default:
		c.release()
		x.Abort()
	}
}

// Fail ends the call without (the rest of) a response.
func (c *Call) Fail(f Failure) {
	if c.settled {
		c.release()
		return
	}
	c.failed = f
	b, x := c.buffer, c.x
	if t := c.ticket; t != nil {
		old := t.Stale()
		t.Drop()
		if b == nil && old != nil {
			c.settle(true, func(x exchange.Exchange) { c.h.finish(x, kept(old, c.req, cache.Stale)) })
			return
		}
	}
	c.release()
	if b != nil {
		b.End(&exchange.StatusError{Status: f.Status, RetryAfter: f.RetryAfter, Err: errAborted})
		return
	}
	refuse(x, f.Status, f.RetryAfter)
}

// left is called on the connection's goroutine when the client leaves.
func (c *Call) left(how exchange.Gone) {
	c.mu.Lock()
	turn := c.turn
	var grace time.Duration
	if how == exchange.HalfClosed && c.refs.Load() > 1 {
		grace = c.grace()
	}
	c.mu.Unlock()
	if grace > 0 {
		time.AfterFunc(grace, func() { c.withdraw(turn, how) })
		return
	}
	c.withdraw(turn, how)
}

// grace is how long the request of a client that closes its side now may still wait for a worker; not at all if it is not positive.
func (c *Call) grace() time.Duration { return pastHalf - (time.Since(c.req.Received) - c.receive) }

// withdraw tells the app that the client of the given use of the call left, and ends the call when it had not started.
func (c *Call) withdraw(turn int, how exchange.Gone) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.turn != turn || c.refs.Load() < 2 {
		return
	}
	x := c.x
	if how == exchange.HalfClosed {
		// It may only have shut its side: a request that runs gets its answer.
		switch {
		case c.h.app.Withdraw(c):
			c.gone.Store(true)
			c.h.s.cfg.Metrics.ClientGone(metrics.StageQueued)
			c.release()
			x.Error(503, 1)
		case c.ticket == nil:
			c.h.app.HalfClosed(c)
		}
		return
	}
	c.gone.Store(true)
	if c.h.app.Withdraw(c) {
		c.release()
		x.Abort()
		return
	}
	b := c.buffer
	if c.ticket != nil && b == nil {
		return // others may wait for this run
	}
	c.h.app.Abandon(c)
	if b != nil {
		b.End(errGone)
	}
}
