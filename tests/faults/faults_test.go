package faults

import (
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/gounicorn/gounicorn/tests/harness"
	"github.com/gounicorn/gounicorn/tests/oracle"
)

// rounds is a number of repetitions: the first by default, the second in the long run.
func rounds(short, long int) int {
	if os.Getenv("GOUNICORN_FAULTS") == "long" {
		return long
	}
	return short
}

// start runs the application of the oracle.
func start(tb testing.TB, args ...string) *harness.Server {
	tb.Helper()
	return harness.Start(tb, harness.Config{App: "canary:app", Args: args})
}

// workers waits until a server has n living workers, none of them in not, and returns them.
func workers(tb testing.TB, s *harness.Server, n int, not ...int) []int {
	tb.Helper()
	var all []int
	harness.Eventually(tb, harness.EventBudget, strconv.Itoa(n)+" living workers", func() bool {
		all = s.Workers()
		return len(all) == n && !slices.ContainsFunc(all, func(pid int) bool { return slices.Contains(not, pid) })
	})
	return all
}

// wantAll ends a load and fails the test unless each of its requests got its own answer.
func wantAll(tb testing.TB, load *oracle.Load) {
	tb.Helper()
	tally := load.Stop()
	if tally.Failed()+tally.Wrong()+tally.Retried > 0 || tally.Answered == 0 {
		tb.Errorf("the load: %v", tally)
	}
}

// script writes an executable file that ends in exec of the master, and returns its name: harness.Config.Binary.
func script(tb testing.TB, text string) string {
	tb.Helper()
	name := tb.TempDir() + "/launch"
	if err := os.WriteFile(name, []byte("#!/bin/sh\nset -e\n"+strings.ReplaceAll(text, "GOUNICORN", "'"+harness.Binary(tb)+"' \"$@\"")+"\n"), 0o755); err != nil {
		tb.Fatal(err)
	}
	return name
}

func itoa(n int) string { return strconv.Itoa(n) }

// pause waits; for faults that are a matter of time, never to synchronise.
func pause(d time.Duration) { <-time.After(d) }
