package prefork

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/gounicorn/gounicorn/prefork/wire"
	"golang.org/x/sys/unix"
)

// ErrNoWorker is returned for a pid that is no worker's.
var ErrNoWorker = errors.New("prefork: no such worker")

// Stacks returns the Python stacks of all threads of a worker, most recent call first. The worker goes on; one that holds the GIL in C code
// answers too. The error is ErrNoWorker, or that of ctx, whose end it needs: a worker that is stopped does not answer.
func (p *Pool) Stacks(ctx context.Context, pid int) (string, error) {
	answer := make(chan string, 1)
	p.do(func() {
		for _, g := range p.generations {
			for _, w := range g.workers {
				if w.pid == pid && w.state != dead && w.control.Send(wire.Header{Kind: wire.KindDump}, nil) == nil {
					w.curious = append(w.curious, answer)
					return
				}
			}
		}
		close(answer)
	})
	select {
	case text, ok := <-answer:
		if !ok {
			return "", ErrNoWorker
		}
		return text, nil
	case <-p.ended:
		return "", ErrNoWorker
	case <-ctx.Done():
		return "", fmt.Errorf("worker %d does not answer: %w", pid, ctx.Err())
	}
}

// dumped takes the stacks of a worker: of one that is about to be killed they go to the log.
func (p *Pool) dumped(w *worker, text string) {
	text = strings.TrimRight(text, "\n")
	for _, answer := range w.curious {
		answer <- text
	}
	w.curious = nil
	if !w.dumping {
		return
	}
	p.cfg.error(w.pid, "Python stacks of the worker, most recent call first:\n"+text)
	w.dumping = false
	if w.g.plan.Abort {
		w.aborted = true // what is left until the deadline is for its last words
		w.signal(unix.SIGABRT)
		return
	}
	w.kill(tooLong)
}
