package settings

import (
	"encoding/json"
	"errors"
	"maps"
	"net/netip"
	"slices"
	"strings"
	"testing"
)

// document is a config document of the values, given as JSON.
func document(path string, values map[string]string) *File {
	f := &File{Path: path, Values: map[string]json.RawMessage{}}
	for name, value := range values {
		f.Values[name] = json.RawMessage(value)
	}
	return f
}

// finish reads a command line and a config file.
func finish(t *testing.T, line string, file *File) (Values, error) {
	t.Helper()
	words, err := SplitWords(line)
	if err != nil {
		t.Fatal(err)
	}
	c, err := ParseCommand(words, noEnv)
	if err != nil {
		t.Fatal(err)
	}
	return c.Finish(file)
}

func TestTheFileStandsBetweenEnvironmentAndFlags(t *testing.T) {
	env := map[string]string{"WEB_CONCURRENCY": "2", "GOUNICORN_TIMEOUT": "2", "PORT": "2"}
	file := document("/srv/gunicorn.conf.py", map[string]string{"workers": "3", "timeout": "3", "threads": "3", "bind": `":3"`})
	file.Framework = map[string]json.RawMessage{"workers": json.RawMessage("9"), "logconfig": json.RawMessage(`"site.ini"`)}
	for _, c := range []struct{ gunicorn, gounicorn, line, want string }{
		{"", "", "", "3 3 3 0.0.0.0:3 site.ini"},
		{"-w4 -t4 --threads 4 -b :4", "", "", "4 4 4 0.0.0.0:4 site.ini"},
		{"-w4 -t4 --threads 4 -b :4", "-w5 -t5 -b :5 -b :55", "", "5 5 4 0.0.0.0:5,0.0.0.0:55 site.ini"},
		{"-w4 -t4 --threads 4 -b :4", "-w5 -t5", "-w6 --log-config my.ini", "6 5 4 0.0.0.0:4 my.ini"},
	} {
		env["GUNICORN_CMD_ARGS"], env["GOUNICORN_CMD_ARGS"] = c.gunicorn, c.gounicorn
		cmd, err := ParseCommand(strings.Fields(c.line), envOf(env))
		if err != nil {
			t.Fatal(err)
		}
		v, err := cmd.Finish(file)
		if err != nil {
			t.Fatal(err)
		}
		got := strings.Join([]string{v.Text("workers"), v.Text("timeout"), v.Text("threads"), v.Text("bind"), v.Text("logconfig")}, " ")
		if got != c.want {
			t.Errorf("%+v: %s", c, got)
		}
	}
}

func TestTheApplicationOfTheCommandLineGoesBeforeTheFiles(t *testing.T) {
	file := document("gunicorn.conf.py", map[string]string{"wsgi_app": `"file:app"`})
	for line, want := range map[string][2]string{"": {"file:app", "gunicorn"}, "line:app": {"line:app", "line:app"}, "--paste x.ini#main": {"file:app", "x.ini"}} {
		v, err := finish(t, line, file)
		if err != nil || v.WSGIApp != want[0] || v.DefaultProcName != want[1] {
			t.Errorf("%s: app %q, name %q, error %v", line, v.WSGIApp, v.DefaultProcName, err)
		}
	}
}

func TestConfigLocation(t *testing.T) {
	for _, c := range []struct{ args, env, files, want string }{
		{"", "", "", ""},
		{"", "", "/srv/gunicorn.conf.py", "/srv/gunicorn.conf.py"},
		{"", "", "/srv/gunicorn.conf.py /srv/gounicorn.conf.py", "/srv/gounicorn.conf.py"},
		{"-c conf/x.py", "-c y.py", "/srv/conf/x.py", "/srv/conf/x.py"},
		{"", "-c y.py", "/srv/y.py /srv/gunicorn.conf.py", "/srv/y.py"},
		{"-c file:/etc/x.conf", "", "/etc/x.conf", "/etc/x.conf"},
		{"--config=file:x.py", "", "/srv/x.py", "/srv/x.py"},
		{"-c python:site.conf", "", "", "python:site.conf"},
		{"-c=", "-c y.py", "/srv/y.py", "/srv/y.py"},
		{"-c nowhere.py", "", "/srv/gunicorn.conf.py", "'nowhere.py' doesn't exist"},
	} {
		cmd, err := ParseCommand(strings.Fields(c.args), envOf(map[string]string{"GUNICORN_CMD_ARGS": c.env}))
		if err != nil {
			t.Fatal(err)
		}
		got, err := cmd.ConfigLocation("/srv", func(path string) bool { return slices.Contains(strings.Fields(c.files), path) })
		if err != nil {
			got = err.Error()
		}
		if !strings.HasPrefix(got, c.want) || c.want == "" && got != "" {
			t.Errorf("%+v: %q", c, got)
		}
	}
}

