package lane

import (
	"math/bits"
	"time"
)

const (
	estimateGain = 8 // the estimate moves by 1/8 of each new observation
	// warmUp is for how many requests the second least counts, beside one for each computing slot: the first one in each worker loads
	// templates, connects to the database and the like. Not the least: one that ends at once, in an error or a redirect, says
	// nothing of the others.
	warmUp = 4
	// settled is a number of ends beyond every warm-up.
	settled = 1 << 20
	// certain is by how many times a request of a route that is known to be fast must exceed slowAfter before the route is suspected:
	// on a busy machine any request may exceed it once.
	certain = 10
)

// route is what was learned of one kind of request.
//
// What counts is the time that a request needs for itself: its run without the time for which its thread only waited for a processor.
// On a busy machine every request takes longer, and a page must not become slow because others compute.
type route struct {
	key         string
	method      string // and
	hash        uint64 // of the framework's route, when it is known
	known       bool   // a request of it has ended, or has run for long
	provisional bool   // only the latter: the first end replaces the estimate
	slow        bool
	trial       bool          // slow, but by so few and so little that it may only have been cold: still counts as new
	waits       bool          // rather than computes
	estimate    time.Duration // decaying mean of a request's own time, at first the second least of the first few
	least       time.Duration // the least of those
	cpu         time.Duration // the same of its CPU time
	ended       int           // requests that were learned from, up to warmUp
	running     int           // requests of it that are with the workers
	waiting     int           // requests of it that wait
	deaths      int           // workers that died while they ran such a request
	shared      int           // entries that share it

	requests    uint64
	total       time.Duration // own time of all its requests
	own, spread sketch        // of own time and CPU time
}

func (rt *route) class() Class {
	switch {
	case rt == nil || !rt.known || rt.trial:
		return Unknown
	case rt.slow:
		return Slow
	default:
		return Fast
	}
}

// learn records what one request took. A route turns slow above slowAfter and fast again below half of it, and computes above half
// of its own time and waits below a quarter, so that one near the border does not flap. cpu of 0 is not known and counts as own.
// The second least of the first warm ones counts. It reports whether class or waits changed.
func (rt *route) learn(own, cpu, slowAfter time.Duration, warm int) bool {
	class, waits := rt.class(), rt.waits
	if cpu <= 0 || cpu > own {
		cpu = own
	}
	rt.requests++
	rt.total += own
	rt.own.add(own)
	rt.spread.add(cpu)
	switch {
	case rt.ended == 0:
		rt.estimate, rt.least, rt.cpu, rt.slow = own, own, cpu, false
	case rt.ended < warm:
		if rt.ended == 1 { // of two the longer
			rt.estimate = max(rt.estimate, own)
		} else {
			rt.estimate = min(rt.estimate, max(rt.least, own))
		}
		rt.least, rt.cpu = min(rt.least, own), min(rt.cpu, cpu)
		if rt.estimate < slowAfter {
			rt.slow = false
		}
	case rt.provisional:
		rt.estimate, rt.slow = min(rt.estimate, own), false
		rt.cpu += (cpu - rt.cpu) / estimateGain
	default:
		rt.estimate += (own - rt.estimate) / estimateGain
		rt.cpu += (cpu - rt.cpu) / estimateGain
	}
	rt.ended = min(rt.ended+1, warm)
	rt.known, rt.provisional = true, false
	switch {
	case rt.estimate > slowAfter:
		rt.slow = true
	case rt.estimate < slowAfter/2:
		rt.slow = false
	}
	rt.trial = rt.slow && rt.ended < warm && rt.estimate < certain*slowAfter
	switch {
	case rt.cpu < rt.estimate/4 && rt.cpu < slowAfter/2:
		rt.waits = true
	case rt.cpu > rt.estimate/2 || rt.cpu > slowAfter:
		rt.waits = false
	}
	return rt.class() != class || rt.waits != waits
}

// suspect counts a route as slow because a request of it has been running for long, until one has ended. It reports whether the
// class changed.
func (rt *route) suspect(run time.Duration) bool {
	if rt.class() == Slow {
		return false
	}
	rt.known, rt.provisional, rt.slow, rt.trial, rt.estimate = true, true, true, false, run
	return true
}

// absorb adds the history of another route, which is no more.
func (rt *route) absorb(o *route) {
	rt.requests += o.requests
	rt.total += o.total
	rt.deaths += o.deaths
	rt.own.join(&o.own)
	rt.spread.join(&o.spread)
}

// A sketch is a histogram of durations in buckets that grow by the square root of 2, from 65 µs to 18 minutes. It forgets: when it
// has seen many, all counts are halved.
type sketch struct {
	count [sketchBuckets]uint16
	n     uint16
}

const (
	sketchBuckets = 48
	sketchLeast   = 16 // log2 of the nanoseconds where the second octave begins
	sketchMost    = 1024
)

func (s *sketch) add(d time.Duration) {
	s.count[bucket(d)]++
	if s.n++; s.n < sketchMost {
		return
	}
	s.n = 0
	for i := range s.count {
		s.count[i] /= 2
		s.n += s.count[i]
	}
}

// join adds what another one has seen, which is little.
func (s *sketch) join(o *sketch) {
	for i, c := range o.count {
		s.count[i] += c
	}
	s.n += o.n
}

func bucket(d time.Duration) int {
	octave := bits.Len64(uint64(max(d, 0))) - 1
	if octave < sketchLeast {
		return 0
	}
	half := int(uint64(d)>>(octave-1)) & 1
	return min(2*(octave-sketchLeast)+half, sketchBuckets-1)
}

// quantile is the duration that a share q of what was seen does not exceed, to within a bucket: its middle. 0 when nothing was seen.
func (s *sketch) quantile(q float64) time.Duration {
	left := int(q * float64(s.n))
	for i, c := range s.count {
		if left -= int(c); left < 0 {
			low := time.Duration(1) << (sketchLeast + i/2)
			if i%2 == 1 {
				return low * 7 / 4
			}
			return low * 5 / 4
		}
	}
	return 0
}
