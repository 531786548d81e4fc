package machine

import (
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

// newNamespaces are those of a container as far as the tests need them: processes and mounts.
const newNamespaces = syscall.CLONE_NEWPID | syscall.CLONE_NEWNS

// ownProc are the lines of a launcher in newNamespaces that make /proc show the new processes only.
const ownProc = "set -e\nmount --make-rprivate /\nmount -t proc proc /proc"

// need fails the test, and says what to do, where no namespaces can be made.
func need(tb testing.TB) {
	tb.Helper()
	if os.Geteuid() != 0 {
		tb.Fatal("this test makes namespaces: run it as root")
	}
}

// Check 10: process 1 reaps what others leave behind, whatever its exit code, and takes none of it for a worker.
func TestProcessOneReapsAStormOfOrphans(t *testing.T) {
	t.Parallel()
	need(t)
	dir := t.TempDir()
	config := filepath.Join(dir, "gunicorn.conf.py")
	companion := `{"stormy": {"command": ["sh", "-c", "i=0; while [ $i -lt 100 ]; do (exit $((i %% 6)) &); i=$((i+1)); done; echo done; exec sleep 100"], "startsecs": 0}}`
	if err := os.WriteFile(config, []byte("companions = "+strings.ReplaceAll(companion, "%%", "%")+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	s := harness.Start(t, harness.Config{
		App: "orphans:app", Namespaces: newNamespaces, Binary: launcher(t, ownProc), Args: []string{"-c", config, "-w", "2", "--chdir", harness.Apps(t)},
	})
	workers := func() []int { return harness.Children(harness.Children(s.PID)[0]) }
	before := workers()
	for range 4 {
		s.WantGet(t, "/storm/100", 200)
	}
	s.Log.Wait(t, 0, "stormy: done", harness.EventBudget)
	harness.Eventually(t, harness.EventBudget, "no zombie is left", func() bool { return s.Get("/left").Body == "0" })
	for _, sign := range []string{"exited with code", "Worker failed", "was sent", "has ended"} {
		if lines := s.Log.Grep(sign); len(lines) > 0 {
			t.Errorf("the log says %q", lines)
		}
	}
	if now := workers(); !slices.Equal(before, now) {
		t.Errorf("workers were %v and are %v", before, now)
	}

	// Process 1 has no default action for any signal: each is handled, or does nothing.
	for _, sig := range []syscall.Signal{syscall.SIGCHLD, syscall.SIGUSR1, syscall.SIGWINCH, syscall.SIGALRM, syscall.SIGPIPE} {
		s.Signal(sig)
	}
	s.Signal(syscall.SIGUSR2)
	s.Log.Wait(t, 0, "USR2 signal ignored. All processes of a container end with the first", harness.EventBudget)
	s.Signal(syscall.SIGTTIN)
	harness.Eventually(t, harness.EventBudget, "three workers", func() bool { return len(workers()) == 3 })
	s.Signal(syscall.SIGTTOU)
	harness.Eventually(t, harness.EventBudget, "two workers", func() bool { return len(workers()) == 2 })
	from := s.Log.Len()
	s.Signal(syscall.SIGHUP)
	s.Log.Wait(t, from, "Ready: 2 workers", harness.StartBudget)
	s.WantGet(t, "/left", 200)
	if code := s.Stop(syscall.SIGINT); code != 0 {
		t.Errorf("exit code %d", code)
	}
}

// A shell that does not exec keeps TERM to itself; the log of the start says so.
func TestShellInFrontOfUsIsSaid(t *testing.T) {
	t.Parallel()
	need(t)
	wrapper := filepath.Join(t.TempDir(), "wrapper")
	script := "#!/bin/sh\n" + ownProc + "\ntrap 'kill $!; wait $!; exit 0' TERM QUIT\n'" + harness.Binary(t) + "' \"$@\" &\nwait $!\n"
	if err := os.WriteFile(wrapper, []byte(script), 0o700); err != nil {
		t.Fatal(err)
	}
	s := harness.Start(t, harness.Config{App: "hello:app", Namespaces: newNamespaces, Binary: wrapper, Args: []string{"-w", "1"}})
	if lines := s.Log.Grep("Process 1 is a shell ("); len(lines) != 1 || !strings.Contains(lines[0], "write exec before gounicorn") {
		t.Errorf("the log says %q", lines)
	}
}

// room says what a hardened container leaves: a root that is not written, a user without a name, no shared memory, no folder for files.
type room struct{ tmp bool }

// lines are those of a launcher, which then becomes a user without an entry and without any capability.
func (r room) lines(t *testing.T) string {
	t.Helper()
	b := &strings.Builder{}
	fmt.Fprintln(b, ownProc)
	// What the user must be able to read may lie in a folder that is closed to it, such as that of root.
	reachable(t, b, pythonHome(t), harness.Root(t), realPath(t, harness.Venv(t)))
	fmt.Fprintln(b, "mount -t tmpfs -o ro none /dev/shm\nmount -o remount,bind,ro /")
	if r.tmp {
		fmt.Fprintln(b, "mount -t tmpfs -o mode=1777 none /var/tmp\nexport TMPDIR=/var/tmp")
	}
	fmt.Fprint(b, "unset HOME USER LOGNAME PWD")
	return b.String()
}

// pythonHome is where the interpreter and its library lie.
func pythonHome(t *testing.T) string {
	t.Helper()
	out, err := exec.Command(harness.Python(t), "-c", "import sys; print(sys.base_prefix)").Output()
	if err != nil {
		t.Fatal(err)
	}
	return realPath(t, strings.TrimSpace(string(out)))
}

func realPath(t *testing.T, path string) string {
	t.Helper()
	path, err := filepath.EvalSymlinks(path)
	if err != nil {
		t.Fatal(err)
	}
	return path
}

// reachable writes lines that let everybody in to these folders: those above that are closed are covered, and the folders are put in again.
func reachable(t *testing.T, b *strings.Builder, folders ...string) {
	t.Helper()
	fmt.Fprintln(b, "mount -t tmpfs none /mnt")
	for i, folder := range folders {
		closed := ""
		for dir := filepath.Dir(folder); dir != "/"; dir = filepath.Dir(dir) {
			if st, err := os.Stat(dir); err == nil && st.Mode()&0o001 == 0 {
				closed = dir
			}
		}
		if closed != "" {
			fmt.Fprintf(b, "mkdir /mnt/%[1]d; mount --bind '%[2]s' /mnt/%[1]d; mount -t tmpfs -o mode=755 none '%[3]s'; mkdir -p '%[2]s'; mount --bind /mnt/%[1]d '%[2]s'; umount /mnt/%[1]d\n",
				i, folder, closed)
		}
	}
	fmt.Fprintln(b, "umount /mnt")
}

// A hardened container: it serves, PORT and WEB_CONCURRENCY count, and what is missing is named in one sentence at the start.
func TestHardenedContainerServesAndNamesWhatIsMissing(t *testing.T) {
	t.Parallel()
	need(t)
	for _, r := range []room{{tmp: true}, {tmp: false}} {
		end := map[bool]os.Signal{true: syscall.SIGQUIT, false: syscall.SIGTERM}[r.tmp]
		t.Run(fmt.Sprintf("folder for files %v", r.tmp), func(t *testing.T) {
			t.Parallel()
			port := harness.FreePort(t)
			s := harness.Start(t, harness.Config{
				App: "echo:app", Namespaces: newNamespaces, Binary: launcher(t, r.lines(t), "setpriv", "--reuid=54321", "--regid=54321", "--clear-groups", "--no-new-privs", "--inh-caps=-all", "--bounding-set=-all"), Bind: []string{},
				Env: []string{"PORT=" + port[strings.LastIndex(port, ":")+1:], "WEB_CONCURRENCY=3"}, Args: []string{"--preload", "--access-logfile", "-"},
			})
			if s.Addr() != "0.0.0.0:"+port[strings.LastIndex(port, ":")+1:] || len(s.Log.Grep("Ready: 3 workers")) != 1 {
				t.Errorf("PORT and WEB_CONCURRENCY do not count: it serves at %q", s.Addrs)
			}
			echo := s.WantEcho(t, s.Request("POST", "/", strings.Repeat("x", 1<<20)))
			if echo.Length != 1<<20 {
				t.Errorf("a body of a MiB: %+v", echo)
			}
			reply, said := s.Request("POST", "/", strings.Repeat("x", 17<<20)), s.Log.Grep("cannot be buffered: ")
			if r.tmp {
				if reply.Status != 200 || len(said) != 0 {
					t.Errorf("a body that needs a file: status %d; the log says %q", reply.Status, said)
				}
			} else if reply.Status != 503 || len(said) != 1 || !strings.Contains(said[0], "Request bodies above 16M") || !strings.Contains(said[0], "spool file in /tmp: read-only file system. Mount a folder") {
				t.Errorf("a body that needs a file and has none: status %d; the log says %q", reply.Status, said)
			}
			if code := s.Stop(end); code != 0 {
				t.Errorf("exit code %d", code)
			}
		})
	}
}
