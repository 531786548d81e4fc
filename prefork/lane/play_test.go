package lane

import (
	"fmt"
	"testing"
	"time"
)

// play is a scheduler whose workers the test plays.
type play struct {
	t   *testing.T
	s   *Scheduler
	now time.Duration
	on  []*Item // started, in that order
}

func newPlay(t *testing.T, computing, spare int, cfg Config) *play {
	t.Helper()
	p := &play{t: t, s: New(cfg), now: time.Second}
	p.s.Resize(computing, spare)
	return p
}

// arrive lets a request come and start if it may.
func (p *play) arrive(key string) *Item { return p.from(0, key) }

func (p *play) from(client uint64, key string) *Item {
	it := &Item{}
	p.s.Arrive(it, []byte(key), client, p.now)
	if on := p.s.Admit(it); on != None {
		p.s.Start(it, on)
		p.on = append(p.on, it)
	} else if v := p.s.Wait(it, p.now); v != Kept {
		it.lane = nil
	}
	return it
}

// pump starts what may go.
func (p *play) pump() {
	for {
		it, on := p.s.Peek(p.now)
		if it == nil {
			return
		}
		p.s.Start(it, on)
		p.on = append(p.on, it)
	}
}

// end lets an item end after so much time of its own, and starts what may go then.
func (p *play) end(it *Item, own, cpu time.Duration) {
	for i, o := range p.on {
		if o == it {
			p.on = append(p.on[:i:i], p.on[i+1:]...)
		}
	}
	p.s.End(it, p.now)
	p.s.Learn(it, Spent{Own: own, CPU: cpu})
	p.pump()
}

// teach lets the scheduler see some requests of a key.
func (p *play) teach(key string, own, cpu time.Duration) {
	for range warmUp {
		it := &Item{}
		p.s.Arrive(it, []byte(key), 0, p.now)
		p.s.Learn(it, Spent{Own: own, CPU: cpu})
	}
}

const (
	home = "GET /"
	pdf  = "GET /pdf"
	wait = "GET /wait" // waits rather than computes
)

// site is a scheduler that knows a fast page, a slow one that computes and a slow one that waits.
func site(t *testing.T, computing, spare int, cfg Config) *play {
	p := newPlay(t, computing, spare, cfg)
	p.teach(home, time.Millisecond, time.Millisecond)
	p.teach(pdf, time.Second, time.Second)
	p.teach(wait, 2*time.Second, 10*time.Millisecond)
	return p
}

// slots says where items have been started.
func slots(items ...*Item) (names []string) {
	for _, it := range items {
		names = append(names, [...]string{"-", "computing", "spare"}[it.Slot()])
	}
	return names
}

func (p *play) want(what string, got, want any) {
	p.t.Helper()
	if g, w := fmt.Sprint(got), fmt.Sprint(want); g != w {
		p.t.Errorf("%s: %s, want %s", what, g, w)
	}
}

func (p *play) times(n int, key string) (items []*Item) {
	for range n {
		items = append(items, p.arrive(key))
	}
	return items
}
