package e2e

import (
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/gounicorn/gounicorn/tests/harness"
)

// bootLimit bounds how long a server may take to find out that it cannot start.
const bootLimit = 20 * time.Second

func TestTermDrainsWhatIsInFlight(t *testing.T) {
	t.Parallel()
	s := start(t, "faults:app", "-w", "1")
	running := s.Go("/gate/drain")
	s.WaitMark(t, "entered-drain", 1)
	s.Signal(syscall.SIGTERM)
	s.Log.Wait(t, 0, "Handling signal: term", harness.EventBudget)
	// New connections are refused, or get 503, while the old request still runs.
	harness.Eventually(t, harness.EventBudget, "new connections are turned away", func() bool {
		reply := s.Get("/pid")
		return reply.Err != nil || reply.Status == 503
	})
	s.Open(t, "open-drain")
	if reply := <-running; reply.Status != 200 || !strings.HasPrefix(reply.Body, "gate drain passed") {
		t.Errorf("the request in flight got %d %q, error %v", reply.Status, reply.Body, reply.Err)
	}
	if code := s.Wait(harness.StopBudget); code != 0 {
		t.Errorf("exit code %d, want 0", code)
	}
}

func TestTermDrainsQueuedRequests(t *testing.T) {
	t.Parallel()
	s := start(t, "faults:app", "-w", "1")
	running := s.Go("/gate/drain")
	s.WaitMark(t, "entered-drain", 1)
	queued := s.Dial()
	queued.Get("/pid")
	other := s.Dial()
	other.Get("/pid")
	harness.Eventually(t, harness.EventBudget, "the requests have been taken in", func() bool { return unread(t, s) == 0 })
	s.Signal(syscall.SIGTERM)
	s.Log.Wait(t, 0, "Handling signal: term", harness.EventBudget)
	s.Open(t, "open-drain")
	if reply := <-running; reply.Status != 200 {
		t.Errorf("the request in flight got %d %v", reply.Status, reply.Err)
	}
	for _, conn := range []*harness.Conn{queued, other} {
		if response, err := conn.Read("GET"); err != nil || response.Status != 200 {
			t.Errorf("a queued request got %v, error %v", response, err)
		}
	}
	if code := s.Wait(harness.StopBudget); code != 0 {
		t.Errorf("exit code %d, want 0", code)
	}
}

// unread is the number of bytes that the kernel holds for the server: sent by clients and not yet read.
func unread(tb testing.TB, s *harness.Server) int {
	tb.Helper()
	return harness.UnreadBytes(tb, s.Addr())
}

func TestGracefulTimeoutBoundsTheDrain(t *testing.T) {
	t.Parallel()
	s := start(t, "faults:app", "-w", "1", "--graceful-timeout", "1")
	running := s.Go("/sleep/3600")
	s.WaitMark(t, "sleeping", 1)
	began := time.Now()
	code := s.Stop(syscall.SIGTERM)
	if took := time.Since(began); code != 0 || took > 6*time.Second {
		t.Errorf("exit code %d after %v", code, took)
	}
	if reply := <-running; reply.Status == 200 {
		t.Errorf("the stuck request got %d", reply.Status)
	}
}

func TestIntAndQuitAreQuick(t *testing.T) {
	t.Parallel()
	for _, signal := range []syscall.Signal{syscall.SIGINT, syscall.SIGQUIT} {
		t.Run(signal.String(), func(t *testing.T) {
			t.Parallel()
			s := start(t, "faults:app", "-w", "2", "--graceful-timeout", "30")
			running := s.Go("/sleep/3600")
			s.WaitMark(t, "sleeping", 1)
			began := time.Now()
			code := s.Stop(signal)
			if took := time.Since(began); code != 0 || took > 5*time.Second {
				t.Errorf("exit code %d after %v", code, took)
			}
			<-running
		})
	}
}

func TestIntShortensADrain(t *testing.T) {
	t.Parallel()
	s := start(t, "faults:app", "-w", "1", "--graceful-timeout", "30")
	running := s.Go("/sleep/3600")
	s.WaitMark(t, "sleeping", 1)
	s.Signal(syscall.SIGTERM)
	s.Log.Wait(t, 0, "Handling signal: term", harness.EventBudget)
	began := time.Now()
	code := s.Stop(syscall.SIGINT)
	if took := time.Since(began); code != 0 || took > 6*time.Second {
		t.Errorf("exit code %d after %v", code, took)
	}
	<-running
}

