package http2

import (
	"cmp"
	"errors"
	"io"
	"os"
	"strconv"
	"sync"
	"time"

	"github.com/gounicorn/gounicorn/server/exchange"
)

// pieceBytes is the most that is written before the time for sending counts anew.
const pieceBytes = 64 << 10

// past is a deadline that has gone by.
var past = time.Unix(1, 0)

// filePieces are for what is read from files.
var filePieces = sync.Pool{New: func() any { return new([pieceBytes]byte) }}

// send waits for the answer, sends it and ends the exchange. It reports whether the stream must be reset.
func (x *Exchange) send() (reset bool) {
	g := x.await()
	r := exchange.Result{}
	switch g.how {
	case whole:
		r.Err = x.sendWhole(g)
		r.Status, r.Sent = x.status, x.sent
	case pieces:
		r = x.sendPieces(g)
	default:
		r.Err = cmp.Or(g.err, exchange.ErrAborted)
	}
	broken := x.ctx.Err()
	if r.Err == nil && broken != nil {
		r.Err = broken // what was written last has not been sent
	}
	if r.Err == nil {
		x.leave()
	}
	x.end(r)
	if broken != nil && x.conn.reset() {
		x.dismiss()
	}
	return r.Err != nil && !errors.Is(r.Err, exchange.ErrLongBody)
}

// await sends informational answers until there is a final one.
func (x *Exchange) await() *given {
	for {
		<-x.wake
		x.mu.Lock()
		list := x.interims
		x.interims = nil
		how := x.given.how
		x.mu.Unlock()
		for _, i := range list {
			h := x.w.Header()
			for _, f := range i.fields {
				h[f.name] = append(h[f.name], f.value)
			}
			x.w.WriteHeader(i.status)
			clear(h)
		}
		if how != nothing {
			return &x.given
		}
	}
}

// dismiss tells a client to go that breaks off its streams. net/http sends GOAWAY with any answer, even to a stream that nobody waits for.
func (x *Exchange) dismiss() {
	if !x.conn.closing.Swap(true) {
		x.w.Header().Set("Connection", "close")
		x.w.WriteHeader(503)
		_ = x.ctl.Flush() // the stream is closed
	}
}

// sendHead gives the head to net/http, which sends it with the first bytes of the body.
func (x *Exchange) sendHead(length int64) {
	if name := x.conn.cfg.ServerName; !x.hasServer && name != "" {
		x.add("Server", name)
	}
	if !x.hasDate {
		x.add("Date", x.conn.srv.now())
	}
	if length >= 0 {
		x.add("Content-Length", strconv.FormatInt(length, 10))
	}
	h := x.w.Header()
	h["Content-Type"] = nil // net/http would guess one
	x.values = x.values[:0]
	for i, f := range x.fields {
		x.values = append(x.values, f.value)
		if old := h[f.name]; old != nil {
			h[f.name] = append(old[:len(old):len(old)], f.value)
		} else {
			h[f.name] = x.values[i : i+1 : i+1]
		}
	}
	if x.closes.Load() || x.conn.last() {
		h["Connection"] = closing // GOAWAY; the field itself is not sent
	}
	x.w.WriteHeader(x.status)
}

var closing = []string{"close"}

// sendWhole sends an answer that is in memory. Its last bytes leave when the goroutine returns to net/http, so that the end of the stream
// needs no frame of its own.
func (x *Exchange) sendWhole(g *given) error {
	x.sendHead(g.length)
	return x.write(g.body)
}

// write sends p, piece by piece. Each has the time of a piece to leave: what flow control or TCP holds up is no reason to wait for ever.
func (x *Exchange) write(p []byte) error {
	for len(p) > 0 {
		k := min(len(p), pieceBytes)
		x.watch(true)
		n, err := x.w.Write(p[:k])
		x.watch(false)
		x.sent += int64(n)
		x.tail = n <= bufferBytes
		if err != nil {
			return err
		}
		p = p[n:]
	}
	return nil
}

// flush sends what net/http has kept.
func (x *Exchange) flush() error {
	x.watch(true)
	defer x.watch(false)
	x.tail = false
	return x.ctl.Flush()
}

// bufferBytes is the size of net/http's buffer: what is larger leaves at once.
const bufferBytes = 4 << 10

