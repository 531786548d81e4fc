package lane

import (
	"fmt"
	"testing"
	"time"
)

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

func TestFastRequestsMayLieAheadOfTheSlots(t *testing.T) {
	p := site(t, 2, 0, Config{})
	p.times(100, home)
	p.want("sent", len(p.on), 2+2*Window)
	p.end(p.on[0], time.Millisecond, time.Millisecond)
	p.want("sent after one ended", len(p.on), 2+2*Window)
}

func TestFastRequestThatWaitsTakesASpareSlotOnlyWhenNoOtherIsFree(t *testing.T) {
	p := site(t, 1, 1, Config{})
	p.teach("GET /proxy", 40*time.Millisecond, time.Millisecond)
	p.want("slots", slots(p.times(3, "GET /proxy")...), "[computing spare computing]")
	p = site(t, 1, 1, Config{})
	p.want("one that computes", slots(p.times(2, home)...), "[computing computing]")
}

func TestSlowRequestsThatComputeNeverTakeSpareSlots(t *testing.T) {
	p := site(t, 3, 6, Config{Reserve: 1})
	p.want("slots", slots(p.times(3, pdf)...), "[computing computing -]")
}

func TestSlowRequestsThatWaitTakeSpareSlotsFirst(t *testing.T) {
	p := site(t, 3, 2, Config{Reserve: 1})
	p.want("slots", slots(p.times(5, wait)...), "[spare spare computing computing -]")
	p.want("beside them", slots(p.arrive(pdf), p.arrive(home)), "[- computing]")
}

func TestNewRequestsTakeOpenThenSpareThenReservedSlots(t *testing.T) {
	p := site(t, 3, 1, Config{Reserve: 1})
	p.want("slots", slots(p.arrive("GET /a"), p.arrive("GET /a"), p.arrive("GET /a"), p.arrive("GET /b"), p.arrive("GET /c")),
		"[computing computing - spare computing]")
}

func TestOneNewRequestIsTriedInTheReserveAtATime(t *testing.T) {
	p := site(t, 5, 0, Config{Reserve: 3})
	p.want("slots", slots(p.arrive("GET /a"), p.arrive("GET /b"), p.arrive("GET /c"), p.arrive("GET /d")), "[computing computing computing -]")
	p.end(p.on[2], time.Millisecond, time.Millisecond)
	p.want("after it", len(p.on), 3)
}

func TestNewRequestsKeepOutOfTheReserveOnceTheyTendToBeSlow(t *testing.T) {
	p := site(t, 2, 0, Config{Reserve: 1})
	fill := func() Slot {
		a, b := p.arrive(fmt.Sprint("GET /a/", p.s.arrivals)), p.arrive(fmt.Sprint("GET /b/", p.s.arrivals))
		on := b.Slot()
		for _, it := range []*Item{a, b} {
			p.s.Remove(it)
		}
		p.on = nil
		return on
	}
	p.s.prior = 0
	if fill() != Computing {
		t.Fatal("the reserve is closed although no new route has been slow")
	}
	for i := range 4 {
		it := p.arrive(fmt.Sprint("GET /slow", i))
		p.end(it, time.Second, time.Second)
	}
	if fill() != None {
		t.Errorf("the reserve is open although the last four new routes were slow (prior %.2f)", p.s.prior)
	}
	for i := range 10 {
		it := p.arrive(fmt.Sprint("GET /fast", i))
		p.end(it, time.Millisecond, time.Millisecond)
	}
	if fill() != Computing {
		t.Errorf("the reserve stays closed although the last ten were fast (prior %.2f)", p.s.prior)
	}
}

func TestOneNewRequestIsTriedOnASpareSlotAtATime(t *testing.T) {
	p := newPlay(t, 2, 3, Config{Reserve: 1})
	fill := p.arrive("GET /first")
	a, b := p.arrive("GET /a"), p.arrive("GET /b")
	p.want("slots", slots(fill, a, b), "[computing spare computing]")
	c := p.arrive("GET /c")
	p.want("while the first may compute, which it would do beside a page", c.Slot(), None)
	p.s.Overstay(a, 150*time.Millisecond)
	p.pump()
	p.want("still", c.Slot(), None)
	p.s.Observe(a, true)
	p.pump()
	p.want("once it is seen to wait", c.Slot(), Spare)
}
