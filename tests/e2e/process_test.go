package e2e

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"

	"github.com/gounicorn/gounicorn/tests/harness"
)

// pidIn waits until a pid file names a process other than not, and returns it. The process is ended with the test, if it is no child.
func pidIn(t *testing.T, path string, not int) int {
	t.Helper()
	pid := 0
	harness.Eventually(t, harness.StartBudget, path+" names a process", func() bool {
		text, err := os.ReadFile(path)
		pid, _ = strconv.Atoi(strings.TrimSpace(string(text)))
		return err == nil && pid > 0 && pid != not
	})
	return pid
}

// end asks a process that is not our child to end, and waits until it has.
func end(t *testing.T, pid int, sig syscall.Signal) {
	t.Helper()
	if err := syscall.Kill(pid, sig); err != nil {
		t.Fatalf("signal %d: %v", pid, err)
	}
	harness.Eventually(t, harness.StopBudget, fmt.Sprintf("process %d ends", pid), func() bool { return !harness.Alive(pid) })
}

// owner is the user of a process.
func owner(t *testing.T, pid int) int {
	t.Helper()
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(text)) {
		if f := strings.Fields(line); f[0] == "Uid:" {
			uid, _ := strconv.Atoi(f[1])
			for _, other := range f[2:] {
				if other != f[1] {
					t.Errorf("process %d keeps another user id: %s", pid, line)
				}
			}
			return uid
		}
	}
	t.Fatalf("process %d has no Uid line", pid)
	return 0
}

func cmdline(pid int) string {
	text, _ := os.ReadFile(fmt.Sprintf("/proc/%d/cmdline", pid))
	return strings.TrimRight(string(text), "\x00")
}

func TestPidFileNamesTheMasterAndGoesWithIt(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "pid")
	writeFile(t, path, "999999999\n") // nobody
	s := start(t, "hello:app", "-p", path)
	if pid := pidIn(t, path, 0); pid != s.PID {
		t.Errorf("the file names %d, the master is %d", pid, s.PID)
	}
	if st, err := os.Stat(path); err != nil || st.Mode() != 0o644 {
		t.Errorf("mode %v, %v", st.Mode(), err)
	}
	second := harness.Launch(t, harness.Config{App: "hello:app", Args: []string{"-p", path}, Exit: 1})
	if code := second.Wait(bootLimit); code != 1 {
		t.Errorf("a second server: exit code %d, want 1", code)
	}
	harness.Eventually(t, harness.EventBudget, "the log is complete", second.Log.Ended)
	if want := fmt.Sprintf("Already running on PID %d", s.PID); !strings.Contains(second.Log.String(), want) {
		t.Errorf("the log does not say %q", want)
	}
	if pid := pidIn(t, path, 0); pid != s.PID {
		t.Errorf("now the file names %d", pid)
	}
	if code := s.Stop(syscall.SIGTERM); code != 0 {
		t.Errorf("exit code %d", code)
	}
	if _, err := os.Stat(path); !os.IsNotExist(err) {
		t.Errorf("the file is still there: %v", err)
	}
}

func TestPidFileOfSomebodyElseIsLeftAlone(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "pid")
	s := start(t, "hello:app", "-p", path)
	writeFile(t, path, "1\n")
	s.Stop(syscall.SIGTERM)
	if text, err := os.ReadFile(path); string(text) != "1\n" {
		t.Errorf("the file holds %q, %v", text, err)
	}
}

func TestProcessesShowWhatTheyAre(t *testing.T) {
	t.Parallel()
	s := start(t, "hello:app", "-w", "1", "-n", "shop")
	worker := s.Workers()[0]
	for pid, want := range map[int]string{
		s.PID: "gounicorn: master [shop]", worker: "gounicorn: worker [shop]", harness.Parent(worker): "gounicorn: zygote [shop]",
	} {
		if got := cmdline(pid); got != want {
			t.Errorf("process %d is called %q, want %q", pid, got, want)
		}
	}
}

func TestDaemonServesWhenTheCallerReturns(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	pidFile, log, addr := filepath.Join(dir, "pid"), filepath.Join(dir, "log"), harness.FreePort(t)
	s := harness.Launch(t, harness.Config{App: "hello:app", Bind: []string{addr}, Args: []string{"-D", "-p", pidFile, "--log-file", log}})
	if code := s.Wait(harness.StartBudget); code != 0 {
		t.Fatalf("exit code %d", code)
	}
	s.UseBind()
	s.WantGet(t, "/", 200)
	pid := pidIn(t, pidFile, 0)
	if pid == s.PID || harness.Parent(pid) == s.PID {
		t.Errorf("the master %d is not in the background of %d", pid, s.PID)
	}
	if session, err := sessionOf(pid); err != nil || session == pid || session == s.PID {
		t.Errorf("master %d is in session %d, %v", pid, session, err)
	}
	for fd := range 3 {
		if target := harness.Descriptors(t, pid)[fd]; target != os.DevNull {
			t.Errorf("descriptor %d is %s", fd, target)
		}
	}
	if cwd, _ := os.Readlink(fmt.Sprintf("/proc/%d/cwd", pid)); cwd != harness.Apps(t) {
		t.Errorf("it works in %s", cwd)
	}
	end(t, pid, syscall.SIGTERM)
	if _, err := os.Stat(pidFile); !os.IsNotExist(err) {
		t.Errorf("the pid file is still there: %v", err)
	}
}

