package e2e

import (
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/gounicorn/gounicorn/tests/harness"
)

// clients are both clients of the control socket: ours and gunicorn's.
func clients(t *testing.T) map[string]string {
	t.Helper()
	ours := filepath.Join(t.TempDir(), "gounicornc")
	if err := os.Symlink(harness.Binary(t), ours); err != nil {
		t.Fatal(err)
	}
	return map[string]string{"gounicornc": ours, "gunicornc": filepath.Join(harness.Venv(t), "bin", "gunicornc")}
}

// control runs a client and returns what it printed and its exit code.
func control(t *testing.T, client string, env []string, args ...string) (stdout, stderr string, code int) {
	t.Helper()
	cmd := exec.Command(client, args...)
	var out, errs strings.Builder
	cmd.Stdout, cmd.Stderr, cmd.Env = &out, &errs, append(os.Environ(), env...)
	cmd.WaitDelay = harness.EventBudget
	_ = cmd.Run()
	return out.String(), errs.String(), cmd.ProcessState.ExitCode()
}

// tellMaster runs one command with -j and returns the answer.
func tellMaster(t *testing.T, client, socket, command string) map[string]any {
	t.Helper()
	var values map[string]any
	harness.Eventually(t, harness.EventBudget, "an answer to "+command, func() bool { // gunicorn has no socket while it forks
		stdout, stderr, code := control(t, client, nil, "-s", socket, "-c", command, "-j")
		if err := json.Unmarshal([]byte(stdout), &values); err != nil {
			t.Logf("%s: %q %q, exit code %d: %v", command, stdout, stderr, code, err)
			return false
		}
		return true
	})
	return values
}

// shortDir is a folder whose path leaves room for the name of a socket.
func shortDir(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "ctl")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	return dir
}

func TestControlSpeaksWithBothClientsAndBothServers(t *testing.T) {
	t.Parallel()
	dir := shortDir(t)
	sockets := map[harness.Kind]string{harness.Gounicorn: filepath.Join(dir, "ours"), harness.Gunicorn: filepath.Join(dir, "theirs")}
	for kind, socket := range sockets {
		s := harness.Start(t, harness.Config{Kind: kind, App: "faults:app", Args: []string{"-w", "2", "--control-socket", socket}})
		s.Log.Wait(t, 0, "Control socket listening at "+socket, harness.EventBudget)
	}
	all := clients(t)
	for name, client := range all {
		for _, socket := range sockets {
			tellMaster(t, client, socket, "show stats")
			if _, stderr, code := control(t, client, nil, "-s", socket, "-c", "bogus"); code != 1 || !strings.Contains(stderr, "Unknown command: bogus") {
				t.Errorf("%s, bogus: exit code %d, %q", name, code, stderr)
			}
			if stdout, stderr, code := control(t, client, nil, "-s", socket, "-c", "show listeners"); code != 0 || !strings.Contains(stdout, "http://127.0.0.1:") {
				t.Errorf("%s, show listeners: exit code %d, %q %q", name, code, stdout, stderr)
			}
		}
	}
	for name, client := range all {
		// Every key of gunicorn's is among ours.
		for _, command := range []string{"show all", "show workers", "show dirty", "show config", "show stats", "show listeners", "worker add", "worker remove 1",
			"reopen", "help", "reload"} {
			ours, theirs := tellMaster(t, client, sockets[harness.Gounicorn], command), tellMaster(t, client, sockets[harness.Gunicorn], command)
			missing(t, name+": "+command, ours, theirs)
			if command == "help" {
				missing(t, name+": help", ours["commands"], theirs["commands"])
			}
		}
	}
}

// missing fails for the keys that ours lacks.
func missing(t *testing.T, what string, ours, theirs any) {
	t.Helper()
	switch theirs := theirs.(type) {
	case map[string]any:
		mine, _ := ours.(map[string]any)
		for _, key := range slices.Sorted(maps.Keys(theirs)) {
			if value, has := mine[key]; !has {
				t.Errorf("%s: there is no %q", what, key)
			} else if _, list := value.([]any); list {
				missing(t, what+": "+key, value, theirs[key])
			}
		}
	case []any:
		mine, _ := ours.([]any)
		if len(theirs) > 0 && len(mine) > 0 {
			missing(t, what, mine[0], theirs[0])
		}
	}
}

