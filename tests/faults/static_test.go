package faults

import (
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"

	"github.com/gounicorn/gounicorn/tests/harness"
)

// Row 67: a file that turns into a pipe, a folder or a way out while it is sent and asked for: what is being sent comes whole, nothing hangs, and
// nothing from outside is ever seen.
func TestFilesThatTurnIntoSomethingElse(t *testing.T) {
	t.Parallel()
	root, outside := t.TempDir(), filepath.Join(t.TempDir(), "outside")
	s := start(t, "-w", "1", "--static", "/files/="+root)
	const size = 8 << 20 // more than sockets hold
	file := filepath.Join(root, "f")
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	must(os.WriteFile(outside, []byte("SECRET"), 0o644))
	whole := []byte(strings.Repeat("inside ", size/7+1))[:size]
	fresh := filepath.Join(root, "new")
	turn := map[string]func() error{
		"pipe":   func() error { return syscall.Mkfifo(fresh, 0o644) },
		"folder": func() error { return os.Mkdir(fresh, 0o755) },
		"link":   func() error { return os.Symlink(outside, fresh) },
		"mode":   func() error { return os.WriteFile(fresh, []byte("closed"), 0o000) },
	}
	for name, make := range turn {
		must(os.RemoveAll(file))
		must(os.WriteFile(file, whole, 0o644))
		harness.Eventually(t, harness.EventBudget, "the file", func() bool { return len(s.Get("/files/f").Body) == size })
		conn := s.Dial()
		conn.Get("/files/f")
		if line, err := conn.ReadLine(); err != nil || !strings.Contains(line, " 200 ") {
			t.Fatalf("%s: %q, %v", name, line, err)
		}
		must(make())
		must(os.RemoveAll(file))
		must(os.Rename(fresh, file))
		rest := conn.ReadUntil("\r\n\r\n")
		if got, err := conn.ReadBytes(size); err != nil || string(got) != string(whole) {
			t.Errorf("%s: after %q %d bytes came, %v", name, rest, len(got), err)
		}
		want := map[string]int{"mode": 200}[name] // root may read it
		if want == 0 {
			want = 404
		}
		harness.Eventually(t, harness.EventBudget, name+" is noticed", func() bool {
			reply := s.Get("/files/f")
			if strings.Contains(reply.Body, "SECRET") {
				t.Fatalf("%s: what is outside was sent", name)
			}
			return reply.Status == want && reply.Body != string(whole)
		})
	}

	// Swapped back and forth as fast as can be: whoever asks sees the file or nothing.
	must(os.RemoveAll(file))
	harness.Eventually(t, harness.EventBudget, "nothing", func() bool { return s.Get("/files/f").Status == 404 })
	stop := make(chan struct{})
	var all sync.WaitGroup
	all.Go(func() {
		for n := 0; ; n++ {
			select {
			case <-stop:
				return
			default:
			}
			if n%2 == 0 {
				_ = os.Symlink(outside, fresh)
			} else {
				_ = os.WriteFile(fresh, []byte("inside"), 0o644)
			}
			_ = os.Rename(fresh, file)
		}
	})
	for n := range 300 {
		reply := s.Get("/files/f?" + strconv.Itoa(n))
		if inside := reply.Status == 200 && reply.Body == "inside"; !inside && reply.Status != 404 && reply.Err == nil {
			t.Fatalf("got %d %.100q", reply.Status, reply.Body)
		}
		if strings.Contains(reply.Body, "SECRET") {
			t.Fatal("what is outside was sent")
		}
	}
	close(stop)
	all.Wait()
	s.WantGet(t, "/pid", 200)
}
