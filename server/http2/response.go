package http2

import (
	"errors"
	"net/http"
	"strconv"
	"strings"
	"sync"

	"github.com/gounicorn/gounicorn/server/exchange"
	"github.com/gounicorn/gounicorn/server/http1"
)

// bodies are copies of whole answers.
var bodies = sync.Pool{New: func() any { return new([]byte) }}

// keptBody is the largest copy that is used again, in bytes.
const keptBody = 64 << 10

// Start begins the answer. HTTP/2 has no reason phrases (RFC 9113 8.3.1); a malformed one is refused all the same.
func (x *Exchange) Start(status int, reason []byte) error {
	if _, ok := http1.AnswerField([]byte("reason"), reason); status < 200 || status > 999 || !ok {
		return exchange.ErrStatus
	}
	if !x.state.CompareAndSwap(stateOpen, stateBuilding) {
		return exchange.ErrState
	}
	x.status = status
	return nil
}

// reset gives up a head that was begun.
func (x *Exchange) reset() {
	x.status, x.length = 0, -1
	x.fields = x.fields[:0]
	x.hasDate, x.hasServer = false, false
}

// Field adds a field to the answer.
func (x *Exchange) Field(name, value []byte) error {
	if x.state.Load() != stateBuilding {
		return exchange.ErrState
	}
	kind, ok := http1.AnswerField(name, value)
	if !ok {
		return exchange.ErrField
	}
	switch kind {
	case http1.HopByHop:
		return exchange.ErrHopByHop
	case http1.LengthField:
		n, ok := http1.ParseLength(value)
		if !ok || x.length >= 0 {
			return exchange.ErrContentLength
		}
		x.length = n
		return nil
	case http1.DateField:
		x.hasDate = true
	case http1.ServerField:
		x.hasServer = true
	case http1.OtherField:
	}
	x.fields = append(x.fields, newField(name, value))
	return nil
}

func newField(name, value []byte) field {
	return field{http.CanonicalHeaderKey(string(name)), string(value)}
}

func (x *Exchange) add(name, value string) { x.fields = append(x.fields, field{name, value}) }

// withoutBody reports whether the answer has no body whatever its fields say.
func (x *Exchange) withoutBody() bool { return x.isHead || x.status == 204 || x.status == 304 }

// Finish gives the whole body, which is copied, and ends the exchange.
func (x *Exchange) Finish(body []byte) error { return x.finish(body, nil) }

// FinishLarge is Finish for a large body, which spool keeps.
func (x *Exchange) FinishLarge(body []byte, spool func(rest []byte) exchange.Source) error {
	return x.finish(body, spool)
}

func (x *Exchange) finish(body []byte, spool func([]byte) exchange.Source) error {
	if !x.state.CompareAndSwap(stateBuilding, stateCommitted) {
		return exchange.ErrState
	}
	var problem error
	length := x.length
	switch {
	case x.status == 204:
		length, body = -1, nil
	case x.status == 304, x.isHead:
		if length < 0 && len(body) > 0 {
			length = int64(len(body))
		}
		body = nil
	case length < 0:
		length = int64(len(body))
	case length < int64(len(body)):
		body = body[:length]
		problem = exchange.ErrLongBody
	case length > int64(len(body)):
		x.commit(given{how: aborted, err: exchange.ErrShortBody})
		return exchange.ErrShortBody
	}
	if spool != nil && len(body) > 0 {
		x.commit(given{how: pieces, src: spool(body), length: length})
		return problem
	}
	g := given{how: whole, length: length}
	if len(body) > 0 {
		room := bodies.Get().(*[]byte)
		g.body = append((*room)[:0], body...)
		if cap(g.body) <= keptBody {
			*room = g.body
			g.room = room
		}
	}
	x.commit(g)
	return problem
}

// Stream gives the body piece by piece and ends the exchange when src ends.
func (x *Exchange) Stream(length int64, src exchange.Source) error {
	if x.length >= 0 && length >= 0 && x.length != length {
		src.Close()
		return exchange.ErrContentLength
	}
	if !x.state.CompareAndSwap(stateBuilding, stateCommitted) {
		src.Close()
		return exchange.ErrState
	}
	if x.length >= 0 {
		length = x.length
	}
	if x.status == 204 {
		length = -1
	}
	x.commit(given{how: pieces, src: src, length: length})
	return nil
}

// commit hands the answer to the goroutine of the stream.
func (x *Exchange) commit(g given) {
	x.mu.Lock()
	x.given = g
	x.mu.Unlock()
	x.call()
}

