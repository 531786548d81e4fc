package e2e

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/gounicorn/gounicorn/tests/harness"
)

// everyHook is a config file that notes each hook with the process it runs in, and an application that shows what they left behind.
const everyHook = `import os

STATE = []


def note(hook, *args):
    with open("events", "a") as file:
        print(hook, os.getpid(), "+".join(STATE) or "-", *args, file=file)


def on_starting(server):
    STATE.append("started")
    note("on_starting", server.pid, os.path.exists("imported"))


def on_reload(server):
    STATE.append("reloaded")
    note("on_reload", server.pid)


def when_ready(server):
    note("when_ready", server.pid)
    server.log.info("ready with %d workers", server.num_workers)


def pre_fork(server, worker):
    note("pre_fork", worker.pid, worker.age)


def post_fork(server, worker):
    STATE.append("forked")
    note("post_fork", worker.pid, worker.ppid, os.path.exists("imported"))


def post_worker_init(worker):
    inner = worker.wsgi
    worker.wsgi = lambda environ, start_response: [b"wrapped "] + list(inner(environ, start_response))
    note("post_worker_init", worker.pid, worker.alive)


def worker_int(worker):
    note("worker_int", worker.pid)


def worker_abort(worker):
    note("worker_abort", worker.pid)
    worker.log.warning("aborted here")


def worker_exit(server, worker):
    note("worker_exit", worker.pid, worker.alive)


def child_exit(server, worker):
    note("child_exit", worker.pid, sorted(server.WORKERS))


def nworkers_changed(server, new, old):
    note("nworkers_changed", new, old)


def on_exit(server):
    note("on_exit", server.pid)
`

const stateApp = `import time

import __config__

open("imported", "w").close()


def app(environ, start_response):
    if environ["PATH_INFO"] == "/stuck":
        while True:
            time.sleep(0.01)
    start_response("200 OK", [])
    return ["+".join(__config__.STATE).encode()]
`

// hooked is a folder with a config file and the application of it.
type hooked string

func newHooked(t *testing.T, config string) hooked {
	t.Helper()
	dir := hooked(t.TempDir())
	dir.write(t, "gunicorn.conf.py", config)
	dir.write(t, "state.py", stateApp)
	return dir
}

func (d hooked) write(t *testing.T, name, text string) {
	t.Helper()
	writeFile(t, filepath.Join(string(d), name), text)
}

// events returns the lines that hooks have noted: name, pid, state, the rest.
func (d hooked) events(t *testing.T) (all [][]string) {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(string(d), "events"))
	if err != nil && !os.IsNotExist(err) {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(text)) {
		all = append(all, strings.Fields(line))
	}
	return all
}

// await waits until a hook has run n times and returns its lines.
func (d hooked) await(t *testing.T, hook string, n int) (all [][]string) {
	t.Helper()
	harness.Eventually(t, harness.EventBudget, fmt.Sprintf("%s runs %d times", hook, n), func() bool {
		all = slices.DeleteFunc(d.events(t), func(e []string) bool { return e[0] != hook })
		return len(all) >= n
	})
	return all
}

func logText(s *harness.Server) string { return strings.Join(s.Log.Lines(), "\n") }

func names(events [][]string) (all []string) {
	for _, e := range events {
		all = append(all, e[0])
	}
	return all
}

