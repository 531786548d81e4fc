package http1

import (
	"errors"
	"math"
	"strconv"

	"github.com/gounicorn/gounicorn/server/exchange"
)

// inlineBody is the largest body that is copied behind the head for a single
// plain write; larger ones are gathered by the kernel.
const inlineBody = 4 << 10

// Start begins the answer. An empty reason means the usual one.
func (x *Exchange) Start(status int, reason []byte) error {
	if status < 200 || status > 999 || !all(reason, classValue) {
		return exchange.ErrStatus
	}
	if !x.state.CompareAndSwap(stateOpen, stateBuilding) {
		return exchange.ErrState
	}
	x.begun(status, reason)
	return nil
}

func (x *Exchange) begun(status int, reason []byte) {
	x.head = x.head || string(x.req.Method) == "HEAD"
	x.status = status
	x.length, x.hasDate, x.hasServer = -1, false, false
	x.statusLine(status, reason)
}

func (x *Exchange) statusLine(status int, reason []byte) {
	x.needOut()
	x.out = append(x.out, "HTTP/1.1 "...)
	x.out = append(x.out, byte('0'+status/100), byte('0'+status/10%10), byte('0'+status%10), ' ')
	if len(reason) > 0 {
		x.out = append(x.out, reason...)
	} else {
		x.out = append(x.out, statusText(status)...)
	}
	x.out = append(x.out, '\r', '\n')
}

func (x *Exchange) needOut() {
	if x.outBuf == nil {
		x.outBuf = x.conn.srv.pool.get(smallBuffer)
		x.out = x.outBuf.b[:0]
	}
}

// Field adds a field to the answer. Content-Length is remembered and checked
// against the body; Date and Server replace the engine's.
func (x *Exchange) Field(name, value []byte) error {
	if x.state.Load() != stateBuilding {
		return exchange.ErrState
	}
	if len(name) == 0 || !all(name, classToken) || !all(value, classValue) {
		return exchange.ErrField
	}
	switch kind := responseField(name); kind {
	case fieldHopByHop:
		return exchange.ErrHopByHop
	case fieldLength:
		n, ok := parseDecimal(trimOWS(value), math.MaxInt64)
		if !ok || x.length >= 0 {
			return exchange.ErrContentLength
		}
		x.length = n
		return nil
	case fieldDate:
		x.hasDate = true
	case fieldServer:
		x.hasServer = true
	}
	x.rawField(name, value)
	return nil
}

func (x *Exchange) rawField(name, value []byte) {
	x.out = append(x.out, name...)
	x.out = append(x.out, ':', ' ')
	x.out = append(x.out, value...)
	x.out = append(x.out, '\r', '\n')
}

// Kinds of response fields that the engine has a say in.
const (
	fieldOther uint8 = iota
	fieldHopByHop
	fieldLength
	fieldDate
	fieldServer
)

// responseField classifies a name (RFC 9110 7.6.1, 8.6, 6.6.1, 10.2.4).
func responseField(name []byte) uint8 {
	is := func(lower string, kind uint8) uint8 {
		if foldEqual(name, lower) {
			return kind
		}
		return fieldOther
	}
	switch len(name) {
	case 2:
		return is("te", fieldHopByHop)
	case 4:
		return is("date", fieldDate)
	case 6:
		return is("server", fieldServer)
	case 7:
		return max(is("trailer", fieldHopByHop), is("upgrade", fieldHopByHop))
	case 8:
		return is("trailers", fieldHopByHop)
	case 10:
		return max(is("connection", fieldHopByHop), is("keep-alive", fieldHopByHop))
	case 14:
		return is("content-length", fieldLength)
	case 16:
		return is("proxy-connection", fieldHopByHop)
	case 17:
		return is("transfer-encoding", fieldHopByHop)
	case 18:
		return is("proxy-authenticate", fieldHopByHop)
	case 19:
		return is("proxy-authorization", fieldHopByHop)
	}
	return fieldOther
}

// Framings of an answer.
const (
	framedByLength uint8 = iota // Content-Length
	framedByChunks              // chunked
	framedByClose               // the end of the connection
	framedEmpty                 // no body by rule, no field either
)

// withoutBody reports whether the answer has no body whatever its fields say
// (RFC 9112 6.3, row 43).
func (x *Exchange) withoutBody() bool {
	return x.head || x.status == 204 || x.status == 304
}