func TestIdleKeepAliveConnectionsDoNotHoldUpTheStop(t *testing.T) {
	t.Parallel()
	s := start(t, "faults:app", "-w", "1", "--keep-alive", "60")
	conn := s.Dial()
	conn.Get("/pid")
	conn.MustRead("GET")
	began := time.Now()
	if code := s.Stop(syscall.SIGTERM); code != 0 || time.Since(began) > 5*time.Second {
		t.Errorf("exit code %d after %v", code, time.Since(began))
	}
	if rest := conn.ReadRest(); rest != "" {
		t.Errorf("the idle connection got %q", rest)
	}
}

// A server that cannot start says why in the log and with its exit code.
func TestServerThatCannotStartSaysWhy(t *testing.T) {
	t.Parallel()
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { taken.Close() }) // after the subtests, which run later than this function
	broken := t.TempDir()
	writeFile(t, filepath.Join(broken, "syntax_error.py"), "def app(environ, start_response:\n    return []\n")
	for _, test := range []struct {
		name string
		cfg  harness.Config
		code int
		says []string
	}{
		{"port in use", harness.Config{App: "hello:app", Bind: []string{taken.Addr().String()}}, 1, []string{fmt.Sprintf("('127.0.0.1', %d)", taken.Addr().(*net.TCPAddr).Port), "in use"}},
		{"no such address", harness.Config{App: "hello:app", Bind: []string{"192.0.2.1:0"}}, 1, []string{"192.0.2.1"}},
		{"bad bind", harness.Config{App: "hello:app", Bind: []string{"127.0.0.1:port"}}, 1, []string{"port"}},
		{"no app", harness.Config{}, 1, []string{"No application module specified."}},
		{"bad flag", harness.Config{App: "hello:app", Args: []string{"--no-such-flag"}}, 2, []string{"no-such-flag"}},
		{"bad value", harness.Config{App: "hello:app", Args: []string{"--workers", "many"}}, 2, []string{"many"}},
		{"missing directory", harness.Config{App: "hello:app", Args: []string{"--chdir", "/nonexistent/site"}}, 1, []string{"/nonexistent/site"}},
		{"module not found", harness.Config{App: "no_such_module:app"}, 3, []string{"ModuleNotFoundError", "no_such_module"}},
		{"import fails", harness.Config{App: "crash_on_import:app"}, 3, []string{"Traceback", "crash_on_import.py", "a_module_that_nobody_has"}},
		{"import raises", harness.Config{App: "raise_on_import:app"}, 3, []string{"Traceback", "in connect", "the database password is not set"}},
		{"syntax error", harness.Config{App: "syntax_error:app", Dir: broken}, 3, []string{"SyntaxError", "syntax_error.py"}},
		{"app not found", harness.Config{App: "hello:missing"}, 4, []string{"missing", "hello"}},
		{"app not callable", harness.Config{App: "not_callable:app"}, 4, []string{"callable"}},
		{"module exits", harness.Config{App: "boot_exit:app", Env: []string{"EXIT_CODE=7"}}, 3, []string{"boot_exit"}},
		{"module is killed", harness.Config{App: "boot_kill:app"}, 3, []string{"KILL"}},
		{"two workers", harness.Config{App: "crash_on_import:app", Args: []string{"-w", "2"}}, 3, []string{"a_module_that_nobody_has"}},
		{"preloaded", harness.Config{App: "crash_on_import:app", Args: []string{"--preload"}}, 1, []string{"a_module_that_nobody_has"}},
		{"preloaded app not found", harness.Config{App: "hello:missing", Args: []string{"--preload"}}, 1, []string{"missing"}},
		{"missing interpreter", harness.Config{App: "hello:app", Args: []string{"--python", "/nonexistent/python3"}, NoPython: true}, 1, []string{"/nonexistent/python3"}},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			test.cfg.Exit = test.code
			s := harness.Launch(t, test.cfg)
			if code := s.Wait(bootLimit); code != test.code {
				t.Errorf("exit code %d, want %d", code, test.code)
			}
			harness.Eventually(t, harness.EventBudget, "the log is complete", s.Log.Ended)
			for _, text := range test.says {
				if !strings.Contains(s.Log.String(), text) {
					t.Errorf("the log does not say %q", text)
				}
			}
			if strings.Contains(s.Log.String(), "goroutine ") {
				t.Error("the log shows a Go stack")
			}
		})
	}
}