func TestHooksRunInOrderEachInItsProcess(t *testing.T) {
	t.Parallel()
	for _, args := range [][]string{{"-w", "1"}, {"-w", "1", "--preload"}} {
		t.Run(fmt.Sprint(args), func(t *testing.T) {
			t.Parallel()
			dir := newHooked(t, everyHook)
			preload := len(args) > 2
			s := harness.Start(t, harness.Config{App: "state:app", Dir: string(dir), Args: args})
			if body := s.WantGet(t, "/", 200).Body; body != "wrapped started+forked" {
				t.Errorf("the application sees %q of the config file's state, want what on_starting and post_fork left", body)
			}
			worker := s.Workers()[0]
			zygote := harness.Parent(worker)
			if code := s.Stop(syscall.SIGTERM); code != 0 {
				t.Errorf("exit code %d", code)
			}
			want := []string{
				fmt.Sprint("nworkers_changed ", zygote, " - 1 None"),
				fmt.Sprint("on_starting ", zygote, " started ", s.PID, " ", title(preload)),
				fmt.Sprint("when_ready ", zygote, " started ", s.PID),
				fmt.Sprint("pre_fork ", zygote, " started [booting] 1"),
				fmt.Sprint("post_fork ", worker, " started+forked ", worker, " ", s.PID, " ", title(preload)),
				fmt.Sprint("post_worker_init ", worker, " started+forked ", worker, " True"),
				fmt.Sprint("worker_exit ", worker, " started+forked ", worker, " False"),
				fmt.Sprint("child_exit ", zygote, " started ", worker, " []"),
				fmt.Sprint("on_exit ", zygote, " started ", s.PID),
			}
			var got []string
			for _, e := range dir.events(t) {
				got = append(got, strings.Join(e, " "))
			}
			if !slices.Equal(got, want) {
				t.Errorf("hooks:\n%s\nwant:\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
			}
			text := logText(s)
			if !regexp.MustCompile(fmt.Sprintf(`\[%d\] \[INFO\] ready with 1 workers`, s.PID)).MatchString(text) {
				t.Errorf("what a hook logs is not in the log:\n%s", text)
			}
			if strings.Index(text, "Worker exiting") > strings.Index(text, "Shutting down: Master") {
				t.Error("the last worker's end is logged after the master's")
			}
		})
	}
}

// title writes a boolean as Python does.
func title(b bool) string {
	if b {
		return "True"
	}
	return "False"
}

func TestInterruptOfTheMasterIsOneOfItsWorkers(t *testing.T) {
	t.Parallel()
	dir := newHooked(t, everyHook)
	s := harness.Start(t, harness.Config{App: "state:app", Dir: string(dir), Args: []string{"-w", "2"}})
	s.Stop(syscall.SIGINT)
	counts := map[string]int{}
	for _, name := range names(dir.events(t)) {
		counts[name]++
	}
	for name, want := range map[string]int{"worker_int": 2, "worker_exit": 2, "child_exit": 2, "on_exit": 1} {
		if counts[name] != want {
			t.Errorf("%s ran %d times, want %d", name, counts[name], want)
		}
	}
}

func TestWorkerAbortRunsBeforeTheKill(t *testing.T) {
	t.Parallel()
	for _, threads := range []string{"1", "2"} {
		dir := newHooked(t, everyHook)
		s := harness.Start(t, harness.Config{App: "state:app", Dir: string(dir), Args: []string{"-w", "1", "--threads", threads, "--timeout", "1"}})
		worker := s.Workers()[0]
		if reply := s.Get("/stuck"); reply.Status != 504 {
			t.Errorf("a request over its time got %d, want 504", reply.Status)
		}
		if e := dir.await(t, "worker_abort", 1)[0]; e[1] != fmt.Sprint(worker) {
			t.Errorf("worker_abort ran in %s, the worker is %d", e[1], worker)
		}
		dir.await(t, "child_exit", 1)
		text := logText(s)
		for _, want := range []string{"WORKER TIMEOUT", "Python stacks of the worker", "aborted here"} {
			if !strings.Contains(text, want) {
				t.Errorf("--threads %s: %q is not in the log:\n%s", threads, want, text)
			}
		}
		if len(dir.await(t, "worker_exit", 1)) != 1 {
			t.Error("worker_exit did not run once")
		}
	}
}

func TestReloadEvaluatesTheConfigFileAfresh(t *testing.T) {
	t.Parallel()
	dir := newHooked(t, everyHook+"\nworkers = 1\n")
	s := harness.Start(t, harness.Config{App: "state:app", Dir: string(dir)})
	first := harness.Parent(s.Workers()[0])
	dir.write(t, "gunicorn.conf.py", everyHook+"\nworkers = 2\nraw_env = ['COLOUR=red']\nbacklog = 77\n"+
		"limit_request_line = 200\nkeepalive = 30\n")
	long := "/" + strings.Repeat("a", 300)
	before := s.Dial()
	before.Get(long)
	if got := before.MustRead("GET").Status; got != 200 {
		t.Errorf("a long request line before the reload: %d", got)
	}
	s.Signal(syscall.SIGHUP)
	reload := dir.await(t, "on_reload", 1)[0]
	harness.Eventually(t, harness.EventBudget, "new workers answer", func() bool { return s.Get("/").Body == "wrapped reloaded+forked" })
	if reload[1] == fmt.Sprint(first) || reload[2] != "reloaded" {
		t.Errorf("on_reload: %v; want it in a new process, without the state of the old one", reload)
	}
	dir.await(t, "child_exit", 1)
	if workers := s.Workers(); len(workers) != 2 {
		t.Errorf("%d workers after the reload, want 2", len(workers))
	}
	if n := len(slices.DeleteFunc(names(dir.events(t)), func(n string) bool { return n != "on_starting" && n != "when_ready" && n != "on_exit" })); n != 2 {
		t.Errorf("on_starting, when_ready and on_exit ran %d times, want once each but the last", n)
	}
	last := dir.await(t, "nworkers_changed", 2)[1]
	if !slices.Equal(last[3:], []string{"2", "1"}) {
		t.Errorf("nworkers_changed got %v, want 2 and 1", last[3:])
	}
	harness.Eventually(t, harness.EventBudget, "a warning about what needs a restart", func() bool {
		return strings.Contains(logText(s), `backlog has changed from "2048" to "77"`)
	})
	if text := logText(s); strings.Contains(text, "limit_request_line has changed") {
		t.Errorf("limit_request_line needs a restart:\n%s", text)
	}
	s.WantGet(t, long, 414)
	s.Stop(syscall.SIGTERM)
	if exits := dir.await(t, "on_exit", 1); len(exits) != 1 || exits[0][1] != reload[1] {
		t.Errorf("on_exit: %v; want it once, in the process of the last reload", exits)
	}
}

func TestReloadThatFailsKeepsEverything(t *testing.T) {
	t.Parallel()
	dir := newHooked(t, everyHook+"\nworkers = 1\n")
	s := harness.Start(t, harness.Config{App: "state:app", Dir: string(dir)})
	old := s.Workers()
	for broken, want := range map[string]string{
		"workers = (":                                 "Traceback",
		"workers = 'many'":                            "Invalid value for workers: many",
		"def on_reload(server):\n    1 / 0\n":         "ZeroDivisionError",
		"def post_fork(server, worker):\n    1 / 0\n": "Exception in worker process",
	} {
		failed := strings.Count(logText(s), "Reload failed")
		dir.write(t, "gunicorn.conf.py", broken+"\n")
		s.Signal(syscall.SIGHUP)
		harness.Eventually(t, harness.EventBudget, "the reload fails", func() bool {
			return strings.Count(logText(s), "Reload failed") > failed
		})
		if text := logText(s); !strings.Contains(text, want) {
			t.Errorf("%q: no %q in the log:\n%s", broken, want, text)
		}
		if body := s.WantGet(t, "/", 200).Body; body != "wrapped started+forked" {
			t.Errorf("%q: answered %q, which is not the old generation", broken, body)
		}
	}
	if !slices.Contains(s.Workers(), old[0]) {
		t.Errorf("workers %v, want %v among them", s.Workers(), old)
	}
	dir.write(t, "gunicorn.conf.py", everyHook)
	s.Signal(syscall.SIGHUP)
	dir.await(t, "on_reload", 1)
}

func TestSignalsChangeTheNumberOfWorkers(t *testing.T) {
	t.Parallel()
	dir := newHooked(t, everyHook)
	s := harness.Start(t, harness.Config{App: "state:app", Dir: string(dir), Args: []string{"-w", "1"}})
	oldest := s.Workers()[0]
	s.Signal(syscall.SIGTTIN)
	dir.await(t, "post_worker_init", 2)
	s.Signal(syscall.SIGTTOU)
	exit := dir.await(t, "child_exit", 1)[0]
	if exit[3] != fmt.Sprint(oldest) {
		t.Errorf("worker %s went, want the oldest, %d", exit[3], oldest)
	}
	s.Signal(syscall.SIGTTOU)
	s.WantGet(t, "/", 200)
	var got []string
	for _, e := range dir.await(t, "nworkers_changed", 3) {
		got = append(got, strings.Join(e[3:], " "))
	}
	if want := []string{"1 None", "2 1", "1 2"}; !slices.Equal(got, want) {
		t.Errorf("nworkers_changed got %q, want %q", got, want)
	}
}

func TestConfigFileThatCannotBeUsedEndsTheStart(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		config string
		args   []string
		code   int
		want   []string
	}{
		"syntax":     {"workers = (\n", nil, 1, []string{"Failed to read config file: ", "Traceback", "SyntaxError"}},
		"exception":  {"1 / 0\n", nil, 1, []string{"Failed to read config file: ", "line 1, in <module>", "ZeroDivisionError"}},
		"exit":       {"raise SystemExit(7)\n", nil, 7, []string{"called sys.exit(7)"}},
		"value":      {"workers = 'many'\n", nil, 1, []string{"Invalid value for workers: many"}},
		"dotted":     {"on_starting = 'state.nothing'\n", nil, 1, []string{"Invalid value for on_starting: state.nothing", "Can not load 'nothing' from 'state'"}},
		"arity":      {"def on_starting(): pass\n", nil, 1, []string{"Invalid value for on_starting", "Value must have an arity of: 1"}},
		"huge":       {"raw_env = ['BIG=' + 'x' * 5_000_000]\n", nil, 1, []string{"and 4194304 is the most"}},
		"missing":    {"", []string{"-c", "none.py"}, 1, []string{"'none.py' doesn't exist"}},
		"module":     {"", []string{"-c", "python:none"}, 1, []string{"No module named 'none'"}},
		"starting":   {"def on_starting(server): 1 / 0\n", nil, 1, []string{"Exception in the hook on_starting", "ZeroDivisionError"}},
		"ready":      {"def when_ready(server): 1 / 0\n", nil, 1, []string{"Exception in the hook when_ready"}},
		"pre_fork":   {"def pre_fork(server, worker): 1 / 0\n", nil, 255, []string{"Exception in the hook pre_fork"}},
		"post_fork":  {"def post_fork(server, worker): 1 / 0\n", []string{"-w", "3"}, 3, []string{"Exception in worker process", "Reason: Worker failed to boot."}},
		"worker_int": {"def post_worker_init(worker): 1 / 0\n", []string{"-w", "3"}, 3, []string{"Exception in worker process"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := newHooked(t, test.config)
			s := harness.Launch(t, harness.Config{App: "state:app", Dir: string(dir), Args: test.args, Exit: test.code})
			if code := s.Wait(harness.StartBudget); code != test.code {
				t.Errorf("exit code %d, want %d", code, test.code)
			}
			for _, want := range test.want {
				harness.Eventually(t, harness.EventBudget, want, func() bool { return strings.Contains(logText(s), want) })
			}
		})
	}
}

