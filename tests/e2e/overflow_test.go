package e2e

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"syscall"
	"testing"

	"github.com/gounicorn/gounicorn/tests/harness"
)

// held is a server whose two workers are both held by requests at the gate, with an overflow worker that serves the rest.
func held(t *testing.T, args ...string) (s *harness.Server, first []int, overflow int, waiting []<-chan harness.Reply) {
	t.Helper()
	s = start(t, "faults:app", append([]string{"-w", "2", "--slow-reserve", "0", "--max-workers", "3", "--overflow-idle", "1"}, args...)...)
	first = s.Workers()
	for range 2 {
		waiting = append(waiting, s.Go("/gate/hold"))
	}
	s.WaitMark(t, "entered-hold", 2)
	overflow = mustInt(t, s.WantGet(t, "/pid", 200).Body)
	if slices.Contains(first, overflow) || len(first) != 2 {
		t.Fatalf("worker %d of %v served although all were held", overflow, first)
	}
	return s, first, overflow, waiting
}

// pass opens the gate and wants every request that waited there answered.
func pass(t *testing.T, s *harness.Server, waiting []<-chan harness.Reply) {
	t.Helper()
	s.Open(t, "open-hold")
	for _, reply := range waiting {
		if reply := <-reply; reply.Status != 200 {
			t.Errorf("a request at the gate got %d %v", reply.Status, reply.Err)
		}
	}
}

func TestOverflowWorkerComesWhenAllAreHeldAndLeavesAfterwards(t *testing.T) {
	t.Parallel()
	s, first, overflow, waiting := held(t)
	s.Log.Wait(t, 0, "overflow worker 1 of 1 is forked", harness.EventBudget)
	for range 20 {
		s.WantGet(t, "/pid", 200)
	}
	pass(t, s, waiting)
	s.Log.Wait(t, 0, fmt.Sprintf("Overflow worker (pid:%d) is not needed any more", overflow), harness.EventBudget)
	if left := workerCount(t, s, 2, overflow); !slices.Equal(left, first) {
		t.Errorf("workers %v are left of %v", left, first)
	}
	s.WantGet(t, "/pid", 200)
}

func TestNoOverflowWorkerWhereThereMayBeNone(t *testing.T) {
	t.Parallel()
	s := start(t, "faults:app", "-w", "1", "--max-workers", "1")
	hold := s.Go("/gate/hold")
	s.WaitMark(t, "entered-hold", 1)
	queued := s.Go("/pid")
	again := s.Go("/gate/hold")
	harness.Eventually(t, harness.EventBudget, "the requests have been taken in", func() bool { return unread(t, s) == 0 })
	s.Open(t, "open-hold")
	for _, reply := range []<-chan harness.Reply{hold, queued, again} {
		if reply := <-reply; reply.Status != 200 {
			t.Errorf("got %d %v", reply.Status, reply.Err)
		}
	}
	if all := s.Booted(); len(all) != 1 {
		t.Errorf("workers %v were forked", all)
	}
}

func TestKilledOverflowWorkerHarmsNobody(t *testing.T) {
	t.Parallel()
	s, first, overflow, waiting := held(t)
	if err := syscall.Kill(overflow, syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	s.Log.Wait(t, 0, fmt.Sprintf("Worker (pid:%d) was sent SIGKILL", overflow), harness.EventBudget)
	another := mustInt(t, s.WantGet(t, "/pid", 200).Body) // it is still needed
	if another == overflow || slices.Contains(first, another) {
		t.Errorf("served by %d after the death of %d", another, overflow)
	}
	pass(t, s, waiting)
	if left := workerCount(t, s, 2, overflow, another); !slices.Equal(left, first) {
		t.Errorf("workers %v are left of %v", left, first)
	}
}

func TestReloadEndsOverflowToo(t *testing.T) {
	t.Parallel()
	s, first, overflow, waiting := held(t)
	from := s.Log.Len()
	s.Signal(syscall.SIGHUP)
	s.Log.Wait(t, from, "Ready: 2 workers", harness.EventBudget)
	served := mustInt(t, s.WantGet(t, "/pid", 200).Body)
	if served == overflow || slices.Contains(first, served) {
		t.Errorf("the old generation's %d served after the reload", served)
	}
	pass(t, s, waiting)
	workerCount(t, s, 2, append(first, overflow)...)
}

func TestOverflowWorkerThatCannotBootIsNotTheEnd(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	writeFile(t, filepath.Join(dir, "thrice.py"), `
import os, testsync
testsync.mark("imported")
if testsync.count("imported") > 2:
    raise RuntimeError("no third time")
from faults import app
`)
	s := harness.Start(t, harness.Config{
		App: "thrice:app", Env: []string{"PYTHONPATH=" + dir}, Args: []string{"-w", "2", "--slow-reserve", "0", "--max-workers", "3"},
	})
	first := s.Workers()
	var waiting []<-chan harness.Reply
	for range 2 {
		waiting = append(waiting, s.Go("/gate/hold"))
	}
	s.WaitMark(t, "entered-hold", 2)
	waiting = append(waiting, s.Go("/pid"))
	s.Log.Wait(t, 0, "An overflow worker did not boot", harness.EventBudget)
	pass(t, s, waiting)
	if left := workerCount(t, s, 2); !slices.Equal(left, first) {
		t.Errorf("workers %v are left of %v", left, first)
	}
}

// tasks is the number of threads of some processes.
func tasks(t *testing.T, pids []int) (n int) {
	t.Helper()
	for _, pid := range pids {
		entries, err := os.ReadDir(fmt.Sprintf("/proc/%d/task", pid))
		if err != nil {
			t.Fatal(err)
		}
		n += len(entries)
	}
	return n
}

func TestThreadsAreAddedForWhatOnlyWaits(t *testing.T) {
	t.Parallel()
	const many, lessons = 40, 2
	s := start(t, "faults:app", "-w", "2", "--threads", "2", "--max-threads", "32", "--max-workers", "2", "--overflow-idle", "1")
	workers := s.Workers()
	few := tasks(t, workers)
	fifo := filepath.Join(s.Dir, "fifo-wait")
	if err := syscall.Mkfifo(fifo, 0o600); err != nil {
		t.Fatal(err)
	}
	// release lets all go on that wait.
	release := func(waiting ...<-chan harness.Reply) {
		f, err := os.OpenFile(fifo, os.O_RDWR, 0)
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
		for _, reply := range waiting {
			if reply := <-reply; reply.Status != 200 {
				t.Errorf("got %d %v", reply.Status, reply.Err)
			}
		}
	}
	// The first ones show that such a request takes long and does not compute.
	for i := range lessons {
		lesson := s.Go("/block/wait")
		s.WaitMark(t, "entered-wait", i+1)
		release(lesson)
	}
	var waiting []<-chan harness.Reply
	for range many {
		waiting = append(waiting, s.Go("/block/wait"))
	}
	s.WaitMark(t, "entered-wait", lessons+many) // all of them are inside at once
	s.WantGet(t, "/pid", 200)
	most := tasks(t, workers)
	if most < few+many-4 {
		t.Errorf("%d more threads run %d requests", most-few, many)
	}
	release(waiting...)
	harness.Eventually(t, harness.EventBudget, "the threads leave", func() bool { return tasks(t, workers) <= most-(many-4) })
	s.WantGet(t, "/pid", 200)
	if all := s.Booted(); !slices.Equal(all, workers) || len(s.Log.Grep("broke the protocol")) > 0 {
		t.Errorf("workers %v were forked, %v at first", all, workers)
	}
}