func TestCheckConfigLoadsTheApplicationAndLeaves(t *testing.T) {
	t.Parallel()
	for app, code := range map[string]int{"hello:app": 0, "crash_on_import:app": 1, "hello:missing": 1} {
		s := harness.Launch(t, harness.Config{App: app, Args: []string{"--check-config"}, Exit: code})
		if got := s.Wait(bootLimit); got != code {
			t.Errorf("%s: exit code %d, want %d", app, got, code)
		}
		if lines := s.Log.Grep("Listening at"); len(lines) > 0 {
			t.Errorf("%s: it listened", app)
		}
	}
}

func TestVersionAndHelp(t *testing.T) {
	t.Parallel()
	for flag, text := range map[string]string{"--version": "unicorn (version ", "--help": "--workers"} {
		s := harness.Launch(t, harness.Config{Args: []string{flag}})
		if code := s.Wait(bootLimit); code != 0 {
			t.Errorf("%s: exit code %d", flag, code)
		}
		harness.Eventually(t, harness.EventBudget, "the output is complete", s.Out.Ended)
		if !strings.Contains(s.Out.String(), text) {
			t.Errorf("%s: stdout does not say %q", flag, text)
		}
	}
}

func TestFactoryAndDefaultNameAreFound(t *testing.T) {
	t.Parallel()
	for app, want := range map[string]string{
		"hello": "Hello, World!\n", "hello:application": "Hello, World!\n",
		"hello:factory()": "Hello from a factory\n", "hello:factory('Hi')": "Hi from a factory\n",
		"hello:factory(greeting='Hej')": "Hej from a factory\n",
	} {
		s := start(t, app)
		if reply := s.WantGet(t, "/", 200); reply.Body != want {
			t.Errorf("%s: got %q, want %q", app, reply.Body, want)
		}
		s.Stop(syscall.SIGTERM)
	}
}

func TestFlagsReachTheApplication(t *testing.T) {
	t.Parallel()
	site := t.TempDir()
	library := t.TempDir()
	writeFile(t, filepath.Join(library, "a_library.py"), "NAME = 'from the library'\n")
	writeFile(t, filepath.Join(site, "site_app.py"), `import os
import a_library
def app(environ, start_response):
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [f"{os.getcwd()} {a_library.NAME} {os.environ['ONE']} {os.environ['TWO']}".encode()]
`)
	s := start(t, "site_app:app", "--chdir", site, "--pythonpath", library, "-e", "ONE=1", "--env", "TWO=a=b")
	if reply := s.WantGet(t, "/", 200); reply.Body != site+" from the library 1 a=b" {
		t.Errorf("got %q", reply.Body)
	}
}

// Row 65: a worker that dies at once, again and again, is not restarted in a tight loop, and what works goes on.
func TestRespawnBacksOff(t *testing.T) {
	t.Parallel()
	s := harness.Start(t, harness.Config{App: "boot_kill:app", Args: []string{"-w", "2"}, Env: []string{"GOOD_BOOTS=2"}})
	s.Request("POST", "/kill9", "x")
	s.WaitMark(t, "boots", 3)
	end := time.Now().Add(3 * time.Second)
	harness.Poll(4*time.Second, func() bool {
		s.WantGet(t, "/pid", 200)
		return time.Now().After(end)
	})
	if boots := len(s.Marks("boots")); boots > 12 {
		t.Errorf("%d boots within three seconds", boots-2)
	}
}

