package companion

import (
	"math/rand/v2"
	"time"

	"github.com/robfig/cron/v3"
)

// after is the next run. last is when the one before was started, or the wait began. A run that took longer than the time between two is
// followed by the next at once.
func (t *Timer) after(last, now time.Time) time.Time {
	next := last.Add(t.Every)
	if next.Before(now) {
		next = now
	}
	if t.Cron != "" {
		schedule, err := cron.ParseStandard(t.Cron)
		if err != nil {
			return now.Add(maxWait) // Parse has refused it
		}
		if next = schedule.Next(now); next.IsZero() { // such as on the 30th of February
			return now.Add(maxWait)
		}
	}
	if t.Jitter > 0 {
		next = next.Add(rand.N(t.Jitter))
	}
	return next
}
