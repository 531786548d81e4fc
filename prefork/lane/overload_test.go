package lane

import (
	"fmt"
	"testing"
	"time"
)

func TestQueueIsBounded(t *testing.T) {
	p := site(t, 1, 0, Config{MaxQueue: 2})
	p.times(3, pdf)
	it := &Item{}
	p.s.Arrive(it, []byte(pdf), 0, p.now)
	p.want("verdict", p.s.Wait(it, p.now), Full)
}

func TestLaneBehindItsTargetIsThinnedOut(t *testing.T) {
	p := newPlay(t, 1, 0, Config{QueueTarget: time.Second, Reserve: 0})
	p.times(30, home)
	waiting := func() int { return p.s.WaitingIn(Unknown) }
	p.want("waiting", waiting(), 29)
	expire := func() (n int) {
		p.s.Expire(p.now, func(it *Item, v Verdict) {
			if v != Refused || p.s.RetryAfter(it) < leastRetry {
				t.Errorf("verdict %v, again after %v", v, p.s.RetryAfter(it))
			}
			n++
		})
		return n
	}
	p.now += 1100 * time.Millisecond
	p.want("refused when it is above the target for the first time", expire(), 0)
	p.now += 900 * time.Millisecond
	p.arrive(home)
	p.want("refused within the interval", expire(), 0)
	p.now += 200 * time.Millisecond
	p.want("refused after a whole interval", expire(), 29)
	p.want("waiting", waiting(), 1)
	p.times(5, home)
	p.now += 500 * time.Millisecond
	p.want("refused below the target", expire(), 0)
}

func TestFastLaneIsThinnedOutOnlyAfterTheNewOne(t *testing.T) {
	p := newPlay(t, 1, 0, Config{QueueTarget: time.Second})
	p.teach(home, time.Millisecond, time.Millisecond)
	p.times(40, home)
	p.times(10, "GET /x")
	fast := p.s.WaitingIn(Fast)
	p.s.Expire(p.now+1100*time.Millisecond, func(*Item, Verdict) {})
	p.s.Expire(p.now+2200*time.Millisecond, func(*Item, Verdict) {})
	p.want("new and fast ones that wait", []int{p.s.WaitingIn(Unknown), p.s.WaitingIn(Fast)}, []int{0, fast})
	p.s.Expire(p.now+2300*time.Millisecond, func(*Item, Verdict) {})
	p.want("fast ones then", p.s.WaitingIn(Fast), 0)
}

func TestHopelessSlowWorkIsRefusedAtOnce(t *testing.T) {
	p := site(t, 1, 0, Config{QueueTarget: time.Second, QueueTimeout: 10 * time.Second})
	try := func(client uint64) Verdict {
		it := &Item{}
		p.s.Arrive(it, []byte(pdf), client, p.now)
		return p.s.Wait(it, p.now)
	}
	p.from(1, pdf)
	for range 20 { // 20 s of work for one slot
		if try(1) != Kept {
			t.Fatal("refused although nothing has waited for long")
		}
	}
	p.now += 6 * time.Second
	p.want("after half of the deadline", try(1), Refused)
	p.want("another client, who goes before most", try(2), Kept)
	p.want("expected wait", p.s.RetryAfter(p.on[0]), 21*time.Second)
}

// TestLaneTakesInOnlyWhatItsClientsWaitFor plays an overloaded lane whose clients leave after six seconds, long before its deadline.
func TestLaneTakesInOnlyWhatItsClientsWaitFor(t *testing.T) {
	const stay = 6 * time.Second
	p := site(t, 1, 0, Config{QueueTarget: time.Second, QueueTimeout: 30 * time.Second})
	l := p.s.builtin[Slow]
	served, wasted := 0, 0
	for i := range 600 { // seconds: three requests come, one can be served
		if i == 500 {
			served, wasted = 0, 0
		}
		for range 3 {
			p.from(uint64(p.s.arrivals), pdf)
		}
		p.now += time.Second
		p.s.Expire(p.now, func(*Item, Verdict) {})
		var left []*Item
		for it := l.lines[0].oldest; it != nil && p.now-it.arrived > stay; it = it.newer {
			left = append(left, it)
		}
		for _, it := range left {
			p.s.Remove(it)
		}
		if it := p.on[0]; p.now-it.arrived > stay {
			p.s.Abandon(it, p.now)
			wasted++
		} else {
			served++
		}
		p.end(p.on[0], time.Second, time.Second)
	}
	if served < 90 {
		t.Errorf("of 100 seconds %d went into requests whose clients had left", wasted)
	}
	for range 500 {
		p.now += time.Second
		p.end(p.arrive(pdf), time.Second, time.Second)
		for len(p.on) > 0 {
			p.end(p.on[0], time.Second, time.Second)
		}
	}
	p.want("what is worth to wait for, long after", l.limit(), l.deadline)
}

