package lane

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"
)

func TestStatusHasThePublicFormat(t *testing.T) {
	p := site(t, 2, 1, Config{Reserve: 1, Rules: rules(t, "/e=export,concurrency=2")})
	p.times(3, pdf)
	p.now += 2 * time.Second
	text, err := json.Marshal(p.s.Snapshot(p.now).Status())
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{
		`"slots":{"computing":2,"computing_busy":1,"spare":1,"spare_busy":0,"reserve":1}`,
		`{"name":"slow","priority":20,"concurrency":0,"running":1,"waiting":2,"oldest_seconds":2,"sent":1,"refused":0,"expired":0}`,
		`{"name":"export","priority":20,"concurrency":2,`,
		`{"key":"GET /pdf","lane":"slow","class":"slow","waits":false,"requests":4,`,
		`"estimate":1,"aliases":1}`,
		`"prior":0.2`,
	} {
		if !strings.Contains(string(text), want) {
			t.Errorf("%s has no %s", text, want)
		}
	}
	if routes := p.s.Snapshot(p.now).Status().Routes; routes[0].Key != wait || routes[0].OwnP50 < 1.4 || routes[0].OwnP50 > 2.9 || !routes[0].Waits {
		t.Errorf("the route that took most time is %+v", routes[0])
	}
}

func TestStatusIsMadeFromACopy(t *testing.T) {
	p := site(t, 2, 1, Config{})
	p.learn(1, pdf, time.Second, 77)
	p.s.Name(77, "pdf")
	p.learn(3, "GET /other/pdf", time.Second, 77)
	x := p.s.Snapshot(p.now)
	before := x.Status()
	p.learn(1000, pdf, 3*time.Second, 77)
	p.s.Name(77, "report")
	p.times(2, home)
	p.want("afterwards", x.Status(), before)
	if n := len(before.Routes); n != 3 || before.Routes[0].Key != "GET pdf" || before.Routes[0].Aliases != 2 {
		t.Errorf("%+v", before.Routes)
	}
	q := newPlay(t, 2, 0, Config{})
	for i := range 900 {
		q.s.table.at(fmt.Appendf(nil, "GET /%c/x%c", 'A'+i/30, 'A'+i%30))
	}
	if entries, n := q.s.table.entries, testing.AllocsPerRun(10, func() { q.s.Snapshot(q.now) }); entries != 900 || n > 10 {
		t.Errorf("%v allocations for %d entries", n, entries)
	}
}

func TestStatusIsBounded(t *testing.T) {
	p := newPlay(t, 2, 0, Config{})
	for i := range 30 {
		for k := range 30 {
			p.learn(1, fmt.Sprintf("GET /%c/%c%c", 'a'+i, 'a'+k/26, 'a'+k%26), time.Duration(i*k)*time.Millisecond, 0)
		}
	}
	if n := len(p.s.Snapshot(p.now).Status().Routes); n != mostRoutes {
		t.Errorf("%d routes", n)
	}
}

func TestExplainSaysWhatHappensAndWhy(t *testing.T) {
	p := site(t, 2, 1, Config{Reserve: 1, Rules: rules(t, "GET /e/**=export,concurrency=1")})
	p.s.Name(77, "contract-pdf")
	p.learn(1, pdf, time.Second, 77)
	for _, c := range []struct {
		key, route, lane, decision, why string
	}{
		{home, home, "fast", "computing slot now", "less than 100ms"},
		{pdf, "GET contract-pdf", "slow", "computing slot now", "more than 100ms"},
		{wait, wait, "slow", "spare slot now", "wait for the rest"},
		{"GET /never/seen", "", "new", "computing slot now", "No request like this has been seen"},
		{"GET /e/x", "", "export", "computing slot now", "The rule GET /e/**=export,concurrency=1"},
	} {
		x := p.s.Explain([]byte(c.key), 0, p.now)
		if x.Key != c.key || x.Route != c.route || x.Lane != c.lane || x.Decision != c.decision || !strings.Contains(strings.Join(x.Why, " "), c.why) {
			t.Errorf("%s: %+v", c.key, x)
		}
	}
	if p.s.table.find([]byte("GET /never/seen")) != nil {
		t.Error("to explain a key makes it known")
	}
	p.times(3, pdf)
	x := p.s.Explain([]byte(pdf), 0, p.now)
	if x.Decision != "waits" || x.Wait != 2 || x.Requests != 5 || x.Estimate != 1 ||
		!slices.Contains(x.Why, "2 requests of the lane wait already.") {
		t.Errorf("%+v", x)
	}
	p.s.Resize(0, 0)
	if x := p.s.Explain([]byte(home), 0, p.now); x.Decision != "waits" || !slices.Contains(x.Why, "No worker is ready.") {
		t.Errorf("%+v", x)
	}
}

func TestLongestWaitIsThatOfALaneThatAnotherSlotWouldHelp(t *testing.T) {
	p := site(t, 1, 0, Config{Rules: rules(t, "/e/**=export,concurrency=1")})
	p.times(2, "GET /e/x")
	p.now += time.Minute
	if lane, wait := p.s.Longest(p.now); lane != "" || wait != 0 {
		t.Errorf("%v in %q, which is full", wait, lane)
	}
	p.times(1, pdf)
	p.now += time.Second
	p.times(1, pdf)
	p.now += time.Second
	if lane, wait := p.s.Longest(p.now); lane != "slow" || wait != 2*time.Second {
		t.Errorf("%v in %q, want 2s in slow", wait, lane)
	}
}
