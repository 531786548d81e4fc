package prefork

import (
	"fmt"

	"github.com/gounicorn/gounicorn/prefork/wire"
)

// Loan is a large body that its worker has kept back: it writes it to the client's connection by itself, as far as that takes it at once, if
// it is lent one. So the body is copied once on its way and not twice. One goroutine uses it, during Borrower.Loan.
type Loan struct {
	w      *worker
	s      *wire.Stream
	d      *dispatcher
	j      *Job
	more   bool // see dispatcher.over
	h      wire.Header
	size   int // bytes
	asked  bool
	over   bool
	place  int // on the tray that the rest lies on; -1: none
	failed error
}

// A Borrower is a Sink that may lend its client's connection; see Job.Loan.
type Borrower interface {
	Sink
	// Loan takes a HEAD with END whose body is still with the worker. payload is valid until loan.Back is called, which it does in any case: then, and
	// not before, the job is over. It may wait for the worker, for which it is the only thing to do.
	Loan(h wire.Header, payload []byte, loan *Loan) error
}

// Size returns the length of the whole body in bytes.
func (l *Loan) Size() int { return l.size }

// Lend lends the client's connection, to which nobody else may write until Back has returned; fd -1 lends none. It does not wait and is called
// once, before Back.
func (l *Loan) Lend(fd int) error {
	l.asked = true
	l.failed = l.s.Lend(l.h, fd)
	return l.failed
}

// Back waits for the worker, ends the job, and returns how many bytes of the body the connection took, and the rest of it, which is valid until Loan
// returns. An error means that the rest is lost with the worker. Whoever calls it again is told nothing.
func (l *Loan) Back() (sent int, rest []byte, err error) {
	if l.over {
		return 0, nil, l.failed
	}
	l.over = true
	if l.failed == nil {
		sent, rest, l.failed = l.back()
	}
	l.d.over(l.j, true, l.more)
	return sent, rest, l.failed
}

func (l *Loan) back() (sent int, rest []byte, err error) {
	sent, flags, rest, err := l.s.Return(l.h)
	if err == nil && flags&wire.FlagTray != 0 {
		var before []byte
		var place int
		before, rest, place, err = l.w.tray.Body(rest)
		if err == nil {
			l.place = place
		}
		if err == nil && len(before) > 0 {
			err = fmt.Errorf("%w: a RETURN with %d bytes and a tray", wire.ErrProtocol, len(before))
		}
	}
	if err == nil && sent+len(rest) != l.size {
		err = fmt.Errorf("%w: a loan for %d bytes came back with %d sent and %d left", wire.ErrProtocol, l.size, sent, len(rest))
	}
	if err != nil {
		return 0, nil, err
	}
	return sent, rest, nil
}

// grant passes a HEAD with END whose body is with the worker on to the job's sink, which lends it the client's connection, or gets the body as usual.
func (w *worker) grant(d *dispatcher, j *Job, l *Loan, h wire.Header, payload []byte, more bool) error {
	payload, size, err := wire.LoanSize(payload)
	if err != nil {
		return err
	}
	*l = Loan{w: l.w, s: l.s, d: d, j: j, more: more, h: h, size: size, place: -1}
	lender, ok := j.Sink.(Borrower)
	if !ok || !j.Loan {
		return fmt.Errorf("%w: a loan for a request that has none to give", wire.ErrProtocol)
	}
	err = lender.Loan(h, payload, l)
	if !l.asked {
		_ = l.Lend(-1)
	}
	_, _, _ = l.Back()
	if l.place >= 0 {
		w.tray.Free(l.place)
	}
	if err == nil {
		err = l.failed
	}
	return err
}
