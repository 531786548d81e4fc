package e2e

import (
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/gounicorn/gounicorn/tests/harness"
)

const ownLogger = `from gunicorn.glogging import Logger

accesslog = "access.log"


class Mine(Logger):
    error_fmt = "MINE %(process)d %(levelname)s %(message)s"

    def access(self, resp, req, environ, request_time):
        self.access_log.info("%s %s %s %s", req.method, req.path, resp.status, resp.sent)

    def exception(self, msg, *args, **kwargs):
        super().exception(msg, *args, **kwargs)
        self.error_log.info("raised %s", type(kwargs["exc_info"]).__name__)


logger_class = Mine
`

const loggingApp = `import logging


def app(environ, start_response):
    if environ["PATH_INFO"] == "/fail":
        raise ValueError("failed here")
    logging.getLogger("gunicorn.error").warning("said by the application")
    start_response("200 OK", [("Content-Length", "2")])
    return [b"ok"]
`

// bareVenv makes a virtual environment in which nothing is installed, gunicorn neither, and returns its interpreter.
func bareVenv(tb testing.TB) string {
	tb.Helper()
	dir := filepath.Join(tb.TempDir(), "venv")
	if out, err := exec.Command(harness.Python(tb), "-m", "venv", "--without-pip", dir).CombinedOutput(); err != nil {
		tb.Fatalf("venv: %v\n%s", err, out)
	}
	return filepath.Join(dir, "bin", "python")
}

func readLines(tb testing.TB, path string) []string {
	tb.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		tb.Fatal(err)
	}
	return strings.Split(strings.TrimSpace(string(text)), "\n")
}

// A logger of the configuration's own gets everything, whether it derives from gunicorn's Logger or from ours.
func TestLoggerClassWritesBothLogs(t *testing.T) {
	t.Parallel()
	for _, kind := range []string{"gunicorn installed", "not installed"} {
		t.Run(kind, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			writeFile(t, filepath.Join(dir, "gunicorn.conf.py"), ownLogger)
			writeFile(t, filepath.Join(dir, "logged.py"), loggingApp)
			cfg := harness.Config{App: "logged:app", Dir: dir, Args: []string{"-w", "1"}}
			if kind == "not installed" {
				cfg.NoPython, cfg.Args = true, append(cfg.Args, "--python", bareVenv(t))
			}
			s := harness.Start(t, cfg)
			s.WantGet(t, "/ok", 200)
			s.WantGet(t, "/fail", 500)
			conn := s.Dial()
			conn.Send("GET /refused HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n")
			if status := conn.MustRead("GET").Status; status != 400 {
				t.Errorf("status %d", status)
			}
			access := filepath.Join(dir, "access.log")
			harness.Eventually(t, harness.EventBudget, "three requests are logged", func() bool {
				text, _ := os.ReadFile(access)
				return strings.Count(string(text), "\n") == 3
			})
			if err := os.Rename(access, access+".1"); err != nil {
				t.Fatal(err)
			}
			from := s.Log.Len()
			s.Signal(syscall.SIGUSR1)
			s.Log.Wait(t, from, "Handling signal: usr1", harness.EventBudget)
			harness.Eventually(t, harness.EventBudget, "the worker has the new file", func() bool {
				s.Get("/after")
				text, _ := os.ReadFile(access)
				return strings.Contains(string(text), "/after")
			})
			if code := s.Stop(syscall.SIGTERM); code != 0 {
				t.Errorf("exit code %d", code)
			}
			harness.Eventually(t, harness.EventBudget, "the log is complete", s.Log.Ended)
			for _, want := range []string{
				"MINE * INFO Starting gounicorn *", "MINE * INFO Listening at: *", "MINE * INFO Booting worker with pid: *",
				"MINE * WARNING said by the application", "MINE * ERROR Error handling request GET /fail", "ValueError: failed here", "MINE * INFO raised ValueError",
				"MINE * INFO Worker exiting (pid: *", "MINE * INFO Shutting down: Master",
			} {
				if !matches(s.Log.Lines(), want) {
					t.Errorf("no line %q in\n%s", want, s.Log)
				}
			}
			before := func(line string) bool { return strings.HasPrefix(line, "GET /after ") } // the worker had the new log
			got := slices.DeleteFunc(readLines(t, access+".1"), before)
			slices.Sort(got) // two processes write
			if want := []string{"- - 400 Bad Request 0", "GET /fail 500 Internal Server Error 0", "GET /ok 200 OK 2"}; !slices.Equal(got, want) {
				t.Errorf("access log %q, want %q", got, want)
			}
		})
	}
}

// matches reports whether a line has the parts of the pattern between its stars, one after the other.
func matches(lines []string, pattern string) bool {
	for _, line := range lines {
		found := true
		for _, part := range strings.Split(pattern, "*") {
			_, rest, ok := strings.Cut(line, part)
			if found = ok; !ok {
				break
			}
			line = rest
		}
		if found {
			return true
		}
	}
	return false
}