// endHead completes the head with the engine's fields and fixes whether the
// connection stays. length is the value of Content-Length if framed by it.
func (x *Exchange) endHead(framed uint8, length int64) {
	s := x.conn.srv
	if name := x.conn.terms.ServerName; !x.hasServer && name != "" {
		x.out = append(x.out, "Server: "...)
		x.out = append(x.out, name...)
		x.out = append(x.out, '\r', '\n')
	}
	if !x.hasDate {
		x.out = append(x.out, "Date: "...)
		x.out = append(x.out, *s.date.Load()...)
		x.out = append(x.out, '\r', '\n')
	}
	switch framed {
	case framedByLength:
		x.out = append(x.out, "Content-Length: "...)
		x.out = strconv.AppendInt(x.out, length, 10)
		x.out = append(x.out, '\r', '\n')
	case framedByChunks:
		x.out = append(x.out, "Transfer-Encoding: chunked\r\n"...)
	}
	x.keep = x.req.KeepAlive && framed != framedByClose && !x.wantClose.Load() &&
		!s.draining.Load() && x.drainable() &&
		x.conn.mayServeMore()
	switch {
	case !x.keep:
		x.out = append(x.out, "Connection: close\r\n"...)
	case x.req.Minor == 0:
		x.out = append(x.out, "Connection: keep-alive\r\n"...)
	}
	x.out = append(x.out, '\r', '\n')
}

// Finish gives the rest of the answer and ends the exchange. It never blocks:
// what the kernel does not take at once is copied and written by a goroutine.
// A body that may not be sent is dropped; one that is longer than its
// Content-Length is cut and exchange.ErrLongBody returned; one that is shorter aborts
// the connection and returns exchange.ErrShortBody.
func (x *Exchange) Finish(body []byte) error { return x.finish(body, nil) }

// FinishLarge is Finish for a large body: what the kernel does not take at
// once is given to spool, which keeps it and returns it as a Source.
func (x *Exchange) FinishLarge(body []byte, spool func(rest []byte) exchange.Source) error {
	return x.finish(body, spool)
}

func (x *Exchange) finish(body []byte, spool func(rest []byte) exchange.Source) error {
	if !x.state.CompareAndSwap(stateBuilding, stateCommitted) {
		return exchange.ErrState
	}
	var problem error
	framed, length := framedByLength, x.length
	switch {
	case x.status == 204:
		framed, body = framedEmpty, nil
	case x.status == 304, x.head:
		if length < 0 {
			length = int64(len(body))
		}
		if length == 0 && x.length < 0 {
			framed = framedEmpty
		}
		body = nil
	case length < 0:
		length = int64(len(body))
	case length < int64(len(body)):
		body = body[:length]
		x.wantClose.Store(true)
		problem = exchange.ErrLongBody
	case length > int64(len(body)):
		x.abort(exchange.ErrShortBody)
		return exchange.ErrShortBody
	}
	x.wmu.Lock()
	x.endHead(framed, length)
	headLen := len(x.out)
	if len(body) <= inlineBody {
		x.out = append(x.out, body...)
		body = nil
	}
	n, err := x.conn.tryWrite(x.out, body)
	x.wmu.Unlock()
	if err != nil {
		x.end(x.status, 0, err, true)
		return problem
	}
	total := len(x.out) + len(body)
	held := x.conn.holds()
	if n == total && !held {
		x.end(x.status, int64(total-headLen), nil, !x.keep)
		return problem
	}
	if taken := n - len(x.out); spool != nil && n < total && len(body) > 0 {
		s := &streamer{x: x, framed: framedByLength, length: int64(len(body)), begun: true, rest: x.out[min(n, len(x.out)):]}
		s.sent = int64(max(taken, 0))
		src := spool(body[s.sent:])
		x.conn.srv.tasks.Add(1)
		go s.serve(src)
		return problem
	}
	rest := make([]byte, 0, total-n)
	if n < len(x.out) {
		rest = append(append(rest, x.out[n:]...), body...)
	} else {
		rest = append(rest, body[n-len(x.out):]...)
	}
	x.conn.srv.tasks.Add(1)
	go x.flush(rest, int64(total-headLen))
	return problem
}

// Lends reports whether the client's connection may be lent for the body: it is
// a plain socket, and the answer may have a body.
func (x *Exchange) Lends() bool { return x.conn.raw != nil && string(x.req.Method) != "HEAD" }