func TestControlTellsTheTruthAndActs(t *testing.T) {
	t.Parallel()
	socket := filepath.Join(shortDir(t), "s")
	s := start(t, "faults:app", "-w", "2", "--control-socket", socket)
	client := clients(t)["gounicornc"]
	if st, err := os.Stat(socket); err != nil || st.Mode().Perm() != 0o600 {
		t.Errorf("the socket: %v %v", st, err)
	}
	running := s.Go("/gate/ctl")
	s.WaitMark(t, "entered-ctl", 1)
	busy, idle := 0, 0
	for _, w := range tellMaster(t, client, socket, "show workers")["workers"].([]any) {
		worker := w.(map[string]any)
		if worker["booted"] != true || worker["aborted"] != false || worker["rss"].(float64) < 1<<20 {
			t.Errorf("a worker: %v", worker)
		}
		if worker["requests"] == 1.0 {
			busy++
		} else {
			idle = int(worker["pid"].(float64))
		}
	}
	if busy != 1 || idle == 0 {
		t.Fatalf("%d workers are busy, %d idle", busy, idle)
	}
	// A worker that is killed is replaced, one that is added is there.
	if got := tellMaster(t, client, socket, fmt.Sprint("worker kill ", idle)); got["success"] != true || got["killed"] != float64(idle) {
		t.Errorf("worker kill: %v", got)
	}
	workerCount(t, s, 2, idle)
	s.Open(t, "open-ctl")
	<-running
	if got := tellMaster(t, client, socket, "worker add 2"); got["added"] != 2.0 || got["previous"] != 2.0 || got["total"] != 4.0 {
		t.Errorf("worker add: %v", got)
	}
	workerCount(t, s, 4)
	if got := tellMaster(t, client, socket, "worker remove 9"); got["removed"] != 3.0 || got["total"] != 1.0 {
		t.Errorf("worker remove: %v", got)
	}
	workerCount(t, s, 1)
	tellMaster(t, client, socket, "reload")
	s.Log.Wait(t, 0, "Handling signal: hup", harness.EventBudget)
	harness.Eventually(t, harness.EventBudget, "the reload counts, on the same socket", func() bool {
		stats := tellMaster(t, client, socket, "show stats")
		return stats["reloads"] == 1.0 && stats["pid"] == float64(s.PID) && stats["workers_current"] == 2.0
	})
	stats := tellMaster(t, client, socket, "show stats")
	if stats["workers_spawned"] != 7.0 || stats["workers_killed"] != 5.0 { // 2 + 1 replaced + 2 added + 2 of the reload
		t.Errorf("stats: %v", stats)
	}
	if _, stderr, code := control(t, client, nil, "-s", socket, "-c", "dirty add"); code != 1 || !strings.Contains(stderr, "Dirty arbiter not running") {
		t.Errorf("dirty add: exit code %d, %q", code, stderr)
	}
	if got := tellMaster(t, client, socket, "shutdown"); got["mode"] != "graceful" {
		t.Errorf("shutdown: %v", got)
	}
	if code := s.Wait(harness.StopBudget); code != 0 {
		t.Errorf("exit code %d", code)
	}
	if _, err := os.Lstat(socket); err == nil {
		t.Error("the socket is left")
	}
	if _, stderr, code := control(t, client, nil, "-s", socket, "-c", "help"); code != 1 || !strings.Contains(stderr, "is the server running") {
		t.Errorf("without a server: exit code %d, %q", code, stderr)
	}
}