func TestHooksAreCountedByTheirArguments(t *testing.T) {
	for _, c := range []struct{ name, value, problem string }{
		{"post_fork", `{"$callable": "__config__.post_fork", "arity": [2, 2]}`, ""},
		{"post_fork", `{"$callable": "__config__.post_fork", "arity": [1, 1]}`, "Value must have an arity of: 2"},
		{"post_fork", `{"$callable": "__config__.post_fork", "arity": [2, 3]}`, "Value must have an arity of: 2"},
		{"post_fork", `{"$callable": "__config__.post_fork", "arity": [0, null]}`, ""},
		{"post_fork", `"hooks.post_fork"`, ""},
		{"post_fork", `"post_fork"`, "Value 'post_fork' is not import string. Format: module[.submodules...].object"},
		{"post_fork", `3`, "Value is not callable: 3"},
		{"post_fork", `null`, "Value is not callable: None"},
		{"post_request", `{"$callable": "__config__.f", "arity": [2, 2]}`, ""},
		{"post_request", `{"$callable": "__config__.f", "arity": [3, 3]}`, ""},
		{"post_request", `{"$callable": "__config__.f", "arity": [4, 4]}`, ""},
		{"post_request", `{"$callable": "__config__.f", "arity": [5, 5]}`, "Value must have an arity of: 4"},
		{"ssl_context", `{"$callable": "__config__.f", "arity": [2, 2]}`, "is not supported: an SSLContext of Python"},
		{"on_dirty_starting", `{"$callable": "__config__.f", "arity": [1, 1]}`, "is not supported: there is no second pool"},
	} {
		v, err := finish(t, "", document("gunicorn.conf.py", map[string]string{c.name: c.value}))
		switch {
		case c.problem == "" && (err != nil || !v.Hooked(c.name)):
			t.Errorf("%s = %s: %v, hooked %v", c.name, c.value, err, v.Hooked(c.name))
		case c.problem != "" && (err == nil || !strings.Contains(err.Error(), c.problem) || exitOf(err) != 1):
			t.Errorf("%s = %s: %v", c.name, c.value, err)
		}
	}
}

func TestWorkerClassesInEverySpelling(t *testing.T) {
	class := func(name string) string { return `{"$callable": "` + name + `", "arity": [0, null]}` }
	for value, want := range map[string]string{
		`"sync"`: "sync", `"gthread"`: "gthread", `"#gthread"`: "gthread", `"egg:gunicorn#gthread"`: "gthread",
		`"gunicorn.workers.sync.SyncWorker"`: "sync", class("gunicorn.workers.sync.SyncWorker"): "sync", class("gunicorn.workers.gthread.ThreadWorker"): "gthread",
		`"gevent"`: "--threads", class("gunicorn.workers.ggevent.GeventWorker"): "--threads", `"gevent_pywsgi"`: "--threads", `"tornado"`: "Tornado",
		`"gunicorn.workers.gtornado.TornadoWorker"`: "Tornado",
		`"eventlet"`: "eventlet was removed", `"asgi"`: "ASGI server", `"uvicorn.workers.UvicornWorker"`: "ASGI server",
		class("uvicorn.workers.UvicornWorker"): "ASGI server", class("__config__.MyWorker"): "custom worker classes",
	} {
		v, err := finish(t, "", document("gunicorn.conf.py", map[string]string{"worker_class": value}))
		if err != nil && !strings.Contains(err.Error(), want) || err == nil && v.WorkerClass != want {
			t.Errorf("%s: class %q, error %v", value, v.WorkerClass, err)
		}
	}
	if v, err := finish(t, "", document("c.py", map[string]string{"logger_class": class("__config__.MyLogger")})); err != nil || v.LoggerClass != "__config__.MyLogger" {
		t.Errorf("logger class %q, error %v", v.LoggerClass, err)
	}
}

