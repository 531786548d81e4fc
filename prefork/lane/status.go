package lane

import (
	"cmp"
	"fmt"
	"slices"
	"time"
)

// mostRoutes is how many routes a Status has.
const mostRoutes = 200

// Status is a snapshot of a scheduler, in the public format. Times are seconds.
type Status struct {
	Slots  SlotStatus    `json:"slots"`
	Lanes  []LaneStatus  `json:"lanes"`  // by priority
	Routes []RouteStatus `json:"routes"` // those that took most time in all; at most 200
	Prior  float64       `json:"prior"`  // share of routes that turned out slow at their first request, decaying
}

// SlotStatus counts slots.
type SlotStatus struct {
	Computing     int `json:"computing"`
	ComputingBusy int `json:"computing_busy"` // may be more than there are: what is sent ahead counts
	Spare         int `json:"spare"`
	SpareBusy     int `json:"spare_busy"`
	Reserve       int `json:"reserve"`
}

// LaneStatus is one lane.
type LaneStatus struct {
	Name        string  `json:"name"`
	Priority    int     `json:"priority"`
	Concurrency int     `json:"concurrency"` // 0: no limit of its own
	Running     int     `json:"running"`
	Waiting     int     `json:"waiting"`
	Oldest      float64 `json:"oldest_seconds"`
	Sent        uint64  `json:"sent"`
	Refused     uint64  `json:"refused"`
	Expired     uint64  `json:"expired"`
}

// RouteStatus is what is known of one route.
type RouteStatus struct {
	Key      string  `json:"key"`
	Lane     string  `json:"lane"`
	Class    string  `json:"class"`
	Waits    bool    `json:"waits"`
	Requests uint64  `json:"requests"`
	OwnP50   float64 `json:"own_p50"`
	OwnP90   float64 `json:"own_p90"`
	OwnP99   float64 `json:"own_p99"`
	CPUMean  float64 `json:"cpu_mean"`
	Estimate float64 `json:"estimate"`
	Aliases  int     `json:"aliases"` // keys that share it
}

// Load is the part of a Status that costs little: slots and lanes.
func (s *Scheduler) Load(now time.Duration) (SlotStatus, []LaneStatus) {
	slots := SlotStatus{
		Computing: s.computing, ComputingBusy: s.Busy(), Spare: s.spare, SpareBusy: s.spareBusy, Reserve: s.computing - max(s.open(), 0),
	}
	lanes := make([]LaneStatus, 0, len(s.lanes))
	for _, l := range s.lanes {
		ls := LaneStatus{
			Name: l.name, Priority: l.priority, Concurrency: l.concurrency, Running: l.running, Waiting: l.waiting,
			Sent: l.sent, Refused: l.refused, Expired: l.expired,
		}
		if l.waiting > 0 {
			ls.Oldest = (now - l.oldest().arrived).Seconds()
		}
		lanes = append(lanes, ls)
	}
	return slots, lanes
}

// Longest returns the lane in which an item waits longest that another slot would help, and how long; 0 when none does.
func (s *Scheduler) Longest(now time.Duration) (lane string, wait time.Duration) {
	for _, l := range s.lanes {
		if l.waiting > 0 && !l.full() {
			if w := now - l.oldest().arrived; w > wait {
				lane, wait = l.name, w
			}
		}
	}
	return lane, wait
}

// Snapshot is a copy of what a Status is made from.
type Snapshot struct {
	status Status
	routes []seenRoute
}

// seenRoute is what is known under one entry of the table.
type seenRoute struct {
	key, name string
	lane      *lane
	class     Class
	of        *route // only to tell which entries share one
	route     route
}

// Snapshot copies what Status needs, without allocating for each route, so that whoever serialises the calls is not held up.
func (s *Scheduler) Snapshot(now time.Duration) Snapshot {
	x := Snapshot{status: Status{Prior: s.prior}, routes: make([]seenRoute, 0, s.table.entries)}
	x.status.Slots, x.status.Lanes = s.Load(now)
	s.table.each(func(e *entry) {
		class, l := s.placed(e.route, e.rule)
		x.routes = append(x.routes, seenRoute{e.key, s.table.names[e.route.hash], l, class, e.route, *e.route})
	})
	return x
}

// Status sums a snapshot up, without the scheduler.
func (x Snapshot) Status() Status {
	st := x.status
	order := make([]*seenRoute, len(x.routes))
	for i := range x.routes {
		order[i] = &x.routes[i]
	}
	slices.SortFunc(order, func(a, b *seenRoute) int {
		return cmp.Or(cmp.Compare(b.route.total, a.route.total), cmp.Compare(a.key, b.key))
	})
	st.Routes = make([]RouteStatus, 0, min(len(order), mostRoutes))
	listed := map[*route]bool{}
	for _, r := range order {
		if len(st.Routes) == mostRoutes {
			break
		}
		if listed[r.of] {
			continue
		}
		listed[r.of] = true
		rt := &r.route
		st.Routes = append(st.Routes, RouteStatus{
			Key: title(rt, r.name), Lane: r.lane.name, Class: r.class.String(), Waits: rt.waits, Requests: rt.requests,
			OwnP50: rt.own.quantile(0.5).Seconds(), OwnP90: rt.own.quantile(0.9).Seconds(), OwnP99: rt.own.quantile(0.99).Seconds(),
			CPUMean: rt.cpu.Seconds(), Estimate: rt.estimate.Seconds(), Aliases: rt.shared,
		})
	}
	return st
}

