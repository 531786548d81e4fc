package pyworker_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"

	"github.com/gounicorn/gounicorn/prefork/wire"
)

func (w *worker) send(t *testing.T, kind wire.Kind) {
	t.Helper()
	if err := w.control.Send(wire.Header{Kind: kind}, nil); err != nil {
		t.Fatal(err)
	}
}

func (w *worker) signal(t *testing.T, number unix.Signal) {
	t.Helper()
	if err := unix.PidfdSendSignal(int(w.pidfd.Fd()), number, nil, 0); err != nil {
		t.Fatal(err)
	}
}

// insist sends a signal again and again until the function that it returns is called: Python notes a signal that comes just before a
// blocking call, and runs its handler at the next one only.
func (w *worker) insist(number unix.Signal) (stop func()) {
	done := make(chan struct{})
	var repeats sync.WaitGroup
	repeats.Go(func() {
		for tick := time.Tick(200 * time.Millisecond); ; {
			_ = unix.PidfdSendSignal(int(w.pidfd.Fd()), number, nil, 0) // it may be gone already
			select {
			case <-done:
				return
			case <-tick:
			}
		}
	})
	return func() {
		close(done)
		repeats.Wait()
	}
}

// endsWith waits for the worker's end and compares the exit code.
func (w *worker) endsWith(t *testing.T, m *master, code int) {
	t.Helper()
	if status := m.exitStatus(t, w); !status.Exited() || status.ExitStatus() != code {
		t.Errorf("worker ended with %#x, want exit code %d", uint32(status), code)
	}
}

func TestStopFinishesWhatRuns(t *testing.T) {
	for _, threads := range []int{1, 2} {
		for _, how := range []string{"STOP", "SIGTERM"} {
			t.Run(fmt.Sprintf("%s threads=%d", how, threads), func(t *testing.T) {
				m := spawn(t, boot{app: "apps"})
				w := m.start(t, 1, threads)
				m.request(t, "/wait")
				w.stdout.waitFor(t, "waiting")
				if how == "STOP" {
					w.send(t, wire.KindStop)
				} else {
					w.signal(t, unix.SIGTERM)
				}
				release := w.insist(unix.SIGUSR2) // a handler of the application's
				status, body, err := m.any(w)
				release()
				if status != 200 || body != "released" || err != nil {
					t.Errorf("the request that ran ended with %d %q %v", status, body, err)
				}
				if p := w.control.next(t, wire.KindRetiring); p.Aux != wire.RetireStopped {
					t.Errorf("RETIRING with cause %d, want %d", p.Aux, wire.RetireStopped)
				}
				w.endsWith(t, m, 0)
			})
		}
	}
}

// any returns the response that one of the worker's streams gets first.
func (m *master) any(w *worker) (int, string, error) {
	type result struct {
		status int
		body   string
		err    error
	}
	results := make(chan result, len(w.streams))
	for _, stream := range w.streams {
		go func() {
			status, body, err := answer(stream)
			results <- result{status, body, err}
		}()
	}
	var last result
	for range w.streams {
		if last = <-results; last.err == nil {
			break
		}
	}
	return last.status, last.body, last.err
}

func TestQuickSignalsEndAWorkerAtOnce(t *testing.T) {
	for _, number := range []unix.Signal{unix.SIGINT, unix.SIGQUIT} {
		t.Run(unix.SignalName(number), func(t *testing.T) {
			m := spawn(t, boot{app: "apps"})
			w := m.start(t, 1, 1)
			m.request(t, "/wait")
			w.stdout.waitFor(t, "waiting")
			w.signal(t, unix.SIGHUP) // means nothing to a worker
			w.signal(t, unix.SIGUSR1)
			defer w.insist(number)()
			w.endsWith(t, m, 0)
		})
	}
}

// The Go runtime must not have taken the signals of a crash: the master reports which it was, and faulthandler tells where.
func TestCrashIsTheTrueSignal(t *testing.T) {
	m := spawn(t, boot{app: "apps"})
	w := m.start(t, 1, 1)
	m.request(t, "/crash")
	if status := m.exitStatus(t, w); !status.Signaled() || status.Signal() != unix.SIGSEGV {
		t.Errorf("worker ended with %#x, want SIGSEGV", uint32(status))
	}
	w.stderr.waitFor(t, "in crash")
}

