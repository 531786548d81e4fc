package lane

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"testing"
	"time"
)

// checkTable compares the counts of a table with what is in it.
func checkTable(t *testing.T, tb *table) {
	t.Helper()
	nodes, folded := 0, 0
	shared := map[*route]int{}
	var walk func(*node)
	walk = func(n *node) {
		nodes++
		if n.entry != nil && n.entry.folded {
			folded++
		}
		if n.entry != nil && !n.entry.folded && tb.exact[n.entry.key] != n.entry {
			t.Errorf("%q is in the tree but not found", n.entry.key)
		}
		if len(n.children) > maxValues {
			t.Errorf("%d children", len(n.children))
		}
		for _, c := range n.children {
			walk(c)
		}
		if n.rest != nil {
			walk(n.rest)
		}
	}
	walk(&tb.root)
	values := map[*entry]int{}
	tb.each(func(e *entry) {
		shared[e.route]++
		if e.from != nil {
			values[e.from]++
		}
	})
	tb.each(func(e *entry) {
		if e.gone || e.route.shared != shared[e.route] || e.values != values[e] {
			t.Errorf("%q: gone %v, shared by %d, counts %d; %d values, counts %d", e.key, e.gone, shared[e.route], e.route.shared, values[e], e.values)
		}
	})
	for at, rt := range tb.canon {
		if rt.shared <= 0 || rt.hash != at.hash || rt.method != at.method {
			t.Errorf("the route of hash %x is shared by %d and has hash %x", at.hash, rt.shared, rt.hash)
		}
	}
	if tb.entries != len(tb.exact)+folded || tb.entries > maxEntries || nodes-1 != tb.nodes || tb.nodes > maxNodes+maxDepth {
		t.Errorf("%d entries, counts %d; %d nodes, counts %d", len(tb.exact)+folded, tb.entries, nodes-1, tb.nodes)
	}
}

func keyOf(e *entry) string {
	if e == nil {
		return "-"
	}
	return e.key
}

func TestManyValuesOfASegmentFold(t *testing.T) {
	tb := newTable(nil)
	for i := range 100 {
		tb.at(fmt.Appendf(nil, "GET /shop/item-%c%c/buy/", 'a'+i/26, 'a'+i%26))
	}
	if got := keyOf(tb.find([]byte("GET /shop/item-aa/buy/"))); got != "GET /shop/item-aa/buy/" {
		t.Errorf("one of the first has %q", got)
	}
	for _, key := range []string{"GET /shop/item-zz/buy/", "GET /shop/item-dd/buy/"} {
		if got := keyOf(tb.find([]byte(key))); got != "GET /shop/*/buy/" {
			t.Errorf("%s has %q", key, got)
		}
	}
	if tb.find([]byte("GET /shop/item-zz/other")) != nil {
		t.Error("another page of a folded value is not the same route")
	}
	checkTable(t, &tb)
}

func TestSlashAtTheEndBelongsToTheSegment(t *testing.T) {
	tb := newTable(nil)
	for i := range 100 {
		tb.at(fmt.Appendf(nil, "GET /%c%c/", 'a'+i/26, 'a'+i%26))
	}
	if got := keyOf(tb.find([]byte("GET /zz/"))); got != "GET /*/" {
		t.Errorf("%q", got)
	}
}

// learn lets n requests of a key end.
func (p *play) learn(n int, key string, own time.Duration, route uint64) {
	for range n {
		it := &Item{}
		p.s.Arrive(it, []byte(key), 0, p.now)
		p.s.Learn(it, Spent{Own: own, CPU: own, Route: route})
	}
}

func (p *play) class(key string) Class {
	it := &Item{}
	p.s.Arrive(it, []byte(key), 0, p.now)
	return it.Class()
}

func (p *play) route(key string) string { return keyOf(p.s.table.find([]byte(key))) }

// slugs are pages under one path, all fast.
func slugs(p *play) {
	for i := range 100 {
		p.learn(2, fmt.Sprintf("GET /p/page-%c%c", 'a'+i/26, 'a'+i%26), time.Millisecond, 0)
	}
}

