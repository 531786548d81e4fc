package faults

import (
	"encoding/binary"
	"encoding/json"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/gounicorn/gounicorn/tests/harness"
	"github.com/gounicorn/gounicorn/tests/oracle"
)

// jumps are what happens to wall clocks: an hour forward or back, a machine that has just been switched on, and the way back.
var jumps = []time.Duration{time.Hour, -time.Hour, time.Until(time.Unix(1000, 0)), 0}

// jump lets the clock make each of the jumps while a request runs, a connection is idle and the application is loaded again, and fails the test
// if anybody notices. now says what the clock is.
func jump(t testing.TB, s *harness.Server, set func(time.Duration), now func() time.Time) {
	t.Helper()
	load := oracle.Begin(t, s, oracle.Options{Pause: 10 * time.Millisecond})
	for n, by := range jumps {
		load.Await(t, 10)
		idle := s.Dial()
		idle.Get("/pid")
		idle.MustRead("GET")
		entered := len(s.Marks("sleeping"))
		running := s.Go("/sleep/0.7") // of the 2 s that it may take
		s.WaitMark(t, "sleeping", entered+1)
		if n == 1 {
			from := s.Log.Len()
			s.Signal(syscall.SIGHUP)
			defer s.Log.Wait(t, from, "Ready: ", harness.StartBudget)
		}
		set(by)
		harness.Eventually(t, harness.EventBudget, "the clock is off by "+by.String(), func() bool { return (time.Until(now()) - by).Abs() < time.Minute })
		if reply := <-running; reply.Status != 200 {
			t.Errorf("jump by %v: what ran got %d, error %v", by, reply.Status, reply.Err)
		}
		idle.Get("/pid")
		if got := idle.MustRead("GET"); got.Status != 200 {
			t.Errorf("jump by %v: the idle connection got %d", by, got.Status)
		}
	}
	load.Await(t, 10)
	wantAll(t, load)
	if lines := s.Log.Grep("TIMEOUT"); len(lines) > 0 {
		t.Errorf("something timed out: %q", lines)
	}
}

// movable makes the file of a clock and returns its name and what moves it.
func movable(t testing.TB) (name string, set func(by time.Duration)) {
	t.Helper()
	name = filepath.Join(t.TempDir(), "clock")
	set = func(by time.Duration) {
		f, err := os.OpenFile(name, os.O_WRONLY|os.O_CREATE, 0o644) // in place: it is mapped
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
		if _, err := f.WriteAt(binary.NativeEndian.AppendUint64(nil, uint64(by/time.Second)), 0); err != nil {
			t.Fatal(err)
		}
	}
	set(0)
	return name, set
}

// Row 66: what the workers time they time with a clock that does not jump.
func TestClockOfTheWorkersJumps(t *testing.T) {
	t.Parallel()
	library := filepath.Join(t.TempDir(), "clock.so")
	if out, err := exec.Command("cc", "-shared", "-fPIC", "-o", library, "testdata/clock.c", "-ldl").CombinedOutput(); err != nil {
		t.Fatalf("cc: %v\n%s", err, out)
	}
	name, set := movable(t)
	s := harness.Start(t, harness.Config{
		App: "canary:app", Args: []string{"-w", "2", "-t", "2", "--keep-alive", "5"}, Env: []string{"LD_PRELOAD=" + library, "GOUNICORN_TEST_CLOCK=" + name},
	})
	jump(t, s, set, func() time.Time { return unix(t, s.WantGet(t, "/clock", 200).Body) })
}

func unix(t testing.TB, text string) time.Time {
	t.Helper()
	n, err := strconv.ParseInt(text, 10, 64)
	if err != nil {
		t.Fatal(err)
	}
	return time.Unix(n, 0)
}

