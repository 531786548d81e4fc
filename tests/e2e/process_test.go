package e2e

import (
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

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

func TestHupOpensAndClosesAddresses(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	config := filepath.Join(dir, "gunicorn.conf.py")
	keep, leave, come := harness.FreePort(t), filepath.Join(dir, "leave.sock"), harness.FreePort(t)
	pidOld, pidNew := filepath.Join(dir, "old.pid"), filepath.Join(dir, "new.pid")
	writeFile(t, config, fmt.Sprintf("bind = [%q, %q]\npidfile = %q\nproc_name = 'before'\n", keep, "unix:"+leave, pidOld))
	s := harness.Launch(t, harness.Config{App: "hello:app", Bind: []string{}, Args: []string{"-c", config, "-w", "1"}})
	s.WaitReady()
	stop := load(t, s, 2, "/")
	writeFile(t, config, fmt.Sprintf("bind = [%q, %q]\npidfile = %q\nproc_name = 'after'\n", keep, come, pidNew))
	from := s.Log.Len()
	s.Signal(syscall.SIGHUP)
	s.Log.Wait(t, from, "Listening at: http://"+keep+",http://"+come, harness.StartBudget)
	conn := harness.Dial(t, "tcp", come)
	conn.Get("/")
	if response := conn.MustRead("GET"); response.Status != http.StatusOK {
		t.Errorf("the new address answers %d", response.Status)
	}
	harness.Eventually(t, harness.EventBudget, "the old address is closed", func() bool {
		c, err := net.Dial("unix", leave)
		if err == nil {
			c.Close()
		}
		return err != nil
	})
	if pid := pidIn(t, pidNew, 0); pid != s.PID {
		t.Errorf("the new pid file names %d", pid)
	}
	if _, err := os.Stat(pidOld); !os.IsNotExist(err) {
		t.Errorf("the old pid file is still there: %v", err)
	}
	if got := cmdline(s.PID); got != "gounicorn: master [after]" {
		t.Errorf("it is called %q", got)
	}
	stop()
}

func TestHupThatCannotListenKeepsTheOldAddresses(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	config, keep := filepath.Join(dir, "gunicorn.conf.py"), harness.FreePort(t)
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	writeFile(t, config, fmt.Sprintf("bind = %q\n", keep))
	s := harness.Launch(t, harness.Config{App: "hello:app", Bind: []string{}, Args: []string{"-c", config, "-w", "1"}})
	s.WaitReady()
	writeFile(t, config, fmt.Sprintf("bind = %q\n", taken.Addr()))
	s.Signal(syscall.SIGHUP)
	s.Log.Wait(t, 0, "the addresses stay as they were", harness.StartBudget)
	s.WantGet(t, "/", 200)
}

func TestBindIsTriedFiveTimesInGunicornsWords(t *testing.T) {
	t.Parallel()
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	port := taken.Addr().(*net.TCPAddr).Port
	s := harness.Launch(t, harness.Config{App: "hello:app", Bind: []string{taken.Addr().String()}, Exit: 1})
	if code := s.Wait(bootLimit); code != 1 {
		t.Errorf("exit code %d, want 1", code)
	}
	harness.Eventually(t, harness.EventBudget, "the log is complete", s.Log.Ended)
	name := fmt.Sprintf("('127.0.0.1', %d)", port)
	for text, times := range map[string]int{
		"Connection in use: " + name: 5, "connection to " + name + " failed: [Errno 98] Address already in use": 5, "Can't connect to " + name: 1,
	} {
		if got := len(s.Log.Grep(text)); got != times {
			t.Errorf("the log says %q %d times, want %d", text, got, times)
		}
	}
}

func TestUmaskIsTakenOffTheModeOfASocket(t *testing.T) {
	t.Parallel()
	for mask, want := range map[string]os.FileMode{"0": 0o777, "0o117": 0o660} {
		socket := filepath.Join(t.TempDir(), "s.sock")
		harness.Start(t, harness.Config{App: "hello:app", Bind: []string{"unix:" + socket}, Args: []string{"-m", mask}})
		if st, err := os.Stat(socket); err != nil || st.Mode().Perm() != want {
			t.Errorf("umask %s: mode %v, %v", mask, st.Mode(), err)
		}
	}
}

func TestReusePortLetsSeveralServersShareOne(t *testing.T) {
	t.Parallel()
	addr := harness.FreePort(t)
	first := harness.Start(t, harness.Config{App: "hello:app", Bind: []string{addr}, Args: []string{"--reuse-port"}})
	second := harness.Start(t, harness.Config{App: "hello:app", Bind: []string{addr}, Args: []string{"--reuse-port"}})
	if code := first.Stop(syscall.SIGTERM); code != 0 {
		t.Errorf("exit code %d", code)
	}
	first.Addrs = nil // somebody still listens, as it shall be
	second.WantGet(t, "/", 200)
}

// A notified server manager hears when requests are served, and not before.
func TestServiceManagerIsTold(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "notify")
	conn, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: path, Net: "unixgram"})
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	next := func(what string) string {
		t.Helper()
		_ = conn.SetReadDeadline(time.Now().Add(harness.StartBudget))
		buf := make([]byte, 4096)
		for {
			n, err := conn.Read(buf)
			if err != nil {
				t.Fatalf("waiting for %s: %v", what, err)
			}
			if text := string(buf[:n]); text != "WATCHDOG=1" {
				return text
			}
		}
	}
	s := harness.Launch(t, harness.Config{App: "slow_boot:app", Env: []string{"NOTIFY_SOCKET=" + path, "WATCHDOG_USEC=200000"}})
	s.WaitListening()
	s.WaitMark(t, "entered-boot", 1)
	s.Open(t, "open-boot")
	if text := next("READY"); !strings.HasPrefix(text, "READY=1\n") {
		t.Errorf("first it says %q", text)
	}
	s.WaitReady()
	s.Signal(syscall.SIGHUP)
	if text := next("RELOADING"); !strings.HasPrefix(text, "RELOADING=1\nMONOTONIC_USEC=") {
		t.Errorf("then it says %q", text)
	}
	if text := next("READY"); !strings.HasPrefix(text, "READY=1\n") {
		t.Errorf("after the reload it says %q", text)
	}
	_ = conn.SetReadDeadline(time.Now().Add(harness.EventBudget))
	if n, err := conn.Read(make([]byte, 4096)); err != nil || n != len("WATCHDOG=1") {
		t.Errorf("no sign of life: %d bytes, %v", n, err)
	}
	s.Signal(syscall.SIGTERM)
	if text := next("STOPPING"); text != "STOPPING=1" {
		t.Errorf("at the end it says %q", text)
	}
	s.Wait(harness.StopBudget)
}

