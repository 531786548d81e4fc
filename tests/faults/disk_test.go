package faults

import (
	"bufio"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"testing"

	"github.com/gounicorn/gounicorn/tests/harness"
	"github.com/gounicorn/gounicorn/tests/oracle"
)

// Row 60: no room, a disk that fails or one that may not be written: the body that needs it gets 503 with Retry-After, nobody gets a part of
// one, smaller ones go on, and nothing stays behind.
func TestBodiesThatTheDiskDoesNotTake(t *testing.T) {
	t.Parallel()
	const mounted = `mount -t tmpfs -o size=1m spool "$SPOOL"` + "\n"
	for _, disk := range []struct{ name, launch string }{
		{"full", "exec unshare -m sh -ec '" + mounted + `exec "$@"' sh GOUNICORN`},
		{"read-only", "exec unshare -m sh -ec '" + mounted + `mount -o remount,ro "$SPOOL"; exec "$@"' sh GOUNICORN`},
		{"broken", "exec GOUNICORN"},
	} {
		t.Run(disk.name, func(t *testing.T) {
			t.Parallel()
			spool := t.TempDir()
			s := harness.Start(t, harness.Config{
				App: "canary:app", Binary: script(t, disk.launch), Env: []string{"SPOOL=" + spool},
				Args: []string{"-w", "2", "--spool-dir", spool, "--spool-memory", "4M", "--no-control-socket"},
			})
			if disk.name == "broken" {
				inject(t, s, "pwrite64:error=EIO")
			}
			load := oracle.Begin(t, s, oracle.Options{})
			load.Await(t, 10)
			large := strings.Repeat("b", 3<<20)
			for range 3 {
				conn := s.Dial()
				conn.Send("POST /body-length HTTP/1.1\r\nHost: x\r\nContent-Length: 3145728\r\n\r\n")
				_, _ = conn.Write([]byte(large)) // it may be refused before it is all sent
				got := conn.MustRead("POST")
				if got.Status != 503 || got.Header.Get("Retry-After") == "" || !got.Close {
					t.Errorf("got %d, Retry-After %q, close %v, %.100q", got.Status, got.Header.Get("Retry-After"), got.Close, got.Body)
				}
			}
			if reply := s.Request("POST", "/body-length", strings.Repeat("b", 500_000)); reply.Status != 200 || reply.Body != "500000" {
				t.Errorf("a body that fits into memory: %d %q", reply.Status, reply.Body)
			}
			// An answer that finds no disk makes its worker wait for the client; it comes whole.
			if reply := s.WantGet(t, "/big/5000000", 200); len(reply.Body) != 5_000_000 {
				t.Errorf("the answer has %d bytes", len(reply.Body))
			}
			load.Await(t, 10)
			wantAll(t, load)
			for fd, target := range harness.Descriptors(t, s.PID) {
				if strings.Contains(target, spool) {
					t.Errorf("descriptor %d: %s", fd, target)
				}
			}
		})
	}
}

// inject has strace make system calls of the master fail, for the rest of the test.
func inject(t *testing.T, s *harness.Server, what string) {
	t.Helper()
	call, _, _ := strings.Cut(what, ":")
	cmd := exec.Command(harness.Tool(t, "strace"), "-f", "-p", strconv.Itoa(s.PID), "-o", "/dev/null", "-e", "trace="+call, "-e", "inject="+what)
	said, err := cmd.StderrPipe()
	if err == nil {
		err = cmd.Start()
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Signal(os.Interrupt) // it lets go of the master
		_ = cmd.Wait()
	})
	line, err := bufio.NewReader(said).ReadString('\n')
	if !strings.Contains(line, "attached") {
		t.Fatalf("strace says %q, %v", line, err)
	}
}