func TestCheckConfigLoadsFileAndApplication(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		config string
		code   int
	}{
		"good":         {everyHook + "\nwsgi_app = 'state:app'\n", 0},
		"no app":       {everyHook, 1},
		"broken app":   {"wsgi_app = 'none:app'\n", 1},
		"broken value": {"wsgi_app = 'state:app'\ntimeout = 'x'\n", 1},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := newHooked(t, test.config)
			s := harness.Launch(t, harness.Config{Dir: string(dir), Args: []string{"--check-config"}, Exit: test.code})
			if code := s.Wait(harness.StartBudget); code != test.code {
				t.Errorf("exit code %d, want %d", code, test.code)
			}
			if events := dir.events(t); len(events) > 0 {
				t.Errorf("hooks ran: %v", events)
			}
		})
	}
}

func TestPrintConfigShowsWhatTheFileSays(t *testing.T) {
	t.Parallel()
	dir := newHooked(t, everyHook+"\nwsgi_app = 'state:app'\nworkers = 1 + 2\ntimeout = 77\n")
	s := harness.Launch(t, harness.Config{Dir: string(dir), Args: []string{"--print-config", "-t", "78"}})
	if code := s.Wait(harness.StartBudget); code != 0 {
		t.Errorf("exit code %d", code)
	}
	for _, want := range []string{`(?m)^workers +=\s3$`, `(?m)^timeout +=\s78$`, `(?m)^wsgi_app +=\sstate:app$`, `(?m)^on_exit +=\s<on_exit\(\)>$`} {
		harness.Eventually(t, harness.EventBudget, want, func() bool {
			return len(regexp.MustCompile(want).FindAllString(strings.Join(s.Out.Lines(), "\n"), -1)) == 1
		})
	}
}

