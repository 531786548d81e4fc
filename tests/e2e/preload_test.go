package e2e

import (
	"strings"
	"syscall"
	"testing"

	"github.com/gounicorn/gounicorn/tests/harness"
)

func TestPreloadImportsOnceInTheZygote(t *testing.T) {
	t.Parallel()
	s := start(t, "preloaded:app", "-w", "3", "--preload")
	workers := workerCount(t, s, 3)
	if n := len(s.Marks("imports")); n != 1 {
		t.Errorf("the module was imported %d times", n)
	}
	zygote := mustInt(t, s.Marks("imports")[0])
	for _, worker := range workers {
		if harness.Parent(worker) != zygote {
			t.Errorf("worker %d is a child of %d, the module was imported in %d", worker, harness.Parent(worker), zygote)
		}
	}
	if fields := strings.Fields(s.WantGet(t, "/", 200).Body); mustInt(t, fields[0]) != zygote {
		t.Errorf("the worker says that it was imported in %s, not in %d", fields[0], zygote)
	}
	// A worker that is replaced imports nothing either.
	if err := syscall.Kill(workers[0], syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	workerCount(t, s, 3, workers[0])
	s.WantGet(t, "/", 200)
	if n := len(s.Marks("imports")); n != 1 {
		t.Errorf("after a replacement the module has been imported %d times", n)
	}
}

func TestPreloadSharesMemory(t *testing.T) {
	t.Parallel()
	private := func(args ...string) int {
		s := start(t, "preloaded:app", append(args, "-w", "2")...)
		for range 10 {
			s.WantGet(t, "/touch", 200)
		}
		worker := workerCount(t, s, 2)[0]
		kb := harness.MemoryKB(t, worker, "Private_Dirty")
		s.Stop(syscall.SIGTERM)
		return kb
	}
	alone, shared := private(), private("--preload")
	if alone-shared < 10_000 { // the block alone is some 14 MB
		t.Errorf("a worker's private memory is %d kB, with --preload %d kB", alone, shared)
	}
}

func TestWithoutPreloadEachWorkerImports(t *testing.T) {
	t.Parallel()
	s := start(t, "preloaded:app", "-w", "2")
	workers := workerCount(t, s, 2)
	if n := len(s.Marks("imports")); n != 2 {
		t.Errorf("the module was imported %d times", n)
	}
	fields := strings.Fields(s.WantGet(t, "/", 200).Body)
	if fields[0] != fields[1] {
		t.Errorf("worker %s serves what was imported in %s", fields[1], fields[0])
	}
	if harness.Parent(workers[0]) != harness.Parent(workers[1]) {
		t.Error("the workers have different parents")
	}
}
