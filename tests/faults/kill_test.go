package faults

import (
	"regexp"
	"strings"
	"testing"

	"github.com/gounicorn/gounicorn/tests/harness"
	"github.com/gounicorn/gounicorn/tests/oracle"
)

// Rows 48 and 49: every way to end a worker costs the request that did it, and nobody else anything. The log names the cause, the request
// and, where the interpreter could still speak, its last frames.
func TestKillMatrixUnderLoad(t *testing.T) {
	t.Parallel()
	s := start(t, "-w", "3")
	load := oracle.Begin(t, s, oracle.Options{})
	load.Await(t, 20)
	for _, kill := range []struct {
		path   string
		status int
		cause  string
		frames bool
	}{
		{"/segv", 502, `was sent SIGSEGV`, true},
		{"/abort", 502, `was sent SIGABRT`, true},
		{"/kill9", 502, `was sent SIGKILL! .*(somebody else|Perhaps|Out of memory)`, false},
		{"/exit/0", 502, `worker died`, false},
		{"/exit/3", 502, `exited with code 3`, false},
		{"/exit/4", 502, `exited with code 4`, false},
		{"/sysexit/3", 500, `SystemExit`, false},
	} {
		before, from := workers(t, s, 3), s.Log.Len()
		if reply := s.Request("POST", kill.path, "x"); reply.Status != kill.status {
			t.Errorf("%s: got %d, error %v, want %d", kill.path, reply.Status, reply.Err, kill.status)
		}
		harness.Eventually(t, harness.EventBudget, kill.path+": one worker is another", func() bool {
			now := s.Workers()
			same := 0
			for _, pid := range before {
				for _, other := range now {
					if pid == other {
						same++
					}
				}
			}
			return len(now) == 3 && same == 2
		})
		cause := regexp.MustCompile(kill.cause)
		harness.Eventually(t, harness.EventBudget, kill.path+": the log says why", func() bool {
			return cause.MatchString(strings.Join(s.Log.Lines()[from:], "\n"))
		})
		text := strings.Join(s.Log.Lines()[from:], "\n")
		if kill.status == 502 && !strings.Contains(text, "POST "+kill.path) {
			t.Errorf("%s: the log does not name the request", kill.path)
		}
		if kill.frames && !(strings.Contains(text, "Fatal Python error") && strings.Contains(text, "faults.py")) {
			t.Errorf("%s: the log does not show the last frames", kill.path)
		}
		load.Await(t, 10)
	}
	wantAll(t, load)
}
