package prefork

import (
	"context"
	"errors"
	"slices"

	"github.com/gounicorn/gounicorn/prefork/wire"
)

// ErrSilent is the answer of Ping when no worker has answered in time.
var ErrSilent = errors.New("no worker answers")

// Ping asks the workers that serve or load the application whether they live, and returns nil as soon as one answers. A worker does so whatever its application
// does, also while C code keeps the GIL, but not while it is stopped or frozen. When ctx ends before that the error is ErrSilent. Where
// there are to be no workers (Resize) nobody is asked, and the answer is nil.
func (p *Pool) Ping(ctx context.Context) error {
	answered := make(chan struct{})
	p.do(func() {
		if p.current != nil && p.current.size == 0 {
			close(answered)
			return
		}
		p.pings = append(p.pings, answered)
		for _, g := range p.generations {
			for _, w := range g.workers {
				if (w.state == ready || w.state == booting) && !w.pinged { // what is asked and never read would fill its socket
					w.pinged = w.control.Send(wire.Header{Kind: wire.KindPing}, nil) == nil
				}
			}
		}
	})
	select {
	case <-answered:
		return nil
	case <-ctx.Done():
	case <-p.ended:
	}
	p.do(func() { p.pings = slices.DeleteFunc(p.pings, func(c chan struct{}) bool { return c == answered }) })
	return ErrSilent
}

// heard is told that a worker has answered, which is an answer to everybody who waits for one.
func (p *Pool) heard(w *worker) {
	w.pinged = false
	for _, c := range p.pings {
		close(c)
	}
	p.pings = nil
}
