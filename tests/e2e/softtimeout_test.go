package e2e

import (
	"slices"
	"strings"
	"testing"

	"github.com/gounicorn/gounicorn/tests/harness"
)

func TestSoftTimeoutLeavesTheAnswerToTheSite(t *testing.T) {
	t.Parallel()
	for _, threads := range []string{"1", "3"} {
		t.Run(threads+" threads", func(t *testing.T) {
			t.Parallel()
			s := start(t, "django_app:app", "-w", "1", "--threads", threads, "--max-workers", "1", "--soft-timeout", "1", "--timeout", "30")
			before := s.Workers()
			const times = 4 // more than there are threads: none is lost by it
			for range times {
				reply := s.Get("/gate/never")
				if reply.Status != 500 || !strings.Contains(reply.Body, "Server Error") {
					t.Errorf("got %d %q %v, want Django's own 500", reply.Status, reply.Body, reply.Err)
				}
				if reply := s.WantGet(t, "/", 200); reply.Err != nil { // the exception does not meet the next request
					t.Error(reply.Err)
				}
			}
			s.Log.Wait(t, 0, "SOFT TIMEOUT", harness.EventBudget)
			if said := s.Log.Grep("SOFT TIMEOUT"); len(said) != times || !strings.Contains(said[0], "GET /gate/never") {
				t.Errorf("logged %q, want one line for each of %d", said, times)
			}
			if all := s.Booted(); !slices.Equal(all, before) {
				t.Errorf("workers %v were forked, %v at first", all, before)
			}
		})
	}
}
