package e2e

import (
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/gounicorn/gounicorn/tests/harness"
)

// Requests of some microseconds share packets, and their answers come back together. One of them turns out to take as long as it likes:
// all others are answered while it runs, those whose answers were ready and those that were to run after it.
func TestNobodyWaitsForTheOneThatTakesLonger(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	writeFile(t, filepath.Join(dir, "surprise.py"), `
import os, time
def app(environ, start_response):
    if environ["PATH_INFO"] == "/item/666":
        open("held", "w").close()
        while not os.path.exists("open"):
            time.sleep(0.01)
    start_response("200 OK", [("Content-Length", "2")])
    return [b"ok"]
`)
	s := harness.Start(t, harness.Config{App: "surprise:app", Dir: dir, Args: []string{"-w", "2", "--max-workers", "2"}})
	const plain = "GET /item/1 HTTP/1.1\r\nHost: x\r\n\r\n"
	gate := filepath.Join(dir, "open")
	for round := range 6 {
		ask(t, s, plain, 64, 50) // the route is known to be fast, and a crowd comes
		var ended atomic.Bool
		var crowd sync.WaitGroup
		crowd.Go(func() {
			for !ended.Load() && !t.Failed() {
				ask(t, s, plain, 64, 20)
			}
		})
		slow := make(chan int, 1)
		go func() { slow <- s.Get("/item/666").Status }()
		harness.Eventually(t, harness.EventBudget, "it runs", func() bool { return os.Remove(filepath.Join(dir, "held")) == nil })
		ask(t, s, plain, 64, 20)
		ended.Store(true)
		crowd.Wait() // nothing of it is left unanswered, and the gate is shut
		if t.Failed() {
			t.Fatalf("round %d: somebody waits for a request that does not end", round)
		}
		writeFile(t, gate, "")
		if status := <-slow; status != 200 {
			t.Errorf("the request that took longer was answered with %d", status)
		}
		if err := os.Remove(gate); err != nil {
			t.Fatal(err)
		}
	}
}
