package prefork

import (
	"strings"
	"syscall"
	"testing"
	"testing/fstest"

	"github.com/gounicorn/gounicorn/prefork/wire"
)

// Who was killed, by whom, as the log and the metrics have it.
func TestSIGKILLOfTheKernelIsToldFromThatOfOthers(t *testing.T) {
	for _, test := range []struct {
		vmstat, log string
		cause       Cause
	}{
		{"oom_kill 7\n", "Not out of memory (oom_kill did not change)", CauseSignal},
		{"oom_kill 9\n", "Out of memory: the kernel killed it (oom_kill went from 7 to 9).", CauseOOM},
		{"", "Perhaps out of memory?", CauseSignal},
	} {
		c := newCrew(t, nil)
		c.p.oomKills = 7
		c.p.cfg.os.root = fstest.MapFS{"proc/vmstat": {Data: []byte(test.vmstat)}}
		c.die(c.in(ready, false)[0], syscall.WaitStatus(syscall.SIGKILL))
		if len(c.causes) != 1 || c.causes[0] != test.cause {
			t.Errorf("%q: counted as %v, want %v", test.vmstat, c.causes, test.cause)
		}
		if all := strings.Join(*c.log, "\n"); !strings.Contains(all, test.log) {
			t.Errorf("%q: the log says %s", test.vmstat, all)
		}
	}
}

// A worker that dies takes the answers with it that it kept back (PROTOCOL.md, Packed requests). Their requests run again, and are not to
// blame; the one that ran is.
func TestOnlyWhatRanIsBlamedForADeath(t *testing.T) {
	for state, want := range map[wire.SlotState]int{wire.SlotRunning: 2, wire.SlotDone: 1} {
		c := newCrew(t, nil)
		w := c.in(ready, false)[0]
		j := &Job{Payload: make([]byte, 8), Key: []byte("short"), Sink: &sink{}, Idempotent: true}
		c.p.d.submit(j)
		if j.where != sent || !c.p.d.board.CompareAndSwap(j.slot, wire.MakeWord(j.generation, wire.SlotQueued, 0), wire.MakeWord(j.generation, state, w.id)) {
			t.Fatal("the worker did not start it")
		}
		c.die(w, syscall.WaitStatus(syscall.SIGSEGV))
		if j.where == nowhere || !j.Retried {
			t.Errorf("state %v: the request is not tried again", state)
		}
		if n := c.p.d.blame(&Job{Key: []byte("short")}); n != want {
			t.Errorf("state %v: a further death is the route's number %d, want %d", state, n, want)
		}
	}
}
