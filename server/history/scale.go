package history

import (
	"math/bits"
	"sync/atomic"
	"time"
)

// Times are counted on a scale of four steps to each doubling, from 64 µs to 18 minutes, so that a percentile is at most a tenth off.
const (
	scaleSteps = 100
	scaleShift = 4 // the first doubling begins at 1<<(scaleShift+2) µs
)

// stepOf is the step of a time.
func stepOf(d time.Duration) int {
	us := uint64(max(d.Microseconds(), 0)) >> scaleShift
	if us < 4 {
		return int(us)
	}
	n := bits.Len64(us) - 3 // doublings above 4
	return min(4+4*n+int(us>>n)-4, scaleSteps-1)
}

// stepTime is the middle of a step, in seconds.
func stepTime(step int) float64 {
	low, width := uint64(step), uint64(1)
	if step >= 4 {
		n := (step - 4) / 4
		low, width = uint64((step-4)%4+4)<<n, uint64(1)<<n
	}
	return float64((low<<scaleShift)*2+width<<scaleShift) / 2 / 1e6
}

// counts are the times of some requests on the scale.
type counts [scaleSteps]uint32

func (c *counts) add(o *counts) {
	for i, n := range o {
		c[i] += n
	}
}

// quantiles returns the times in seconds below which the given shares lie, 0 when there is nothing. shares ascend.
func (c *counts) quantiles(shares ...float64) []float64 {
	var all, seen uint64
	for _, n := range c {
		all += uint64(n)
	}
	found := make([]float64, len(shares))
	if all == 0 {
		return found
	}
	next := 0
	for step, n := range c {
		seen += uint64(n)
		for next < len(shares) && float64(seen) >= shares[next]*float64(all) && seen > 0 {
			found[next] = stepTime(step)
			next++
		}
	}
	return found
}

// tally is counts that many goroutines add to.
type tally [scaleSteps]atomic.Uint32

func (t *tally) add(d time.Duration) { t[stepOf(d)].Add(1) }

// take empties the tally.
func (t *tally) take() (c counts) {
	for i := range t {
		if t[i].Load() != 0 {
			c[i] = t[i].Swap(0)
		}
	}
	return c
}
