package lane

import (
	"testing"
	"time"
)

const ms = time.Millisecond

func TestClassificationHasHysteresis(t *testing.T) {
	rt := &route{}
	for i, s := range []struct {
		own  time.Duration
		want Class
	}{{150, Unknown}, {150, Unknown}, {150, Unknown}, {150, Slow}, {90, Slow}, {90, Slow}, {1, Slow}} {
		rt.learn(s.own*ms, 0, 100*ms, warmUp)
		if got := rt.class(); got != s.want {
			t.Errorf("step %d (%v ms): class %v, want %v", i, s.own, got, s.want)
		}
	}
	for range 50 {
		rt.learn(80*ms, 0, 100*ms, warmUp)
	}
	if got := rt.class(); got != Slow {
		t.Errorf("between the borders: class %v with an estimate of %v", got, rt.estimate)
	}
	for range 20 {
		rt.learn(ms, 0, 100*ms, warmUp)
	}
	if got := rt.class(); got != Fast {
		t.Errorf("after twenty fast runs: class %v", got)
	}
}

func TestSuspicionEndsWithTheFirstEnd(t *testing.T) {
	rt := &route{}
	if !rt.suspect(150*ms) || rt.class() != Slow {
		t.Fatal("a route that was never seen and runs for long is not suspected")
	}
	if !rt.learn(10*ms, 0, 100*ms, warmUp) || rt.class() != Fast {
		t.Error("the first end did not clear it")
	}
	if !rt.suspect(2*time.Second) || rt.suspect(3*time.Second) {
		t.Error("a suspicion is reported once")
	}
}

func TestColdFirstRequestDoesNotMakeARouteSlow(t *testing.T) {
	rt := &route{}
	if rt.learn(190*ms, 0, 100*ms, warmUp); rt.class() != Unknown {
		t.Fatal("one that takes so little more may only have been cold")
	}
	rt.learn(15*ms, 0, 100*ms, warmUp)
	if rt.learn(15*ms, 0, 100*ms, warmUp); rt.class() != Fast {
		t.Error("two more requests show that the first was an exception")
	}
	for range 5 { // every worker has its first request
		rt.learn(15*ms, 0, 100*ms, warmUp)
		rt.learn(190*ms, 0, 100*ms, warmUp)
	}
	if rt.class() != Fast {
		t.Errorf("with an estimate of %v", rt.estimate)
	}
	rt = &route{}
	if rt.learn(1100*ms, 0, 100*ms, warmUp); rt.class() != Slow {
		t.Error("eleven times slowAfter is beyond doubt")
	}
}

func TestWaitingIsToldFromComputingWithHysteresis(t *testing.T) {
	for name, c := range map[string]struct {
		own, cpu time.Duration
		before   bool
		want     bool
	}{
		"little CPU":                        {2 * time.Second, 20 * ms, false, true},
		"little of its time, but much":      {2 * time.Second, 80 * ms, false, false},
		"a third":                           {90 * ms, 30 * ms, false, false},
		"a third, and it waited":            {90 * ms, 30 * ms, true, true},
		"more than half":                    {90 * ms, 50 * ms, true, false},
		"a small share of a long time":      {10 * time.Second, 300 * ms, true, false},
		"CPU time is not known":             {2 * time.Second, 0, false, false},
		"the GIL's waits count as its time": {400 * ms, 8 * ms, false, true},
	} {
		rt := &route{waits: c.before}
		for range 2 * warmUp {
			rt.learn(c.own, c.cpu, 100*ms, warmUp)
		}
		if rt.waits != c.want {
			t.Errorf("%s: waits is %v", name, rt.waits)
		}
	}
}

func TestSketchKnowsQuantilesAndForgets(t *testing.T) {
	var s sketch
	if s.quantile(0.5) != 0 {
		t.Error("nothing was seen")
	}
	for i := range 1000 {
		s.add(time.Duration(i+1) * ms)
	}
	for q, want := range map[float64]time.Duration{0.5: 500 * ms, 0.9: 900 * ms, 0.99: 990 * ms} {
		if got := s.quantile(q); got < want*3/4 || got > want*4/3 {
			t.Errorf("the %v quantile of 1 to 1000 ms is %v", q, got)
		}
	}
	for range 5000 {
		s.add(ms)
	}
	if got := s.quantile(0.9); got > 2*ms {
		t.Errorf("after 5000 of 1 ms the 0.9 quantile is %v", got)
	}
	sum := uint16(0)
	for _, c := range s.count {
		sum += c
	}
	if sum != s.n || sum > sketchMost {
		t.Errorf("the buckets hold %d, the sketch counts %d", sum, s.n)
	}
	for _, d := range []time.Duration{-1, 0, 1, time.Microsecond, time.Hour, 1<<63 - 1} {
		s.add(d)
	}
}

func TestClientsAreBoundedAndTheBusiestRemembered(t *testing.T) {
	var c clients
	for range 50 {
		c.charge(1, 0, int64(time.Second))
	}
	for i := range uint64(100_000) {
		c.charge(i+2, int64(i), 10)
	}
	if at := c.peek(1, 0, 1); at != int64(50*time.Second)+1 {
		t.Errorf("the client that asked for most stands at %v", time.Duration(at))
	}
}