func TestLogConfigThatIsWrongEndsTheStart(t *testing.T) {
	t.Parallel()
	for _, text := range []string{
		`logconfig = "/nowhere/log.ini"`, `logconfig_dict = {"handlers": {"x": {"class": "no.such.Handler"}}}`,
		"from gunicorn.glogging import Logger\nclass Mine(Logger):\n    def setup(self, cfg):\n        1 / 0\nlogger_class = Mine",
	} {
		dir := t.TempDir()
		writeFile(t, filepath.Join(dir, "gunicorn.conf.py"), text)
		s := harness.Launch(t, harness.Config{App: "hello:app", Dir: dir, Exit: 1})
		if code := s.Wait(harness.StartBudget); code != 1 {
			t.Errorf("%s: exit code %d", text, code)
		}
		harness.Eventually(t, harness.EventBudget, "the log is complete", s.Log.Ended)
		if log := s.Log.String(); !strings.Contains(log, "nowhere/log.ini") && !strings.Contains(log, "no.such") &&
			!strings.Contains(log, "ZeroDivisionError") && !strings.Contains(log, "Unable to configure handler") {
			t.Errorf("%s: no reason in\n%s", text, log)
		}
	}
}

const bareConfig = `import gunicorn
from gunicorn.app.base import BaseApplication
from gunicorn.arbiter import Arbiter
from gunicorn.workers.sync import SyncWorker
from gunicorn.workers.gthread import ThreadWorker

accesslog = "-"


def on_starting(server):
    server.log.info("version %s %s %s", gunicorn.__version__, isinstance(server, Arbiter), server.cfg.workers)


def post_fork(server, worker):
    worker.log.info("kind %s %s", isinstance(worker, SyncWorker), isinstance(worker, ThreadWorker))


def pre_request(worker, req):
    worker.log.info("before %s %s %s %d", req.method, req.path, dict(req.headers)["X-ONE"], worker.nr)
    if req.path == "/refuse":
        raise ValueError("not wanted")


def post_request(worker, req, environ, resp):
    worker.log.info("after %s %s", req.path, resp and (resp.status, resp.headers, resp.sent))
    if req.path == "/late":
        raise ValueError("too late")
`

func TestNamesAndRequestHooksWithoutGunicorn(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	writeFile(t, filepath.Join(dir, "gunicorn.conf.py"), bareConfig)
	writeFile(t, filepath.Join(dir, "logged.py"), loggingApp)
	s := harness.Start(t, harness.Config{
		App: "logged:app", Dir: dir, NoPython: true, Args: []string{"-w", "1", "--threads", "2", "--python", bareVenv(t)},
	})
	for path, status := range map[string]int{"/ok": 200, "/fail": 500, "/refuse": 500, "/late": 200} {
		if got := s.Request("GET", path, "", "X-One", "1").Status; got != status {
			t.Errorf("%s: status %d, want %d", path, got, status)
		}
	}
	for _, want := range []string{
		"version 27.0.1 True 1", "kind False True", "before GET /ok 1 ", "after /ok ('200 OK', [('Content-Length', '2')], 2)",
		"after /fail (None, [], 0)", "after /refuse None", "Error handling request GET /refuse", "ValueError: not wanted",
		"Exception in post_request hook", "ValueError: too late",
	} {
		s.Log.Wait(t, 0, want, harness.EventBudget)
	}
}

const comparedConfig = `import gunicorn.config


def on_starting(server):
    real = gunicorn.config.Config()
    for name in sorted(real.settings):
        mine, theirs = getattr(server.cfg, name), getattr(real, name)
        if not callable(theirs) and mine != theirs:
            server.log.info("differs: %s", name)
    server.log.info("compared %d", len(real.settings))
`

// With nothing set, cfg has the values that gunicorn's has, but for those named here.
func TestCfgIsGunicorns(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	writeFile(t, filepath.Join(dir, "gunicorn.conf.py"), comparedConfig)
	writeFile(t, filepath.Join(dir, "logged.py"), loggingApp)
	s := harness.Start(t, harness.Config{App: "logged:app", Dir: dir, Args: []string{"-w", "1"}})
	s.Log.Wait(t, 0, "compared 120", harness.EventBudget)
	known := map[string]bool{
		"bind": true, "wsgi_app": true, "default_proc_name": true, "proc_name": true, // set here, or made of what is set
		"ssl_version": true,                             // a number, not a member of an enum of Python's
		"keepalive":   true, "worker_connections": true, // other defaults, see SETTINGS.md
		"http_protocols": true, "http2_initial_window_size": true, // likewise
	}
	for _, line := range s.Log.Grep("differs: ") {
		if _, name, _ := strings.Cut(line, "differs: "); !known[name] {
			t.Errorf("cfg.%s is not what gunicorn has", name)
		}
	}
}

const pasteFile = `[app:main]
paste.app_factory = pasted:make
greeting = %(word)s

[loggers]
keys = root
[handlers]
keys = console
[formatters]
keys = short
[logger_root]
level = INFO
handlers = console
[handler_console]
class = StreamHandler
args = (sys.stderr,)
formatter = short
[formatter_short]
format = INI %(levelname)s %(message)s
`

const pasteModule = `import logging

from pyramid.config import Configurator
from pyramid.response import Response


def home(request):
    logging.getLogger(__name__).info("served %s", request.path)
    return Response(request.registry.settings["greeting"])


def make(global_conf, **settings):
    config = Configurator(settings=settings)
    config.add_route("home", "/")
    config.add_view(home, route_name="home")
    return config.make_wsgi_app()
`

func TestPasteServesPyramid(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	writeFile(t, filepath.Join(dir, "site.ini"), pasteFile)
	writeFile(t, filepath.Join(dir, "pasted.py"), pasteModule)
	s := harness.Start(t, harness.Config{Dir: dir, Args: []string{"-w", "1", "--paste", "site.ini", "--paste-global", "word=hello"}})
	if reply := s.WantGet(t, "/", 200); string(reply.Body) != "hello" {
		t.Errorf("body %q", reply.Body)
	}
	s.Log.Wait(t, 0, "INI INFO served /", harness.EventBudget)
}
