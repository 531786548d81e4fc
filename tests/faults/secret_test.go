package faults

import (
	"bytes"
	"crypto/tls"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/gounicorn/gounicorn/tests/harness"
	"github.com/gounicorn/gounicorn/tests/oracle"
)

const secret = "a-password-in-the-environment"

// Row 72: what is secret stays where it is. The environment is in no list of processes, page, status or log, not even of a crash; a master with
// keys leaves no core when it dies; workers hold neither keys nor the administration's sockets.
func TestSecretsStayWhereTheyAre(t *testing.T) {
	t.Parallel()
	authority := harness.NewAuthority(t)
	cert, key := authority.Write(t.TempDir(), "site", harness.Leaf{Hosts: []string{"127.0.0.1"}})
	config := &tls.Config{RootCAs: authority.Pool}
	dir := t.TempDir()
	s := harness.Start(t, harness.Config{
		App: "canary:app", TLS: config, Dir: dir, Binary: script(t, "ulimit -c unlimited\nexec GOUNICORN"),
		Env:  []string{"DATABASE_PASSWORD=" + secret, "GOTRACEBACK=crash", "PYTHONPATH=" + harness.Apps(t)}, // it would leave its core
		Args: []string{"-w", "2", "--graceful-timeout", "2", "--certfile", cert, "--keyfile", key, "--metrics-bind", "127.0.0.1:0", "--access-logfile", "-"},
	})
	load := oracle.Begin(t, s, oracle.Options{Kept: 1, New: 1, HTTP2: 1, TLS: config})
	load.Await(t, 20)

	text, err := os.ReadFile(key)
	if err != nil {
		t.Fatal(err)
	}
	body := text[bytes.IndexByte(text, '\n')+1:]
	line := body[:bytes.IndexByte(body, '\n')] // of its base64
	for _, pid := range s.Processes() {
		cmdline, err := os.ReadFile(fmt.Sprintf("/proc/%d/cmdline", pid))
		if err != nil || strings.Contains(string(cmdline), secret) {
			t.Errorf("process %d is called %q, %v", pid, cmdline, err)
		}
		if pid == s.PID {
			continue
		}
		for fd, target := range harness.Descriptors(t, pid) {
			if strings.Contains(target, key) || strings.Contains(target, cert) {
				t.Errorf("process %d holds %s as descriptor %d", pid, target, fd)
			}
		}
		if found := memoryHas(t, pid, line); found {
			t.Errorf("the key is in the memory of process %d", pid)
		}
	}

	for _, path := range []string{"/fail", "/nonce", "/raise-mid/x", "/%zz"} {
		if reply := s.Get(path); strings.Contains(reply.Body, secret) {
			t.Errorf("%s shows it: %.300q", path, reply.Body)
		}
	}
	socket := filepath.Join(s.Dir, ".gunicorn", "gunicorn.ctl")
	for _, command := range []string{"show all", "show config", "show stats"} {
		out, err := exec.Command(filepath.Join(filepath.Dir(harness.Binary(t)), "gounicornc"), "-s", socket, "-c", command, "-j").CombinedOutput()
		if err != nil || bytes.Contains(out, []byte(secret)) {
			t.Errorf("%s: %v, %.300q", command, err, out)
		}
	}
	s.Request("POST", "/segv", "x")
	load.Await(t, 10)
	load.Stop()
	s.Signal(syscall.SIGABRT)
	if code := s.Wait(4 * harness.EventBudget); code != -int(syscall.SIGABRT) { // with the stacks of every goroutine
		t.Errorf("exit code %d", code)
	}
	s.WantNoOrphans(harness.EventBudget)
	if cores, err := filepath.Glob(filepath.Join(dir, "*")); err != nil || len(cores) > 0 {
		t.Errorf("the master has left %v", cores)
	}
	for _, log := range []*harness.Log{s.Log, s.Out} {
		if lines := log.Grep(secret); len(lines) > 0 {
			t.Errorf("the log shows it: %q", lines)
		}
	}
}

// memoryHas looks for bytes in the memory of a process that may be written.
func memoryHas(t *testing.T, pid int, what []byte) bool {
	t.Helper()
	maps, err := os.ReadFile(fmt.Sprintf("/proc/%d/maps", pid))
	if err != nil {
		t.Fatal(err)
	}
	memory, err := os.Open(fmt.Sprintf("/proc/%d/mem", pid))
	if err != nil {
		t.Fatal(err)
	}
	defer memory.Close()
	for line := range strings.Lines(string(maps)) {
		var from, to int64
		var mode string
		if _, err := fmt.Sscanf(line, "%x-%x %s", &from, &to, &mode); err != nil || !strings.HasPrefix(mode, "rw") || to-from > 256<<20 {
			continue
		}
		piece := make([]byte, to-from)
		n, _ := memory.ReadAt(piece, from) // what is not there yet cannot be read
		if bytes.Contains(piece[:n], what) {
			return true
		}
	}
	return false
}
