package e2e

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/gounicorn/gounicorn/tests/harness"
)

// ctl runs gounicorn ctl at a socket.
func ctl(t *testing.T, socket string, args ...string) (stdout, stderr string, code int) {
	t.Helper()
	return control(t, harness.Binary(t), nil, append([]string{"ctl", "-s", socket}, args...)...)
}

// wantCtl is ctl with the exit code and a piece of what is printed, on whichever stream.
func wantCtl(t *testing.T, socket string, code int, piece string, args ...string) (stdout string) {
	t.Helper()
	stdout, stderr, got := ctl(t, socket, args...)
	if got != code || !strings.Contains(stdout+stderr, piece) {
		t.Errorf("ctl %s: exit code %d, want %d and %q:\n%s%s", strings.Join(args, " "), got, code, piece, stdout, stderr)
	}
	return stdout
}

// faulty writes an application that is faults, or one that cannot be loaded.
func (d site) faulty(t *testing.T, broken bool) {
	t.Helper()
	text := fmt.Sprintf("import sys\nsys.path.insert(0, %q)\nfrom faults import app\n", harness.Apps(t))
	if broken {
		text += "def (:\n"
	}
	if err := os.WriteFile(filepath.Join(string(d), "changing.py"), []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

func TestCtlShowsAndSteersAServer(t *testing.T) {
	t.Parallel()
	dir := site(shortDir(t))
	dir.faulty(t, false)
	socket := filepath.Join(string(dir), "s")
	s := harness.Start(t, harness.Config{
		App: "changing:app", Dir: string(dir), Args: []string{"-w", "3", "--control-socket", socket, "--graceful-timeout", "1", "--timeout", "600"},
	})
	wantCtl(t, socket, 0, "3 of 3 ready", "status")
	s.WantGet(t, "/none", 404) // known to be fast from here on, so that a worker is kept for it

	// One worker loops, one sleeps in C with the GIL held, one lets it go: each tells where it is, and goes on.
	running := make(chan harness.Reply)
	for _, path := range []string{"/spin", "/gil-sleep", "/sleep/3600"} {
		go func() { running <- s.Request("POST", path, "") }() // which is not tried again
	}
	for _, mark := range []string{"spinning", "holding-the-gil", "sleeping"} {
		s.WaitMark(t, mark, 1)
	}
	old := s.Workers()
	for range 2 {
		stacks := wantCtl(t, socket, 0, "in _spin_forever_for_the_stack_dump", "stacks", "all")
		if !strings.Contains(stacks, "in gil_sleep") || !strings.Contains(stacks, "in sleep\n") || strings.Count(stacks, "Worker ") != 3 {
			t.Errorf("the stacks: %s", stacks)
		}
	}
	wantCtl(t, socket, 1, "there is no worker with the pid 1", "stacks", "1")
	var answer struct {
		Requests []struct {
			PID     int
			Request string
			Seconds float64
		}
	}
	if err := json.Unmarshal([]byte(wantCtl(t, socket, 0, "", "--json", "requests")), &answer); err != nil || len(answer.Requests) != 3 {
		t.Errorf("the requests: %+v %v", answer, err)
	}
	for _, r := range answer.Requests {
		if r.Seconds <= 0 || !slices.Contains(old, r.PID) {
			t.Errorf("a request: %+v", r)
		}
	}
	for _, command := range []string{"requests", "workers"} {
		wantCtl(t, socket, 0, "POST /gil-sleep", command)
	}
	wantCtl(t, socket, 0, "LAST MINUTE", "lanes")
	wantCtl(t, socket, 0, "--control-socket", "config", "control_socket")
	wantCtl(t, socket, 0, "No companions", "companions")
	wantCtl(t, socket, 0, "Control socket listening", "logs", "-n", "20")
	if now := s.Workers(); fmt.Sprint(now) != fmt.Sprint(old) {
		t.Errorf("the workers %v are %v after they were asked", old, now)
	}

	// Code that cannot be loaded: the old one serves, and everybody hears why. A new master does not come up either.
	wantCtl(t, socket, 0, "4 workers, before 3", "scale", "+1")
	dir.faulty(t, true)
	wantCtl(t, socket, 1, "SyntaxError: invalid syntax", "reload")
	wantCtl(t, socket, 3, "SyntaxError: invalid syntax", "status")
	wantCtl(t, socket, 3, `"state": "failed"`, "status", "--json")
	wantCtl(t, socket, 1, "did not start (exit code 3)", "upgrade")
	s.WantGet(t, "/none", 404)
	dir.faulty(t, false)
	wantCtl(t, socket, 0, "serves, after", "reload")
	for _, pid := range old { // which wait for their requests
		_ = syscall.Kill(pid, syscall.SIGKILL)
		<-running
	}
	wantCtl(t, socket, 0, "3 of 3 ready", "status")

	before := s.Workers()
	wantCtl(t, socket, 0, "3 workers have been replaced", "restart")
	workerCount(t, s, 3, before...)
	wantCtl(t, socket, 0, "2 workers, before 3", "scale", "2")

	// A second master takes over; the commands find it at the same socket.
	var taken struct{ Before, PID int }
	if err := json.Unmarshal([]byte(wantCtl(t, socket, 0, "", "upgrade", "--json")), &taken); err != nil || taken.Before != s.PID || taken.PID == s.PID {
		t.Errorf("the upgrade: %+v %v", taken, err)
	}
	if code := s.Wait(harness.StopBudget); code != 0 {
		t.Errorf("the first master: exit code %d", code)
	}
	s.WantGet(t, "/none", 404)
	wantCtl(t, socket, 0, fmt.Sprintf("Stopped: the server with the pid %d.", taken.PID), "stop")
	wantCtl(t, socket, 1, "is the server running", "status")
}

func TestCtlHurriesAStop(t *testing.T) {
	t.Parallel()
	socket := filepath.Join(shortDir(t), "s")
	s := start(t, "faults:app", "-w", "1", "--control-socket", socket, "--graceful-timeout", "600")
	running := s.Go("/sleep/3600")
	s.WaitMark(t, "sleeping", 1)
	wantCtl(t, socket, 1, "longer than --timeout", "stop", "--timeout", "0.1")
	wantCtl(t, socket, 1, "the server is shutting down", "status")
	wantCtl(t, socket, 1, "the server is shutting down", "upgrade")
	wantCtl(t, socket, 0, "Handling signal: term", "logs")
	wantCtl(t, socket, 0, "Stopped: the server.", "stop", "--quick")
	if code := s.Wait(harness.StopBudget); code != 0 {
		t.Errorf("exit code %d", code)
	}
	<-running
}

// Nobody but the owner and root steers a server, also when the mode of the file lets others in.
func TestCtlRefusesOtherUsers(t *testing.T) {
	t.Parallel()
	dir := shortDir(t)
	_, _, open := forAnybody(t) // a folder that everybody may enter
	if err := os.Chmod(open, 0o755); err != nil {
		t.Fatal(err)
	}
	program, err := os.ReadFile(harness.Binary(t))
	if err == nil {
		err = os.WriteFile(filepath.Join(open, "gounicorn"), program, 0o755) //nolint:gosec // for everybody
	}
	if err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct {
		socket string
		mode   os.FileMode
		want   string
	}{
		{filepath.Join(dir, "s"), 0o600, "no permission for"}, // in a folder of the owner's
		{filepath.Join(open, "s"), 0o600, "no permission for"},
		{filepath.Join(open, "t"), 0o666, "may not control a server of user 0"},
	} {
		s := start(t, "faults:app", "-w", "1", "--control-socket", test.socket)
		if err := os.Chmod(test.socket, test.mode); err != nil {
			t.Fatal(err)
		}
		for _, command := range []string{"status", "stop"} {
			cmd := exec.Command(filepath.Join(open, "gounicorn"), "ctl", "-s", test.socket, command)
			cmd.Dir = open
			cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: nobody, Gid: nobody}}
			if out, _ := cmd.CombinedOutput(); cmd.ProcessState.ExitCode() != 1 || !strings.Contains(string(out), test.want) {
				t.Errorf("%s as another user: exit code %d, %s", command, cmd.ProcessState.ExitCode(), out)
			}
		}
		s.WantGet(t, "/none", 404)
	}
}
