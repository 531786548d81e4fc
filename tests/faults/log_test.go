package faults

import (
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/gounicorn/gounicorn/tests/harness"
	"github.com/gounicorn/gounicorn/tests/oracle"
)

// Row 68: logs on a full disk, in a pipe that nobody reads or whose reader has gone: serving goes on, and the server stops as ever.
func TestLogsThatTakeNothing(t *testing.T) {
	t.Parallel()
	for _, sink := range []string{"full", "stuck", "gone"} {
		t.Run(sink, func(t *testing.T) {
			t.Parallel()
			name := "/dev/full"
			var reader *os.File
			if sink != "full" {
				name = filepath.Join(t.TempDir(), "log")
				if err := syscall.Mkfifo(name, 0o600); err != nil {
					t.Fatal(err)
				}
				var err error
				if reader, err = os.OpenFile(name, os.O_RDONLY|syscall.O_NONBLOCK, 0); err != nil {
					t.Fatal(err)
				}
				defer reader.Close()
			}
			s := harness.Launch(t, harness.Config{
				App: "canary:app", Bind: []string{harness.FreePort(t)}, Args: []string{"-w", "2", "--access-logfile", "-"},
				Binary: script(t, `exec GOUNICORN >"$LOG" 2>"$LOG"`), Env: []string{"LOG=" + name},
			})
			s.UseBind()
			harness.Eventually(t, harness.StartBudget, "an answer", func() bool { return s.Get("/pid").Status == 200 })
			if sink == "gone" {
				reader.Close() // and every further line is a broken pipe
			}
			load := oracle.Begin(t, s, oracle.Options{})
			for range 20 { // more than a pipe holds
				s.WantGet(t, "/log-lines/x/50", 200)
			}
			load.Await(t, 50)
			wantAll(t, load)
			if code := s.Stop(syscall.SIGTERM); code != 0 {
				t.Errorf("exit code %d", code)
			}
		})
	}
}

// Row 68: one line of a MiB is cut into pieces, whole lines of others stay whole, and control characters reach no terminal.
func TestVeryLongLine(t *testing.T) {
	t.Parallel()
	s := start(t, "-w", "2")
	load := oracle.Begin(t, s, oracle.Options{})
	s.WantGet(t, "/print-long", 200)
	s.WantGet(t, "/stderr-print/after", 200)
	s.Log.Wait(t, 0, "printed-to-stderr after", harness.EventBudget)
	length := 0
	for _, line := range s.Log.Lines() {
		if len(line) > 128<<10 {
			t.Errorf("a line of %d bytes", len(line))
		}
		length += strings.Count(line, "l")
	}
	if length < 1<<20 {
		t.Errorf("%d bytes of the line are in the log", length)
	}
	wantAll(t, load)
}
