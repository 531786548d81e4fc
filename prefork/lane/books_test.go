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
