package http1

import (
	"errors"
	"io"
	"math"
	"net"

	"golang.org/x/sys/unix"
)

// drainBytes is how much of an unread body is read and thrown away to keep a
// connection (row 22).
const drainBytes = 256 << 10

// unknownLength marks the unread rest of a chunked body.
const unknownLength = math.MaxInt64

var continueLine = []byte("HTTP/1.1 100 Continue\r\n\r\n")

// Read reads the body. It must be called on the connection's goroutine, that
// is inside ServeHTTP1. It returns io.EOF at the end of a complete body, a
// Verdict if the body is malformed, too large or too slow, and another error
// if the connection failed. After a Verdict the handler may answer as it
// likes, or return without an answer: the engine then answers the verdict.
// The first Read sends 100 (Continue) if the client waits for it.
func (x *Exchange) Read(p []byte) (int, error) {
	switch {
	case x.bodyErr != nil:
		return 0, x.bodyErr
	case x.frame.body == bodyNone:
		return 0, io.EOF
	case len(p) == 0:
		return 0, nil
	}
	if x.frame.expect && !x.continued.Load() {
		x.sendContinue()
	}
	var n int
	var err error
	if x.frame.body == bodyLength {
		n, err = x.readLength(p)
	} else {
		n, err = x.readChunked(p)
	}
	if err != nil && !errors.Is(err, io.EOF) {
		x.bodyErr = err
		x.wantClose.Store(true)
		var v Verdict
		if errors.As(err, &v) && x.conn.terms.OnError != nil {
			x.conn.terms.OnError(x.conn, v)
		}
	}
	return n, err
}

// InlineBody returns the whole body without copying if all of it has arrived,
// or nil. It must be called on the connection's goroutine before Read, and
// the slice is valid as long as Fields are.
func (x *Exchange) InlineBody() []byte {
	c := x.conn
	if x.frame.body != bodyLength || x.frame.length != x.unread.Load() || int64(c.w-c.r) < x.frame.length {
		return nil
	}
	end := c.r + int(x.frame.length)
	p := c.buf.b[c.r:end:end]
	c.r, c.base = end, end
	x.bodyOver()
	return p
}

func (x *Exchange) bodyOver() {
	x.frame.body = bodyNone
	x.unread.Store(0)
}

// readLength reads a body of known length, straight into p if nothing is
// buffered.
func (x *Exchange) readLength(p []byte) (int, error) {
	c, left := x.conn, x.unread.Load()
	if int64(len(p)) > left {
		p = p[:left]
	}
	n := copy(p, c.unreadBytes())
	c.r += n
	if n == 0 {
		var err error
		if n, err = c.fillBody(p); err != nil {
			return 0, err
		}
	}
	if left -= int64(n); left == 0 {
		x.bodyOver()
	} else {
		x.unread.Store(left)
	}
	return n, nil
}

// readChunked reads a chunked body through the buffer.
func (x *Exchange) readChunked(p []byte) (int, error) {
	c, r := x.conn, &x.conn.terms.rules
	for {
		data, n, cause := x.chunks.next(c.unreadBytes(), r)
		c.r += n
		if cause != CauseNone {
			return 0, cause.Verdict()
		}
		if len(data) > 0 {
			k := copy(p, data)
			if rest := len(data) - k; rest > 0 {
				c.r -= rest
				x.chunks.left += int64(rest)
				x.chunks.state = chunkData
			}
			if x.received += int64(k); r.body > 0 && x.received > r.body {
				return 0, CauseBodyTooLarge.Verdict()
			}
			return k, nil
		}
		if x.chunks.state == chunkDone {
			x.bodyOver()
			return 0, io.EOF
		}
		if _, err := c.fillBody(nil); err != nil {
			return 0, err
		}
	}
}

func (c *Conn) unreadBytes() []byte {
	if c.buf == nil {
		return nil
	}
	return c.buf.b[c.r:c.w]
}

// fillBody waits for bytes of a body, into dst or the buffer.
func (c *Conn) fillBody(dst []byte) (int, error) {
	c.mode = readingBody
	c.timedOut.Store(false)
	if !c.enter(phaseBody) {
		return 0, net.ErrClosed
	}
	if c.bodySince.Load() == 0 {
		c.bodySince.Store(c.srv.clock.Load())
	}
	for {
		n, err := c.fill(dst)
		switch {
		case err == nil:
			c.bodyBytes.Add(int64(n))
			c.enter(phaseHandle)
			return n, nil
		case errors.Is(err, errWoken) && !c.timedOut.Load():
			continue
		}
		c.enter(phaseHandle)
		switch {
		case errors.Is(err, errWoken):
			return 0, CauseBodyTimeout.Verdict()
		case errors.Is(err, io.EOF):
			c.mu.Lock()
			c.eof = true
			c.mu.Unlock()
			return 0, CauseIncompleteBody.Verdict()
		}
		c.broken = true
		return 0, err
	}
}

// sendContinue asks for the body, unless the final answer is already fixed
// (RFC 9110 10.1.1).
func (x *Exchange) sendContinue() {
	c := x.conn
	x.wmu.Lock()
	defer x.wmu.Unlock()
	if x.state.Load() >= stateCommitted || x.interim > 0 {
		return
	}
	x.continued.Store(true)
	n, err := c.tryWrite(continueLine, nil)
	if err == nil && n < len(continueLine) {
		err = c.write(continueLine[n:])
	}
	if err != nil && !errors.Is(err, unix.EPIPE) {
		c.broken = true
	}
}

// afterHandler brings the body to its end once ServeHTTP1 has returned:
// answers its verdict if nobody did, and drains what is worth draining.
func (c *Conn) afterHandler() {
	x := &c.x
	if x.bodyErr == nil && x.frame.body != bodyNone {
		x.drain()
	}
	if x.bodyErr == nil {
		return
	}
	c.mu.Lock()
	c.closing = true
	c.mu.Unlock()
	c.dirty = true
	if x.undrained || !x.claim() {
		return
	}
	var v Verdict
	if errors.As(x.bodyErr, &v) {
		x.sendVerdict(v)
		return
	}
	x.end(0, 0, x.bodyErr, true)
}

// errUndrained means that the rest of a body is not worth reading.
var errUndrained = errors.New("http1: body left unread")

// drain reads the rest of the body if it is short and certain to come.
func (x *Exchange) drain() {
	if x.unread.Load() != unknownLength && x.unread.Load() > drainBytes || x.frame.expect && !x.continued.Load() {
		x.undrained, x.bodyErr = true, errUndrained
		return
	}
	scratch := x.conn.srv.pool.get(smallBuffer)
	defer x.conn.srv.pool.put(scratch)
	for total := 0; ; {
		n, err := x.Read(scratch.b)
		if err != nil {
			return
		}
		if total += n; total > drainBytes {
			x.undrained, x.bodyErr = true, errUndrained
			return
		}
	}
}

// drainable reports whether the engine may keep the connection although the
// body was not read: what drain would read, as far as it is known.
func (x *Exchange) drainable() bool {
	n := x.unread.Load()
	if n == 0 {
		return true
	}
	if x.hasExpect && !x.continued.Load() {
		return false
	}
	return n <= drainBytes || n == unknownLength
}
