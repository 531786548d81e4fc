package hostile

import (
	"os/exec"
	"strings"
	"sync"
	"testing"

	"github.com/gounicorn/gounicorn/tests/harness"
)

// Rows 18, 19, 20 and 38: the attacks of slowhttptest, all at once. It judges by a probe of its own whether the site is there meanwhile.
func TestSlowhttptestDoesNotTakeTheSiteAway(t *testing.T) {
	t.Parallel()
	tool := harness.Tool(t, "slowhttptest")
	s := startSite(t)
	s.WantGet(t, "/pid", 200)
	descriptors := len(harness.Descriptors(t, s.PID))
	common := []string{"-c", "100", "-r", "100", "-i", "1", "-l", "3", "-p", "5"}
	var all sync.WaitGroup
	for name, mode := range map[string][]string{
		"slow headers":  {"-H", "-u", s.URL("/pid")},
		"slow bodies":   {"-B", "-s", "8192", "-u", s.URL("/crowd")},
		"ranges":        {"-R", "-a", "1", "-b", "3000", "-u", s.URL("/pid")},
		"slow readings": {"-X", "-w", "10", "-y", "20", "-n", "1", "-z", "32", "-k", "3", "-u", s.URL("/big/100000/slow")},
	} {
		all.Go(func() {
			out, err := exec.Command(tool, append(mode, common...)...).CombinedOutput()
			text := string(out)
			last := text[max(0, strings.LastIndex(text, "slow HTTP test status")):]
			ended := strings.Contains(last, "Hit test time limit") || strings.Contains(last, "No open connections left")
			if err != nil || !ended || !strings.Contains(last, "service available:") || strings.Contains(last, "NO\x1b") {
				t.Errorf("%s: %v\n%s", name, err, last)
			}
		})
	}
	for range 100 {
		s.WantGet(t, "/pid", 200)
	}
	all.Wait()
	s.wantNothingHeld(t, descriptors)
}