func sessionOf(pid int) (int, error) {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return 0, err
	}
	fields := strings.Fields(string(text[strings.LastIndexByte(string(text), ')')+1:]))
	return strconv.Atoi(fields[3])
}

func TestCallerOfADaemonHearsThatItDidNotStart(t *testing.T) {
	t.Parallel()
	for app, want := range map[string]struct {
		code int
		text string
	}{"raise_on_import:app": {3, "Traceback"}, "no_such_module:app": {3, "No module named"}, "hello:nothing": {4, "nothing"}} {
		s := harness.Launch(t, harness.Config{App: app, Args: []string{"-D"}, Exit: want.code})
		if code := s.Wait(harness.StartBudget); code != want.code {
			t.Errorf("%s: exit code %d, want %d", app, code, want.code)
		}
		harness.Eventually(t, harness.EventBudget, "the log is complete", s.Log.Ended)
		if !strings.Contains(s.Log.String(), want.text) {
			t.Errorf("%s: standard error is %q, without %q", app, s.Log, want.text)
		}
		s.WantNoOrphans(harness.EventBudget)
	}
}

// load asks without a pause until stop is called, and reports every request that was lost.
func load(t *testing.T, s *harness.Server, clients int, path string) (stop func()) {
	t.Helper()
	done, lost := make(chan struct{}), atomic.Int64{}
	var asked atomic.Int64
	var all sync.WaitGroup
	for range clients {
		all.Go(func() {
			for {
				select {
				case <-done:
					return
				default:
				}
				if reply := s.Get(path); reply.Err != nil || reply.Status != 200 {
					lost.Add(1)
					t.Logf("lost: %d %v", reply.Status, reply.Err)
				}
				asked.Add(1)
			}
		})
	}
	return func() {
		t.Helper()
		close(done)
		all.Wait()
		if lost.Load() > 0 || asked.Load() == 0 {
			t.Errorf("%d of %d requests were lost", lost.Load(), asked.Load())
		}
	}
}

func TestTtinAndTtouChangeTheNumberOfWorkers(t *testing.T) {
	t.Parallel()
	s := start(t, "hello:app", "-w", "1")
	s.Signal(syscall.SIGTTOU) // not below one
	s.Log.Wait(t, 0, "Handling signal: ttou", harness.EventBudget)
	s.Signal(syscall.SIGTTIN)
	workerCount(t, s, 2)
	s.Signal(syscall.SIGTTOU)
	workerCount(t, s, 1)
	s.WantGet(t, "/", 200)
}

// What the kernel has accepted before TERM is answered, whether the master had taken it already or not.
func TestTermAnswersTheQueueOfTheSocket(t *testing.T) {
	t.Parallel()
	s := start(t, "faults:app", "-w", "1")
	if err := syscall.Kill(s.PID, syscall.SIGSTOP); err != nil {
		t.Fatal(err)
	}
	var conns []*harness.Conn
	for range 40 {
		conn := s.Dial()
		conn.Get("/pid")
		conns = append(conns, conn)
	}
	for _, sig := range []syscall.Signal{syscall.SIGTERM, syscall.SIGCONT} {
		if err := syscall.Kill(s.PID, sig); err != nil {
			t.Fatal(err)
		}
	}
	for i, conn := range conns {
		response, err := conn.Read("GET")
		if err != nil {
			t.Errorf("connection %d: %v", i, err)
		} else if response.Status != 200 && (response.Status != 503 || !response.Close) {
			t.Errorf("connection %d: status %d, close %v", i, response.Status, response.Close)
		}
	}
	if code := s.Wait(harness.StopBudget); code != 0 {
		t.Errorf("exit code %d", code)
	}
}

func TestTermWhileTheApplicationLoadsAnswersTheQueue(t *testing.T) {
	t.Parallel()
	s := harness.Launch(t, harness.Config{App: "slow_boot:app"})
	s.WaitListening()
	s.WaitMark(t, "entered-boot", 1)
	conn := s.Dial()
	conn.Get("/")
	s.Signal(syscall.SIGTERM)
	if response := conn.MustRead("GET"); response.Status != 503 || !response.Close {
		t.Errorf("status %d, close %v", response.Status, response.Close)
	}
	if code := s.Wait(harness.StopBudget); code != 0 {
		t.Errorf("exit code %d", code)
	}
}

func TestIntAfterTermDoesNotWaitForTheRest(t *testing.T) {
	t.Parallel()
	s := start(t, "faults:app", "-w", "1", "--graceful-timeout", "600")
	reply := s.Go("/gate/never")
	s.WaitMark(t, "entered-never", 1)
	s.Signal(syscall.SIGTERM)
	s.Log.Wait(t, 0, "Handling signal: term", harness.EventBudget)
	s.Signal(syscall.SIGINT)
	s.Log.Wait(t, 0, "Quick shutdown requested", harness.EventBudget)
	if code := s.Wait(harness.StopBudget); code != 0 {
		t.Errorf("exit code %d", code)
	}
	<-reply
}