// watch begins or ends the time for one piece.
func (x *Exchange) watch(begins bool) {
	limit := x.conn.cfg.Timeouts.Send
	switch {
	case limit <= 0:
		return
	case !begins:
		x.timer.Stop()
		x.writing.Store(0)
		return
	}
	x.writing.Store(int64(x.age()))
	if x.timer == nil {
		x.timer = time.AfterFunc(limit, x.late)
	} else {
		x.timer.Reset(limit)
	}
}

// age is for how long there has been the exchange, at least 1, by the clock that does not jump.
func (x *Exchange) age() time.Duration { return max(time.Since(x.req.Received), 1) }

// late resets the stream when a piece takes too long. It may be called when the piece has just left.
func (x *Exchange) late() {
	x.mu.Lock()
	defer x.mu.Unlock()
	since := x.writing.Load()
	if x.sending && since != 0 && x.age()-time.Duration(since) >= x.conn.cfg.Timeouts.Send {
		_ = x.ctl.SetWriteDeadline(past) // net/http's HTTP/2 can
	}
}

// leave gives what net/http still keeps the time of a piece.
func (x *Exchange) leave() {
	if limit := x.conn.cfg.Timeouts.Send; x.tail && limit > 0 {
		_ = x.ctl.SetWriteDeadline(time.Now().Add(limit)) // likewise
	}
}

// sendPieces sends what comes from a source.
func (x *Exchange) sendPieces(g *given) exchange.Result {
	begun, err := x.pull(g)
	x.closeSource(g.src)
	var page *exchange.StatusError
	switch {
	case begun:
		return exchange.Result{Status: x.status, Sent: x.sent, Err: err}
	case errors.As(err, &page):
		x.page(page.Status, page.RetryAfter, "")
		err = x.sendWhole(&x.given)
		return exchange.Result{Status: x.status, Sent: x.sent, Err: err}
	}
	return exchange.Result{Err: err}
}

// pull sends the pieces of a source until its end, and the head with the first of them.
func (x *Exchange) pull(g *given) (begun bool, err error) {
	defer func() {
		if v := recover(); v != nil {
			x.panicked(v)
			err = errPanic
		}
	}()
	if x.withoutBody() {
		x.sendHead(g.length)
		return true, nil
	}
	for {
		p, f, off, n, err := g.src.Next()
		switch {
		case errors.Is(err, io.EOF) && x.sent < g.length:
			return begun, exchange.ErrShortBody
		case errors.Is(err, io.EOF):
			if !begun {
				x.sendHead(g.length)
			}
			return true, nil
		case err != nil:
			return begun, err
		}
		if f == nil {
			n = int64(len(p))
		}
		if n <= 0 {
			continue
		}
		if !begun {
			begun = true
			x.sendHead(g.length)
		}
		long := g.length >= 0 && n > g.length-x.sent
		if long {
			n = g.length - x.sent
		}
		if f == nil {
			err = x.write(p[:n])
		} else {
			err = x.writeFile(f, off, n)
		}
		if err == nil && x.sent != g.length {
			err = x.flush()
		}
		switch {
		case err != nil:
			return true, err
		case long:
			return true, exchange.ErrLongBody
		}
	}
}

// writeFile sends n bytes of f from off.
func (x *Exchange) writeFile(f *os.File, off, n int64) error {
	cfg := x.conn.cfg
	if !cfg.Room.Take(pieceBytes) {
		return errNoRoom
	}
	defer cfg.Room.Give(pieceBytes)
	room := filePieces.Get().(*[pieceBytes]byte)
	defer filePieces.Put(room)
	for n > 0 {
		k, err := f.ReadAt(room[:min(n, pieceBytes)], off)
		if k == 0 {
			if err == nil || errors.Is(err, io.EOF) {
				err = io.ErrUnexpectedEOF
			}
			return err
		}
		if err := x.write(room[:k]); err != nil {
			return err
		}
		off, n = off+int64(k), n-int64(k)
	}
	return nil
}

// closeSource closes a source and survives its panic.
func (x *Exchange) closeSource(src exchange.Source) {
	defer func() {
		if v := recover(); v != nil {
			x.panicked(v)
		}
	}()
	src.Close()
}