func TestStacksOfAnyProcess(t *testing.T) {
	tests := []struct{ path, ready, want string }{
		{"/stuck", "stuck", "in stuck_in_c"},
		{"/spin", "spinning", "in spin"},
		{"/wait", "waiting", "in wait"},
	}
	for _, test := range tests {
		for _, threads := range []int{1, 3} {
			t.Run(fmt.Sprintf("%s threads=%d", test.path, threads), func(t *testing.T) {
				m := spawn(t, boot{app: "apps"})
				w := m.start(t, 1, threads)
				m.request(t, test.path)
				w.stdout.waitFor(t, test.ready)
				for range 2 { // looking once must not prevent looking again
					w.send(t, wire.KindDump)
					text := string(w.control.next(t, wire.KindStacks).payload)
					if !strings.Contains(text, test.want) || !strings.Contains(text, "apps.py") {
						t.Errorf("STACKS without %q:\n%s", test.want, text)
					}
					if strings.Contains(text, "no Python frame") {
						t.Errorf("STACKS with a thread of Go's:\n%s", text)
					}
				}
				w.signal(t, unix.SIGKILL)
				if status := m.exitStatus(t, w); status.Signal() != unix.SIGKILL {
					t.Errorf("worker ended with %#x, want SIGKILL", uint32(status))
				}
			})
		}
	}
}

func TestEverybodyLeavesAMasterThatIsGone(t *testing.T) {
	m := spawn(t, boot{app: "apps", document: map[string]any{"graceful_timeout": 1}})
	workers := []*worker{m.start(t, 1, 1), m.start(t, 2, 4), m.start(t, 3, 1)}
	m.request(t, "/stuck") // one that cannot leave by itself
	for _, w := range workers {
		_ = w.control.Close()
		for _, stream := range w.streams {
			_ = stream.Close()
		}
	}
	_ = m.queue.Close()
	_ = m.control.Close()
	for _, w := range workers {
		gone(t, w.pidfd)
	}
	if code := m.waitExit(t); code != 0 {
		t.Errorf("zygote ended with %d, want 0", code)
	}
}

func TestWorkersOutliveTheirZygote(t *testing.T) {
	m := spawn(t, boot{app: "apps"})
	w := m.start(t, 1, 1)
	if err := m.zygote.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	<-m.exited
	if got, want := m.get(t, w, "/hello"), fmt.Sprintf("hello from %d", w.pid); got != want {
		t.Errorf("got %q, want %q", got, want)
	}
	w.send(t, wire.KindStop)
	gone(t, w.pidfd)
}

func TestZygoteIgnoresTheTerminal(t *testing.T) {
	m := spawn(t, boot{app: "apps"})
	m.control.next(t, wire.KindLoaded)
	for _, number := range []unix.Signal{unix.SIGINT, unix.SIGTERM, unix.SIGQUIT, unix.SIGHUP} {
		if err := m.zygote.Process.Signal(number); err != nil {
			t.Fatal(err)
		}
	}
	w := m.start(t, 1, 1)
	m.get(t, w, "/hello")
}

func TestApplicationFindsItsSurroundings(t *testing.T) {
	start, dir := t.TempDir(), t.TempDir()
	testdata := must(filepath.Abs("testdata"))(t)
	m := spawn(t, boot{app: "apps", document: map[string]any{
		"chdir": dir, "pythonpath": []string{testdata}, "env": map[string]string{"GIVEN": "by the boot document"},
		"proc_name": "the site",
	}, task: map[string]any{"argv": []string{"gounicorn", "-w", "2", "apps"}, "directory": start}})
	w := m.start(t, 1, 1)
	var got struct {
		Main, Process                       bool
		Thread, Cwd, Given, Software, Title string
		Argv, Path                          []string
		OOM                                 int
	}
	if err := json.Unmarshal([]byte(m.get(t, w, "/where")), &got); err != nil {
		t.Fatal(err)
	}
	want := got
	want.Main, want.Process, want.Thread = true, true, "MainThread"
	want.Cwd, want.Given, want.Software, want.Title = dir, "by the boot document", "gounicorn/0.1.0", "gounicorn: worker [the site]"
	want.Argv, want.Path = []string{"gounicorn", "-w", "2", "apps"}, []string{testdata, dir}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("want (-), got (+):\n%s", diff)
	}
	own := must(os.ReadFile("/proc/self/oom_score_adj"))(t)
	if fmt.Sprint(got.OOM) == strings.TrimSpace(string(own)) {
		t.Errorf("oom_score_adj is %d, want more than the master's", got.OOM)
	}
	title := must(os.ReadFile(fmt.Sprintf("/proc/%d/cmdline", m.zygote.Process.Pid)))(t)
	if got, want := strings.TrimRight(string(title), "\x00"), "gounicorn: zygote [the site]"; got != want {
		t.Errorf("title of the zygote is %q, want %q", got, want)
	}
}

