package e2e

import (
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/gounicorn/gounicorn/tests/harness"
)

// peer reports that the tests run against another server, to see which expectations are common ground.
func peer() bool {
	kind := os.Getenv("GOUNICORN_TEST_SERVER")
	return kind != "" && kind != string(harness.Gounicorn)
}

// start runs one of the applications with some flags.
func start(tb testing.TB, app string, args ...string) *harness.Server {
	tb.Helper()
	return harness.Start(tb, harness.Config{App: app, Args: args})
}

// canary sends a request whose answer is known, on a new connection and, if conn is not nil, on that one too:
// after a hostile exchange neither the parser nor the worker may be off by a byte.
func canary(tb testing.TB, s *harness.Server, conn *harness.Conn) {
	tb.Helper()
	for _, c := range []*harness.Conn{conn, s.DialFor(tb)} {
		if c == nil {
			continue
		}
		c.Get("/pid")
		response, err := c.Read("GET")
		if err != nil {
			tb.Errorf("canary: %v", err)
			continue
		}
		if _, err := strconv.Atoi(string(response.Body)); response.Status != 200 || err != nil {
			tb.Errorf("canary: got %d %q", response.Status, response.Body)
		}
	}
}

// workerCount waits until the server has n living workers, none of them in not, and returns them.
func workerCount(tb testing.TB, s *harness.Server, n int, not ...int) []int {
	tb.Helper()
	var workers []int
	harness.Eventually(tb, harness.EventBudget, strconv.Itoa(n)+" living workers", func() bool {
		workers = s.Workers()
		for _, pid := range workers {
			for _, dead := range not {
				if pid == dead {
					return false
				}
			}
		}
		return len(workers) == n
	})
	return workers
}

// mustInt is the number that a body consists of.
func mustInt(tb testing.TB, text string) int {
	tb.Helper()
	n, err := strconv.Atoi(strings.TrimSpace(text))
	if err != nil {
		tb.Fatalf("not a number: %q", text)
	}
	return n
}

// listFiles names what lies below a directory.
func listFiles(tb testing.TB, dir string) []string {
	tb.Helper()
	var names []string
	err := filepath.WalkDir(dir, func(path string, entry fs.DirEntry, err error) error {
		if err == nil && !entry.IsDir() {
			names = append(names, path)
		}
		return err
	})
	if err != nil {
		tb.Fatal(err)
	}
	return names
}
