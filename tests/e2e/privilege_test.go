package e2e

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"github.com/gounicorn/gounicorn/tests/harness"
)

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