// Programs that the application starts must get none of our sockets: one that outlives its worker would hold them open.
func TestChildrenInheritOnlyStandardStreams(t *testing.T) {
	m := spawn(t, boot{app: "apps"})
	for id := range uint32(2) {
		w := m.start(t, id+1, 1)
		var fds map[string]string
		if err := json.Unmarshal([]byte(m.get(t, w, "/descriptors")), &fds); err != nil {
			t.Fatal(err)
		}
		for fd, target := range fds {
			if fd > "2" && strings.HasPrefix(target, "socket:") || strings.Contains(target, "memfd") {
				t.Errorf("a child of worker %d has descriptor %s: %s", w.id, fd, target)
			}
		}
		w.send(t, wire.KindStop)
		w.endsWith(t, m, 0)
		if _, _, _, err := w.streams[0].Next(); !errors.Is(err, io.EOF) {
			t.Errorf("the stream of worker %d ended with %v, want EOF", w.id, err)
		}
	}
}

func TestExitFunctionsRunOnce(t *testing.T) {
	m := spawn(t, boot{app: "apps", preload: true})
	w := m.start(t, 1, 1)
	m.get(t, w, "/exit-function")
	w.send(t, wire.KindStop)
	w.endsWith(t, m, 0)
	w.stdout.waitFor(t, "exit function ran")
	if n := strings.Count(w.stdout.String(), "exit function ran"); n != 1 {
		t.Errorf("the exit function ran %d times, want once", n)
	}
}

func TestThreadThatHangsDelaysTheEndByABound(t *testing.T) {
	m := spawn(t, boot{app: "apps", document: map[string]any{"graceful_timeout": 1}})
	w := m.start(t, 1, 1)
	m.get(t, w, "/thread")
	w.send(t, wire.KindStop)
	p := w.control.next(t, wire.KindLog)
	if p.Aux == wire.LevelInfo { // "Worker exiting"
		p = w.control.next(t, wire.KindLog)
	}
	if p.Aux != wire.LevelWarning || !strings.Contains(string(p.payload), "still run") {
		t.Errorf("LOG %d: %s", p.Aux, p.payload)
	}
	w.endsWith(t, m, 0)
}

