package sim

import (
	"fmt"
	"strings"
	"testing"
)

// limits bound what our policy may do in a trace, compared with the others in the same table. A limit of zero is none.
type limits struct {
	P50, P99, Max float64 // of the pages, in times what they need on an idle machine
	Perfect       float64 // p99 of the pages, in times that of perfect knowledge
	Peers         float64 // the same, in times that of the best of the other peers
	Slow          float64 // slow answers a second, at least this share of the best
	Longest       float64 // of the slow ones, in times their mean
	Guest         float64 // seconds
}

// steady is what the home page and the slow visitors are promised once the server knows them.
var steady = limits{P50: 1.2, P99: 2, Max: 2, Perfect: 1.2, Slow: 0.95, Longest: 2}

// loaded is what the home page and the rest are promised when there is more to do than can be done.
var loaded = limits{P50: 1.2, P99: 2, Max: 2, Perfect: 1.2, Slow: 0.85}

// bounds are the limits by trace. Wherever nobody fails, no page may be refused or given up, and nobody may starve.
var bounds = map[string]limits{
	"idle 4 x 1":  {P50: 1.05, P99: 1.05, Max: 1.05, Perfect: 1.05},
	"idle 4 x 4":  {P50: 1.05, P99: 1.05, Max: 1.05, Perfect: 1.05},
	"pdf 4 x 1 3": steady, "pdf 4 x 1 8": steady, "pdf 4 x 1 40": steady, "pdf 4 x 1 200": steady,
	"pdf 4 x 4 3": steady, "pdf 4 x 4 8": steady, "pdf 4 x 4 40": steady, "pdf 4 x 4 200": steady,
	"wait 4 x 1 3": steady, "wait 4 x 1 8": steady, "wait 4 x 1 40": steady, "wait 4 x 1 200": steady,
	"wait 4 x 4 3": steady, "wait 4 x 4 8": steady, "wait 4 x 4 40": steady, "wait 4 x 4 200": steady,
	// Those who wait take turns with those who compute, which costs some of the processors' time.
	"both 4 x 1": {P50: 1.2, P99: 2, Max: 2, Perfect: 1.2, Peers: 0.1, Slow: 0.85},
	"both 4 x 4": {P50: 1.2, P99: 2, Max: 2, Perfect: 1.2, Peers: 0.1, Slow: 0.95, Longest: 2},
	// While nothing is known, nobody can do well; these bound the price.
	"never seen":   {P50: 1.2, P99: 2.5, Peers: 0.1, Perfect: 1.5, Slow: 0.95, Longest: 2},
	"deploy 4 x 1": {P50: 1.5, Peers: 0.5, Perfect: 2, Slow: 0.65, Longest: 2.5},
	"deploy 4 x 4": {P50: 1.5, Peers: 0.7, Perfect: 2.8, Slow: 0.65, Longest: 2.5},
	// The guest waits for one of the three PDFs that run, which nobody can stop, and then runs beside two others.
	"burst": {P50: 1.2, P99: 2, Max: 2, Perfect: 1.2, Slow: 0.95, Guest: 2},
	// Perfect knowledge answers more because it picks the PDFs that are a little shorter.
	"overload 1, 60 s": loaded, "overload 2, 60 s": loaded, "overload 3, 60 s": loaded,
	"overload 1, 10 s": loaded, "overload 2, 10 s": loaded, "overload 3, 10 s": loaded,
	"portal":     {P50: 2, Perfect: 1.2, Peers: 0.1, Slow: 0.95},
	"heavy tail": {P50: 1.2, P99: 2, Peers: 0.1, Slow: 0.95},
	"recorded":   {P50: 1.2, P99: 2, Perfect: 1.2, Peers: 0.1, Slow: 0.95},
}