func TestSettingsOfGounicornAloneInAFile(t *testing.T) {
	for _, c := range []struct{ path, name, want, warning string }{
		{"gunicorn.conf.py", "max_threads", "0", "for gounicorn's setting write gounicorn_max_threads"},
		{"gunicorn.conf.py", "gounicorn_max_threads", "4", ""},
		{"/srv/gounicorn.conf.py", "max_threads", "4", ""},
		{"/srv/gounicorn.conf.py", "gounicorn_max_threads", "4", ""},
	} {
		v, err := finish(t, "", document(c.path, map[string]string{c.name: "4"}))
		got := strings.Join(v.Warnings, "\n")
		if err != nil || v.Text("max_threads") != c.want || !strings.Contains(got, c.warning) || (got == "") != (c.warning == "") {
			t.Errorf("%+v: %s, warnings %q, error %v", c, v.Text("max_threads"), v.Warnings, err)
		}
	}
	v, err := finish(t, "", document("gunicorn.conf.py", map[string]string{"gounicorn_python": `"/x"`, "config": `"y"`, "gounicorn_workers": "9", "nonsense": "1"}))
	if err != nil || v.Python != "" || v.Config != "./gunicorn.conf.py" || v.Workers != 0 || len(v.Warnings) != 1 || !strings.Contains(v.Warnings[0], "--python") {
		t.Errorf("python %q, workers %d, warnings %q, error %v", v.Python, v.Workers, v.Warnings, err)
	}
}

func TestUnknownNamesAreWarnedOfWithTheNearestKnown(t *testing.T) {
	for name, want := range map[string]string{
		"PRELOAD_APP": "preload_app", "preload_ap": "preload_app", "wrokers": "workers", "gracefultimeout": "graceful_timeout", "Bind": "bind", "worker": "workers",
		"keep_alive": "keepalive", "gounicorn_lane": "gounicorn_lanes", "workerclass": "worker_class",
		"cores": "", "host": "", "os": "", "logging": "", "multiprocessing": "", "x": "", "env": "", "port": "", strings.Repeat("w", 100): "",
	} {
		if got := Nearest(name); got != want {
			t.Errorf("Nearest(%q) = %q, want %q", name, got, want)
		}
	}
	f := document("gunicorn.conf.py", nil)
	f.Unknown, f.Warnings = []string{"PRELOAD_APP", "cores"}, []string{"of the zygote"}
	v, err := finish(t, "", f)
	if err != nil || len(v.Warnings) != 2 || !strings.Contains(v.Warnings[1], "PRELOAD_APP is no setting and has no effect; did you mean preload_app?") {
		t.Errorf("warnings %q, error %v", v.Warnings, err)
	}
}

func TestWhatHasNoEffectIsExplainedAndWhatIsMissingRefused(t *testing.T) {
	for i := range All {
		s := &All[i]
		if s.Status == Works || s.Kind == Hook {
			continue
		}
		line, isDefault := s.Flags[0]+"=7", s.Flags[0]+"="+s.Default
		switch {
		case s.Kind == Bool && s.Default == "true":
			continue // the flag says what is so anyway
		case s.Kind == Bool:
			line, isDefault = s.Flags[0], ""
		case s.Choices != nil:
			line = s.Flags[0] + "=" + s.Choices[1]
		case s.Kind == IPs:
			line = s.Flags[0] + "=10.0.0.0/8"
		case s.Name == "http2_max_frame_size":
			line = s.Flags[0] + "=20000"
		}
		v, err := finish(t, line, nil)
		var refused *RefusedError
		switch {
		case s.Status == Later && (!errors.As(err, &refused) || !strings.Contains(err.Error(), s.Note) || exitOf(err) != 1):
			t.Errorf("%s: %v", line, err)
		case s.Status == Accepted && (err != nil || len(v.Warnings) != 1 || !strings.Contains(v.Warnings[0], s.Note)):
			t.Errorf("%s: warnings %q, error %v", line, v.Warnings, err)
		}
		if v, err := finish(t, "'"+isDefault+"'", nil); s.Default != "" && (err != nil || len(v.Warnings) > 0) {
			t.Errorf("%s: warnings %q, error %v", isDefault, v.Warnings, err)
		}
	}
}