func TestApplicationMayBeNamedInTheFile(t *testing.T) {
	t.Parallel()
	// The values do not fit a packet.
	dir := newHooked(t, "wsgi_app = 'state:app'\nworkers = 1\nraw_env = ['BIG=' + 'x' * 100_000]\nimport os\nSTATE = ['named']\n"+
		"def post_worker_init(worker): STATE.append(str(len(os.environ['BIG'])))\n")
	s := harness.Start(t, harness.Config{Dir: string(dir)})
	if body := s.WantGet(t, "/", 200).Body; body != "named+100000" {
		t.Errorf("answered %q", body)
	}
}

// A file that never ends must not keep later reloads away.
func TestReloadThatHangsInTheFileFailsInTime(t *testing.T) {
	t.Parallel()
	dir := newHooked(t, everyHook)
	s := harness.Start(t, harness.Config{App: "state:app", Dir: string(dir), Args: []string{"-w", "1", "--boot-timeout", "2"}})
	dir.write(t, "gunicorn.conf.py", "import time\ntime.sleep(600)\n")
	s.Signal(syscall.SIGHUP)
	harness.Eventually(t, harness.EventBudget, "the reload fails", func() bool {
		return strings.Contains(logText(s), "The configuration was not read within 2s") && strings.Contains(logText(s), "Reload failed")
	})
	dir.write(t, "gunicorn.conf.py", everyHook)
	s.Signal(syscall.SIGHUP)
	dir.await(t, "on_reload", 1)
}