func TestSlowValueOfAFoldedSegmentIsToldApart(t *testing.T) {
	p := newPlay(t, 2, 0, Config{})
	slugs(p)
	p.want("before", []any{p.route("GET /p/report"), p.class("GET /p/report")}, []any{"GET /p/*", Fast})
	p.learn(2, "GET /p/report", 3*time.Second, 0)
	p.want("after", []any{p.route("GET /p/report"), p.class("GET /p/report")}, []any{"GET /p/report", Slow})
	p.want("the others", []any{p.route("GET /p/other"), p.class("GET /p/other")}, []any{"GET /p/*", Fast})
	p.learn(1, "GET /p/hiccup", 190*time.Millisecond, 0)
	p.want("one that took long once", p.class("GET /p/hiccup"), Fast)
	checkTable(t, &p.s.table)
}

func TestFastValueOfASlowFoldedSegmentIsToldApart(t *testing.T) {
	p := newPlay(t, 2, 0, Config{})
	for i := range 100 {
		p.learn(2, fmt.Sprintf("GET /p/page-%c%c", 'a'+i/26, 'a'+i%26), time.Second, 0)
	}
	p.learn(1, "GET /p/index", time.Millisecond, 0)
	p.want("after", []any{p.class("GET /p/index"), p.class("GET /p/other")}, []any{Fast, Slow})
}

func TestOverstayingValueOfAFoldedSegmentSpoilsNotTheOthers(t *testing.T) {
	p := newPlay(t, 2, 0, Config{})
	slugs(p)
	p.s.Overstay(p.arrive("GET /p/report"), 5*time.Second)
	p.want("classes", []Class{p.class("GET /p/report"), p.class("GET /p/other")}, []Class{Slow, Fast})
}

func TestValuesToldApartAreBounded(t *testing.T) {
	p := newPlay(t, 2, 0, Config{})
	slugs(p)
	for i := range 1000 {
		p.learn(1, fmt.Sprintf("GET /p/slow-%c%c%c", 'a'+i/676, 'a'+i/26%26, 'a'+i%26), 150*time.Millisecond, 0)
	}
	if n := len(p.s.table.exact); n > maxValues+maxApart {
		t.Errorf("%d entries", n)
	}
	checkTable(t, &p.s.table)
}

func TestKeysOfOneFrameworkRouteShareWhatIsKnown(t *testing.T) {
	p := newPlay(t, 2, 0, Config{})
	p.learn(5, "GET /en/report", time.Second, 7)
	p.learn(1, "GET /de/bericht", time.Second, 7)
	p.s.Name(7, "report")
	a, b := p.s.table.find([]byte("GET /en/report")), p.s.table.find([]byte("GET /de/bericht"))
	if a.route != b.route || a.route.requests != 6 || p.s.table.title(b.route) != "GET report" {
		t.Errorf("%+v and %+v", a.route, b.route)
	}
	p.learn(1, "POST /de/bericht", time.Millisecond, 7)
	if p.s.table.find([]byte("POST /de/bericht")).route == b.route {
		t.Error("another method is another route")
	}
	checkTable(t, &p.s.table)
}

func TestFewValuesWithOneFrameworkRouteFold(t *testing.T) {
	p := newPlay(t, 2, 0, Config{})
	for _, name := range []string{"ada", "bob", "cyd"} {
		p.learn(1, "GET /user/"+name, time.Millisecond, 9)
	}
	p.want("a fourth", p.class("GET /user/dan"), Unknown)
	p.learn(1, "GET /user/dan", time.Millisecond, 9)
	p.want("after four", []any{p.route("GET /user/eve"), p.class("GET /user/eve")}, []any{"GET /user/*", Fast})
	p.learn(1, "GET /user/login", time.Second, 10)
	p.want("one of another route", []any{p.route("GET /user/login"), p.class("GET /user/login")}, []any{"GET /user/login", Slow})
	p.want("the others", []any{p.class("GET /user/eve"), p.s.table.find([]byte("GET /user/eve")).hash}, []any{Fast, 9})
	for _, name := range []string{"ada", "bob", "cyd", "dan"} {
		p.learn(1, "GET /profile/"+name+"/", time.Millisecond, 11)
	}
	p.want("with a slash at the end", p.route("GET /profile/eve/"), "GET /profile/*/")
	checkTable(t, &p.s.table)
}

// fresh lets requests of n keys end that share all but the last segment.
func (p *play) fresh(n int, prefix string, own time.Duration) {
	for i := range n {
		p.learn(1, fmt.Sprintf("%s%c%c", prefix, 'a'+i/26, 'a'+i%26), own, 0)
	}
}