func TestOnlyAnExplicitFalseSwitchesSendfileOff(t *testing.T) {
	for value, want := range map[string]bool{"true": true, `"true"`: true, "null": true, "false": false, `"False"`: false} {
		if v, err := finish(t, "", document("c.py", map[string]string{"sendfile": value})); err != nil || v.Sendfile != want {
			t.Errorf("sendfile = %s: %v, error %v", value, v.Sendfile, err)
		}
	}
	if v, err := finish(t, "--no-sendfile", nil); err != nil || v.Sendfile {
		t.Errorf("--no-sendfile: %v, error %v", v.Sendfile, err)
	}
	for text, want := range map[string]bool{"y": true, "YES": true, "1": true, "true": true, "0": false, "": false, "on": false} {
		if v, err := Parse(nil, envOf(map[string]string{"SENDFILE": text})); err != nil || v.Sendfile != want {
			t.Errorf("SENDFILE=%s: %v, error %v", text, v.Sendfile, err)
		}
	}
}

func TestVariablesOfGunicorn(t *testing.T) {
	for _, c := range []struct{ env, value, setting, want string }{
		{"FORWARDED_ALLOW_IPS", "*", "forwarded_allow_ips", "*"},
		{"FORWARDED_ALLOW_IPS", "", "forwarded_allow_ips", ""},
		{"SCRIPT_NAME", "/shop", "script_name", "/shop"},
		{"GUNICORN_CMD_ARGS", "-e SCRIPT_NAME=/shop", "script_name", "/shop"},
		{"XDG_RUNTIME_DIR", "/run/user/1", "control_socket", "/run/user/1/gunicorn.ctl"},
		{"HOME", "/srv/www", "control_socket", "/srv/www/.gunicorn/gunicorn.ctl"},
		{"GUNICORN_CMD_ARGS", "--control-socket /x", "control_socket", "/x"},
	} {
		v, err := Parse(nil, envOf(map[string]string{c.env: c.value}))
		if err != nil || v.Text(c.setting) != c.want {
			t.Errorf("%s=%s: %s is %q, error %v", c.env, c.value, c.setting, v.Text(c.setting), err)
		}
	}
}

func TestIPSetContains(t *testing.T) {
	set, err := parseIPs("127.0.0.1, 10.0.0.0/8,2001:db8::/32, 192.168.0.0/255.255.0.0, 172.16.0.0/0.15.255.255")
	if err != nil {
		t.Fatal(err)
	}
	for address, want := range map[string]bool{
		"127.0.0.1": true, "::ffff:127.0.0.1": true, "10.255.0.1": true, "11.0.0.1": false, "2001:db8::1": true, "2001:db9::1": false,
		"192.168.9.9": true, "192.169.0.0": false, "172.31.0.1": true, "172.32.0.1": false, "::1": false, "2001:db8::1%eth0": true,
	} {
		if got := set.Contains(netip.MustParseAddr(address)); got != want {
			t.Errorf("Contains(%s) = %v", address, got)
		}
	}
	for _, text := range []string{"10.0.0.1/8", "10.0.0.0/33", "::/129", "x", "10.0.0", "010.0.0.1", "10.0.0.0/255.0.255.0", "10.0.0.0/", "fe80::1%eth0", "10.0.0.0/-8"} {
		if set, err := parseIPs(text); err == nil {
			t.Errorf("parseIPs(%q) = %v", text, set)
		}
	}
}

func TestChangedNamesWhatDiffers(t *testing.T) {
	old, err := finish(t, "-w2 -b :80 --user www", document("c.py", map[string]string{"secure_scheme_headers": `{"X": "1"}`}))
	if err != nil {
		t.Fatal(err)
	}
	next, err := finish(t, "-w3 -b :80 -b :81 --user web --no-sendfile", document("c.py", map[string]string{
		"secure_scheme_headers": `{"X": "2"}`, "post_fork": `{"$callable": "__config__.post_fork", "arity": [2, 2]}`,
	}))
	if err != nil {
		t.Fatal(err)
	}
	got := map[string]string{}
	for _, c := range Changed(&old, &next) {
		got[c.Setting.Name] = string(c.Setting.Reload) + " " + c.Old + " " + c.New
	}
	want := map[string]string{
		"workers": "live 2 3", "bind": "live 0.0.0.0:80 0.0.0.0:80,0.0.0.0:81", "user": "restart www web", "sendfile": "restart true false",
		"secure_scheme_headers": `live {"X": "1"} {"X": "2"}`,
	}
	if !maps.Equal(got, want) {
		t.Errorf("changed %v, want %v", got, want)
	}
	if same := Changed(&old, &old); len(same) > 0 {
		t.Errorf("changes without a change: %v", same)
	}
}