// The sockets of the service manager are served, in place of bind, and stay.
func TestActivatedSocketIsServedAndStays(t *testing.T) {
	t.Parallel()
	socket := filepath.Join(t.TempDir(), "s.sock")
	listener, err := net.ListenUnix("unix", &net.UnixAddr{Name: socket, Net: "unix"})
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	file, err := listener.File()
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	launcher := filepath.Join(t.TempDir(), "activate")
	writeFile(t, launcher, "#!/bin/sh\nexport LISTEN_PID=$$ LISTEN_FDS=1\nexec '"+harness.Binary(t)+"' \"$@\"\n")
	if err := os.Chmod(launcher, 0o755); err != nil {
		t.Fatal(err)
	}
	s := harness.Start(t, harness.Config{App: "hello:app", Binary: launcher, ExtraFiles: []*os.File{file}})
	conn := harness.Dial(t, "unix", socket)
	conn.Get("/")
	if response := conn.MustRead("GET"); response.Status != 200 {
		t.Errorf("status %d", response.Status)
	}
	if code := s.Stop(syscall.SIGTERM); code != 0 {
		t.Errorf("exit code %d", code)
	}
	if _, err := os.Stat(socket); err != nil {
		t.Errorf("the socket is gone: %v", err)
	}
}

// nobody is the number of that user and its group on most systems.
const nobody = 65534

// forAnybody returns an interpreter of the version under test that every user can run, and the environment for it; a temporary folder
// that every user may enter is made too.
func forAnybody(t *testing.T) (python string, env []string, dir string) {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Fatal("this test becomes another user: run it as root")
	}
	version, err := exec.Command(harness.Python(t), "-c", "import sys; print('%d.%d' % sys.version_info[:2])").Output()
	if err != nil {
		t.Fatal(err)
	}
	dir, err = os.MkdirTemp("", "gounicorn-user-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	if err := os.Chown(dir, nobody, nobody); err != nil {
		t.Fatal(err)
	}
	for _, python := range []string{harness.Python(t), "/usr/bin/python" + strings.TrimSpace(string(version)), "/usr/local/bin/python" + strings.TrimSpace(string(version))} {
		ask := exec.Command(python, "-c", "import sysconfig; print(sysconfig.get_config_var('LIBDIR'))")
		ask.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: nobody, Gid: nobody}}
		ask.Dir = "/"
		if lib, err := ask.Output(); err == nil {
			// The worker was built against the library under test, which lies where others may not look.
			return python, []string{"LD_LIBRARY_PATH=" + strings.TrimSpace(string(lib))}, dir
		}
	}
	t.Fatalf("no Python %s here can be run by user %d", version, nobody)
	return "", nil, ""
}

