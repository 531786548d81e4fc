package http1

import (
	"errors"
	"io"
	"os"
	"runtime/debug"
	"strconv"

	"github.com/gounicorn/gounicorn/server/exchange"
)

// Stream gives the rest of the answer piece by piece, from a goroutine of its
// own, and ends the exchange when src ends. length is the length of the body,
// or -1 if it is not known: the application's Content-Length counts then, and
// without one the body is chunked, or ended by closing for HTTP/1.0. The head
// is sent together with the first piece. If Stream returns an error, nothing
// was sent, src was closed and the exchange is not ended.
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
	x.conn.srv.tasks.Add(1)
	if f, ok := src.(*exchange.File); ok && f.N == length && x.conn.raw != nil && !x.withoutBody() {
		x.streamFile(f)
		return nil
	}
	go x.stream(length, src)
	return nil
}

// streamFile sends head and file as far as the socket takes them at once, and
// leaves the rest to a goroutine.
func (x *Exchange) streamFile(f *exchange.File) {
	length := f.N
	x.wmu.Lock()
	x.endHead(framedByLength, length)
	n, sent := x.conn.trySendfile(x.out, f)
	x.wmu.Unlock()
	if n == len(x.out) && sent == length {
		f.Close()
		x.end(x.status, sent, nil, !x.keep)
		x.conn.srv.tasks.Done()
		return
	}
	f.Off, f.N = f.Off+sent, f.N-sent
	s := &streamer{x: x, framed: framedByLength, length: length, begun: true, rest: x.out[n:], sent: sent}
	go s.serve(f) // it finds the error again, if there was one
}

// streamer is one running Stream.
type streamer struct {
	x      *Exchange
	framed uint8
	length int64 // announced, or -1
	sent   int64
	begun  bool   // the head was sent
	rest   []byte // of it, still to be sent
	size   [20]byte
}

// stream is the goroutine of Stream.
func (x *Exchange) stream(length int64, src exchange.Source) {
	s := streamer{x: x, length: length}
	switch {
	case x.status == 204:
		s.framed = framedEmpty
	case length >= 0:
		s.framed = framedByLength
	case x.withoutBody():
		s.framed = framedEmpty
		if x.head && x.req.Minor >= 1 {
			s.framed = framedByChunks // HEAD has the fields of GET
		}
	case x.req.Minor >= 1:
		s.framed = framedByChunks
	default:
		s.framed = framedByClose
	}
	s.serve(src)
}

// serve sends the body and ends the exchange. It is what the goroutine of an answer in pieces runs.
func (s *streamer) serve(src exchange.Source) {
	x := s.x
	c := x.conn
	defer c.srv.tasks.Done()
	err := s.run(src)
	s.close(src)
	var status *exchange.StatusError
	switch {
	case err == nil:
		x.end(x.status, s.sent, nil, !x.keep)
		return
	case errors.Is(err, exchange.ErrLongBody):
		x.end(x.status, s.sent, err, true)
		return
	case !s.begun && errors.As(err, &status):
		x.out = x.out[:x.interim]
		x.sendPage(status.Status, status.RetryAfter)
		return
	}
	c.kill()
	code := x.status
	if !s.begun {
		code = 0
	}
	x.end(code, s.sent, err, true)
}

// run pulls and writes until the end of the body.
func (s *streamer) run(src exchange.Source) (err error) {
	defer func() {
		if v := recover(); v != nil {
			s.x.conn.srv.panicked(s.x.conn, v, debug.Stack())
			err = errPanic
		}
	}()
	if s.x.withoutBody() {
		return s.head(nil)
	}
	if len(s.rest) > 0 {
		if err := s.x.conn.write(s.rest); err != nil {
			return err
		}
	}
	for {
		p, f, off, n, err := src.Next()
		if errors.Is(err, io.EOF) {
			return s.finish()
		}
		if err != nil {
			return err
		}
		if f == nil {
			n = int64(len(p))
		}
		if n <= 0 {
			continue
		}
		long := s.framed == framedByLength && n > s.length-s.sent
		if long {
			n = s.length - s.sent
		}
		if n > 0 {
			if f == nil {
				err = s.piece(p[:n])
			} else {
				err = s.file(f, off, n)
			}
		}
		switch {
		case err != nil:
			return err
		case long:
			if err = s.finish(); err == nil {
				err = exchange.ErrLongBody
			}
			return err
		}
	}
}

var errPanic = errors.New("http1: panic in a source")

// head sends the head and, in the same write if possible, p.
func (s *streamer) head(p []byte) error {
	if s.begun {
		return s.x.conn.write(p)
	}
	s.begun = true
	x := s.x
	x.wmu.Lock()
	x.endHead(s.framed, s.length)
	n, err := x.conn.tryWrite(x.out, p)
	x.wmu.Unlock()
	if err != nil {
		return err
	}
	if n < len(x.out) {
		if err := x.conn.write(x.out[n:]); err != nil {
			return err
		}
		n = len(x.out)
	}
	return x.conn.write(p[n-len(x.out):])
}

// piece sends bytes, as a chunk if need be.
func (s *streamer) piece(p []byte) error {
	if s.framed != framedByChunks {
		err := s.head(p)
		if err == nil {
			s.sent += int64(len(p))
		}
		return err
	}
	frame := s.x.conn.srv.pool.get(mediumBuffer)
	defer s.x.conn.srv.pool.put(frame)
	for len(p) > 0 {
		k := min(len(p), mediumBuffer-64)
		b := append(s.chunkSize(frame.b[:0], int64(k)), p[:k]...)
		if err := s.head(append(b, '\r', '\n')); err != nil {
			return err
		}
		s.sent += int64(k)
		p = p[k:]
	}
	return nil
}

func (s *streamer) chunkSize(b []byte, n int64) []byte {
	return append(strconv.AppendInt(b, n, 16), '\r', '\n')
}

// file sends a part of a file, as a chunk if need be.
func (s *streamer) file(f *os.File, off, n int64) error {
	chunks := s.framed == framedByChunks
	var prefix []byte
	if chunks {
		prefix = s.chunkSize(s.size[:0], n)
	}
	if err := s.head(prefix); err != nil {
		return err
	}
	k, err := s.x.conn.sendPart(f, off, n)
	s.sent += k
	if err == nil && chunks {
		err = s.x.conn.write(chunkEnd)
	}
	return err
}

var (
	chunkEnd  = []byte("\r\n")
	lastChunk = []byte("0\r\n\r\n")
)

// finish ends the body where it was announced to end.
func (s *streamer) finish() error {
	switch {
	case s.framed == framedByLength && s.sent < s.length:
		return exchange.ErrShortBody
	case s.framed == framedByChunks:
		return s.head(lastChunk)
	case !s.begun:
		return s.head(nil)
	}
	return nil
}

// close closes src and survives its panic.
func (s *streamer) close(src exchange.Source) {
	defer func() {
		if v := recover(); v != nil {
			s.x.conn.srv.panicked(s.x.conn, v, debug.Stack())
		}
	}()
	src.Close()
}
