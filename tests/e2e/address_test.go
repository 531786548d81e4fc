package e2e

import (
	"fmt"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"syscall"
	"testing"

	"github.com/gounicorn/gounicorn/tests/harness"
)

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
