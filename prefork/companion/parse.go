package companion

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

// Context is what Parse needs to know besides the dictionary.
type Context struct {
	Env       []string // what programs inherit
	Directory string   // where they run, and what relative paths count from
	UID       int      // who we are when programs are started
	Bin       string   // folder that is put first on PATH unless it is there; "": none
	Split     func(command string) ([]string, error)
}

// Bounds of a configuration; they are there to catch slips.
const (
	maxPrograms = 100
	maxCount    = 100
	maxName     = 64
)

// Defaults, which are supervisord's where nothing else is said.
const (
	defaultStart    = time.Second
	defaultRetries  = 3
	defaultGrace    = 10 * time.Second
	defaultCheck    = 500 * time.Millisecond
	defaultReady    = 60 * time.Second
	defaultHealth   = 10 * time.Second
	defaultFailures = 3
	maxBackups      = 1000
	maxWait         = 10 * 365 * 24 * time.Hour
	maxMemorySuffix = 40 // bits
)

// Parse reads the dictionary of programs: names, each with a command or a dictionary of the keys of the table keys. The programs come in an
// order in which each one stands after those that it needs. An error names program and key.
func Parse(document []byte, c Context) ([]Program, error) {
	var entries map[string]json.RawMessage
	if len(document) == 0 {
		return nil, nil
	}
	if err := json.Unmarshal(document, &entries); err != nil {
		return nil, errors.New(`it must be a dictionary of programs, such as {"worker": {"command": "celery -A proj worker"}}`)
	}
	if len(entries) > maxPrograms {
		return nil, fmt.Errorf("it has %d programs, and %d are the most", len(entries), maxPrograms)
	}
	var programs []Program
	for _, name := range slices.Sorted(maps.Keys(entries)) {
		p, err := parseProgram(name, entries[name], c)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", name, err)
		}
		programs = append(programs, p)
	}
	return arrange(programs)
}

func parseProgram(name string, raw json.RawMessage, c Context) (Program, error) {
	if err := checkName(name); err != nil {
		return Program{}, err
	}
	d := draft{context: c, Program: Program{
		Name: name, Umask: -1, Count: 1, Autostart: true, Restart: Always, ExitCodes: []int{0}, StartTime: defaultStart, Retries: defaultRetries,
		Essential: true, Directory: c.Directory, OnReload: ReloadKeep,
	}}
	var values map[string]json.RawMessage
	if text := bytes.TrimSpace(raw); len(text) > 0 && (text[0] == '"' || text[0] == '[') {
		values = map[string]json.RawMessage{"command": raw}
	} else if err := json.Unmarshal(raw, &values); err != nil || values == nil {
		return Program{}, errors.New("it must be a command or a dictionary with the key command")
	}
	for _, key := range slices.Sorted(maps.Keys(values)) {
		read, known := keys[key]
		if !known {
			return Program{}, fmt.Errorf("there is no key %q; the keys are %s", key, strings.Join(slices.Sorted(maps.Keys(keys)), ", "))
		}
		if string(values[key]) == "null" {
			continue
		}
		if err := read(&d, values[key]); err != nil {
			return Program{}, fmt.Errorf("%s: %w", key, err)
		}
	}
	if err := d.finish(values); err != nil {
		return Program{}, err
	}
	return d.Program, nil
}

func checkName(name string) error {
	if name == "" || len(name) > maxName {
		return fmt.Errorf("a name has 1 to %d letters", maxName)
	}
	for _, r := range name {
		if !(r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || strings.ContainsRune("-_.", r)) {
			return fmt.Errorf("%q in the name: letters, digits, -, _ and . are allowed", r)
		}
	}
	return nil
}

// draft is a program whose keys are being read.
type draft struct {
	Program
	context     Context
	command     json.RawMessage
	shell       bool
	environment map[string]string
	files       []string
	user, group string
	stopSignal  string
	stopWait    time.Duration
	every       json.RawMessage
	jitter      time.Duration
	timeout     time.Duration
}

