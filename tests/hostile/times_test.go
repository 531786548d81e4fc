package hostile

import (
	"slices"
	"testing"
	"time"
)

// BenchmarkPageBesideTheCrowd is make hostile: in turns it asks for the page without the crowd and with it, and fails if the page's p99
// with the crowd is more than twice that without.
func BenchmarkPageBesideTheCrowd(b *testing.B) {
	s := startSite(b, "--body-timeout", "600", "--keep-alive", "600", "--header-timeout", "600", "--send-timeout", "600")
	const turn, least = 5 * time.Second, 2
	var quiet, crowded []time.Duration
	for n := 0; n < least || b.Loop(); n++ {
		quiet = append(quiet, pages(b, s, turn)...)
		_, leave := crowd(b, s, plain(s.Addr()), kinds, 1)
		crowded = append(crowded, pages(b, s, turn)...)
		leave()
	}
	alone, beside := p99(quiet), p99(crowded)
	b.Logf("p99 of the page: %v alone (%d requests), %v beside the crowd (%d requests)", alone, len(quiet), beside, len(crowded))
	const floor = 5 * time.Millisecond // below this nobody notices
	if beside > max(2*alone, floor) {
		b.Errorf("p99 of the page: %v beside the crowd, %v alone", beside, alone)
	}
}

func pages(tb testing.TB, s *site, d time.Duration) (took []time.Duration) {
	tb.Helper()
	pace := time.NewTicker(2 * time.Millisecond) // a page now and then, not a load test
	defer pace.Stop()
	for end := time.Now().Add(d); time.Now().Before(end); <-pace.C {
		begin := time.Now()
		s.WantGet(tb, "/pid", 200)
		took = append(took, time.Since(begin))
	}
	return took
}

func p99(took []time.Duration) time.Duration {
	slices.Sort(took)
	return took[len(took)*99/100]
}
