package sim

import (
	"slices"
	"time"
)

// Score is what a trace's visitors saw of a policy.
type Score struct {
	Pages       int     // that were due
	PageP50     float64 // seconds; of the answered ones
	PageP99     float64
	PageMax     float64
	IdleP50     float64 // what they need themselves: the same on an idle machine
	IdleP99     float64
	IdleMax     float64
	PagesFailed int // refused, or not answered before their client left

	SlowRate    float64 // other requests answered, a second
	SlowMean    float64 // time that an answer took, seconds
	SlowLongest float64 // longest time, that of those who still wait at the end included
	Starved     int     // waited for their start more than four times the mean, and 5 s
	Refused     int     // got 503
	Left        int     // clients that left without an answer

	Guest float64 // the longest time that the guest of a burst waited, seconds
}

// score sums a play up.
func (p *Play) score() Score {
	var s Score
	var pages, idle, slow, waits []time.Duration
	from, to := p.trace.Warmup, p.end()
	for _, r := range p.requests {
		arrivedIn := r.Arrived >= from
		switch {
		case r.Page && arrivedIn:
			s.Pages++
			idle = append(idle, r.CPU+r.Wait)
			if r.Result == Answered {
				pages = append(pages, r.Ended-r.Arrived)
			} else {
				s.PagesFailed++
			}
		case r.Page:
		case r.Result == Answered && r.Ended >= from && r.Ended < to:
			slow = append(slow, r.Ended-r.Arrived)
			waits = append(waits, r.Started-r.Arrived)
		case r.left && r.Arrived+r.Patience >= from && r.Arrived+r.Patience < to:
			s.SlowLongest = max(s.SlowLongest, r.Patience.Seconds())
			s.Left++
		case r.Result == Refused && r.Ended >= from && r.Ended < to:
			s.Refused++
		case r.Result == Refused || r.left || r.Result == Answered && r.Ended < from:
		case r.Result == Running && r.Started < to:
			waits = append(waits, r.Started-r.Arrived)
			s.SlowLongest = max(s.SlowLongest, (to - r.Arrived).Seconds())
		default: // still waits at the end
			waits = append(waits, to-r.Arrived)
		}
		if r.Guest && arrivedIn {
			waited := to - r.Arrived
			if r.Result == Answered {
				waited = r.Ended - r.Arrived
			}
			s.Guest = max(s.Guest, waited.Seconds())
		}
	}
	slices.Sort(pages)
	s.PageP50, s.PageP99, s.PageMax = quantile(pages, 0.5), quantile(pages, 0.99), quantile(pages, 1)
	slices.Sort(idle)
	s.IdleP50, s.IdleP99, s.IdleMax = quantile(idle, 0.5), quantile(idle, 0.99), quantile(idle, 1)
	s.SlowRate = float64(len(slow)) / p.trace.Length.Seconds()
	for _, d := range slow {
		s.SlowMean += d.Seconds() / float64(len(slow))
	}
	for _, d := range slices.Concat(slow, waits) {
		s.SlowLongest = max(s.SlowLongest, d.Seconds())
	}
	for _, d := range waits {
		if d.Seconds() > max(4*s.SlowMean, 5) {
			s.Starved++
		}
	}
	return s
}

// quantile returns the q-quantile of sorted times in seconds, 0 if there are none.
func quantile(sorted []time.Duration, q float64) float64 {
	if len(sorted) == 0 {
		return 0
	}
	return sorted[min(int(q*float64(len(sorted))), len(sorted)-1)].Seconds()
}
