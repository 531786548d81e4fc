package adopt

import (
	"regexp"
	"slices"
	"strings"

	"gopkg.in/ini.v1"
)

// readCircus makes a plan of Circus's sections.
func readCircus(f *ini.File, path string) (*Plan, error) {
	p := &Plan{Source: "circus"}
	main := f.Section("circus")
	var patterns []string
	for _, key := range []string{"include", "include_dir"} {
		for _, pattern := range strings.Fields(main.Key(key).Value()) {
			if key == "include_dir" {
				pattern += "/*.ini"
			}
			patterns = append(patterns, pattern)
		}
	}
	if err := p.include(f, path, patterns); err != nil {
		return nil, err
	}
	for _, k := range main.Keys() {
		switch k.Name() {
		case "include", "include_dir", "check_delay", "debug", "warmup_delay", "umask":
		case "pidfile":
			p.Flags = append(p.Flags, "--pid="+k.Value())
		case "loglevel", "logoutput":
			flag := map[string]string{"loglevel": "--log-level", "logoutput": "--error-logfile"}[k.Name()]
			p.Flags = append(p.Flags, flag+"="+strings.ToLower(k.Value()))
		case "endpoint", "pubsub_endpoint", "stats_endpoint", "statsd", "httpd", "multicast_endpoint", "endpoint_owner":
			p.note("[circus] %s: gounicornc speaks to the control socket (--control-socket); metrics are at --metrics-bind", k.Name())
		default:
			p.note("[circus] %s is not known", k.Name())
		}
	}
	for _, s := range f.Sections() {
		kind, name, _ := strings.Cut(s.Name(), ":")
		switch kind {
		case "watcher":
			p.watched(f, s, name)
		case "socket":
			host, port := s.Key("host").Value(), s.Key("port").Value()
			if at := s.Key("path").Value(); at != "" {
				p.Flags = append(p.Flags, "--bind=unix:"+at)
			} else {
				p.Flags = append(p.Flags, "--bind="+host+":"+port)
			}
			p.note("[%s]: gounicorn listens itself; a socket for another program has to be that program's", s.Name())
		case "plugin":
			p.note("[%s]: there are no plugins; max_memory takes the place of resource_watcher, ready that of the observers, the back-off that of flapping", s.Name())
		case "env":
			if name == "" {
				p.note("[env]: set the variables where gounicorn is started, or with -e NAME=VALUE")
			}
		}
	}
	return p, nil
}

// watcherNotes are keys of a watcher with the sentence that is said about them.
var watcherNotes = map[string]string{
	"priority":           "programs start by after, which waits until the others are ready",
	"stop_children":      "the stop signal goes to the leader, and KILL to the group",
	"use_sockets":        "programs get no sockets; only the web workers share listeners",
	"on_demand":          "programs are not started by a connection",
	"virtualenv":         "write the path of the virtual environment before the command",
	"copy_path":          "put the folders into PYTHONPATH",
	"uid":                "",
	"warmup_delay":       "set startsecs or ready, and let the next program come after it",
	"send_hup":           `set reload to "HUP"`,
	"stdin_socket":       "programs get no sockets",
	"close_child_stdout": "the lines go to gounicorn's log", "close_child_stderr": "the lines go to gounicorn's log", "close_child_stdin": "",
	"rlimit": "",
}

