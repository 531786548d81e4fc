package lane

import (
	"bytes"
	"cmp"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
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

func TestClientsTakeTurns(t *testing.T) {
	p := site(t, 1, 0, Config{})
	for range 40 {
		p.from(7, pdf)
	}
	other := p.from(8, pdf)
	p.end(p.on[0], time.Second, time.Second)
	if p.on[0] != other {
		t.Errorf("the other client's one waits behind forty: %d went before", p.on[0].number)
	}
}

func TestOneClientIsServedInOrder(t *testing.T) {
	p := site(t, 1, 0, Config{})
	p.teach("GET /longer", 3*time.Second, 3*time.Second)
	var items []*Item
	for _, key := range []string{pdf, "GET /longer", pdf, "GET /longer", pdf} {
		items = append(items, p.from(3, key))
	}
	for _, it := range items {
		if len(p.on) != 1 || p.on[0] != it {
			t.Fatal("not in order of arrival")
		}
		p.end(it, it.Estimate(), it.Estimate())
	}
}

func TestAmongClientsTheShortestGoesFirstAndNobodyStarves(t *testing.T) {
	p := site(t, 1, 0, Config{})
	p.teach("GET /long", 20*time.Second, 20*time.Second)
	p.from(1, pdf)
	long := p.from(2, "GET /long")
	short := p.from(3, pdf)
	p.end(p.on[0], time.Second, time.Second)
	if p.on[0] != short {
		t.Fatal("the longer one went first")
	}
	for i := range uint64(40) {
		p.from(100+i, pdf)
		p.end(p.on[0], time.Second, time.Second)
		if p.on[0] == long {
			if i < 10 {
				t.Errorf("20 s of work went before the %dth second of others'", i)
			}
			return
		}
	}
	t.Error("the long one starves")
}

func TestWhatWaitsForTooLongGoesFirst(t *testing.T) {
	for name, c := range map[string]struct {
		deadline, age time.Duration
		first         bool
	}{
		"10 s": {0, ageBound, true}, "less than 10 s": {0, ageBound - time.Second, false}, "half of its deadline": {8 * time.Second, 4 * time.Second, true},
		"less than that": {8 * time.Second, 3 * time.Second, false},
	} {
		p := site(t, 1, 0, Config{QueueTimeout: c.deadline})
		p.teach("GET /long", time.Hour, time.Hour)
		p.from(1, pdf)
		long := p.from(2, "GET /long")
		p.now += c.age + time.Millisecond
		p.from(3, "GET /new")
		p.from(4, pdf)
		p.end(p.on[0], time.Second, time.Second)
		if (p.on[0] == long) != c.first {
			t.Errorf("%s: goes first is %v", name, !c.first)
		}
	}
}

func TestWithdrawnWorkCostsItsClientNothing(t *testing.T) {
	p := site(t, 1, 0, Config{})
	p.from(1, pdf)
	for range 40 {
		p.s.Remove(p.from(2, pdf))
	}
	a, b := p.from(2, pdf), p.from(3, pdf)
	p.end(p.on[0], time.Second, time.Second)
	if p.on[0] != a {
		t.Error("a client who left before pays for what he never got")
	}
	_ = b
}

func TestRequeuedItemsGoFirstInOrder(t *testing.T) {
	p := site(t, 2, 0, Config{})
	items := p.times(4, pdf)
	p.want("slots", slots(items...), "[computing computing - -]")
	p.s.Requeue(items[1])
	p.s.Requeue(items[0])
	p.s.Resize(1, 0)
	p.on = nil
	p.pump()
	if len(p.on) != 1 || p.on[0] != items[0] {
		t.Error("the first one to arrive is not the first to go again")
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

func TestLanesGoByPriority(t *testing.T) {
	p := newPlay(t, 1, 0, Config{Rules: rules(t, "/batch/**=batch,priority=30", "/vip=vip,priority=5")})
	p.arrive("GET /batch/1")
	batch, unknown, vip := p.arrive("GET /batch/2"), p.arrive("GET /x"), p.arrive("GET /vip")
	for _, want := range []*Item{vip, unknown, batch} {
		p.end(p.on[0], time.Second, time.Second)
		if want.Slot() != Computing {
			t.Errorf("it is not the turn of lane %s", want.Lane())
		}
	}
}

func TestLanesOfOnePriorityGoInOrderOfArrival(t *testing.T) {
	p := newPlay(t, 1, 0, Config{Rules: rules(t, "/a=a", "/b=b")})
	first := p.arrive("GET /a")
	b, a := p.arrive("GET /b"), p.arrive("GET /a")
	p.end(first, time.Second, time.Second)
	if b.Slot() != Computing || a.Slot() != None {
		t.Error("the later one went first")
	}
}

func TestRulesLimitTheirLane(t *testing.T) {
	p := newPlay(t, 8, 0, Config{Rules: rules(t, "/export/**=export,concurrency=2,queue=3,deadline=4"), QueueTimeout: time.Minute})
	items := p.times(6, "GET /export/a")
	p.want("slots", slots(items...), "[computing computing - - - -]")
	p.want("waiting", p.s.Waiting(), 3)
	p.want("refused", p.s.byName["export"].refused, 1)
	p.want("another lane", slots(p.arrive("GET /other")), "[computing]")
	p.now += 5 * time.Second
	var gone []Verdict
	p.s.Expire(p.now, func(_ *Item, v Verdict) { gone = append(gone, v) })
	p.want("over the deadline", gone, []Verdict{Expired, Expired, Expired})
}

func TestRulesForceTheClass(t *testing.T) {
	p := newPlay(t, 4, 0, Config{Rules: rules(t, "GET /health=fast", "/import=slow", "/zz=slow")})
	p.want("classes", []Class{p.arrive("GET /health").Class(), p.arrive("POST /health").Class(), p.arrive("POST /import").Class()},
		[]Class{Fast, Unknown, Slow})
	for i := range 100 {
		p.teach(fmt.Sprintf("POST /%c%c", 'a'+i/26, 'a'+i%26), time.Millisecond, time.Millisecond)
	}
	p.want("a key that folds", []any{p.arrive("POST /zz").Class(), p.route("POST /zz")}, []any{Slow, "POST /*"})
	p.teach("GET /health", time.Minute, time.Minute)
	p.teach("POST /import", time.Millisecond, time.Millisecond)
	p.want("classes", []Class{p.arrive("GET /health").Class(), p.arrive("POST /import").Class()}, []Class{Fast, Slow})
}

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
	p.want("with one more", p.s.SpareBusy(), 2)
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

func rules(t *testing.T, texts ...string) (rs []Rule) {
	t.Helper()
	for _, text := range texts {
		r, err := ParseRule(text)
		if err != nil {
			t.Fatal(err)
		}
		rs = append(rs, r)
	}
	return rs
}

// TestBooksBalance drives a scheduler at random and compares its counts with the items.
func TestBooksBalance(t *testing.T) {
	for seed := range uint64(200) {
		walk(t, rand.New(rand.NewPCG(4, seed)), 300)
	}
}

// walk takes so many random steps.
func walk(t *testing.T, rng *rand.Rand, steps int) {
	t.Helper()
	p := newPlay(t, 3, 4, Config{
		Reserve: 1, QueueTimeout: 3 * time.Second, QueueTarget: 500 * time.Millisecond, MaxQueue: 200,
		Rules: rules(t, "/e/**=e,concurrency=1,queue=20", "/h=fast", "/s/*=slow"),
	})
	keys := []string{home, pdf, wait, "GET /e/x", "GET /h", "GET /s/1a", "", "GET /new/", "GET /slug/"}
	waiting := map[*Item]bool{}
	started := map[*Item]bool{}
	pump := func() {
		for {
			it, on := p.s.Peek(p.now)
			if it == nil {
				return
			}
			p.s.Start(it, on)
			delete(waiting, it)
			started[it] = true
		}
	}
	pick := func(set map[*Item]bool) *Item {
		var items []*Item
		for it := range set {
			items = append(items, it)
		}
		if len(items) == 0 {
			return nil
		}
		slices.SortFunc(items, func(a, b *Item) int { return cmp.Compare(a.number, b.number) })
		return items[rng.IntN(len(items))]
	}
	for range steps {
		p.now += time.Duration(rng.IntN(20)) * time.Millisecond
		switch n := rng.IntN(20); {
		case n < 8:
			it, key := &Item{}, keys[rng.IntN(len(keys))]
			if strings.HasSuffix(key, "w/") || strings.HasSuffix(key, "g/") {
				key += fmt.Sprint(rng.IntN(100))
			}
			p.s.Arrive(it, []byte(key), uint64(rng.IntN(5)), p.now)
			if on := p.s.Admit(it); on != None {
				p.s.Start(it, on)
				started[it] = true
			} else if p.s.Wait(it, p.now) == Kept {
				waiting[it] = true
			}
		case n < 15:
			if it := pick(started); it != nil {
				delete(started, it)
				p.s.End(it, p.now)
				own, route := time.Duration(rng.IntN(300))*time.Millisecond, uint64(rng.IntN(4))
				if bytes.HasPrefix(it.key, []byte("GET /slug/")) { // so that they fold
					own, route = own/10+10*time.Millisecond, route/3
				}
				p.s.Learn(it, Spent{Own: own, CPU: own / time.Duration(1+rng.IntN(10)), Route: route})
			}
		case n == 15:
			if it := pick(started); it != nil {
				p.s.Overstay(it, time.Duration(rng.IntN(2000))*time.Millisecond)
			}
			if it := pick(started); it != nil && p.s.Guessed(it) {
				p.s.Observe(it, rng.IntN(2) == 0)
			}
		case n == 16:
			if it := pick(started); it != nil {
				delete(started, it)
				p.s.Requeue(it)
				waiting[it] = true
			}
		case n == 17:
			it, set := pick(waiting), waiting
			if rng.IntN(3) == 0 {
				it, set = pick(started), started
			}
			if it != nil {
				delete(set, it)
				p.s.Remove(it)
			}
		case n == 18:
			p.s.Expire(p.now, func(it *Item, _ Verdict) { delete(waiting, it) })
		default:
			p.s.Resize(rng.IntN(5), rng.IntN(6))
		}
		pump()
		balance(t, p.s, waiting, started)
		if t.Failed() {
			return
		}
	}
	p.s.Drain(func(it *Item) { delete(waiting, it) })
	for it := range started {
		p.s.End(it, p.now)
	}
	balance(t, p.s, waiting, nil)
}

func balance(t *testing.T, s *Scheduler, waiting, started map[*Item]bool) {
	t.Helper()
	var busy [classes]int
	spare, tried, reserved, computes, waits := 0, 0, 0, 0, 0
	running := map[*lane]int{}
	byRoute := map[*route]int{}
	for it := range started {
		running[it.lane]++
		if it.route != nil {
			byRoute[it.route]++
		}
		if it.on == Spare {
			spare++
			if !it.waits {
				tried++
			}
			continue
		}
		busy[it.class]++
		if it.reserved {
			reserved++
		}
		if it.Background() {
			computes++
		}
		if it.class == Fast && it.waits {
			waits++
		}
	}
	got, want := []int{spare, tried, reserved, computes, waits}, []int{s.spareBusy, s.spareTried, s.reserved, s.slowComputing, s.fastWaits}
	if busy != s.busy || !slices.Equal(got, want) {
		t.Errorf("busy %v; spare, of them tried, reserved, computing, waiting fast ones %v; the scheduler counts %v; %v", busy, got, s.busy, want)
	}
	n := 0
	waitingOf := map[*route]int{}
	for _, l := range s.lanes {
		if running[l] != l.running {
			t.Errorf("lane %s: %d run, it counts %d", l.name, running[l], l.running)
		}
		inLane, work := 0, int64(0)
		for i := range l.lines {
			q := &l.lines[i]
			var last *Item
			for it := q.oldest; it != nil; it = it.newer {
				if last != nil && last.number >= it.number || it.older != last || q.heap[it.index] != it || !waiting[it] {
					t.Errorf("lane %s: order of arrival is broken", l.name)
				}
				if parent := (it.index - 1) / 2; it.index > 0 && it.before(q.heap[parent]) {
					t.Errorf("lane %s: heap is broken", l.name)
				}
				inLane++
				work += it.cost
				waitingOf[it.route]++
				last = it
			}
			if q.newest != last {
				t.Errorf("lane %s: newest is not the last", l.name)
			}
		}
		if inLane != l.waiting || work != l.work || inLane != len(l.lines[0].heap)+len(l.lines[1].heap) {
			t.Errorf("lane %s: %d wait, it counts %d; work %d, %d", l.name, inLane, l.waiting, work, l.work)
		}
		n += inLane
	}
	if n != s.waiting || n != len(waiting) {
		t.Errorf("%d wait, the scheduler counts %d of %d", n, s.waiting, len(waiting))
	}
	for rt, n := range waitingOf {
		if rt != nil && rt.waiting != n {
			t.Errorf("route %s: %d wait, it counts %d", rt.key, n, rt.waiting)
		}
	}
	for rt, n := range byRoute {
		if rt.running != n {
			t.Errorf("route %s: %d run, it counts %d", rt.key, n, rt.running)
		}
	}
	checkTable(t, &s.table)
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