func TestThreadsStartedByPreloadAreNamed(t *testing.T) {
	m := spawn(t, boot{app: "threaded", preload: true})
	if p := m.control.next(t, wire.KindLog); p.Aux != wire.LevelWarning || !strings.Contains(string(p.payload), "poller") {
		t.Errorf("LOG %d: %s", p.Aux, p.payload)
	}
	if got, want := m.get(t, m.start(t, 1, 1), "/"), "fine"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestFactoryGetsItsArguments(t *testing.T) {
	m := spawn(t, boot{app: "apps:factory('ab', times=2)"})
	if got, want := m.get(t, m.start(t, 1, 1), "/"), "abab"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

// No other process may hold a worker's sockets: that it died must be seen at once, although a sibling was forked after it.
func TestDeathOfAWorkerIsSeenAtOnce(t *testing.T) {
	m := spawn(t, boot{app: "apps"})
	w := m.start(t, 1, 1)
	other := m.start(t, 2, 1)
	w.signal(t, unix.SIGKILL)
	if _, _, _, err := w.streams[0].Next(); !errors.Is(err, io.EOF) {
		t.Errorf("the stream ended with %v, want EOF", err)
	}
	for range w.control.packets { // until it closes
	}
	if status := m.exitStatus(t, w); status.Signal() != unix.SIGKILL {
		t.Errorf("worker ended with %#x, want SIGKILL", uint32(status))
	}
	m.get(t, other, "/hello")
}

func TestFailedForkIsReported(t *testing.T) {
	dir := t.TempDir()
	text := "import os\ndef fork(): raise BlockingIOError(11, 'no more processes')\nos.fork = fork\n"
	if err := os.WriteFile(filepath.Join(dir, "sitecustomize.py"), []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	m := spawn(t, boot{app: "apps", env: []string{"PYTHONPATH=" + dir}})
	control, remote, err := wire.SocketPair(unix.SOCK_SEQPACKET, "worker control")
	if err != nil {
		t.Fatal(err)
	}
	defer control.Close()
	fd := int(remote.Fd())
	if err := m.control.Send(wire.Header{Kind: wire.KindFork, Aux: 1, A: 5}, []byte{0, 0, 0, 0}, fd, fd, fd, fd); err != nil {
		t.Fatal(err)
	}
	remote.Close()
	if p := m.control.next(t, wire.KindLog); p.Aux != wire.LevelError || !strings.Contains(string(p.payload), "worker 5 failed: no more processes") {
		t.Errorf("LOG %d: %s", p.Aux, p.payload)
	}
	if p := m.control.next(t, wire.KindExited); p.A != 5 || p.B != 0 {
		t.Errorf("EXITED: worker %d, pid %d; want worker 5 and no pid", p.A, p.B)
	}
}

// What Go is told about its heap is nobody else's business.
func TestChildrenHaveTheEnvironmentAsItWas(t *testing.T) {
	m := spawn(t, boot{app: "apps", env: []string{"GOGC=123", "MARK=yes"}, document: map[string]any{"env": map[string]string{"GIVEN": "1"}}})
	var got map[string]string
	if err := json.Unmarshal([]byte(m.get(t, m.start(t, 1, 1), "/child-environment")), &got); err != nil {
		t.Fatal(err)
	}
	want := map[string]string{"GIVEN": "1", "MARK": "yes", "GOGC": "123", "SERVER_SOFTWARE": "gounicorn/0.1.0"}
	for _, entry := range os.Environ() {
		name, value, _ := strings.Cut(entry, "=")
		if _, ok := want[name]; !ok {
			want[name] = value
		}
	}
	for name := range got {
		if strings.HasPrefix(name, "LC_") { // Python sets it by itself
			delete(got, name)
			delete(want, name)
		}
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("environment of a child process (-want +got):\n%s", diff)
	}
}

// Whoever may change the user does it after on_starting and before the application is imported; who may not is told.
func TestUserIsChangedBeforeTheApplicationIsImported(t *testing.T) {
	dir := t.TempDir()
	for path := dir; path != "/tmp" && path != "/"; path = filepath.Dir(path) {
		if err := os.Chmod(path, 0o755); err != nil { // the user of the test is to read it
			t.Fatal(err)
		}
	}
	config := filepath.Join(dir, "gunicorn.conf.py")
	write(t, config, "import os\nseen = []\ndef on_starting(server):\n    seen.append(os.geteuid())\n")
	write(t, filepath.Join(dir, "who.py"), `import os, sys
imported = os.geteuid(), os.getegid(), os.getgroups()
def application(environ, start_response):
    start_response("200 OK", [])
    return [repr((sys.modules["__config__"].seen, *imported, os.access("/proc/self/environ", os.R_OK))).encode()]
`)
	const nobody, group = 65534, 65533
	m := spawn(t, boot{app: "who", preload: true, dir: dir, config: config, document: map[string]any{"uid": nobody, "gid": group, "groups": []int{group, 7}}})
	if os.Geteuid() != 0 {
		if failed := m.control.next(t, wire.KindBootFailed); failed.Aux != 1 || !strings.Contains(string(failed.payload), "start gounicorn as root") {
			t.Errorf("BOOT_FAILED %d: %s", failed.Aux, failed.payload)
		}
		return
	}
	w := m.start(t, 1, 1)
	if got, want := m.get(t, w, "/"), fmt.Sprintf("([0], %d, %d, [7, %d], True)", nobody, group, group); got != want {
		t.Errorf("on_starting, user, group, groups, own files: %s, want %s", got, want)
	}
}

func write(t *testing.T, path, text string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
}