// watched is one watcher.
func (p *Plan) watched(f *ini.File, s *ini.Section, name string) {
	value := func(key string) string { return p.variables(s.Key(key).Value(), name) }
	command := strings.TrimSpace(value("cmd") + " " + value("args"))
	if p.serve(name, command) {
		if dir := value("working_dir"); dir != "" {
			p.Flags = append(p.Flags, "--chdir="+dir)
		}
		if n := value("numprocesses"); n != "" && n != "1" {
			p.note("%s: numprocesses %s: the number of web workers is --workers", name, n)
		}
		return
	}
	one := Program{Name: name}
	one.setCommand(command, strings.Contains(command, "$GOUNICORN_") || strings.Contains(strings.ToLower(s.Key("cmd").Value()+s.Key("args").Value()), "circus.env."))
	limits := [][2]string{}
	for _, k := range s.Keys() {
		text := value(k.Name())
		switch key := k.Name(); key {
		case "cmd", "args", "copy_env", "stdout_stream.time_format", "stderr_stream.time_format":
		case "shell", "singleton":
			if truth(text) == "True" {
				one.set(key, "True")
			}
		case "autostart":
			if truth(text) == "False" {
				one.set(key, "False")
			}
		case "working_dir":
			one.set("directory", quote(text))
		case "uid":
			one.set("user", quote(text))
		case "gid":
			one.set("group", quote(text))
		case "numprocesses":
			if text != "1" {
				one.set("count", number(text))
			}
		case "stop_signal":
			one.set("stopsignal", quote(text))
		case "graceful_timeout":
			one.set("stopwaitsecs", number(text))
		case "max_retry":
			one.set("startretries", number(text))
		case "max_age":
			one.set("max_age", number(text))
		case "max_age_variance":
			one.set("max_age_jitter", number(text))
		case "respawn":
			if truth(text) == "False" {
				one.set("autorestart", `"never"`)
			}
		case "stdout_stream.filename":
			one.set("logfile", quote(text))
		case "stdout_stream.max_bytes", "stdout_stream.backup_count":
			if s.HasKey("stdout_stream.filename") && text != "0" {
				one.set(map[string]string{"stdout_stream.max_bytes": "logfile_maxbytes", "stdout_stream.backup_count": "logfile_backups"}[key], number(text))
			}
		case "stderr_stream.filename":
			if !s.HasKey("stdout_stream.filename") {
				one.set("logfile", quote(text))
			}
		default:
			switch why, known := watcherNotes[key]; {
			case strings.HasPrefix(key, "rlimit_"):
				limits = append(limits, [2]string{strings.TrimPrefix(key, "rlimit_"), text})
			case strings.HasPrefix(key, "hooks."):
				p.note("%s: %s: there are no hooks for programs; prestart runs commands before the start", name, key)
			case strings.HasPrefix(key, "stdout_stream.") || strings.HasPrefix(key, "stderr_stream."):
				p.streams(name, key, text)
			case known && why != "":
				p.note("%s: %s: %s", name, key, why)
			case !known:
				p.note("%s: %s is not known", name, key)
			}
		}
	}
	if len(limits) > 0 {
		var items []string
		for _, l := range limits {
			items = append(items, quote(l[0])+": "+number(l[1]))
		}
		one.set("limits", "{"+strings.Join(items, ", ")+"}")
	}
	p.environment(f, &one)
	if !s.HasKey("graceful_timeout") {
		one.set("stopwaitsecs", "30") // Circus's default; ours is 10
	}
	one.set("essential", "False") // Circus goes on when a watcher is given up
	p.Programs = append(p.Programs, one)
}

// streams is what a stream of Circus has besides a file.
func (p *Plan) streams(name, key, text string) {
	_, option, _ := strings.Cut(key, ".")
	switch {
	case option == "class" && !strings.Contains(text, "Timed"): // a terminal or a queue, which is our log, or a file
	case option == "class", option == "rotate_when", option == "rotate_interval", option == "utc":
		p.note("%s: %s: files are not rotated by time; let logrotate do it and send USR1", name, key)
	}
}

// environment is what the sections [env:NAME] give a program.
func (p *Plan) environment(f *ini.File, one *Program) {
	var all [][2]string
	for _, s := range f.Sections() {
		names, found := strings.CutPrefix(s.Name(), "env:")
		if !found || !slices.ContainsFunc(strings.Split(names, ","), func(n string) bool { return matches(strings.TrimSpace(n), one.Name) }) {
			continue
		}
		for _, k := range s.Keys() {
			all = append(all, [2]string{k.Name(), k.Value()})
		}
	}
	if len(all) > 0 {
		one.set("environment", dictionary(all))
	}
}

func matches(pattern, name string) bool {
	if prefix, found := strings.CutSuffix(pattern, "*"); found {
		return strings.HasPrefix(name, prefix)
	}
	return pattern == name
}

var circusVariable = regexp.MustCompile(`(?i)\$\((circus\.(?:env|wid|sockets)\.?[A-Za-z0-9_]*)\)|\(\((circus\.(?:env|wid|sockets)\.?[A-Za-z0-9_]*)\)\)`)

// variables replaces what Circus does.
func (p *Plan) variables(text, name string) string {
	return circusVariable.ReplaceAllStringFunc(text, func(found string) string {
		key := strings.ToLower(strings.Trim(found, "$()"))
		switch {
		case key == "circus.wid":
			p.note("%s: %s: processes are counted from 0", name, found)
			return "$GOUNICORN_COMPANION_INDEX"
		case strings.HasPrefix(key, "circus.env."):
			p.note("%s: %s: the variable is inherited from gounicorn; outside of a command it is not replaced", name, found)
			return "$" + strings.ToUpper(strings.TrimPrefix(key, "circus.env."))
		}
		p.note("%s: %s: programs get no sockets", name, found)
		return found
	})
}
