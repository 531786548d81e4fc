package oracle

import (
	"fmt"
	"maps"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/gounicorn/gounicorn/tests/harness"
)

// A Footprint is what a server holds at one moment.
type Footprint struct {
	Processes   int
	Descriptors map[string]int // of the master, by what they refer to, without numbers
	Shared      int            // mappings of shared memory in the master
	MemoryKB    int            // anonymous memory of the master
	Temporary   int            // files in the server's folder
}

// keptRegions is how many buffers of bodies a server keeps for a while: up to this many are none too many (server/spool).
const keptRegions = 16

var numbers = regexp.MustCompile(`[0-9]+`)

// Of takes the footprint of a server.
func Of(tb testing.TB, s *harness.Server) Footprint {
	tb.Helper()
	return OfMaster(tb, s, s.PID)
}

// OfMaster takes the footprint of a server whose master is another process by now.
func OfMaster(tb testing.TB, s *harness.Server, pid int) Footprint {
	tb.Helper()
	f := Footprint{Processes: len(s.Processes()), Descriptors: map[string]int{}, MemoryKB: harness.MemoryKB(tb, pid, "Anonymous")}
	for _, target := range harness.Descriptors(tb, pid) {
		f.Descriptors[numbers.ReplaceAllString(target, "N")]++
	}
	regions := "/memfd:gounicorn-body (deleted)"
	f.Descriptors[regions] = max(f.Descriptors[regions], keptRegions)
	maps, err := os.ReadFile(fmt.Sprintf("/proc/%d/maps", pid))
	if err != nil {
		tb.Fatal(err)
	}
	bodies := strings.Count(string(maps), regions)
	f.Shared = strings.Count(string(maps), "/memfd:") - bodies + max(bodies, keptRegions)
	entries, err := os.ReadDir(s.Dir)
	if err != nil {
		tb.Fatal(err)
	}
	f.Temporary = len(entries)
	return f
}

// Grown lists what a server holds more of than it did before. Memory is another matter: see Slope.
func (f Footprint) Grown(before Footprint) (more []string) {
	count := func(what string, now, then int) {
		if now > then {
			more = append(more, fmt.Sprintf("%s: %d, before %d", what, now, then))
		}
	}
	count("processes", f.Processes, before.Processes)
	count("mappings of shared memory", f.Shared, before.Shared)
	count("files", f.Temporary, before.Temporary)
	for _, what := range slices.Sorted(maps.Keys(f.Descriptors)) {
		count("descriptors of "+what, f.Descriptors[what], before.Descriptors[what])
	}
	return more
}

// WantNoLeak waits until a server holds no more than before, and fails the test if it does not come to that.
func WantNoLeak(tb testing.TB, s *harness.Server, before Footprint) {
	tb.Helper()
	var more []string
	if !harness.Poll(harness.EventBudget, func() bool { more = Of(tb, s).Grown(before); return len(more) == 0 }) {
		tb.Errorf("left behind:\n  %s", strings.Join(more, "\n  "))
	}
}

// Slope is how much memory grows, in kB for each step, by the line that fits the second half of the measurements best: what a server needs
// to warm up is in the first.
func Slope(kb []int) float64 {
	kb = kb[len(kb)/2:]
	n := float64(len(kb))
	if n < 2 {
		return 0
	}
	var x, y, xx, xy float64
	for i, v := range kb {
		x += float64(i)
		y += float64(v)
		xx += float64(i) * float64(i)
		xy += float64(i) * float64(v)
	}
	return (n*xy - x*y) / (n*xx - x*x)
}
