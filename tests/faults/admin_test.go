package faults

import (
	"encoding/binary"
	"errors"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/gounicorn/gounicorn/tests/harness"
	"github.com/gounicorn/gounicorn/tests/oracle"
)

// Row 71: the control socket answers its own user and root, bounds what it reads, is not confused by halves of commands and does not follow links.
func TestControlSocketUnderAbuse(t *testing.T) {
	t.Parallel()
	dir, err := os.MkdirTemp("", "abuse") // a socket's name is short
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	if err := os.Chmod(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	socket := filepath.Join(dir, "s")
	s := start(t, "-w", "2", "--control-socket", socket)
	s.Log.Wait(t, 0, "Control socket listening at", harness.EventBudget)
	load := oracle.Begin(t, s, oracle.Options{})
	load.Await(t, 10)
	before := oracle.Of(t, s)
	client := filepath.Join(filepath.Dir(harness.Binary(t)), "gounicornc")
	tell := func(command string) (string, error) {
		out, err := exec.Command(client, "-s", socket, "-c", command).CombinedOutput()
		return string(out), err
	}

	// Another user: the permissions of the socket keep him out, and where these are open the server does.
	if st, err := os.Stat(socket); err != nil || st.Mode().Perm() != 0o600 {
		t.Errorf("the socket's mode is %v, %v", st.Mode(), err)
	}
	for _, mode := range []os.FileMode{0o600, 0o666} {
		if err := os.Chmod(socket, mode); err != nil {
			t.Fatal(err)
		}
		ask := exec.Command("setpriv", "--reuid=65534", "--clear-groups", "python3", "-c", stranger, socket)
		ask.Dir, ask.Env = "/", []string{"PATH=/usr/bin:/bin"}
		out, err := ask.CombinedOutput()
		text := string(out)
		if refused := strings.Contains(text, "Permission denied") || strings.Contains(text, "may not control"); !refused {
			t.Errorf("mode %v: user 65534 is told %.300q, %v", mode, text, err)
		}
	}

	frame := func(length uint32, text string) string {
		return string(binary.BigEndian.AppendUint32(nil, length)) + text
	}
	for range 20 { // more than may be connected at once
		for _, abuse := range []string{
			"", "\x00", frame(1<<31, ""), frame(1<<20, strings.Repeat("[", 1<<16)), frame(20, "half"), frame(5, "rubbi"),
			frame(2, "{}"), frame(60_000, strings.Repeat("[", 60_000)), "GET / HTTP/1.1\r\n\r\n",
		} {
			conn, err := net.DialTimeout("unix", socket, harness.EventBudget)
			if errors.Is(err, syscall.EAGAIN) { // its queue is full for the moment
				continue
			}
			if err != nil {
				t.Fatal(err)
			}
			_ = conn.SetDeadline(time.Now().Add(harness.EventBudget))
			_, _ = conn.Write([]byte(abuse)) // it may have been turned away
			conn.Close()
		}
	}
	harness.Eventually(t, harness.EventBudget, "the socket answers", func() bool { _, err := tell("show stats"); return err == nil })
	load.Await(t, 10)
	wantAll(t, load)
	oracle.WantNoLeak(t, s, before)
}

// stranger sends one command to the socket and prints what comes back.
const stranger = `
import json, socket, sys
s = socket.socket(socket.AF_UNIX)
try:
    s.connect(sys.argv[1])
except OSError as error:
    sys.exit(error.strerror)
text = json.dumps({"id": 1, "command": "shutdown", "args": []}).encode()
try:
    s.sendall(len(text).to_bytes(4, "big") + text)
except BrokenPipeError:
    pass  # turned away before it was asked
print(s.recv(65536))
`

// Row 71: a link in place of the socket, to a file of somebody else or to nowhere, is neither followed nor replaced by way of its target.
func TestControlSocketDoesNotFollowLinks(t *testing.T) {
	t.Parallel()
	dir, err := os.MkdirTemp("", "links")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	precious := filepath.Join(dir, "precious")
	if err := os.WriteFile(precious, []byte("mine"), 0o644); err != nil {
		t.Fatal(err)
	}
	for name, target := range map[string]string{"file": precious, "nowhere": filepath.Join(dir, "made-by-link")} {
		link := filepath.Join(dir, name)
		if err := os.Symlink(target, link); err != nil {
			t.Fatal(err)
		}
		s := start(t, "-w", "1", "--control-socket", link)
		s.WantGet(t, "/pid", 200)
		s.Stop(syscall.SIGTERM)
		if text, err := os.ReadFile(precious); err != nil || string(text) != "mine" {
			t.Errorf("%s: the file has %q, %v", name, text, err)
		}
		if _, err := os.Lstat(filepath.Join(dir, "made-by-link")); err == nil {
			t.Errorf("%s: something was made where the link leads", name)
		}
		if st, err := os.Stat(precious); err != nil || st.Mode().Perm() != 0o644 {
			t.Errorf("%s: the file's mode is %v, %v", name, st.Mode(), err)
		}
	}
}
