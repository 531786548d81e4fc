package adopt

import (
	"path/filepath"
	"regexp"
	"strings"

	"gopkg.in/ini.v1"
)

// readSupervisord makes a plan of supervisord's sections.
func readSupervisord(f *ini.File, path string) (*Plan, error) {
	p := &Plan{Source: "supervisord"}
	if s, err := f.GetSection("include"); err == nil {
		if err := p.include(f, path, strings.Fields(s.Key("files").Value())); err != nil {
			return nil, err
		}
	}
	for _, s := range f.Sections() {
		kind, name, _ := strings.Cut(s.Name(), ":")
		switch kind {
		case "program":
			p.supervised(s, name, path)
		case "fcgi-program":
			p.note("[%s]: gounicorn holds the sockets of the web workers itself; a FastCGI program needs its own server", s.Name())
		case "eventlistener":
			p.note("[%s]: there are no event listeners; max_memory and ready take the place of memmon and httpok, the log and `gounicornc -c companions -j` that of the rest", s.Name())
		case "group":
			p.note("[%s]: there are no groups; name each program, or use count", s.Name())
		case "unix_http_server", "supervisorctl", "rpcinterface":
			if kind != "rpcinterface" && p.Source != "" {
				p.note("[%s]: gounicornc speaks to the control socket (--control-socket)", s.Name())
			}
		case "inet_http_server":
			p.note("[%s]: there is no control over TCP, on purpose; use gounicornc on the host, by ssh from elsewhere", s.Name())
		case "supervisord":
			p.supervisor(s)
		}
	}
	return p, nil
}

// managerKeys are supervisord's own settings, each with the flag that takes its place or a sentence.
var managerKeys = map[string]struct{ flag, why string }{
	"pidfile":     {"--pid", ""},
	"user":        {"--user", ""},
	"logfile":     {"--error-logfile", ""},
	"directory":   {"--chdir", ""},
	"environment": {"", "set the variables with -e NAME=VALUE, or in the unit"},
	"minfds":      {"", "set the limit where gounicorn is started (LimitNOFILE of the unit), or limits of a program"},
	"minprocs":    {"", "set the limit where gounicorn is started (LimitNPROC of the unit), or limits of a program"},
	"umask":       {"--umask", ""},
	"identifier":  {"--name", ""},
	"loglevel":    {"", "--log-level has debug, info, warning, error and critical"},
	"childlogdir": {"", "programs write to gounicorn's log, or to the file named by logfile"},
}

func (p *Plan) supervisor(s *ini.Section) {
	for _, k := range s.Keys() {
		known, found := managerKeys[k.Name()]
		switch {
		case !found || k.Name() == "user" && k.Value() == "root": // nodaemon, strip_ansi and the like mean nothing here
		case known.flag != "":
			p.Flags = append(p.Flags, known.flag+"="+k.Value())
		default:
			p.note("[supervisord] %s: %s", k.Name(), known.why)
		}
	}
}

// silent are keys of a program that say what gounicorn does anyway, or are the defaults of supervisord.
var silent = map[string]string{
	"redirect_stderr": "", "stdout_logfile_maxbytes": "", "stdout_logfile_backups": "", "stderr_logfile_maxbytes": "", "stderr_logfile_backups": "",
	"killasgroup": "", "process_name": "", "numprocs_start": "",
}

// noEquivalent are keys of a program with the sentence that is said about them.
var noEquivalent = map[string]string{
	"priority":                "programs start by after, which waits until the others are ready",
	"stopasgroup":             "the stop signal goes to the leader, and KILL to the group; with shell = True write exec before the command",
	"stdout_capture_maxbytes": "there are no capture events", "stderr_capture_maxbytes": "there are no capture events",
	"stdout_events_enabled": "there are no log events", "stderr_events_enabled": "there are no log events",
	"stdout_syslog": "gounicorn's log goes to syslog as a whole (--log-syslog)", "stderr_syslog": "gounicorn's log goes to syslog as a whole (--log-syslog)",
	"serverurl": "there is no XML-RPC",
}

