package faults

import (
	"slices"
	"syscall"
	"testing"

	"github.com/gounicorn/gounicorn/tests/harness"
	"github.com/gounicorn/gounicorn/tests/oracle"
)

// Rows 54 to 57: whatever a request does to its own process, no other one gets a wrong answer, none is lost, and what fails fails in that
// process. At the end the server stops as ever.
func TestWrecksUnderLoad(t *testing.T) {
	t.Parallel()
	s := start(t, "-w", "3", "-t", "2", "--graceful-timeout", "2")
	load := oracle.Begin(t, s, oracle.Options{})
	load.Await(t, 20)
	harmless, wrecked := []int{200}, []int{200, 502, 504}
	for _, wreck := range []struct {
		path     string
		statuses []int
	}{
		{"/fork", harmless},
		{"/subprocess", harmless},
		{"/multiprocessing", harmless},
		{"/multiprocessing/spawn", harmless},
		{"/thread-left-running/other", harmless},
		{"/chdir", harmless},
		{"/umask", harmless},
		{"/locale", harmless},
		{"/stdout-replaced", harmless},
		{"/signals-ignored", harmless},
		{"/close-stdio", harmless},
		{"/recursion", []int{500}},
		{"/deep-recursion", []int{500, 502}},
		{"/close-fds", wrecked},
		{"/garbage-to-fd", wrecked},
		{"/scribble", wrecked},
	} {
		if reply := s.Request("POST", wreck.path, "x"); !slices.Contains(wreck.statuses, reply.Status) {
			t.Errorf("%s: got %d, error %v, want one of %v", wreck.path, reply.Status, reply.Err, wreck.statuses)
		}
		load.Await(t, 5)
	}
	workers(t, s, 3)
	load.Await(t, 50)
	tally := load.Stop()
	// Who is in a worker that closed or spoilt its descriptors loses its answer, and nobody else.
	if tally.Wrong() > 0 || tally.Refused > 0 || tally.Shed > 0 || tally.Failed() > 6 {
		t.Errorf("the load: %v", tally)
	}
	if code := s.Stop(syscall.SIGTERM); code != 0 {
		t.Errorf("exit code %d", code)
	}
	s.WantNoOrphans(harness.EventBudget)
}