// placed returns class and lane by route and rule.
func (s *Scheduler) placed(rt *route, r *Rule) (Class, *lane) {
	class := rt.class()
	if r == nil {
		return class, s.builtin[class]
	}
	l := s.byName[r.Lane]
	if l == s.builtin[Fast] {
		return Fast, l
	}
	return Slow, l
}

// Explanation says what would happen to a request that arrived now, and why.
type Explanation struct {
	Key      string   `json:"key"`
	Route    string   `json:"route"` // what the key counts as: the framework's name, or the key with * for what is folded; empty: never seen
	Rule     string   `json:"rule"`  // the rule that matches, empty: none
	Lane     string   `json:"lane"`
	Class    string   `json:"class"`
	Waits    bool     `json:"waits"`
	Estimate float64  `json:"estimate_seconds"`
	Requests uint64   `json:"requests"`
	Decision string   `json:"decision"`
	Wait     float64  `json:"expected_wait_seconds"`
	Why      []string `json:"why"`
}

// decisions names what can happen.
var decisions = [...]string{None: "waits", Computing: "computing slot now", Spare: "spare slot now"}

// Explain says what would happen to a request of a key and a client that arrived now. It changes nothing.
func (s *Scheduler) Explain(key []byte, client uint64, now time.Duration) Explanation {
	it := &Item{key: key, client: client, entry: s.table.find(key)}
	s.judge(it)
	if it.entry == nil {
		if it.rule = s.table.rule(key); it.rule != nil {
			it.class, it.lane = s.placed(nil, it.rule)
		}
	}
	x := Explanation{Key: string(key), Lane: it.lane.name, Class: it.class.String(), Waits: it.waits, Decision: decisions[None]}
	why := func(format string, args ...any) { x.Why = append(x.Why, fmt.Sprintf(format, args...)) }
	rt := it.route
	switch {
	case rt == nil:
		why("No request like this has been seen.")
	case !rt.known:
		x.Route = s.table.title(rt)
		why("No request of this route has ended yet.")
	default:
		x.Route, x.Requests, x.Estimate = s.table.title(rt), rt.requests, rt.estimate.Seconds()
		than := "less"
		if rt.estimate > s.cfg.SlowAfter {
			than = "more"
		}
		why("Its requests need about %v of their own, %s than %v (--slow-after).", brief(rt.estimate), than, s.cfg.SlowAfter)
		switch {
		case rt.provisional:
			why("One has been running for long; the first that ends decides.")
		case rt.waits:
			why("They compute for %v of that and wait for the rest, so a spare thread may run them.", brief(rt.cpu))
		default:
			why("They compute for %v of that.", brief(rt.cpu))
		}
		if rt.shared > 1 || it.entry.folded {
			why("What is known is shared with other keys of the route.")
		}
	}
	if it.rule != nil {
		x.Rule = it.rule.String()
		why("The rule %s decides the lane.", x.Rule)
	}
	on := s.Admit(it)
	x.Decision = decisions[on]
	if on == None {
		x.Wait = s.expected(it.lane).Seconds()
		s.whyNot(it, why)
	}
	return x
}

// whyNot says what keeps an item waiting.
func (s *Scheduler) whyNot(it *Item, why func(string, ...any)) {
	switch {
	case s.computing == 0:
		why("No worker is ready.")
	case it.lane.full():
		why("The lane has %d of %d requests with the workers.", it.lane.running, it.lane.concurrency)
	case it.class == Fast && s.Where(it) == None:
		why("All computing slots are taken, and as much is sent ahead of them as may be.")
	case s.Where(it) == None:
		why("Slow and new requests hold %d of the %d computing slots that they may have, of %d.", s.held(), s.open(), s.computing)
		if it.waits && s.spare > 0 {
			why("All %d spare slots are taken.", s.spare)
		}
	}
	if n := it.lane.waiting; n > 0 {
		why("%d requests of the lane wait already.", n)
	}
}

// brief rounds a duration to what people read.
func brief(d time.Duration) time.Duration {
	switch {
	case d >= time.Second:
		return d.Round(10 * time.Millisecond)
	case d >= time.Millisecond:
		return d.Round(100 * time.Microsecond)
	default:
		return d.Round(time.Microsecond)
	}
}