// supervised is one program.
func (p *Plan) supervised(s *ini.Section, name, path string) {
	expand := func(text string) string { return p.expand(text, name, path) }
	command := expand(s.Key("command").Value())
	if p.serve(name, command) {
		if user := s.Key("user").Value(); user != "" {
			p.Flags = append(p.Flags, "--user="+user)
		}
		if dir := s.Key("directory").Value(); dir != "" {
			p.Flags = append(p.Flags, "--chdir="+expand(dir))
		}
		return
	}
	one := Program{Name: name}
	one.setCommand(command, strings.Contains(command, "$GOUNICORN_") || strings.Contains(s.Key("command").Value(), "%(ENV_"))
	has := func(key string) bool { return s.HasKey(key) }
	for _, k := range s.Keys() {
		value := expand(k.Value())
		switch key := k.Name(); key {
		case "command":
		case "numprocs":
			if value != "1" {
				one.set("count", number(value))
			}
		case "directory", "user":
			one.set(key, quote(value))
		case "umask":
			one.set("umask", quote(value))
		case "autostart":
			one.set(key, truth(value))
		case "autorestart":
			if value == "unexpected" {
				one.set(key, quote(value))
			} else {
				one.set(key, map[string]string{"True": `"always"`, "False": `"never"`}[truth(value)])
			}
		case "startsecs", "startretries", "stopwaitsecs":
			one.set(key, number(value))
		case "stopsignal":
			one.set(key, quote(value))
		case "exitcodes":
			var codes []string
			for _, code := range split(value) {
				codes = append(codes, number(code))
			}
			one.set(key, "["+strings.Join(codes, ", ")+"]")
		case "environment":
			one.set("environment", dictionary(pairs(value)))
		case "stdout_logfile", "stderr_logfile":
			p.logTo(&one, s, key, value)
		default:
			_, quiet := silent[key]
			why, known := noEquivalent[key]
			switch {
			case known && truth(value) == "True" || known && key == "priority":
				p.note("%s: %s: %s", name, key, why)
			case !known && !quiet:
				p.note("%s: %s is not known", name, key)
			}
		}
	}
	if !has("autorestart") {
		one.set("autorestart", `"unexpected"`) // supervisord's default; ours is always
	}
	one.set("essential", "False") // supervisord goes on when a program is given up
	p.Programs = append(p.Programs, one)
}

// logTo is where the output of a program goes.
func (p *Plan) logTo(one *Program, s *ini.Section, key, value string) {
	switch value {
	case "AUTO", "NONE", "syslog", "/dev/stdout", "/dev/stderr", "/dev/fd/1", "/dev/fd/2", "":
		if value == "NONE" {
			p.note("%s: %s: the lines go to gounicorn's log; nothing is thrown away", one.Name, key)
		}
		return // our log
	}
	if key == "stderr_logfile" && s.HasKey("stdout_logfile") {
		p.note("%s: %s: both streams of a program go to one file", one.Name, key)
		return
	}
	one.set("logfile", quote(value))
	most, backups := "50MB", "10" // supervisord's defaults
	if s.HasKey(key + "_maxbytes") {
		most = s.Key(key + "_maxbytes").Value()
	}
	if s.HasKey(key + "_backups") {
		backups = s.Key(key + "_backups").Value()
	}
	if most != "0" { // never
		one.set("logfile_maxbytes", number(most))
		one.set("logfile_backups", number(backups))
	}
}

var variableText = regexp.MustCompile(`%\(([A-Za-z_0-9]+)\)[0-9]*[sd]`)

// expand replaces what supervisord does: %(here)s, %(program_name)s, %% and, by a note, variables.
func (p *Plan) expand(text, name, path string) string {
	text = variableText.ReplaceAllStringFunc(text, func(found string) string {
		key := variableText.FindStringSubmatch(found)[1]
		switch {
		case key == "here":
			if here, err := filepath.Abs(filepath.Dir(path)); err == nil {
				return here
			}
		case key == "program_name" || key == "group_name":
			return name
		case key == "process_num":
			return "$GOUNICORN_COMPANION_INDEX"
		case strings.HasPrefix(key, "ENV_"):
			p.note("%s: %s: the variable is inherited from gounicorn; outside of a command it is not replaced", name, found)
			return "$" + strings.TrimPrefix(key, "ENV_")
		}
		p.note("%s: %s is not known", name, found)
		return found
	})
	return strings.ReplaceAll(text, "%%", "%")
}

// split splits at commas and blanks.
func split(text string) []string {
	return strings.FieldsFunc(text, func(r rune) bool { return r == ',' || r == ' ' || r == '\t' || r == '\n' })
}

// pairs reads KEY="value",KEY2='v',KEY3=v, with lines between them.
func pairs(text string) (all [][2]string) {
	for text = strings.TrimLeft(text, " \t\r\n,"); text != ""; text = strings.TrimLeft(text, " \t\r\n,") {
		name, rest, found := strings.Cut(text, "=")
		if !found {
			break
		}
		rest = strings.TrimLeft(rest, " \t")
		var value string
		if rest != "" && (rest[0] == '"' || rest[0] == '\'') {
			var more string
			value, more, _ = strings.Cut(rest[1:], rest[:1])
			text = more
		} else {
			value, text, _ = strings.Cut(rest, ",")
			value = strings.TrimSpace(value)
		}
		all = append(all, [2]string{strings.TrimSpace(name), value})
	}
	return all
}