// violations says in which respects a table's row of ours exceeds its limits.
func violations(t Table) (all []string) {
	s, perfect, l := t.Rows[Name], t.Rows["perfect knowledge"], bounds[t.Trace.Name]
	most := func(what string, got, limit float64) {
		if limit > 0 && got > limit {
			all = append(all, fmt.Sprintf("%s is %.2f, may be %.2f", what, got, limit))
		}
	}
	most("page p50 : idle", s.PageP50/s.IdleP50, l.P50)
	most("page p99 : idle", s.PageP99/s.IdleP99, l.P99)
	most("page max : idle", s.PageMax/s.IdleMax, l.Max)
	most("page p99 : perfect knowledge", s.PageP99/perfect.PageP99, l.Perfect)
	for _, c := range Peers[:len(Peers)-1] {
		if p99 := t.Rows[c.Name].PageP99; p99 > 0 {
			most("page p99 : "+c.Name, s.PageP99/p99, l.Peers)
		}
	}
	if s.SlowRate < l.Slow*t.Best() {
		all = append(all, fmt.Sprintf("slow answers are %.2f/s, the best policy gives %.2f", s.SlowRate, t.Best()))
	}
	most("longest : mean", s.SlowLongest/s.SlowMean, l.Longest)
	most("guest", s.Guest, l.Guest)
	if s.PagesFailed > 0 || s.Pages == 0 {
		all = append(all, fmt.Sprintf("%d of %d pages failed", s.PagesFailed, s.Pages))
	}
	if s.Starved > perfect.Starved {
		all = append(all, fmt.Sprintf("%d starve", s.Starved))
	}
	return all
}

func TestOurPolicyDoesNotFallBehind(t *testing.T) {
	t.Parallel()
	seen := 0
	for _, g := range Groups() {
		peak := 0.0
		for _, table := range g.Tables() {
			if _, ok := bounds[table.Trace.Name]; !ok {
				t.Errorf("%s has no bounds", table.Trace.Name)
			}
			seen++
			for _, v := range violations(table) {
				t.Errorf("%s: %s", table.Trace.Name, v)
			}
			if strings.HasPrefix(table.Trace.Name, "overload") {
				rate := table.Rows[Name].SlowRate
				if peak = max(peak, rate); rate < 0.9*peak {
					t.Errorf("%s: %.2f slow answers a second, with less load there were %.2f", table.Trace.Name, rate, peak)
				}
			}
		}
	}
	if seen != len(bounds) {
		t.Errorf("%d traces, %d of them with bounds", seen, len(bounds))
	}
}

// Each part of the policy is held up by a bound: without it, a trace exceeds one.
func TestBoundsNoticeWhatIsMissing(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name, trace, exceeds string
		change               func(*Options)
	}{
		{"no reserve", "wait 4 x 1 8", "page p99", func(o *Options) { o.Lane.Reserve, o.Overflow = 0, 0 }},
		{"nothing is slow", "pdf 4 x 1 8", "page p99", func(o *Options) { o.Lane.SlowAfter = 1 << 40 }},
		{"no nice", "pdf 4 x 1 8", "page p99 : perfect", func(o *Options) { o.Nice = false }},
		{"no overflow", "wait 4 x 1 8", "slow answers", func(o *Options) { o.Overflow = 0 }},
		{"clients not told apart", "burst", "guest", func(o *Options) { o.OneClient = true }},
		{"nothing refused", "overload 3, 60 s", "slow answers", func(o *Options) { o.Lane.QueueTarget, o.Lane.QueueTimeout = 0, 0 }},
		{"clients who leave not noticed", "overload 3, 10 s", "slow answers", func(o *Options) { o.Lane.QueueTarget = 0 }},
	} {
		o := Defaults()
		c.change(&o)
		all := violations(compare(trace(t, c.trace), append([]Contender{Gounicorn(Name, o)}, Peers...)))
		if !strings.Contains(strings.Join(all, "\n"), c.exceeds) {
			t.Errorf("%s: nothing about %q in %q", c.name, c.exceeds, all)
		}
	}
}

func trace(t *testing.T, name string) *Trace {
	t.Helper()
	for _, g := range Groups() {
		for _, trace := range g.Traces {
			if trace.Name == name {
				return trace
			}
		}
	}
	t.Fatalf("there is no trace %s", name)
	return nil
}

// The same trace under the same policy is the same to the last figure.
func TestPlaysAreDeterministic(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"never seen", "portal", "wait 4 x 4 40"} {
		ours := Gounicorn(Name, Defaults())
		if a, b := play(trace(t, name), ours).score(), play(trace(t, name), ours).score(); a != b {
			t.Errorf("%s: %+v and then %+v", name, a, b)
		}
	}
}