func TestFewValuesThatTakeAsLongFold(t *testing.T) {
	for _, own := range []time.Duration{5 * time.Millisecond, 3 * time.Second} {
		p := newPlay(t, 2, 0, Config{})
		p.fresh(maxFresh-1, "GET /p/", own)
		p.want("before", []any{p.route("GET /p/new"), p.class("GET /p/new")}, []any{"-", Unknown})
		p.learn(1, "GET /p/last", own, 0)
		want := map[bool]Class{true: Fast, false: Slow}[own < time.Second]
		p.want("after", []any{p.route("GET /p/newer"), p.class("GET /p/newer")}, []any{"GET /p/*", want})
		p.want("the first", []any{p.route("GET /p/aa"), p.class("GET /p/aa")}, []any{"GET /p/*", want})
		if rt := p.s.table.find([]byte("GET /p/aa")).route; rt.requests != maxFresh || rt.total != maxFresh*own || int(rt.own.n) != maxFresh {
			t.Errorf("%d requests and %v are known", rt.requests, rt.total)
		}
		checkTable(t, &p.s.table)
	}
}

func TestValuesThatAreUnlikeDoNotFoldEarly(t *testing.T) {
	for what, unlike := range map[string]func(*play){
		"a slow one":         func(p *play) { p.learn(1, "GET /p/report", 3*time.Second, 0) },
		"a slow one, often":  func(p *play) { p.learn(9, "GET /p/report", 3*time.Second, 0) },
		"a much shorter one": func(p *play) { p.learn(1, "GET /p/icon", 50*time.Microsecond, 0) },
		"one that runs": func(p *play) {
			p.s.Overstay(p.arrive("GET /p/report"), 2*time.Second)
		},
	} {
		p := newPlay(t, 2, 0, Config{})
		unlike(p)
		p.fresh(maxFresh+1, "GET /p/", 5*time.Millisecond)
		p.want(what, p.route("GET /p/aa"), "GET /p/aa")
	}
}

func TestWhatIsAskedForOftenOrKnownByTheFrameworkKeepsItsEntry(t *testing.T) {
	p := newPlay(t, 2, 0, Config{})
	p.learn(warmUp, "GET /p/index", time.Millisecond, 0)
	p.learn(1, "GET /p/named", time.Millisecond, 3)
	p.learn(1, "GET /p/parent", time.Millisecond, 0)
	p.fresh(1, "GET /p/parent/", time.Millisecond)
	p.fresh(maxFresh, "GET /p/", time.Millisecond)
	for _, key := range []string{"GET /p/index", "GET /p/named", "GET /p/parent", "GET /p/parent/aa"} {
		p.want(key, p.route(key), key)
	}
	p.want("others", p.route("GET /p/other"), "GET /p/*")
	checkTable(t, &p.s.table)

	p = newPlay(t, 2, 0, Config{}) // now the one with others below it is the last to be known
	p.fresh(1, "GET /p/parent/", time.Millisecond)
	p.learn(warmUp, "GET /p/changes", time.Second, 0)
	p.fresh(maxFresh, "GET /p/", time.Millisecond)
	p.learn(100, "GET /p/changes", time.Millisecond, 0)
	p.learn(1, "GET /p/parent", time.Millisecond, 0)
	p.want("the parent", p.route("GET /p/parent"), "GET /p/parent")
	checkTable(t, &p.s.table)
}

func TestWhatWaitsOrRunsFoldsToo(t *testing.T) {
	p := newPlay(t, 2, 0, Config{})
	slow := p.arrive("GET /p/slow")
	p.arrive("GET /p/running")
	for i := range 5 {
		p.times(1, fmt.Sprintf("GET /p/w%c", 'a'+i))
	}
	p.want("waiting", p.s.WaitingIn(Unknown), 5)
	p.fresh(maxFresh, "GET /p/", 5*time.Millisecond)
	p.want("waiting once it is known how long they take", []int{p.s.WaitingIn(Unknown), p.s.WaitingIn(Fast)}, []int{0, 5})
	p.s.Overstay(slow, 2*time.Second)
	p.want("one that ran meanwhile and takes long", []Class{p.class("GET /p/slow"), p.class("GET /p/x")}, []Class{Slow, Fast})
	checkTable(t, &p.s.table)
}

func TestCatchAllRouteDoesNotMixSlowAndFast(t *testing.T) {
	p := newPlay(t, 2, 0, Config{})
	p.learn(6, "GET /a", time.Millisecond, 5)
	p.learn(6, "GET /b/c", time.Millisecond, 5)
	p.learn(6, "GET /d/e/f", time.Second, 5) // known to be slow before the framework's route is
	p.learn(2, "GET /b/c", 3*time.Second, 5) // turned slow later
	p.want("classes", []Class{p.class("GET /a"), p.class("GET /b/c"), p.class("GET /d/e/f")}, []Class{Fast, Slow, Slow})
	checkTable(t, &p.s.table)
}