func TestPathsAreChecked(t *testing.T) {
	nothing := func(string) bool { return false }
	for line, want := range map[string]string{
		"": "", "--chdir /x": "can't chdir to '/x'", "--reload-extra-file a.txt": "File a.txt does not exists", "--reload-extra-file '*.txt'": "",
	} {
		v, err := finish(t, line, nil)
		if err != nil {
			t.Fatal(err)
		}
		err = v.CheckPaths(nothing)
		if (err == nil) != (want == "") || err != nil && !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %q", line, err, want)
		}
	}
}

func TestPrintWritesAsPython(t *testing.T) {
	v, err := finish(t, "app:app -b :80 -b unix:/x --umask 022 --statsd-host h --paste-global 'a=\"b\"' -t 1.5 --chdir sub -u www", document("c.py", map[string]string{
		"logconfig_dict": `{"version": 1, "a": [null, true, 1.5, "it's"], "b": {}}`, "post_fork": `{"$callable": "__config__.post_fork", "arity": [2, 2]}`,
		"accesslog": "null", "pythonpath": `"a, b"`,
	}))
	if err != nil {
		t.Fatal(err)
	}
	text := v.Print("/srv", 1, 2)
	for _, want := range []string{
		"bind                               = ['0.0.0.0:80', 'unix:/x']\n", "umask                              = 18\n", "chdir                              = /srv/sub\n",
		"statsd_host                        = ('h', 8125)\n", `raw_paste_global_conf              = ['a="b"']` + "\n", "timeout                            = 1.5\n",
		`logconfig_dict                     = {'version': 1, 'a': [None, True, 1.5, "it's"], 'b': {}}` + "\n", "post_fork                          = <post_fork()>\n",
		"accesslog                          = None\n", "user                               = www\n", "group                              = 2\n",
		"pythonpath                         = a,b\n", "wsgi_app                           = app:app\n",
	} {
		if !strings.Contains(text, "\n"+want) {
			t.Errorf("%q is not in\n%s", want, text)
		}
	}
	lines := strings.Split(strings.TrimSpace(text), "\n")
	if !slices.IsSorted(lines) || len(lines) != len(All) {
		t.Errorf("%d lines, sorted %v", len(lines), slices.IsSorted(lines))
	}
}

func FuzzParseFile(f *testing.F) {
	for _, seed := range []string{
		`{"path": "/srv/gunicorn.conf.py", "values": {"workers": 3, "bind": ["a:1"], "post_fork": {"$callable": "m.f", "arity": [2, null]}}, "unknown": ["Bind"]}`,
		`{"values": {"secure_scheme_headers": {"A": "b"}, "umask": "0o22", "forwarded_allow_ips": "10.0.0.0/8,*", "logconfig_dict": {"a": [1, {"b": null}]}}}`,
		`{"framework": {"logconfig": "x"}}`, `{}`, `null`, `[`,
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		file, err := ParseFile(data)
		if err != nil {
			return
		}
		c, err := ParseCommand(nil, noEnv)
		if err != nil {
			t.Fatal(err)
		}
		v, err := c.Finish(file)
		if err != nil {
			if exitOf(err) != 1 {
				t.Errorf("status %d for %v", exitOf(err), err)
			}
			return
		}
		if v.Threads < 1 || len(v.Bind) == 0 || v.Backlog < 1 {
			t.Errorf("illegal values from %s", data)
		}
		if v.Print("/", 0, 0) == "" {
			t.Error("nothing printed")
		}
	})
}

func FuzzParseIPs(f *testing.F) {
	for _, seed := range []string{"127.0.0.1,::1", "10.0.0.0/8", "*", "10.0.0.0/255.0.0.0", "1.2.3.4/0.0.0.0", "::/0"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		set, err := parseIPs(text)
		if err != nil {
			return
		}
		again, err := parseIPs(set.String())
		if err != nil || again.String() != set.String() {
			t.Errorf("%q becomes %s and then %s, %v", text, set, again, err)
		}
	})
}