func TestLaneLearnsFromWhoLeavesHowLongTheyWait(t *testing.T) {
	for name, c := range map[string]struct {
		runs bool          // what the client leaves behind
		at   time.Duration // after how long
		want time.Duration
	}{
		"waiting":                    {false, 10 * time.Second, 9 * time.Second},
		"running":                    {true, 10 * time.Second, 9 * time.Second},
		"sooner than the target":     {false, 2100 * time.Millisecond, 2 * time.Second},
		"before anybody waited long": {false, time.Second, 30 * time.Second},
	} {
		p := site(t, 1, 0, Config{QueueTarget: 2 * time.Second, QueueTimeout: 30 * time.Second})
		l := p.s.builtin[Slow]
		items := p.times(4, pdf)
		it := items[1]
		if c.runs {
			it = items[0]
		}
		p.now += c.at
		for range 2 { // who has left does not leave again
			p.s.Abandon(it, p.now)
		}
		p.want(name, l.limit(), c.want)
		for p.on[0] != it {
			p.end(p.on[0], time.Second, time.Second)
		}
		before := l.limit()
		p.end(it, time.Second, time.Second)
		p.want(name+", at its end", l.limit(), before)
	}
}

func TestClientWhoLeavesAnIdleLaneShortensNoWait(t *testing.T) {
	p := site(t, 1, 0, Config{QueueTarget: time.Second, QueueTimeout: 30 * time.Second})
	for range 20 {
		it := p.arrive(pdf)
		p.now += 2 * time.Second
		p.s.Abandon(it, p.now)
		p.end(it, time.Second, time.Second)
	}
	p.want("limit", p.s.builtin[Slow].limit(), 30*time.Second)
}

func TestMeasuredRateReplacesTheAssumedOne(t *testing.T) {
	p := site(t, 2, 0, Config{})
	p.times(60, pdf)
	for range 40 { // two slots, but the machine does one second of work in two
		p.now += time.Second
		p.s.End(p.on[0], p.now)
		p.on = p.on[1:]
		p.pump()
	}
	if w := p.s.expected(p.s.builtin[Slow]); w < 15*time.Second || w > 20*time.Second {
		t.Errorf("18 requests that end once a second are expected to take %v", w)
	}
}

func TestWantsAWorkerWhenFastOrNewWorkIsLockedOut(t *testing.T) {
	p := site(t, 2, 0, Config{Reserve: 1})
	p.want("idle", p.s.Want(false), Want{})
	p.arrive(pdf)
	p.s.Overstay(p.arrive(home), time.Second) // took the reserved slot
	p.want("nothing waits", p.s.Want(true), Want{})
	for range 2 * Window {
		p.arrive(home)
	}
	p.want("fast work is sent ahead", p.s.Want(false), Want{Worker: true})
	p.arrive(home)
	p.want("fast work waits", p.s.Want(true), Want{Worker: true})
	p.s.Resize(4, 0)
	p.pump()
	p.want("with more slots", p.s.Want(false), Want{})
}

func TestWantsAWorkerForSlowWorkUpToTheProcessors(t *testing.T) {
	for cpus, want := range map[int]bool{1: false, 2: true} {
		p := site(t, 2, 0, Config{Reserve: 1, CPUs: cpus})
		p.times(2, pdf)
		p.want(fmt.Sprint(cpus, " processors"), p.s.Want(false), Want{Worker: want})
	}
}

func TestWantsAThreadForWorkThatWaits(t *testing.T) {
	p := site(t, 2, 1, Config{Reserve: 1, CPUs: 1})
	p.times(3, wait)
	p.want("with threads left", p.s.Want(true), Want{Thread: true})
	p.want("without", p.s.Want(false), Want{Worker: true})
}

func TestWantsAThreadForFastWorkThatWaitsBehindOthers(t *testing.T) {
	const call = "GET /call"
	p := site(t, 2, 1, Config{CPUs: 1})
	p.teach(call, 40*time.Millisecond, time.Millisecond)
	p.times(3, call)
	p.want("each has a thread", p.s.Want(true), Want{})
	p.times(1, call)
	p.want("sent ahead", p.s.Want(true), Want{Thread: true})
	p.want("no more threads", p.s.Want(false), Want{})
	p.times(2*Window, call)
	p.want("waiting", []int{p.s.WaitingIn(Fast)}, []int{1})
	p.want("waits", p.s.Want(true), Want{Thread: true})
	p.s.Resize(2, 2)
	p.pump()
	p.want("with one more", p.s.spareBusy, 2)
	p = site(t, 2, 1, Config{})
	p.times(4, home)
	p.want("what computes", p.s.Want(true), Want{})
}

func TestWantsAWorkerForNewWorkThatTheReserveIsClosedTo(t *testing.T) {
	p := site(t, 2, 0, Config{Reserve: 1, CPUs: 1})
	p.arrive(pdf)
	p.s.prior = 0.9
	p.want("before", p.s.Want(false), Want{})
	p.arrive("GET /new")
	p.want("one waits", p.s.Want(false), Want{Worker: true})
	p.s.Resize(3, 0)
	p.pump()
	p.want("with another worker", p.s.Want(false), Want{})

	p = site(t, 2, 0, Config{Reserve: 1, CPUs: 1})
	p.times(2, "GET /new")
	p.want("one whose route is being tried", p.s.Want(false), Want{})
}

func TestWantsNothingForALaneAtItsLimit(t *testing.T) {
	p := newPlay(t, 2, 0, Config{Rules: rules(t, "/e=e,concurrency=1"), CPUs: 8, Reserve: 1})
	p.times(3, "GET /e")
	p.want("want", p.s.Want(false), Want{})
}

func TestWantsNothingForFastWorkAmongItself(t *testing.T) {
	p := site(t, 2, 0, Config{})
	p.times(100, home)
	p.want("want", p.s.Want(false), Want{})
}