func TestServerBecomesTheUserAndReloadsAsSuch(t *testing.T) {
	t.Parallel()
	python, env, dir := forAnybody(t)
	log, access, socket, pidFile := filepath.Join(dir, "log"), filepath.Join(dir, "access"), filepath.Join(dir, "s.sock"), filepath.Join(dir, "pid")
	port := harness.FreePort(t)
	s := harness.Launch(t, harness.Config{
		App: "faults:app", NoPython: true, Bind: []string{port, "unix:" + socket}, Env: env,
		Args: []string{"--python", python, "-w", "2", "-u", "nobody", "-g", strconv.Itoa(nobody), "--log-file", log, "--access-logfile", access, "-p", pidFile, "--initgroups"},
	})
	says := func(text string, times int) {
		t.Helper()
		harness.Eventually(t, harness.StartBudget, fmt.Sprintf("the log says %q %d times", text, times), func() bool {
			all, _ := os.ReadFile(log)
			return strings.Count(string(all), text) >= times
		})
	}
	says("Ready: 2 workers", 1)
	s.UseBind()
	s.Addrs = s.Addrs[:1]
	everybody := func() {
		t.Helper()
		var all []int
		harness.Eventually(t, harness.EventBudget, "master, zygote and two workers", func() bool { all = s.Processes(); return len(all) == 4 })
		for _, pid := range all {
			if uid := owner(t, pid); uid != nobody {
				t.Errorf("process %d (%s) belongs to user %d", pid, cmdline(pid), uid)
			}
		}
	}
	everybody()
	for _, path := range []string{log, access, socket, pidFile} {
		if st, err := os.Stat(path); err != nil || st.Sys().(*syscall.Stat_t).Uid != nobody {
			t.Errorf("%s is not the user's: %v", path, err)
		}
	}
	s.WantGet(t, "/pid", 200)
	// A body in a file and an answer from one cross between processes as descriptors.
	if reply := s.Request("POST", "/pid", strings.Repeat("x", 1<<20)); reply.Status != 200 {
		t.Errorf("a large body: status %d, %v", reply.Status, reply.Err)
	}
	s.WantGet(t, "/file-wrapper/500000", 200)
	s.Signal(syscall.SIGHUP)
	says("Ready: 2 workers", 2)
	everybody()
	if err := os.Rename(log, log+".1"); err != nil {
		t.Fatal(err)
	}
	s.Signal(syscall.SIGUSR1)
	harness.Eventually(t, harness.EventBudget, "the log is opened again", func() bool { _, err := os.Stat(log); return err == nil })
	s.Signal(syscall.SIGUSR2)
	says("Ready: 2 workers", 1)
	second := pidIn(t, pidFile+".2", 0)
	if code := s.Stop(syscall.SIGTERM); code != 0 {
		t.Errorf("exit code %d", code)
	}
	s.WantGet(t, "/pid", 200)
	if uid := owner(t, second); uid != nobody {
		t.Errorf("the second master belongs to user %d", uid)
	}
	end(t, second, syscall.SIGTERM)
	for _, path := range []string{socket, pidFile, pidFile + ".2"} {
		if _, err := os.Stat(path); !os.IsNotExist(err) {
			t.Errorf("%s is still there: %v", path, err)
		}
	}
}

func TestWhoIsNotRootCannotAskForAnotherUser(t *testing.T) {
	t.Parallel()
	python, env, _ := forAnybody(t)
	launcher := filepath.Join(t.TempDir(), "drop")
	writeFile(t, launcher, "#!/bin/sh\nexec setpriv --reuid 65534 --regid 65534 --clear-groups '"+harness.Binary(t)+"' \"$@\"\n")
	if err := os.Chmod(launcher, 0o755); err != nil {
		t.Fatal(err)
	}
	for _, args := range [][]string{{"-u", "root"}, {"-g", "1"}, {"-u", "no-such-user"}} {
		s := harness.Launch(t, harness.Config{
			App: "hello:app", Binary: launcher, NoPython: true, Env: env, Args: append([]string{"--python", python}, args...), Exit: 1,
		})
		if code := s.Wait(bootLimit); code != 1 {
			t.Errorf("%v: exit code %d, want 1", args, code)
		}
		harness.Eventually(t, harness.EventBudget, "the log is complete", s.Log.Ended)
		if text := s.Log.String(); !strings.Contains(text, "only root can") && !strings.Contains(text, "no such user") {
			t.Errorf("%v: %q", args, text)
		}
	}
}
