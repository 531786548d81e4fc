package lane

import (
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

func TestSlowWorkLeavesTheReserve(t *testing.T) {
	p := newPlay(t, 4, 0, Config{Reserve: 1})
	p.teach("GET /pdf", time.Second, time.Second)
	p.teach("GET /", time.Millisecond, time.Millisecond)
	for range 10 {
		p.arrive("GET /pdf")
	}
	if len(p.on) != 3 {
		t.Errorf("%d slow requests in 4 slots, want 3", len(p.on))
	}
	if it := p.arrive("GET /"); it.Slot() != Computing {
		t.Error("the fast request did not get the reserved slot")
	}
}
