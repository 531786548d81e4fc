package lane

import (
	"fmt"
	"testing"
	"time"
)

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
