package faults

import (
	"syscall"
	"testing"
	"time"

	"github.com/gounicorn/gounicorn/tests/harness"
)

// Row 65: workers that load the application and die soon after, again and again, are not forked in a tight loop, and the server stays
// there for the day when it gets better.
func TestWorkersThatDieSoonAreNotForkedInALoop(t *testing.T) {
	t.Parallel()
	s := harness.Start(t, harness.Config{App: "dies_soon:app", Args: []string{"-w", "2"}})
	before := len(s.Booted())
	s.Open(t, "die")
	const while = 3 * time.Second
	pause(while)
	// Without a pause a worker boots, dies and is forked again about ten times a second. With it: twice at once, then after 0.1, 0.2, 0.4 s ...
	if forks := len(s.Booted()) - before; forks < 3 || forks > 14 {
		t.Errorf("%d workers were forked within %v", forks, while)
	}
	if code := s.Stop(syscall.SIGTERM); code != 0 {
		t.Errorf("exit code %d", code)
	}
}

// Row 65: a worker that dies of its first request is replaced, however often that happens, and the requests of others are answered.
func TestWorkersThatDieOfTheirFirstRequest(t *testing.T) {
	t.Parallel()
	s := start(t, "-w", "2")
	before := len(s.Booted())
	for range 4 {
		if reply := s.Request("POST", "/kill9", "x"); reply.Status != 502 {
			t.Errorf("got %d, error %v, want 502", reply.Status, reply.Err)
		}
	}
	s.WantGet(t, "/pid", 200)
	if forks := len(s.Booted()) - before; forks > 6 {
		t.Errorf("%d workers were forked for 4 that died", forks)
	}
	workers(t, s, 2)
}
