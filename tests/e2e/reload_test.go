package e2e

import (
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"syscall"
	"testing"

	"github.com/gounicorn/gounicorn/tests/harness"
)

// site is a folder with an application whose code a test changes.
type site string

func (d site) write(t *testing.T, answer string) {
	t.Helper()
	text := fmt.Sprintf("def app(environ, start_response):\n    start_response('200 OK', [])\n    return [b%q]\n", answer)
	if answer == "" {
		text = "def app(environ, start_response:\n"
	}
	// A file of another length, so that no cached byte code of the same second is taken for it.
	if err := os.WriteFile(filepath.Join(string(d), "changing.py"), []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

func TestHupServesTheNewCodeAndLosesNoRequest(t *testing.T) {
	t.Parallel()
	for _, args := range [][]string{{"-w", "2"}, {"-w", "2", "--preload"}} {
		dir := site(t.TempDir())
		dir.write(t, "old")
		s := harness.Start(t, harness.Config{App: "changing:app", Dir: string(dir), Args: args})
		old := s.Workers()
		dir.write(t, "the new answer")
		stop, asked := make(chan struct{}), make(chan int)
		var lost sync.Map
		go func() {
			n := 0
			defer func() { asked <- n }()
			for ; ; n++ {
				select {
				case <-stop:
					return
				default:
				}
				if reply := s.Get("/"); reply.Err != nil || reply.Status != 200 {
					lost.Store(n, fmt.Sprint(reply.Status, " ", reply.Err))
				}
			}
		}()
		s.Signal(syscall.SIGHUP)
		harness.Eventually(t, harness.EventBudget, "the new code answers", func() bool { return s.Get("/").Body == "the new answer" })
		harness.Eventually(t, harness.EventBudget, "the old workers leave", func() bool {
			for _, pid := range old {
				if harness.Alive(pid) {
					return false
				}
			}
			return true
		})
		close(stop)
		if n := <-asked; n == 0 {
			t.Error("no request was made during the reload")
		}
		lost.Range(func(n, what any) bool { t.Errorf("%v: request %v during the reload: %v", args, n, what); return true })
	}
}

func TestHupWithBrokenCodeKeepsTheOldServing(t *testing.T) {
	t.Parallel()
	for _, args := range [][]string{{"-w", "2"}, {"-w", "2", "--preload"}} {
		dir := site(t.TempDir())
		dir.write(t, "old")
		s := harness.Start(t, harness.Config{App: "changing:app", Dir: string(dir), Args: args})
		dir.write(t, "")
		s.Signal(syscall.SIGHUP)
		s.Log.Wait(t, 0, "SyntaxError", harness.EventBudget)
		s.Log.Wait(t, 0, "Reload failed", harness.EventBudget)
		if reply := s.WantGet(t, "/", 200); reply.Body != "old" {
			t.Errorf("%v: the answer is %q", args, reply.Body)
		}
		dir.write(t, "repaired and better")
		s.Signal(syscall.SIGHUP)
		harness.Eventually(t, harness.EventBudget, "the repaired code answers", func() bool { return s.Get("/").Body == "repaired and better" })
	}
}

func TestStormOfHupsEndsWithOneGeneration(t *testing.T) {
	t.Parallel()
	s := start(t, "hello:app", "-w", "2")
	for range 100 {
		s.Signal(syscall.SIGHUP)
	}
	harness.Eventually(t, 2*harness.EventBudget, "two workers and their zygote", func() bool {
		return len(s.Workers()) == 2 && len(s.Processes()) == 4
	})
	s.WantGet(t, "/", 200)
}
