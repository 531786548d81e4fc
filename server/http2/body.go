package http2

import (
	"errors"
	"io"
	"os"
	"time"

	"github.com/gounicorn/gounicorn/server/http1"
)

// ErrShare means that the streams of a connection hold too much of the room for bodies; the client should send fewer at once.
var ErrShare = errors.New("http2: one connection's request bodies take too much room")

// body is the reading side of a stream.
type body struct {
	read   int64 // bytes
	err    error // for good
	since  time.Time
	readBy time.Time // the deadline that net/http knows
}

// InlineBody is always nil: net/http does not tell what has arrived.
func (x *Exchange) InlineBody() []byte { return nil }

// Read reads the body, see exchange.Exchange. It returns ErrShare when Config.BodyShare is exceeded.
func (x *Exchange) Read(p []byte) (int, error) {
	b := &x.body
	switch {
	case b.err != nil:
		return 0, b.err
	case x.req.ContentLength == 0:
		return 0, io.EOF
	case len(p) == 0:
		return 0, nil
	}
	x.arm()
	x.reading.Store(time.Now().UnixNano())
	n, err := x.hr.Body.Read(p)
	x.reading.Store(0)
	b.read += int64(n)
	held := x.conn.held.Add(int64(n))
	limit, share := x.conn.cfg.Rules.BodyLimit(), x.conn.cfg.BodyShare
	switch {
	case limit > 0 && b.read > limit:
		return 0, x.fail(http1.CauseBodyTooLarge.Verdict())
	case share > 0 && held > share && held > b.read:
		return 0, x.fail(ErrShare)
	case n > 0 || err == nil:
		return n, nil
	case errors.Is(err, io.EOF):
		b.err = io.EOF
		return 0, io.EOF
	case errors.Is(err, os.ErrDeadlineExceeded):
		err = http1.CauseBodyTimeout.Verdict()
	case x.ctx.Err() == nil:
		err = http1.CauseIncompleteBody.Verdict() // shorter or longer than Content-Length
	}
	return 0, x.fail(err)
}

// fail makes an error the last one.
func (x *Exchange) fail(err error) error {
	x.body.err = err
	var v http1.Verdict
	if f := x.conn.cfg.OnError; f != nil && errors.As(err, &v) {
		f(x, v)
	}
	return err
}

// arm tells net/http until when bytes must have come: the time between two reads, and what the least rate leaves (row 19).
func (x *Exchange) arm() {
	t, b, now := &x.conn.cfg.Timeouts, &x.body, time.Now()
	if b.since.IsZero() {
		b.since = now
	}
	var by time.Time
	if t.Body > 0 {
		by = now.Add(t.Body)
	}
	if t.MinBodyRate > 0 {
		earned := time.Duration(float64(b.read) / float64(t.MinBodyRate) * float64(time.Second))
		if limit := b.since.Add(max(earned, http1.RateGrace)); by.IsZero() || limit.Before(by) {
			by = limit
		}
	}
	// A message to net/http for every read would cost more than reading does.
	if by.IsZero() || !b.readBy.IsZero() && by.Sub(b.readBy) < max(t.Body/8, time.Millisecond) {
		return
	}
	b.readBy = by
	_ = x.ctl.SetReadDeadline(by) // net/http's HTTP/2 can
}

// afterHandler answers the verdict on a body, if nobody did.
func (x *Exchange) afterHandler() {
	var v http1.Verdict
	switch err := x.body.err; {
	case err == nil || errors.Is(err, io.EOF):
	case errors.As(err, &v):
		if x.claim() {
			x.page(v.Status, 0, v.Text)
		}
	default:
		x.abort(err, stateOpen)
	}
}
