package faults

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/gounicorn/gounicorn/tests/harness"
	"github.com/gounicorn/gounicorn/tests/oracle"
)

// cgroup makes a group with a limit of memory, of version 2 or 1, and returns the line of a script that enters it. A machine that lets
// root make none fails the test.
func cgroup(t *testing.T, mib int) (enter string) {
	t.Helper()
	for _, v := range []struct{ mount, limit string }{{"/sys/fs/cgroup", "memory.max"}, {"/sys/fs/cgroup/memory", "memory.limit_in_bytes"}} {
		dir := filepath.Join(v.mount, "gounicorn-test-"+strconv.Itoa(os.Getpid()))
		if os.Mkdir(dir, 0o755) != nil {
			continue
		}
		if write(dir, v.limit, strconv.Itoa(mib<<20)) != nil {
			_ = os.Remove(dir) // of a tree without this controller
			continue
		}
		_ = write(dir, "memory.swap.max", "0") // where there is swap
		t.Cleanup(func() { harness.Poll(harness.EventBudget, func() bool { return os.Remove(dir) == nil }) })
		return "echo $$ >'" + dir + "/cgroup.procs'\n"
	}
	t.Fatal("no cgroup with a memory limit can be made: run this as root, with the memory controller delegated")
	return ""
}

// write sets a file of a cgroup, which there must be.
func write(dir, name, text string) error {
	f, err := os.OpenFile(filepath.Join(dir, name), os.O_WRONLY, 0)
	if err != nil {
		return err
	}
	_, err = f.WriteString(text)
	return errors.Join(err, f.Close())
}

// Row 50: when the memory of a container is used up, the kernel kills the worker that took it and not the master. The request in it gets
// 502, the log names it and says that it was memory; all workers may go that way, one after the other.
func TestKernelKillsTheWorkerThatEatsTheMemory(t *testing.T) {
	t.Parallel()
	launch := script(t, cgroup(t, 250)+"exec GOUNICORN")
	s := harness.Start(t, harness.Config{App: "canary:app", Args: []string{"-w", "2"}, Binary: launch})
	load := oracle.Begin(t, s, oracle.Options{})
	load.Await(t, 10)
	killed := s.Workers()
	for range killed {
		from := s.Log.Len()
		if reply := s.Request("POST", "/eat-memory/1000", "x"); reply.Status != 502 {
			t.Errorf("got %d, error %v, want 502", reply.Status, reply.Err)
		}
		line := s.Log.Wait(t, from, "was sent SIGKILL! Out of memory: the kernel killed it", harness.EventBudget)
		if !strings.Contains(line, "(oom_kill went from ") {
			t.Errorf("the log says %q", line)
		}
		s.Log.Wait(t, from, "request failed, worker died: POST /eat-memory/1000", harness.EventBudget)
		workers(t, s, 2)
	}
	load.Await(t, 10)
	// Until the memory of the first is free again the kernel may take the other worker too, with the request in it.
	if tally := load.Stop(); tally.Wrong()+tally.Refused+tally.Shed > 0 || tally.Failed() > len(killed) {
		t.Errorf("the load: %v", tally)
	}
}

// Row 50: when memory is short, the kernel rather takes a worker.
func TestMasterIsTheLastThatTheKernelKills(t *testing.T) {
	t.Parallel()
	s := start(t, "-w", "1")
	score := func(pid int) int {
		text, err := os.ReadFile(fmt.Sprintf("/proc/%d/oom_score_adj", pid))
		if err != nil {
			t.Fatal(err)
		}
		n, err := strconv.Atoi(strings.TrimSpace(string(text)))
		if err != nil {
			t.Fatal(err)
		}
		return n
	}
	if master, worker := score(s.PID), score(s.Workers()[0]); worker <= master {
		t.Errorf("oom_score_adj of the master %d, of a worker %d", master, worker)
	}
}