func TestControlShutdownQuickDuringADrain(t *testing.T) {
	t.Parallel()
	socket := filepath.Join(shortDir(t), "s")
	s := start(t, "faults:app", "-w", "1", "--control-socket", socket, "--graceful-timeout", "600")
	client := clients(t)["gounicornc"]
	running := s.Go("/sleep/3600")
	s.WaitMark(t, "sleeping", 1)
	tellMaster(t, client, socket, "shutdown")
	s.Log.Wait(t, 0, "Handling signal: term", harness.EventBudget)
	if _, stderr, code := control(t, client, nil, "-s", socket, "-c", "show workers"); code != 1 || !strings.Contains(stderr, "shutting down") {
		t.Errorf("during the drain: exit code %d, %q", code, stderr)
	}
	tellMaster(t, client, socket, "shutdown quick")
	if code := s.Wait(harness.StopBudget); code != 0 {
		t.Errorf("exit code %d", code)
	}
	<-running
}

func TestControlInstancesDoNotFight(t *testing.T) {
	t.Parallel()
	dir := shortDir(t)
	env := []string{"XDG_RUNTIME_DIR=" + dir}
	client := clients(t)["gounicornc"]
	// What a server that was killed has left is replaced.
	stale := harness.Start(t, harness.Config{App: "faults:app", Args: []string{"-w", "1"}, Env: env, Exit: -int(syscall.SIGKILL)})
	stale.Stop(syscall.SIGKILL)
	first := harness.Start(t, harness.Config{App: "faults:app", Args: []string{"-w", "1"}, Env: env})
	first.Log.Wait(t, 0, "Control socket listening at "+dir+"/gunicorn.ctl", harness.EventBudget)
	if stdout, stderr, code := control(t, client, env, "-c", "show stats"); code != 0 || !strings.Contains(stdout, fmt.Sprint(first.PID)) {
		t.Errorf("the only instance: exit code %d, %q %q", code, stdout, stderr)
	}
	second := harness.Start(t, harness.Config{App: "faults:app", Args: []string{"-w", "1"}, Env: env})
	own := fmt.Sprintf("%s/gunicorn-%d.ctl", dir, second.PID)
	second.Log.Wait(t, 0, "Control socket listening at "+own, harness.EventBudget)
	_, stderr, code := control(t, client, env, "-c", "show stats")
	if code != 1 || !strings.Contains(stderr, "several instances") || !strings.Contains(stderr, own) || !strings.Contains(stderr, fmt.Sprint(first.PID)) {
		t.Errorf("two instances: exit code %d, %q", code, stderr)
	}
	if code := first.Stop(syscall.SIGTERM); code != 0 {
		t.Errorf("exit code %d", code)
	}
	if got := tellMaster(t, client, own, "show stats"); got["pid"] != float64(second.PID) {
		t.Errorf("the second instance: %v", got)
	}
}

func TestControlFailureIsNoNoise(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	s := harness.Start(t, harness.Config{App: "faults:app", Args: []string{"-w", "1", "--log-level", "debug"}, Env: []string{"HOME=" + file}})
	if line := s.Log.Wait(t, 0, "no control socket", harness.EventBudget); !strings.Contains(line, "[DEBUG]") {
		t.Errorf("the line is %q", line)
	}
	off := start(t, "faults:app", "-w", "1", "--no-control-socket")
	if found := listFiles(t, off.Dir); slices.ContainsFunc(found, func(name string) bool { return strings.HasSuffix(name, ".ctl") }) {
		t.Errorf("--no-control-socket leaves %v", found)
	}
}

func TestControlReadsCommandsFromAPipe(t *testing.T) {
	t.Parallel()
	socket := filepath.Join(shortDir(t), "s")
	start(t, "faults:app", "-w", "1", "--control-socket", socket)
	cmd := exec.Command(clients(t)["gounicornc"], "-s", socket)
	cmd.Stdin = strings.NewReader("show stats\n# a comment\n\nshow listeners\nbogus\nshow workers\n")
	cmd.WaitDelay = 10 * time.Second
	out, _ := cmd.CombinedOutput()
	if text := string(out); cmd.ProcessState.ExitCode() != 1 || !strings.Contains(text, "Workers target:") || !strings.Contains(text, "Total: 1 listeners") ||
		!strings.Contains(text, "Unknown command: bogus") || strings.Contains(text, "BOOTED") {
		t.Errorf("exit code %d, output %s", cmd.ProcessState.ExitCode(), text)
	}
}
