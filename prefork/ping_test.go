package prefork

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/gounicorn/gounicorn/prefork/wire"
)

// Whoever answers first is enough; who does not answer is asked once.
func TestPingIsAnsweredByOneWorker(t *testing.T) {
	c := newCrew(t, nil)
	go func() { // in place of the supervisor
		for {
			select {
			case f := <-c.p.calls:
				f()
			case <-c.p.ended:
				return
			}
		}
	}()
	ping := func(d time.Duration) error {
		ctx, cancel := context.WithTimeout(t.Context(), d)
		defer cancel()
		return c.p.Ping(ctx)
	}
	for range 3 {
		if err := ping(20 * time.Millisecond); !errors.Is(err, ErrSilent) {
			t.Errorf("nobody answers: %v", err)
		}
	}
	answers := make(chan error, 1)
	go func() { answers <- ping(20 * time.Second) }()
	for waits := make(chan bool, 1); ; {
		c.p.do(func() { waits <- len(c.p.pings) == 1 })
		if <-waits {
			break
		}
	}
	answered := make(chan int, 1)
	c.p.do(func() {
		asked := 0
		for w, control := range c.control {
			if w.pinged {
				asked++
			}
			if h, _, _, err := control.Receive(); err != nil || h.Kind != wire.KindPing {
				t.Errorf("a worker got %v, %v", h.Kind, err)
			}
		}
		for w := range c.control {
			c.p.fromWorker(w, wire.Header{Kind: wire.KindPong}, nil)
			break
		}
		answered <- asked
	})
	if asked := <-answered; asked != 2 {
		t.Errorf("%d workers were asked, want both", asked)
	}
	if err := <-answers; err != nil {
		t.Errorf("one has answered: %v", err)
	}
	c.p.do(func() { c.g.size = 0; c.p.current = c.g })
	if err := ping(20 * time.Second); err != nil {
		t.Errorf("where there are to be none nobody is asked: %v", err)
	}
}
