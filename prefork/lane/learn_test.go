package lane

import (
	"testing"
	"time"
)

func TestRouteThatTookLongOnlyBecauseTheMachineIsBusySpoilsNoPrior(t *testing.T) {
	p := newPlay(t, 4, 0, Config{})
	it := p.arrive("GET /a")
	p.s.Overstay(it, 300*time.Millisecond)
	if p.s.prior == 0 {
		t.Fatal("a new request that overstays counts as slow")
	}
	p.end(it, 20*time.Millisecond, 20*time.Millisecond)
	p.want("prior", p.s.prior, 0)
}

func TestRequestThatOverstaysCountsAsSlow(t *testing.T) {
	p := site(t, 4, 0, Config{Reserve: 1})
	for range 3 {
		p.s.Overstay(p.arrive(home), 200*time.Millisecond)
	}
	p.want("slow beside three that overstay", slots(p.arrive(pdf)), "[-]")
	p.want("its page stays fast", p.arrive(home).Class(), Fast)
	p.want("slow ones", p.s.busy[Slow], 3)
	it := p.on[0]
	p.s.Overstay(it, 2*time.Second)
	p.want("beyond doubt its page is slow", p.arrive(home).Class(), Slow)
	it = &Item{}
	p.s.Arrive(it, []byte("GET /never-seen"), 0, p.now)
	p.s.Start(it, Computing)
	p.s.Overstay(it, 200*time.Millisecond)
	p.want("and a new one", it.Class(), Slow)
	p.want("while its route may only be cold", p.arrive("GET /never-seen").Class(), Unknown)
	p.s.Overstay(it, 1100*time.Millisecond)
	p.want("until that is beyond doubt", p.arrive("GET /never-seen").Class(), Slow)
}

func TestOverstayingWithinSlowAfterChangesNothing(t *testing.T) {
	p := site(t, 4, 0, Config{})
	if p.s.Overstay(p.arrive(home), 99*time.Millisecond) {
		t.Error("99 ms is not too long")
	}
}

func TestFirstEndMovesWhatWaits(t *testing.T) {
	p := newPlay(t, 3, 2, Config{Reserve: 1})
	items := p.times(8, "GET /api")
	p.want("slots", slots(items...), "[computing computing - - - - - -]")
	p.end(items[0], 10*time.Millisecond, 10*time.Millisecond)
	p.want("waiting once it is known to be fast", p.s.Waiting(), 0)

	p = newPlay(t, 4, 0, Config{Reserve: 1})
	items = p.times(8, "GET /api")
	p.s.Resize(4, 8)
	p.end(items[0], time.Second, 10*time.Millisecond)
	p.want("once it is known to wait", slots(items[1:]...), "[computing computing spare spare spare spare spare]")
}

func TestLongPollsOfANewRouteTakeSpareSlotsOnceTheyAreSeenToWait(t *testing.T) {
	for _, waits := range []bool{true, false} {
		p := newPlay(t, 1, 3, Config{Reserve: 1})
		items := p.times(4, "GET /poll")
		p.want("slots", slots(items...), "[computing - - -]")
		p.s.Overstay(items[0], 150*time.Millisecond)
		p.want("nothing has ended", p.s.Guessed(items[0]), true)
		p.s.Observe(items[0], waits)
		p.pump()
		if waits {
			p.want("slots", slots(items...), "[computing spare spare spare]")
		} else {
			p.want("slots", slots(items...), "[computing - - -]")
		}
	}
}

func TestColdWorkersDoNotMakeAPageSlow(t *testing.T) {
	p := newPlay(t, 4, 0, Config{Reserve: 1})
	for range 4 { // the first request in each worker, and each runs so long that it is noticed
		it := p.arrive("GET /")
		p.s.Overstay(it, 110*time.Millisecond)
		p.end(it, 150*time.Millisecond, 150*time.Millisecond)
	}
	p.want("class after one cold request in each of four workers", p.class("GET /"), Unknown)
	p.want("estimate", p.s.table.find([]byte("GET /")).route.estimate, 150*time.Millisecond)
	for range 2 { // one alone may be an error page
		p.end(p.arrive("GET /"), 8*time.Millisecond, 8*time.Millisecond)
	}
	p.want("class after two warm ones", p.class("GET /"), Fast)
}

func TestOneQuickEndDoesNotMakeASlowRouteFast(t *testing.T) {
	p := newPlay(t, 4, 0, Config{Reserve: 1})
	for _, own := range []time.Duration{2 * time.Second, 5 * time.Millisecond, 2 * time.Second} { // the second one was a redirect
		p.end(p.arrive("GET /scan"), own, time.Millisecond)
		p.want("class", p.class("GET /scan"), Slow)
	}
}

func TestItemsSentAheadAreMisjudgedOnceTheirRouteIsSlow(t *testing.T) {
	p := newPlay(t, 2, 0, Config{Reserve: 1})
	for range p.s.warm() {
		p.end(p.arrive("GET /"), time.Millisecond, time.Millisecond)
	}
	items := p.times(4, "GET /")
	p.want("slots", slots(items...), "[computing computing computing computing]")
	p.want("misjudged", p.s.Misjudged(items[3]), false)
	p.s.Overstay(items[0], 1100*time.Millisecond)
	p.want("misjudged", p.s.Misjudged(items[3]), true)
	p.s.Requeue(items[3])
	p.want("its class", items[3].Class(), Slow)
}
