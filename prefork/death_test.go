package prefork

import (
	"strings"
	"syscall"
	"testing"
	"testing/fstest"
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