// call wakes the goroutine of the stream.
func (x *Exchange) call() {
	select {
	case x.wake <- struct{}{}:
	default:
	}
}

// maxInterims bounds the informational answers that wait to be sent; more are dropped, which harms nobody.
const maxInterims = 16

// Interim sends an informational answer, 102 to 199. It never blocks, and must come before Start.
func (x *Exchange) Interim(status int, fields []exchange.Field) error {
	if status < 102 || status > 199 {
		return exchange.ErrStatus
	}
	i := interim{status: status, fields: make([]field, 0, len(fields))}
	for k := range fields {
		kind, ok := http1.AnswerField(fields[k].Name, fields[k].Value)
		switch {
		case !ok:
			return exchange.ErrField
		case kind == http1.HopByHop || kind == http1.LengthField:
			return exchange.ErrHopByHop
		}
		i.fields = append(i.fields, newField(fields[k].Name, fields[k].Value))
	}
	x.mu.Lock()
	defer x.mu.Unlock()
	if x.state.Load() != stateOpen {
		return exchange.ErrState
	}
	if len(x.interims) < maxInterims {
		x.interims = append(x.interims, i)
	}
	x.call()
	return nil
}

// claim takes the right to answer if nobody has it.
func (x *Exchange) claim() bool { return x.state.CompareAndSwap(stateOpen, stateCommitted) }

// Error answers with a page of ours and ends the exchange, unless the answer had already been committed.
func (x *Exchange) Error(status, retryAfter int) bool {
	if !x.claim() && !x.state.CompareAndSwap(stateBuilding, stateCommitted) {
		return false
	}
	x.page(status, retryAfter, "")
	return true
}

// Refuse answers with the verdict on a request that was read but cannot be served, and reports it like one of our own. It is for the
// handler, and reports false if the answer had already been committed.
func (x *Exchange) Refuse(cause http1.Cause) bool {
	if !x.claim() {
		return false
	}
	v := cause.Verdict()
	if f := x.conn.cfg.OnError; f != nil {
		f(x, v)
	}
	x.page(v.Status, v.RetryAfter(), v.Text)
	return true
}

// page answers with the page that http1 has for a status; the caller has claimed the answer. The connection stays: whatever is wrong
// with one stream, the next one begins where its frames say.
func (x *Exchange) page(status, retryAfter int, detail string) {
	if status < 200 || status > 599 {
		status = 500
	}
	x.reset()
	x.status = status
	mime, body := x.conn.cfg.Rules.Page(status, detail, x.req.Get("accept"))
	x.add("Content-Type", mime)
	x.add("Cache-Control", "no-store")
	if hsts := x.req.HSTS; hsts != "" {
		x.add(exchange.HSTSField, hsts)
	}
	if status == http.StatusMethodNotAllowed {
		x.add("Allow", http1.Allowed)
	}
	if retryAfter > 0 {
		x.add("Retry-After", strconv.Itoa(retryAfter))
	}
	x.state.Store(stateBuilding)
	_ = x.Finish(body) // no length was given that could disagree
}

// options answers OPTIONS * (RFC 9110 9.3.7).
func (x *Exchange) options() {
	if !x.claim() {
		return
	}
	x.status = http.StatusOK
	x.add("Allow", http1.Allowed)
	x.state.Store(stateBuilding)
	_ = x.Finish(nil) // nothing can disagree with an empty body
}

// Abort ends the exchange without a complete answer: the stream is reset. It may also be called while a Stream runs, which then fails.
func (x *Exchange) Abort() {
	if x.abort(exchange.ErrAborted, stateOpen) || x.abort(exchange.ErrAborted, stateBuilding) {
		return
	}
	x.mu.Lock()
	defer x.mu.Unlock()
	if x.sending {
		_ = x.ctl.SetWriteDeadline(past) // net/http's HTTP/2 can; who writes will notice
	}
}

// abort ends an exchange that is in the given state.
func (x *Exchange) abort(err error, state int32) bool {
	if !x.state.CompareAndSwap(state, stateCommitted) {
		return false
	}
	x.commit(given{how: aborted, err: err})
	return true
}

// ResponseField returns the value of the last field of the answer with the name, in lower case. For the function of SetDone only.
func (x *Exchange) ResponseField(lower string) (value []byte, ok bool) {
	for i := len(x.fields) - 1; i >= 0; i-- {
		if strings.EqualFold(x.fields[i].name, lower) {
			return []byte(x.fields[i].value), true
		}
	}
	return nil, false
}

var errPanic = errors.New("http2: panic in a source")