// Row 61: the master is killed; nobody is left and the port can be bound again.
func TestNoOrphanOutlivesAKilledMaster(t *testing.T) {
	t.Parallel()
	port := harness.FreePort(t)
	for _, args := range [][]string{{"-w", "3"}, {"-w", "2", "--threads", "2"}, {"-w", "2", "--preload"}} {
		args = append(args, "--graceful-timeout", "2") // what a worker may still use for its current request
		s := harness.Start(t, harness.Config{App: "faults:app", Bind: []string{port}, Args: args, Exit: -int(syscall.SIGKILL)})
		stuck := s.Go("/gil-sleep/3600")
		s.WaitMark(t, "holding-the-gil", 1)
		if code := s.Stop(syscall.SIGKILL); code != -int(syscall.SIGKILL) {
			t.Errorf("exit code %d", code)
		}
		s.WantNoOrphans(10 * time.Second)
		if reply := <-stuck; reply.Err == nil {
			t.Errorf("the client of the killed server got status %d", reply.Status)
		}
	}
	s := harness.Start(t, harness.Config{App: "hello:app", Bind: []string{port}})
	s.WantGet(t, "/", 200)
}

func TestBootTimeoutEndsABootThatHangs(t *testing.T) {
	t.Parallel()
	s := harness.Launch(t, harness.Config{App: "slow_boot:app", Args: []string{"--boot-timeout", "1"}, Exit: 3})
	if code := s.Wait(bootLimit); code != 3 {
		t.Errorf("exit code %d, want 3", code)
	}
}

func TestKilledZygoteIsReplaced(t *testing.T) {
	t.Parallel()
	s := start(t, "faults:app", "-w", "2")
	zygote := harness.Parent(workerCount(t, s, 2)[0])
	if zygote == s.PID {
		t.Fatal("the workers are children of the master")
	}
	if err := syscall.Kill(zygote, syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	harness.Eventually(t, harness.EventBudget, "two workers of another zygote", func() bool {
		workers := s.Workers()
		return len(workers) == 2 && harness.Parent(workers[0]) != zygote && harness.Parent(workers[0]) != s.PID &&
			harness.Parent(workers[0]) == harness.Parent(workers[1])
	})
	s.WantGet(t, "/pid", 200)
}

// Nothing accumulates in the master: descriptors are the same before and after many requests and deaths.
func TestDescriptorsOfTheMasterDoNotGrow(t *testing.T) {
	t.Parallel()
	s := start(t, "faults:app", "-w", "2")
	round := func() {
		s.Request("POST", "/kill9", "x")
		for _, path := range []string{"/pid", "/big/500000", "/file-wrapper/500000", "/write-callable", "/raise-mid/x", "/fail"} {
			s.Get(path)
		}
		workerCount(t, s, 2)
	}
	round()
	before := len(harness.Descriptors(t, s.PID))
	for range 4 {
		round()
	}
	if !harness.Poll(harness.EventBudget, func() bool { return len(harness.Descriptors(t, s.PID)) <= before }) {
		t.Errorf("the master has %d descriptors, before it had %d: %v", len(harness.Descriptors(t, s.PID)), before, harness.Descriptors(t, s.PID))
	}
}

func writeFile(tb testing.TB, path, text string) {
	tb.Helper()
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		tb.Fatal(err)
	}
}

// While no zygote can fork successors, a first generation that cannot be replaced must not be the last try.
func TestKilledZygoteIsReplacedOnceTheApplicationLoadsAgain(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	module := filepath.Join(dir, "changing.py")
	const good = "def app(environ, start_response):\n    start_response('200 OK', [])\n    return [b'ok']\n"
	writeFile(t, module, good)
	s := start(t, "changing:app", "-w", "1", "--chdir", dir)
	worker := workerCount(t, s, 1)[0]
	zygote := harness.Parent(worker)
	writeFile(t, module, "raise RuntimeError('not now')\n")
	if err := syscall.Kill(zygote, syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	harness.Eventually(t, harness.EventBudget, "two failed tries", func() bool {
		return strings.Count(strings.Join(s.Log.Lines(), "\n"), "the old workers go on serving") >= 2
	})
	s.WantGet(t, "/", 200)
	writeFile(t, module, good)
	harness.Eventually(t, harness.EventBudget, "a worker of another zygote", func() bool {
		workers := s.Workers()
		return len(workers) == 1 && workers[0] != worker && harness.Parent(workers[0]) != s.PID
	})
	s.WantGet(t, "/", 200)
}