func TestKeyWhoseFrameworkRouteFlapsStaysInTheEnd(t *testing.T) {
	p := newPlay(t, 2, 0, Config{})
	p.learn(5, "GET /one", time.Millisecond, 1)
	p.learn(5, "GET /two", time.Millisecond, 2)
	e := func() *entry { return p.s.table.find([]byte("GET /a")) }
	var last *route
	for i := range 100 {
		p.learn(1, "GET /a", time.Millisecond, uint64(1+i%2))
		if i > 2*maxFlips && e().route != last {
			t.Fatalf("it changed at request %d", i)
		}
		last = e().route
	}
	checkTable(t, &p.s.table)
}

func TestWaitingItemsFollowTheirRoute(t *testing.T) {
	p := newPlay(t, 1, 0, Config{})
	p.learn(5, "GET /x/en", time.Millisecond, 7)
	first := p.arrive("GET /x/de")
	p.times(3, "GET /x/de")
	p.want("waiting", p.s.WaitingIn(Unknown), 3)
	p.s.End(first, p.now)
	p.s.Learn(first, Spent{Own: time.Millisecond, Route: 7})
	p.pump()
	p.want("waiting once the route is known", p.s.Waiting(), 0)
}

func TestRoutesAreForgottenNotHoarded(t *testing.T) {
	p := newPlay(t, 2, 0, Config{})
	rng := rand.New(rand.NewPCG(1, 2))
	for i := range 100_000 {
		key := fmt.Sprintf("GET /%x/%x/%x", rng.Uint32(), rng.Uint32(), rng.Uint32())
		if i%3 == 0 {
			key = fmt.Sprintf("GET /a%d/b%d/c%d/d%d", i%32, i/32%32, i/1024%32, i/32768%32)
		}
		it := &Item{}
		p.s.Arrive(it, []byte(key), 0, p.now)
		p.s.Learn(it, Spent{Own: time.Duration(rng.IntN(300)) * time.Millisecond, CPU: 1, Route: uint64(rng.IntN(3) * rng.IntN(10000))})
		if i%1000 == 0 {
			p.learn(1, home, time.Millisecond, 1)
		}
		if i%10_000 == 0 {
			checkTable(t, &p.s.table)
		}
	}
	checkTable(t, &p.s.table)
	if p.class(home) != Fast {
		t.Error("a page that is asked for all the time was forgotten")
	}
}

func TestLookingUpDoesNotAllocate(t *testing.T) {
	p := newPlay(t, 2, 0, Config{Rules: rules(t, "GET /p/x/**=slow")})
	slugs(p)
	for _, key := range []string{"GET /p/page-aa", "GET /p/never-seen"} {
		it, k := &Item{}, []byte(key)
		if n := testing.AllocsPerRun(100, func() {
			p.s.Arrive(it, k, 9, p.now)
			p.s.Start(it, p.s.Admit(it))
			p.s.End(it, p.now)
			p.s.Learn(it, Spent{Own: time.Millisecond, CPU: time.Millisecond})
		}); n != 0 {
			t.Errorf("%s: %v allocations", key, n)
		}
	}
}

func FuzzTable(f *testing.F) {
	f.Add([]byte("GET /a/b\nGET /a/c/\nPOST\n\nGET //x//\nGET /:n/:id"), uint64(3))
	f.Fuzz(func(t *testing.T, keys []byte, seed uint64) {
		p := newPlay(t, 2, 1, Config{Rules: rules(t, "/a/**=slow", "GET /*/b=x")})
		rng := rand.New(rand.NewPCG(seed, 1))
		for range 3 {
			for _, key := range splitLines(keys) {
				it := &Item{}
				p.s.Arrive(it, key, 0, p.now)
				p.s.Learn(it, Spent{Own: time.Duration(rng.IntN(1000)) * time.Millisecond, CPU: time.Millisecond, Route: uint64(rng.IntN(3))})
				p.s.Explain(key, 0, p.now)
			}
		}
		checkTable(t, &p.s.table)
		p.s.table.evict()
		checkTable(t, &p.s.table)
		p.s.Status(p.now)
	})
}

func splitLines(b []byte) (lines [][]byte) {
	for line := range bytes.SplitSeq(b, []byte{'\n'}) {
		lines = append(lines, line)
	}
	return lines
}
