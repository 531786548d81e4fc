package faults

import (
	"syscall"
	"testing"
	"time"

	"github.com/gounicorn/gounicorn/tests/harness"
	"github.com/gounicorn/gounicorn/tests/oracle"
)

// The leak oracle: reload after reload under load, and nothing becomes more: no descriptor, process, mapping, file, and, over the fifty
// reloads of the long run, no memory.
func TestReloadsLeaveNothingBehind(t *testing.T) {
	t.Parallel()
	// A heap that is collected often: with the usual one a leak would hide in what waits to be collected.
	s := harness.Start(t, harness.Config{App: "canary:app", Args: []string{"-w", "2"}, Env: []string{"GOGC=20"}})
	load := oracle.Begin(t, s, oracle.Options{Pause: 10 * time.Millisecond})
	var before oracle.Footprint
	var memory []int
	n := rounds(6, 50)
	for round := range n {
		from := s.Log.Len()
		s.Signal(syscall.SIGHUP)
		s.Log.Wait(t, from, "Ready: 2 workers", harness.StartBudget)
		harness.Eventually(t, harness.EventBudget, "the old generation leaves", func() bool { return len(s.Processes()) == 4 })
		if round == 0 { // what is made once is made
			before = oracle.Of(t, s)
		}
		memory = append(memory, oracle.Of(t, s).MemoryKB)
	}
	wantAll(t, load)
	oracle.WantNoLeak(t, s, before)
	t.Logf("anonymous memory of the master in kB: %v", memory)
	if slope := oracle.Slope(memory); n >= 50 && slope > 20 {
		t.Errorf("the master grows by %.1f kB with each reload", slope)
	}
}