// The start is bounded by nothing but the hook itself, and a signal ends it all the same.
func TestSignalEndsAStartThatHangsInAHook(t *testing.T) {
	t.Parallel()
	dir := newHooked(t, "import time\ndef on_starting(server):\n    open('entered', 'w').close()\n    time.sleep(600)\n")
	s := harness.Launch(t, harness.Config{App: "state:app", Dir: string(dir)})
	harness.Eventually(t, harness.StartBudget, "the hook runs", func() bool {
		_, err := os.Stat(filepath.Join(string(dir), "entered"))
		return err == nil
	})
	began := time.Now()
	if code := s.Stop(syscall.SIGTERM); code != 0 {
		t.Errorf("exit code %d", code)
	}
	if took := time.Since(began); took > harness.StopBudget {
		t.Errorf("stopping took %v", took)
	}
}

func TestExampleOfTheDocumentRuns(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile("../../docs/hooks.md")
	if err != nil {
		t.Fatal(err)
	}
	_, rest, _ := strings.Cut(string(text), "```python\n")
	example, _, ok := strings.Cut(rest, "```")
	if !ok {
		t.Fatal("docs/hooks.md has no example")
	}
	dir := newHooked(t, example)
	dir.write(t, "hello.py", "def app(environ, start_response):\n    start_response('200 OK', [])\n    return [b'hello']\n")
	s := harness.Start(t, harness.Config{App: "hello:app", Dir: string(dir)})
	s.WantGet(t, "/", 200)
	workers := s.Workers()
	s.Stop(syscall.SIGTERM)
	for _, want := range []string{
		fmt.Sprintf("starting, master is %d", s.PID), fmt.Sprintf("worker %d runs, forked by the process that saw on_starting: True", workers[0]),
		fmt.Sprintf("worker %d is gone", workers[1]), "0 are left", "up for ",
	} {
		harness.Eventually(t, harness.EventBudget, want, func() bool { return strings.Contains(logText(s), want) })
	}
}

// Once the site is up, a hook that raises costs nobody an answer.
func TestHookThatRaisesLaterDoesNotEndTheServer(t *testing.T) {
	t.Parallel()
	dir := newHooked(t, `import os

def fail(name):
    if os.path.exists("fail-" + name):
        raise RuntimeError("no " + name)

def pre_fork(server, worker):
    fail("pre_fork")

def child_exit(server, worker):
    fail("child_exit")

def nworkers_changed(server, new, old):
    fail("nworkers_changed")

def on_exit(server):
    fail("on_exit")
`)
	dir.write(t, "plain.py", "def app(environ, start_response):\n    start_response('200 OK', [])\n    return [b'ok']\n")
	s := harness.Start(t, harness.Config{App: "plain:app", Dir: string(dir), Args: []string{"-w", "2"}})
	for _, name := range []string{"pre_fork", "child_exit", "nworkers_changed", "on_exit"} {
		dir.write(t, "fail-"+name, "")
	}
	if err := syscall.Kill(s.Workers()[0], syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	s.Signal(syscall.SIGTTIN)
	for _, name := range []string{"pre_fork", "child_exit", "nworkers_changed"} {
		harness.Eventually(t, harness.EventBudget, "the exception of "+name, func() bool {
			return strings.Contains(logText(s), "Exception in the hook "+name) && strings.Contains(logText(s), "RuntimeError: no "+name)
		})
	}
	s.WantGet(t, "/", 200)
	if err := os.Remove(filepath.Join(string(dir), "fail-pre_fork")); err != nil {
		t.Fatal(err)
	}
	harness.Eventually(t, harness.EventBudget, "three workers", func() bool { return len(s.Workers()) == 3 })
	if code := s.Stop(syscall.SIGTERM); code != 0 {
		t.Errorf("exit code %d", code)
	}
	harness.Eventually(t, harness.EventBudget, "the exception of on_exit", func() bool {
		return strings.Contains(logText(s), "Exception in the hook on_exit")
	})
}
