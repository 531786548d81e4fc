package faults

import (
	"strings"
	"sync"
	"testing"

	"github.com/gounicorn/gounicorn/tests/harness"
	"github.com/gounicorn/gounicorn/tests/oracle"
)

// Row 69: many large bodies and many waiting requests meet a budget, not the machine's memory: what exceeds it gets 503 with Retry-After,
// nobody else notices, and what was lent is given back.
func TestBudgetsHoldUnderACrowd(t *testing.T) {
	t.Parallel()
	s := start(t, "-w", "2", "--spool-memory", "16M", "--spool-disk", "8M", "--lane", "/gate/**=gate,concurrency=1,queue=20", "--no-control-socket")
	load := oracle.Begin(t, s, oracle.Options{})
	load.Await(t, 20)
	before := harness.MemoryKB(t, s.PID, "Pss")

	const uploads, size = 60, 2 << 20
	large := strings.Repeat("u", size)
	var all sync.WaitGroup
	var mu sync.Mutex // guards statuses
	statuses := map[int]int{}
	ask := func(n int, method, path, body string) {
		for range n {
			all.Go(func() {
				reply := s.Request(method, path, body)
				mu.Lock()
				defer mu.Unlock()
				statuses[reply.Status]++
				if reply.Status == 503 && reply.Header.Get("Retry-After") == "" {
					t.Error("503 without Retry-After")
				}
				if reply.Status == 200 && method == "POST" && reply.Body != "2097152" {
					t.Errorf("the application read %s bytes of %d", reply.Body, size)
				}
			})
		}
	}
	ask(uploads, "POST", "/body-length", large)
	all.Wait()
	if statuses[200]+statuses[503]+statuses[0] != uploads || statuses[200] == 0 || statuses[0] > uploads/2 { // 0: it closed before we had sent it all
		t.Errorf("uploads: %v", statuses)
	}
	if grown := harness.MemoryKB(t, s.PID, "Pss") - before; grown > 64<<10 {
		t.Errorf("the master has grown by %d kB with a budget of 16 MiB", grown)
	}
	load.Await(t, 20)
	wantAll(t, load)

	clear(statuses)
	ask(200, "GET", "/gate/full", "")
	harness.Eventually(t, harness.EventBudget, "the rest is refused", func() bool { mu.Lock(); defer mu.Unlock(); return statuses[503] == 200-21 })
	s.Open(t, "open-full")
	all.Wait()
	if statuses[200] != 21 || statuses[503] != 200-21 {
		t.Errorf("waiting requests: %v", statuses)
	}
	s.WantGet(t, "/pid", 200)
}
