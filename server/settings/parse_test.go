package settings

import (
	"errors"
	"strings"
	"testing"
	"time"
)

func TestCommandLineHasTheHabitsOfArgparse(t *testing.T) {
	for _, c := range []struct {
		name, line string
		setting    string
		want       string
		app        string
	}{
		{"app alone", "site.wsgi", "workers", "auto", "site.wsgi"},
		{"app first", "app:app -w 3", "workers", "3", "app:app"},
		{"app last", "-w 3 app:app", "workers", "3", "app:app"},
		{"app between", "-w 3 app:app -t 5", "timeout", "5", "app:app"},
		{"gunicorn's prefix before our flag", "--pyth a", "pythonpath", "a", ""},
		{"only the first positional is the app", "app:app other thing -w 3", "workers", "3", "app:app"},
		{"attached", "-w4 app", "workers", "4", "app"},
		{"short with equals", "-w=4", "workers", "4", ""},
		{"long with equals", "--workers=4", "workers", "4", ""},
		{"bind with equals", "-b=:80", "bind", "0.0.0.0:80", ""},
		{"unique prefix", "--access-logf x", "", "", ""},
		{"prefix of one flag", "--access-logfi -", "accesslog", "-", ""},
		{"prefix with equals", "--work=5", "", "", ""},
		{"exact name beats longer names", "--max-requests 5", "max_requests", "5", ""},
		{"exact name beats longer names with equals", "--max-requests=5", "max_requests", "5", ""},
		{"second name", "--log-file e.log", "errorlog", "e.log", ""},
		{"odd spelling", "--limit-request-field_size 100", "limit_request_field_size", "100", ""},
		{"switch", "--preload app", "preload_app", "true", "app"},
		{"last one wins", "-w 2 -w 3", "workers", "3", ""},
		{"repeated", "-b :80 --bind unix:/s -e A=1", "bind", "0.0.0.0:80,unix:/s", ""},
		{"env twice", "-e A=1 --env B=2,3", "raw_env", "A=1,B=2,3", ""},
		{"dash is a value", "--access-logfile - app", "accesslog", "-", "app"},
		{"double dash", "-w 2 -- -odd:app", "workers", "2", "-odd:app"},
		{"double dash after the app", "app:app -- --workers", "workers", "auto", "app:app"},
		{"empty value", "--access-logfile= app", "accesslog", "", "app"},
		{"fraction", "-t 0.5", "timeout", "0.5", ""},
		{"size", "--limit-request-body 2M", "limit_request_body", "2097152", ""},
		{"lowered", "--limit-request-line 100000", "limit_request_line", "8190", ""},
		{"zero field size", "--limit-request-field_size 0", "limit_request_field_size", "8190", ""},
		{"auto", "-w auto", "workers", "auto", ""},
		{"level in capitals", "--log-level DEBUG", "loglevel", "debug", ""},
		{"comma list", "--pythonpath a,,b/c", "pythonpath", "a,b/c", ""},
		{"threads change the class", "--threads 4", "worker_class", "gthread", ""},
		{"threads on demand change the class", "--max-threads 4", "worker_class", "gthread", ""},
		{"rules of lanes", "--lane 'GET /a/*=pdf,queue=2' --lane /b/**=fast", "lanes", "GET /a/*=pdf,queue=2,/b/**=fast", ""},
		{"nice is bounded", "--slow-nice 40", "slow_nice", "19", ""},
		{"class by path", "-k gunicorn.workers.gthread.ThreadWorker", "worker_class", "gthread", ""},
		{"class by egg", "-k egg:gunicorn#sync", "worker_class", "sync", ""},
		{"value with a space", "--access-logformat '%(h)s -x'", "access_log_format", "%(h)s -x", ""},
		{"value that begins with a dash and has a space", "--access-logformat '- %(h)s'", "access_log_format", "- %(h)s", ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			words, err := SplitWords(c.line)
			if err != nil {
				t.Fatal(err)
			}
			v, err := Parse(words, noEnv)
			if c.setting == "" {
				var usage *UsageError
				if !errors.As(err, &usage) || !strings.Contains(err.Error(), "ambiguous option") {
					t.Fatalf("error %v, want an ambiguous option", err)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if got := v.Text(c.setting); got != c.want {
				t.Errorf("%s is %q, want %q", c.setting, got, c.want)
			}
			if v.WSGIApp != c.app {
				t.Errorf("app is %q, want %q", v.WSGIApp, c.app)
			}
		})
	}
}

func TestErrorsNameSettingValueAndFix(t *testing.T) {
	for _, c := range []struct {
		args string
		code int
		want []string
	}{
		{"--no-such-flag", 2, []string{"unrecognized arguments: --no-such-flag"}},
		{"-Z", 2, []string{"unrecognized arguments: -Z"}},
		{"-w", 2, []string{"argument -w/--workers: expected one argument"}},
		{"-w --preload", 2, []string{"-w/--workers: expected one argument"}},
		{"-w many", 2, []string{"-w/--workers", `'many'`, "whole number", "auto"}},
		{"--threads 1.5", 2, []string{"--threads", `'1.5'`, "whole number"}},
		{"--threads 99999999999", 2, []string{"--threads"}},
		{"-t soon", 2, []string{"-t/--timeout", "seconds", "0.5"}},
		{"-t nan", 2, []string{"seconds"}},
		{"--spool-memory lots", 2, []string{"--spool-memory", "64K"}},
		{"--preload=yes", 2, []string{"--preload", `'yes'`}},
		{"-w 0", 1, []string{"Invalid value for workers: 0 (from -w)", "at least 1"}},
		{"-w -1", 1, []string{"workers", "at least 1"}},
		{"--timeout -1", 1, []string{"timeout", "negative"}},
		{"--timeout 1e30", 1, []string{"timeout", "ten years"}},
		{"--spool-disk 9999999999T", 1, []string{"spool_disk", "too large"}},
		{"-b host:port", 1, []string{"bind", "port number"}},
		{"-k gevent", 1, []string{"worker_class", "gevent", "--threads"}},
		{"-k eventlet", 1, []string{"eventlet", "--threads"}},
		{"-k tornado", 1, []string{"tornado", "Tornado"}},
		{"-k asgi", 1, []string{"asgi", "WSGI"}},
		{"-k uvicorn.workers.UvicornWorker", 1, []string{"ASGI server"}},
		{"-k my.Worker", 1, []string{"custom worker classes", "sync", "gthread"}},
		{"-e NOVALUE", 1, []string{"raw_env", "NAME=VALUE"}},
		{"-e =x", 1, []string{"raw_env", "NAME=VALUE"}},
		{"--metrics-bind fd://x", 1, []string{"metrics_bind", "file descriptor"}},
	} {
		t.Run(c.args, func(t *testing.T) {
			_, err := Parse(strings.Fields(c.args), noEnv)
			if err == nil {
				t.Fatal("no error")
			}
			var coder interface{ ExitCode() int }
			if !errors.As(err, &coder) || coder.ExitCode() != c.code {
				t.Errorf("error %v (%T), want exit status %d", err, err, c.code)
			}
			for _, want := range c.want {
				if !strings.Contains(err.Error(), want) {
					t.Errorf("%q is not in %q", want, err)
				}
			}
		})
	}
}

func TestHelpAndVersionAreResults(t *testing.T) {
	for args, want := range map[string]error{
		"-h": ErrHelp, "--help": ErrHelp, "--hel": ErrHelp, "app -w 2 --help": ErrHelp,
		"-v": ErrVersion, "--version": ErrVersion, "-v --help": ErrVersion,
	} {
		if _, err := Parse(strings.Fields(args), noEnv); !errors.Is(err, want) {
			t.Errorf("%s: error %v, want %v", args, err, want)
		}
	}
}

func TestHigherLayersReplaceLowerOnes(t *testing.T) {
	env := map[string]string{"WEB_CONCURRENCY": "2"}
	check := func(args, workers, origin string) {
		t.Helper()
		v, err := Parse(strings.Fields(args), envOf(env))
		if err != nil {
			t.Fatal(err)
		}
		if got := v.Text("workers"); got != workers {
			t.Errorf("workers is %s, want %s", got, workers)
		}
		if got := v.Origin("workers").String(); got != origin {
			t.Errorf("origin is %q, want %q", got, origin)
		}
	}
	check("", "2", "WEB_CONCURRENCY")
	env["GOUNICORN_WORKERS"] = "3"
	check("", "3", "GOUNICORN_WORKERS")
	env["GUNICORN_CMD_ARGS"] = "--workers=4 ignored:app"
	check("", "4", "--workers in GUNICORN_CMD_ARGS")
	env["GOUNICORN_CMD_ARGS"] = "-w5"
	check("", "5", "-w in GOUNICORN_CMD_ARGS")
	check("--workers 6", "6", "--workers")
}

func TestListsAreReplacedNotMerged(t *testing.T) {
	env := envOf(map[string]string{"GOUNICORN_BIND": ":1 :2", "GUNICORN_CMD_ARGS": "-b :3 -b :4 ignored:app"})
	v, err := Parse(nil, env)
	if err != nil {
		t.Fatal(err)
	}
	if got, want := v.Text("bind"), "0.0.0.0:3,0.0.0.0:4"; got != want {
		t.Errorf("bind is %s, want %s", got, want)
	}
	if v.WSGIApp != "" {
		t.Errorf("app %q came from GUNICORN_CMD_ARGS", v.WSGIApp)
	}
}

func TestEnvironment(t *testing.T) {
	for _, c := range []struct{ name, value, setting, want string }{
		{"PORT", "5000", "bind", "0.0.0.0:5000"},
		{"PORT", "", "bind", "127.0.0.1:8000"},
		{"GOUNICORN_BIND", ":1 unix:/s", "bind", "0.0.0.0:1,unix:/s"},
		{"GOUNICORN_RAW_ENV", "A=1 'B=two words'", "raw_env", "A=1,B=two words"},
		{"GOUNICORN_PRELOAD_APP", "yes", "preload_app", "true"},
		{"GOUNICORN_PRELOAD_APP", "off", "preload_app", "false"},
		{"GOUNICORN_WORKER", "/opt/w", "worker_bin", "/opt/w"},
		{"GOUNICORN_WSGI_APP", "a:b", "wsgi_app", "a:b"},
	} {
		v, err := Parse(nil, envOf(map[string]string{c.name: c.value}))
		if err != nil || v.Text(c.setting) != c.want {
			t.Errorf("%s=%q: %s is %q, error %v; want %q", c.name, c.value, c.setting, v.Text(c.setting), err, c.want)
		}
	}
	for _, c := range []struct {
		name, value string
		code        int
	}{
		{"WEB_CONCURRENCY", "many", 1}, {"WEB_CONCURRENCY", "", 1}, {"PORT", "http", 1}, {"GOUNICORN_PRELOAD_APP", "perhaps", 1},
		{"GOUNICORN_RAW_ENV", "'open", 1}, {"GUNICORN_CMD_ARGS", "-w 'open", 1}, {"GUNICORN_CMD_ARGS", "--nope", 2},
	} {
		_, err := Parse(nil, envOf(map[string]string{c.name: c.value}))
		var coder interface{ ExitCode() int }
		if !errors.As(err, &coder) || coder.ExitCode() != c.code || c.code == 1 && !strings.Contains(err.Error(), c.name) {
			t.Errorf("%s=%s: error %v, want one with status %d that names it", c.name, c.value, err, c.code)
		}
	}
}

func TestWarnings(t *testing.T) {
	v, err := Parse([]string{"--log-level", "loud", "-w2", "--slow-reserve", "2"}, noEnv)
	if err != nil {
		t.Fatal(err)
	}
	if v.LogLevel != "info" || v.SlowReserve != 1 || len(v.Warnings) != 2 {
		t.Errorf("level %s, reserve %d, warnings %q", v.LogLevel, v.SlowReserve, v.Warnings)
	}
}

func TestReserveThatLeavesNoSlotIsNoted(t *testing.T) {
	for args, want := range map[string]struct {
		reserve int
		warning string
	}{
		"-w4 --slow-reserve 3":             {3, ""},
		"-w4 --slow-reserve 4":             {3, "slow_reserve 4 leaves no slot for slow requests with --workers 4, using 3"},
		"-w1 --slow-reserve 1":             {1, ""},
		"-w1 --threads 4":                  {1, ""},
		"-w1 --threads 4 --slow-reserve 2": {2, "using 0; only with a Python without the global lock each thread is a slot"},
		"-w2 --threads 4 --slow-reserve 1": {1, ""},
		"-w2 --threads 4 --slow-reserve 2": {2, "with --workers 2, using 1; only with a Python without the global lock each thread is a slot"},
		"-w2 --threads 4 --slow-reserve 9": {7, "with --workers 2, using 1; only"},
	} {
		v, err := Parse(strings.Fields(args), noEnv)
		if err != nil {
			t.Fatal(err)
		}
		got := strings.Join(v.Warnings, "\n")
		if v.SlowReserve != want.reserve || !strings.Contains(got, want.warning) || (want.warning == "") != (got == "") {
			t.Errorf("%s: reserve %d, warnings %q", args, v.SlowReserve, v.Warnings)
		}
	}
}

func TestMaximaBelowTheMinimumAndSoftAboveHardAreNoted(t *testing.T) {
	v, err := Parse([]string{"-w4", "--max-workers", "2", "--threads", "4", "--max-threads", "2", "-t5", "--soft-timeout", "5"}, noEnv)
	if err != nil {
		t.Fatal(err)
	}
	if v.MaxWorkers != 4 || v.MaxThreads != 4 || len(v.Warnings) != 3 {
		t.Errorf("max_workers %d, max_threads %d, warnings %q", v.MaxWorkers, v.MaxThreads, v.Warnings)
	}
}

func TestConnectionLimit(t *testing.T) {
	for _, c := range []struct{ limit, each, workers, want int }{
		{10000, 0, 4, 10000}, {10000, 1000, 4, 4000}, {100, 1000, 4, 100}, {0, 0, 4, 0}, {0, 10, 0, 10},
	} {
		v := Values{MaxConnections: c.limit, WorkerConnections: c.each}
		if got := v.ConnectionLimit(c.workers); got != c.want {
			t.Errorf("limit %d, %d each of %d: %d, want %d", c.limit, c.each, c.workers, got, c.want)
		}
	}
}

func TestSizesAndTimes(t *testing.T) {
	for text, want := range map[string]int64{
		"0": 0, "1": 1, "1K": 1 << 10, "2k": 2 << 10, "3KB": 3 << 10, "4KiB": 4 << 10, "5 M": 5 << 20, "6G": 6 << 30, "1T": 1 << 40, "7B": 7,
	} {
		if got, err := ParseBytes(text); got != want || err != nil {
			t.Errorf("ParseBytes(%q) = %d, %v, want %d", text, got, err, want)
		}
	}
	for _, text := range []string{"", "K", "1.5M", "-1", "0x10", "1P", "9223372036854775807K"} {
		if got, err := ParseBytes(text); err == nil {
			t.Errorf("ParseBytes(%q) = %d, want an error", text, got)
		}
	}
	if got, err := parseSeconds(" 1.5 "); got != 1500*time.Millisecond || err != nil {
		t.Errorf("parseSeconds: %v, %v", got, err)
	}
}

func TestShellSplit(t *testing.T) {
	for in, want := range map[string]string{
		`a  b`: "a|b", `'a b' c`: "a b|c", `"a \"b\" \\ \n"`: `a "b" \ \n`, `a\ b`: "a b", `''`: "", `a'b'"c"`: "abc", ` `: "<none>",
	} {
		words, err := SplitWords(in)
		got := strings.Join(words, "|")
		if words == nil {
			got = "<none>"
		}
		if err != nil || got != want {
			t.Errorf("SplitWords(%s) = %s, %v, want %s", in, got, err, want)
		}
	}
	for _, in := range []string{`'`, `"`, `"\"`, `\`} {
		if words, err := SplitWords(in); err == nil {
			t.Errorf("SplitWords(%s) = %q, want an error", in, words)
		}
	}
}

func FuzzParse(f *testing.F) {
	for _, line := range []string{
		"-w4 app", "--bind=[::1]:80 --preload", "-b unix:/x -e A=1 --env B=2", "--access-logf x", "-t 1e9", "-w=auto -- -x",
		"--spool-memory 1G --log-level loud", "-hv", "-", "--", "-w", "--=", "-=",
	} {
		f.Add(line, "")
		f.Add("", line)
	}
	f.Fuzz(func(t *testing.T, line, cmdArgs string) {
		v, err := Parse(strings.Split(line, " "), envOf(map[string]string{"GUNICORN_CMD_ARGS": cmdArgs, "GOUNICORN_BIND": cmdArgs}))
		if err != nil {
			if err.Error() == "" {
				t.Error("an error without a text")
			}
			return
		}
		if v.Workers < 0 || v.Threads < 1 || v.Timeout < 0 || v.LimitRequestBody < 0 || len(v.Bind) == 0 {
			t.Errorf("illegal values from %q: %+v", line, v)
		}
	})
}
