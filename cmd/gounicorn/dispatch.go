package main

import (
	"encoding/binary"
	"fmt"
	"math"
	"os"

	"github.com/gounicorn/gounicorn/prefork"
	"github.com/gounicorn/gounicorn/prefork/wire"
	"github.com/gounicorn/gounicorn/server"
	"github.com/gounicorn/gounicorn/server/metrics"
)

// dispatch runs the calls of the HTTP side as jobs of the pool.
type dispatch struct{ pool *prefork.Pool }

// flight is one call on its way through the pool. It lives as long as its Call and is used again with it.
type flight struct {
	job  prefork.Job
	call *server.Call
}

// Serve implements server.App.
func (d *dispatch) Serve(c *server.Call) {
	f, ok := c.Extra.(*flight)
	if !ok {
		f = &flight{call: c}
		c.Extra = f
	}
	f.job.Reset()
	f.job.Payload, f.job.Pairs, f.job.Body = c.Payload, c.Pairs, c.BodyFile
	f.job.Key, f.job.Client, f.job.Idempotent, f.job.Loan, f.job.Sink = c.Key, c.Client, c.Idempotent, c.Loan, f
	d.pool.Submit(&f.job)
}

// Withdraw implements server.App.
func (d *dispatch) Withdraw(c *server.Call) bool {
	f := c.Extra.(*flight)
	if !d.pool.Withdraw(&f.job) {
		return false
	}
	f.report()
	return true
}

// Abandon implements server.App.
func (d *dispatch) Abandon(c *server.Call) { d.pool.Abandon(&c.Extra.(*flight).job) }

// HalfClosed implements server.App.
func (d *dispatch) HalfClosed(c *server.Call) { d.pool.HalfClosed(&c.Extra.(*flight).job) }

// Frame implements prefork.Sink.
func (f *flight) Frame(h wire.Header, payload, body []byte, file *os.File) error {
	end := h.End()
	if end || h.Kind == wire.KindAbort {
		f.report()
	}
	switch h.Kind {
	case wire.KindHead:
		return f.call.Head(int(h.Aux), payload, body, end)
	case wire.KindBody:
		if len(body) > 0 {
			payload = body
		}
		f.call.Body(payload, end)
	case wire.KindFile:
		if len(payload) != 16 {
			_ = file.Close()
			if end {
				f.call.Abort()
			}
			return fmt.Errorf("%w: FILE with a payload of %d bytes", wire.ErrProtocol, len(payload))
		}
		f.call.File(file, int64(binary.LittleEndian.Uint64(payload)), int64(binary.LittleEndian.Uint64(payload[8:])), end)
	case wire.KindInterim:
		return f.call.Interim(int(h.Aux), payload)
	case wire.KindAbort:
		if h.Aux == wire.AbortGone {
			f.call.Left()
		} else {
			f.call.Abort()
		}
	}
	return nil
}

// Loan implements prefork.Borrower.
func (f *flight) Loan(h wire.Header, payload []byte, loan *prefork.Loan) error {
	return f.call.Lend(int(h.Aux), payload, reported{loan, f})
}

// reported is a loan of a flight.
type reported struct {
	*prefork.Loan
	f *flight
}

// Back implements exchange.Loan; the job is over then.
func (r reported) Back() (sent int, rest []byte, err error) {
	sent, rest, err = r.Loan.Back()
	r.f.report()
	return sent, rest, err
}

// Room implements prefork.Sink.
func (f *flight) Room(stop <-chan struct{}) { f.call.Room(stop) }

// String implements prefork.Sink.
func (f *flight) String() string { return f.call.String() }

// failures is the answer for each way in which the pool can fail a job.
var failures = map[prefork.Failure]server.Failure{
	prefork.WorkerDied:   {Status: 502},
	prefork.Collateral:   {Status: 502},
	prefork.Broken:       {Status: 502},
	prefork.TimedOut:     {Status: 504},
	prefork.QueueTimeout: {Status: 503, Refused: metrics.RefusedTimeout},
	prefork.QueueFull:    {Status: 503, Refused: metrics.RefusedFull},
	prefork.Overloaded:   {Status: 503, Refused: metrics.RefusedOverload},
	prefork.Stopping:     {Status: 503, RetryAfter: 1, Refused: metrics.RefusedStopping},
}

// Failed implements prefork.Sink.
func (f *flight) Failed(why prefork.Failure) {
	f.report()
	failure := failures[why]
	if wait := f.job.RetryAfter; wait > 0 {
		failure.RetryAfter = int(math.Ceil(wait.Seconds()))
	}
	f.call.Fail(failure)
}

// report hands on what the pool measured.
func (f *flight) report() {
	j := &f.job
	f.call.Report = server.Report{Queued: j.Queued, Run: j.Run, Waited: j.Waited, PID: j.PID, Lane: j.Lane, Slow: j.Slow, Retried: j.Retried}
}