// FinishLoan is FinishLarge for a body that somebody else has, who writes it to
// the connection behind the head, as far as that takes it at once. It waits for
// the loan, and for nothing else. Only for exchanges with Lends.
func (x *Exchange) FinishLoan(loan exchange.Loan, spool func(rest []byte) exchange.Source) error {
	size := int64(loan.Size())
	if x.withoutBody() || (x.length >= 0 && x.length != size) {
		_ = loan.Lend(-1) // Back finds the error again
		_, body, err := loan.Back()
		if err != nil {
			x.abort(err)
			return err
		}
		return x.finish(body, spool)
	}
	if !x.state.CompareAndSwap(stateBuilding, stateCommitted) {
		_ = loan.Lend(-1)
		_, _, _ = loan.Back()
		return exchange.ErrState
	}
	c := x.conn
	x.wmu.Lock()
	x.endHead(framedByLength, size)
	n := c.lend(x.out, loan)
	sent, rest, err := loan.Back()
	x.wmu.Unlock()
	switch {
	case err != nil:
		c.kill()
		x.end(x.status, 0, err, true)
	case len(rest) == 0 && n == len(x.out):
		x.end(x.status, size, nil, !x.keep)
	default:
		s := &streamer{x: x, framed: framedByLength, length: size, sent: int64(sent), begun: true, rest: x.out[n:]}
		src := spool(rest)
		c.srv.tasks.Add(1)
		go s.serve(src) // it finds the error again, if there was one
	}
	return nil
}

// flush writes what Finish could not.
func (x *Exchange) flush(rest []byte, bodyLen int64) {
	defer x.conn.srv.tasks.Done()
	size := len(rest)
	n, err := x.conn.writeAll(rest)
	sent := max(0, bodyLen-int64(size-n))
	x.end(x.status, sent, err, !x.keep || err != nil)
}

// Interim sends an informational answer: 103, or 102. 100 (Continue) is the
// engine's matter and 101 is refused. It never blocks, and must come before
// Start. HTTP/1.0 clients are spared it (RFC 9110 15.2).
func (x *Exchange) Interim(status int, fields []exchange.Field) error {
	if status < 102 || status > 199 {
		return exchange.ErrStatus
	}
	for i := range fields {
		f := &fields[i]
		if len(f.Name) == 0 || !all(f.Name, classToken) || !all(f.Value, classValue) {
			return exchange.ErrField
		}
		if k := responseField(f.Name); k == fieldHopByHop || k == fieldLength {
			return exchange.ErrHopByHop
		}
	}
	x.wmu.Lock()
	defer x.wmu.Unlock()
	if x.state.Load() != stateOpen {
		return exchange.ErrState
	}
	if x.req.Minor == 0 {
		return nil
	}
	x.statusLine(status, nil)
	for i := range fields {
		x.rawField(fields[i].Name, fields[i].Value)
	}
	x.out = append(x.out, '\r', '\n')
	n, err := x.conn.tryWrite(x.out, nil)
	if err != nil {
		n = len(x.out) // the final answer will find the same error
	}
	x.out = x.out[:copy(x.out, x.out[n:])]
	x.interim = len(x.out)
	return nil
}

// Abort ends the exchange without a complete answer: the connection is reset.
// It may be called instead of Finish, Stream or Error, and also while a Stream
// runs, which then fails. Calling it when the exchange has ended is an error
// of the caller.
func (x *Exchange) Abort() { x.abort(exchange.ErrAborted) }

func (x *Exchange) abort(err error) {
	for {
		switch old := x.state.Load(); {
		case old == stateOver:
			return
		case old == stateCommitted && errors.Is(err, exchange.ErrAborted):
			x.conn.kill() // who writes will notice and end the exchange
			return
		case x.state.CompareAndSwap(old, stateCommitted):
			x.conn.kill()
			x.end(0, 0, err, true)
			return
		}
	}
}

// abortUnclaimed ends an exchange that nobody has begun to answer.
func (x *Exchange) abortUnclaimed(err error) {
	if x.claim() {
		x.conn.kill()
		x.end(0, 0, err, true)
	}
}

// claim takes the right to answer if nobody has it.
func (x *Exchange) claim() bool {
	return x.state.CompareAndSwap(stateOpen, stateCommitted)
}

// end reports the result and hands the connection back to its reader. The
// exchange must not be touched by the caller afterwards.
func (x *Exchange) end(status int, sent int64, err error, closing bool) {
	if err != nil {
		closing = true
	}
	if f := x.done; f != nil {
		f(x, exchange.Result{Status: status, Sent: sent, Err: err})
	}
	if x.outBuf != nil {
		x.conn.srv.pool.put(x.outBuf)
		x.outBuf = nil
	}
	x.out = nil
	x.state.Store(stateOver)
	x.conn.exchangeOver(closing)
}
