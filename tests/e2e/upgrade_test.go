package e2e

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/gounicorn/gounicorn/tests/harness"
)

func TestUpgradeServesTheNewCodeAndLosesNoRequest(t *testing.T) {
	t.Parallel()
	for _, sig := range []syscall.Signal{syscall.SIGTERM, syscall.SIGQUIT} {
		dir := site(t.TempDir())
		dir.write(t, "old")
		pidFile := filepath.Join(string(dir), "pid")
		socket := filepath.Join(string(dir), "s.sock")
		s := harness.Start(t, harness.Config{
			App: "changing:app", Dir: string(dir), Bind: []string{"127.0.0.1:0", "unix:" + socket}, Args: []string{"-w", "2", "-p", pidFile, "-n", "shop"},
		})
		stop := load(t, s, 3, "/")
		dir.write(t, "the new answer")
		from := s.Log.Len()
		s.Signal(syscall.SIGUSR2)
		s.Log.Wait(t, from, "Ready: 2 workers", harness.StartBudget)
		next := pidIn(t, pidFile+".2", 0)
		if harness.Parent(next) != s.PID || cmdline(next) != "gounicorn: master [shop.2]" {
			t.Errorf("the second master is %q, child of %d", cmdline(next), harness.Parent(next))
		}
		s.Signal(syscall.SIGUSR2)
		s.Log.Wait(t, from, "USR2 signal ignored. Child exists.", harness.EventBudget)
		if err := syscall.Kill(next, syscall.SIGUSR2); err != nil {
			t.Fatal(err)
		}
		s.Log.Wait(t, from, "USR2 signal ignored. Parent exists.", harness.EventBudget)
		if sig == syscall.SIGQUIT {
			stop() // QUIT breaks off what the old master runs
		}
		if code := s.Stop(sig); code != 0 {
			t.Errorf("the first master: exit code %d", code)
		}
		s.Log.Wait(t, from, "Master has been promoted.", harness.EventBudget)
		if sig == syscall.SIGTERM {
			stop()
		}
		if pid := pidIn(t, pidFile, s.PID); pid != next {
			t.Errorf("the pid file names %d, the second master is %d", pid, next)
		}
		if _, err := os.Stat(pidFile + ".2"); !os.IsNotExist(err) {
			t.Errorf("the second pid file is still there: %v", err)
		}
		if got := cmdline(next); got != "gounicorn: master [shop]" {
			t.Errorf("it is called %q", got)
		}
		if reply := s.WantGet(t, "/", 200); reply.Body != "the new answer" {
			t.Errorf("the answer is %q", reply.Body)
		}
		if _, err := os.Stat(socket); err != nil {
			t.Errorf("the first master took the socket along: %v", err)
		}
		end(t, next, syscall.SIGTERM)
		if _, err := os.Stat(socket); !os.IsNotExist(err) {
			t.Errorf("the socket is still there: %v", err)
		}
	}
}

func TestUpgradeToBrokenCodeLeavesTheFirstMaster(t *testing.T) {
	t.Parallel()
	dir := site(t.TempDir())
	dir.write(t, "old")
	s := harness.Start(t, harness.Config{App: "changing:app", Dir: string(dir), Args: []string{"-w", "2"}})
	dir.write(t, "")
	for range 2 { // it may be tried again
		from := s.Log.Len()
		s.Signal(syscall.SIGUSR2)
		s.Log.Wait(t, from, "did not start (exit code 3)", harness.StartBudget)
		s.Log.Wait(t, from, "has ended; this one goes on.", harness.EventBudget)
		if reply := s.WantGet(t, "/", 200); reply.Body != "old" {
			t.Errorf("the answer is %q", reply.Body)
		}
	}
}

// WINCH, then HUP: how an operator goes back after an upgrade.
func TestFirstMasterRestsAndComesBack(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	pidFile, log, addr := filepath.Join(dir, "pid"), filepath.Join(dir, "log"), harness.FreePort(t)
	s := harness.Launch(t, harness.Config{App: "faults:app", Bind: []string{addr}, Args: []string{"-D", "-w", "2", "-p", pidFile, "--log-file", log}})
	if code := s.Wait(harness.StartBudget); code != 0 {
		t.Fatalf("exit code %d", code)
	}
	s.UseBind()
	first := pidIn(t, pidFile, 0)
	stop := load(t, s, 2, "/pid")
	signal := func(pid int, sig syscall.Signal) {
		t.Helper()
		if err := syscall.Kill(pid, sig); err != nil {
			t.Fatal(err)
		}
	}
	says := func(text string, times int) {
		t.Helper()
		harness.Eventually(t, harness.StartBudget, fmt.Sprintf("the log says %q %d times", text, times), func() bool {
			all, _ := os.ReadFile(log)
			return strings.Count(string(all), text) >= times
		})
	}
	signal(first, syscall.SIGUSR2)
	says("Ready: 2 workers", 2)
	second := pidIn(t, pidFile+".2", 0)
	signal(first, syscall.SIGWINCH)
	says("Worker exiting", 2)
	signal(first, syscall.SIGHUP)
	says("Hang up: Master", 1)
	says("Ready: 2 workers", 3)
	end(t, second, syscall.SIGTERM)
	says("has ended; this one goes on.", 1)
	stop()
	s.WantGet(t, "/pid", 200)
	end(t, first, syscall.SIGTERM)
}

func TestWinchInTheForegroundDoesNothing(t *testing.T) {
	t.Parallel()
	s := start(t, "hello:app", "-w", "1", "--log-level", "debug")
	s.Signal(syscall.SIGWINCH)
	s.Log.Wait(t, 0, "SIGWINCH ignored. Not daemonized", harness.EventBudget)
	s.WantGet(t, "/", 200)
}
