// Package exchange says what one request and its answer are, whichever version of HTTP carries them: server/http1 and server/http2 make
// exchanges; server/static, server/edge and server answer them.
//
//	exchange.go  Exchange, Conn, and what is reported of their end
//	request.go   Request and Field
//	source.go    Source: a body that comes piece by piece
//	page.go      Page: what a client reads when we answer by ourselves
package exchange

import (
	"crypto/tls"
	"errors"
	"net"
	"net/netip"
)

// Errors of the answer. After an error of Start or Field nothing has been sent, and Error can still answer.
var (
	// ErrState means that the call does not fit the state of the answer.
	ErrState = errors.New("response call out of order")
	// ErrStatus means a status code outside 200 to 999 or a bad reason.
	ErrStatus = errors.New("malformed status")
	// ErrField means a field name that is no token, or a control character in a value (row 39).
	ErrField = errors.New("malformed response field")
	// ErrHopByHop means a field that belongs to the connection and not to the application; it was not added (row 41).
	ErrHopByHop = errors.New("hop-by-hop response field")
	// ErrContentLength means a Content-Length that is malformed, given twice, or different from the announced length (row 42).
	ErrContentLength = errors.New("bad content-length")
	// ErrShortBody means that the body ended before its announced length.
	ErrShortBody = errors.New("body shorter than announced")
	// ErrLongBody means that the body was cut at its announced length.
	ErrLongBody = errors.New("body longer than announced")
	// ErrAborted means that Abort ended the exchange.
	ErrAborted = errors.New("exchange aborted")
)

// Gone says how a client left.
type Gone uint8

// The ways of leaving.
const (
	// HalfClosed means that the client will send no more. It may still wait for the answer, or may have closed: TCP does not tell.
	HalfClosed Gone = iota + 1
	// Reset means that the connection or the stream failed: nobody can get the answer.
	Reset
)

// Result is how an exchange ended.
type Result struct {
	Status int   // of the final answer, 0 if there was none
	Sent   int64 // bytes of the body, without framing, handed to the kernel
	Err    error // nil if the whole answer was handed to the kernel
}

// Exchange is one request and its answer.
//
// The request may be read from any goroutine until the exchange has ended. Read and InlineBody belong to the goroutine that the handler
// is called on, and to the time until it returns. The answer may be given from any goroutine, by one at a time, after the handler has
// returned too. Somebody must end every exchange exactly once, by Finish, FinishLarge, Stream, Error or Abort. After Finish, Error or Abort,
// and after the function of SetDone was called for a Stream, nobody but the handler itself may touch it: it may serve another request.
type Exchange interface {
	// Request returns the request.
	Request() *Request
	// Conn returns the connection.
	Conn() Conn
	// UserData is the handler's own, and only touched inside it. What it holds comes back with a later exchange of the connection.
	UserData() *any

	// Read reads the body. It returns io.EOF at the end of a complete body, an http1.Verdict if the body is malformed, too large or too
	// slow, and another error if the connection failed.
	Read(p []byte) (int, error)
	// InlineBody returns the whole body without copying if all of it has arrived, or nil. It is called before Read.
	InlineBody() []byte

	// Start begins the answer with a status of 200 to 999. An empty reason means the usual one; HTTP/2 has none.
	Start(status int, reason []byte) error
	// Field adds a field to the answer. Content-Length is remembered and checked against the body; Date and Server replace our own.
	Field(name, value []byte) error
	// Finish gives the whole body and ends the exchange. It never blocks, and keeps nothing of body. A body that may not be sent (HEAD, 204,
	// 304) is dropped; a Content-Length given with Field then stays.
	Finish(body []byte) error
	// FinishLarge is Finish for a large body: what the kernel does not take at once is given to spool, which keeps it.
	FinishLarge(body []byte, spool func(rest []byte) Source) error
	// Stream gives the body piece by piece, from a goroutine of its own, and ends the exchange when src ends. length is the length of the
	// body, or -1 if it is not known: a Content-Length given with Field counts then. If Stream returns an error nothing was sent, src was
	// closed and the exchange is not ended.
	Stream(length int64, src Source) error
	// Interim sends an informational answer, 102 or 103, before Start. It never blocks.
	Interim(status int, fields []Field) error
	// Error answers with a small page of ours and ends the exchange; a head that was begun is given up. retryAfter, in seconds, adds
	// Retry-After if it is positive. It reports false if the answer had already been committed.
	Error(status, retryAfter int) bool
	// Abort ends the exchange without a complete answer: the connection or the stream is reset.
	Abort()
	// CloseAfter makes the connection close after this answer.
	CloseAfter()

	// SetGone sets a function that is called when the client leaves before the exchange has ended: at most once with HalfClosed and at
	// most once, later or instead, with Reset. What was noticed before is reported at once.
	SetGone(f func(Gone))
	// HalfClosed reports whether the client has ended its side.
	HalfClosed() bool
	// SetDone sets a function, inside the handler, that is called exactly once when the answer was handed to the kernel or failed. The
	// request is still valid then. It must not block.
	SetDone(f func(x Exchange, r Result))
	// ResponseField returns the value of the last field of the answer with the name, in lower case. For the function of SetDone only.
	ResponseField(lower string) (value []byte, ok bool)
}

// Loan is a body that somebody else has, who can write it to the client's connection.
type Loan interface {
	// Size returns the length of the body in bytes.
	Size() int
	// Lend lends the connection by its descriptor, which is not kept; -1 lends none. Nobody else writes to it until Back has returned. It does not
	// wait, and is called once, before Back, which finds its error again.
	Lend(fd int) error
	// Back waits until the connection has been given back and returns how many bytes of the body it took, and the rest, which is valid until
	// the function that was given the loan returns. An error means that the rest is lost. Whoever was given a loan calls it once, and ends the exchange
	// after it.
	Back() (sent int, rest []byte, err error)
}

// Conn is a client's connection. Its methods are safe for concurrent use.
type Conn interface {
	// RemoteAddr returns the client's address: the one that a PROXY header named, or else the peer's. It is not valid for Unix sockets.
	RemoteAddr() netip.AddrPort
	// PeerAddr returns the address of the other end; it is not valid for Unix sockets.
	PeerAddr() netip.AddrPort
	// LocalAddr returns our address; it is not valid for Unix sockets.
	LocalAddr() netip.AddrPort
	// Listener returns the address of the listener that accepted the connection, nil if there is none.
	Listener() net.Addr
	// Proxy returns the PROXY header that the connection began with; its Protocol is empty if there was none.
	Proxy() *ProxyHeader
	// TLS returns what the handshake agreed on, nil without TLS.
	TLS() *tls.ConnectionState
}

// ProxyHeader is what a proxy said of its client (proxy_protocol). Without addresses the connection speaks for itself.
type ProxyHeader struct {
	Protocol string         // "TCP4", "TCP6"; "LOCAL", "UNKNOWN" or "UNSPEC" without addresses; "" when there was no header
	Source   netip.AddrPort // the client; not valid without addresses
	Dest     netip.AddrPort // where the client connected to; likewise
}

// A Responder answers requests before the application is asked.
type Responder interface {
	// Respond is called on the goroutine of the connection or the stream when the head of a request has been read, before its body. It
	// returns false when the request is not its matter; then it has touched nothing but Request.User and Request.BodyLimit. It returns true when it has ended the exchange or
	// will. It may be called concurrently.
	Respond(x Exchange) bool
	// Name says who answered, for the access log and metrics: "static", "health".
	Name() string
}