// Row 66, by make hostile: the same for the master, which is built with a wall clock that the test moves. Its timeouts hold and its Date
// follows the clock; no Last-Modified is later than that. It builds the standard library anew, which takes a minute of processor time.
func BenchmarkClockOfTheMasterJumps(t *testing.B) {
	root := harness.Root(t)
	work := filepath.Join(root, "build", "clock")
	if err := os.MkdirAll(work, 0o755); err != nil {
		t.Fatal(err)
	}
	master := filepath.Join(work, "gounicorn")
	build := exec.Command("go", "build", "-pgo=off", "-o", master, "-overlay", overlay(t, work), "./cmd/gounicorn")
	build.Dir, build.Env = root, append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("build: %v\n%s", err, out)
	}
	clock, set := movable(t)
	files := t.TempDir()
	s := harness.Start(t, harness.Config{
		App: "canary:app", Binary: master, Args: []string{"-w", "2", "-t", "2", "--keep-alive", "5", "--static", "/files/=" + files},
		Env: []string{"GOUNICORN_TEST_CLOCK=" + clock, "GOUNICORN_WORKER=" + filepath.Join(filepath.Dir(harness.Binary(t)), "gounicorn-worker")},
	})
	file := filepath.Join(files, "f")
	write := func(text string) {
		if err := os.WriteFile(file, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	write("first")
	jump(t, s, set, func() time.Time {
		reply := s.WantGet(t, "/files/f", 200)
		at, err := http.ParseTime(reply.Header.Get("Date")) // it is made once a second
		if err != nil {
			t.Fatal(err)
		}
		return at
	})
	// A file from the future has no Last-Modified, and that it has changed is noticed, though the clock was put back.
	set(-time.Hour)
	write("another")
	harness.Eventually(t, harness.EventBudget, "the other file", func() bool { return s.Get("/files/f").Body == "another" })
	if reply := s.Get("/files/f"); reply.Header.Get("Last-Modified") != "" {
		t.Errorf("Last-Modified is %s, Date %s", reply.Header.Get("Last-Modified"), reply.Header.Get("Date"))
	}
	if reply := s.Get("/sleep/3600"); reply.Status != 504 { // and what is to time out does
		t.Errorf("got %d, error %v, want 504", reply.Status, reply.Err)
	}
}

// overlay writes what replaces a part of package time when the master is built: a wall clock that is off by as many seconds as a mapped file says.
// The monotonic clock stays what it is.
func overlay(t testing.TB, work string) string {
	t.Helper()
	root, err := exec.Command("go", "env", "GOROOT").Output()
	if err != nil {
		t.Fatal(err)
	}
	source := filepath.Join(strings.TrimSpace(string(root)), "src", "time")
	text, err := os.ReadFile(filepath.Join(source, "time.go"))
	if err != nil {
		t.Fatal(err)
	}
	const now = "	sec, nsec, mono := runtimeNow()\n"
	if strings.Count(string(text), now) != 1 {
		t.Fatalf("%s is not as it was in Go 1.26", source)
	}
	replace := map[string]string{}
	for name, content := range map[string]string{
		"time.go": strings.ReplaceAll(string(text), now, now+"	sec += shift()\n"),
		"shift.go": `package time

import (
	"syscall"
	"unsafe"
)

var shiftPage = openShift()

func openShift() []byte {
	name, ok := syscall.Getenv("GOUNICORN_TEST_CLOCK")
	if !ok {
		return nil
	}
	fd, err := syscall.Open(name, syscall.O_RDONLY|syscall.O_CLOEXEC, 0)
	if err != nil {
		panic("time: open " + name)
	}
	defer syscall.Close(fd)
	page, err := syscall.Mmap(fd, 0, 8, syscall.PROT_READ, syscall.MAP_SHARED)
	if err != nil {
		panic("time: map " + name)
	}
	return page
}

func shift() int64 {
	if shiftPage == nil {
		return 0
	}
	return *(*int64)(unsafe.Pointer(&shiftPage[0]))
}
`,
	} {
		file := filepath.Join(work, name)
		if err := os.WriteFile(file, []byte(content), 0o644); err != nil {
			t.Fatal(err)
		}
		replace[filepath.Join(source, name)] = file
	}
	document, err := json.Marshal(map[string]any{"Replace": replace})
	if err != nil {
		t.Fatal(err)
	}
	name := filepath.Join(work, "overlay.json")
	if err := os.WriteFile(name, document, 0o644); err != nil {
		t.Fatal(err)
	}
	return name
}