// finish checks what concerns several keys.
func (d *draft) finish(given map[string]json.RawMessage) (err error) {
	has := func(key string) bool { _, ok := given[key]; return ok }
	if d.command == nil {
		return errors.New(`the key command is missing: what is to be run, such as "celery -A proj worker"`)
	}
	if d.Args, err = d.words(d.command, d.shell); err != nil {
		return fmt.Errorf("command: %w", err)
	}
	if !filepath.IsAbs(d.Directory) {
		d.Directory = filepath.Join(d.context.Directory, d.Directory)
	}
	if d.LogFile != "" && !filepath.IsAbs(d.LogFile) {
		d.LogFile = filepath.Join(d.Directory, d.LogFile)
	}
	if d.LogFile == "" && (has("logfile_maxbytes") || has("logfile_backups")) {
		return errors.New("logfile_maxbytes, logfile_backups: they are for a program with logfile; the log of the server is not rotated by size")
	}
	if d.Lock != "" && !filepath.IsAbs(d.Lock) {
		d.Lock = filepath.Join(d.Directory, d.Lock)
	}
	if len(d.Stop) > 0 && (has("stopsignal") || has("stopwaitsecs")) {
		return errors.New("stop: it takes the place of stopsignal and stopwaitsecs; leave those out")
	}
	if len(d.Stop) == 0 {
		step := StopStep{Wait: defaultGrace}
		if has("stopwaitsecs") {
			step.Wait = d.stopWait
		}
		if d.stopSignal == "" {
			d.stopSignal = "TERM"
		}
		if step.Signal, err = parseSignal(d.stopSignal); err != nil {
			return fmt.Errorf("stopsignal: %w", err)
		}
		d.Stop = []StopStep{step}
	}
	if d.Singleton && d.Count != 1 {
		return errors.New("singleton: a program of which there is one has count 1")
	}
	switch {
	case has("every"):
		if err := d.finishTimer(has); err != nil {
			return err
		}
	case has("jitter") || has("timeout"):
		return errors.New("jitter, timeout: these are for a program with every; max_age_jitter is that of max_age")
	}
	if has("max_age_jitter") && d.MaxAge == 0 {
		return errors.New("max_age_jitter: it adds to max_age, which is not there")
	}
	if err := d.own(); err != nil {
		return err
	}
	return d.environ()
}

func (d *draft) finishTimer(has func(string) bool) error {
	for _, key := range []string{"autorestart", "startretries", "ready", "health", "max_age", "startsecs"} {
		if has(key) {
			return fmt.Errorf("%s: it is for programs that run all the time; leave it out beside every", key)
		}
	}
	t, err := parseTimer(d.every)
	if err != nil {
		return fmt.Errorf("every: %w", err)
	}
	t.Jitter, t.Timeout = d.jitter, d.timeout
	d.Timer, d.StartTime = t, 0
	if !has("essential") {
		d.Essential = false // the next run may succeed
	}
	return nil
}

// arrange puts programs behind those that they need.
func arrange(programs []Program) ([]Program, error) {
	byName := map[string]Program{}
	for _, p := range programs {
		byName[p.Name] = p
	}
	var sorted []Program
	const visiting, visited = 1, 2
	marks := map[string]int{}
	var visit func(p Program) error
	visit = func(p Program) error {
		switch marks[p.Name] {
		case visited:
			return nil
		case visiting:
			return fmt.Errorf("%s: after: it waits for itself, by way of others perhaps; take one name out", p.Name)
		}
		marks[p.Name] = visiting
		for _, name := range p.After {
			other, found := byName[name]
			if !found {
				return fmt.Errorf("%s: after: there is no program %q", p.Name, name)
			}
			if other.Timer != nil {
				return fmt.Errorf("%s: after: %s is a timer, which is never ready", p.Name, name)
			}
			if err := visit(other); err != nil {
				return err
			}
		}
		marks[p.Name] = visited
		sorted = append(sorted, p)
		return nil
	}
	for _, p := range programs {
		if err := visit(p); err != nil {
			return nil, err
		}
	}
	return sorted, nil
}
