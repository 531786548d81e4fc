package settings

import (
	"encoding/json"
	"errors"
	"fmt"
	"path/filepath"
	"strings"
)

// The variables that hold flags, the second above the first.
const (
	gunicornArgs  = "GUNICORN_CMD_ARGS"
	gounicornArgs = "GOUNICORN_CMD_ARGS"
)

// ErrHelp and ErrVersion are the results of ParseCommand when the user asked
// for --help or --version: the caller prints it and exits with status 0.
var (
	ErrHelp    = errors.New("help asked for")
	ErrVersion = errors.New("version asked for")
)

// UsageError is a command line that cannot be read: an unknown flag, a flag
// without its value, letters for a number. The exit status is 2 and the usage
// is printed before it, as argparse does.
type UsageError struct {
	Text string
}

// Error says what is wrong, and with which flag.
func (e *UsageError) Error() string { return e.Text }

// ExitCode is the exit status of the process, 2.
func (e *UsageError) ExitCode() int { return 2 }

// ValueError is a setting with a value it cannot have. The exit status is 1.
type ValueError struct {
	Setting *Setting
	From    Origin
	Value   string
	Problem string // what is right, or a clause beginning with "it"
}

// Error begins as gunicorn's message does, and adds where the value came from
// and the fix.
func (e *ValueError) Error() string {
	value := e.Value
	if value == "" {
		value = "''"
	}
	return fmt.Sprintf("Invalid value for %s: %s%s: %s", e.Setting.Name, value, e.From.suffix(), e.Problem)
}

// ExitCode is the exit status of the process, 1.
func (e *ValueError) ExitCode() int { return 1 }

// RefusedError is a setting of gunicorn that gounicorn does not have. The exit
// status is 1.
type RefusedError struct {
	Setting *Setting
	From    Origin
	Value   string
}

// Error says what to use instead.
func (e *RefusedError) Error() string {
	return fmt.Sprintf("%s %s%s is not supported: %s", e.Setting.Name, e.Value, e.From.suffix(), e.Setting.Note)
}

// ExitCode is the exit status of the process, 1.
func (e *RefusedError) ExitCode() int { return 1 }

// variableError is a variable whose flags cannot be split into words, which
// gunicorn too ends with status 1.
type variableError struct {
	name string
	err  error
}

func (e *variableError) Error() string { return e.name + ": " + e.err.Error() }
func (e *variableError) Unwrap() error { return e.err }

// ExitCode is the exit status of the process, 1.
func (e *variableError) ExitCode() int { return 1 }

// Command is what the command line and the environment say. It does not
// change; Finish may be called for each reading of the config file.
type Command struct {
	Config    string // the location given with -c, "" for none; see ConfigLocation
	Python    string // the setting python, which is needed to read the config file
	WorkerBin string // the setting worker_bin, likewise
	Paste     string // --paste of the command line, "" for none
	App       string // the first positional argument

	env   func(string) (string, bool)
	given []given // in rising precedence
}

// given is one flag with its value.
type given struct {
	setting *Setting
	value   string
	from    Origin
}

// ParseCommand reads the arguments (without the program's name) and the
// environment. The error is ErrHelp, ErrVersion, a *UsageError, or another one
// with the method ExitCode; values are checked by Finish.
func ParseCommand(args []string, env func(string) (string, bool)) (*Command, error) {
	c := &Command{env: env}
	own, app, err := parseArgs(args, FromCommandLine)
	if err != nil {
		return nil, err
	}
	c.App = app
	for _, g := range own {
		if g.setting.Name == "paste" {
			c.Paste = g.value
		}
	}
	for _, layer := range []struct {
		name  string
		layer Layer
	}{{gunicornArgs, FromGunicornArgs}, {gounicornArgs, FromGounicornArgs}} {
		text, _ := env(layer.name)
		words, err := SplitWords(text)
		if err != nil {
			return nil, &variableError{layer.name, err}
		}
		flags, _, err := parseArgs(words, layer.layer)
		if err != nil {
			var usage *UsageError
			if errors.As(err, &usage) {
				usage.Text = layer.name + ": " + usage.Text
			}
			return nil, err
		}
		c.given = append(c.given, flags...)
	}
	c.given = append(c.given, own...)
	c.Config, c.Python, c.WorkerBin = c.early("config"), c.early("python"), c.early("worker_bin")
	return c, nil
}

// early returns the value of a setting that no config file sets.
func (c *Command) early(name string) string {
	value := ""
	for _, variable := range Lookup(name).EnvNames() {
		if text, _ := c.env(variable); text != "" {
			value = text
		}
	}
	for _, g := range c.given {
		if g.setting.Name == name && g.value != "" {
			value = g.value
		}
	}
	return value
}

// Parse reads the settings from the arguments and the environment alone,
// without a config file.
func Parse(args []string, env func(string) (string, bool)) (Values, error) {
	c, err := ParseCommand(args, env)
	if err != nil {
		return Values{}, err
	}
	return c.Finish(nil)
}

// ConfigLocation returns what the config file is when started in dir: the
// absolute path of a file, "python:" and a module, or "" for none. exists
// reports whether there is a file with that absolute path.
func (c *Command) ConfigLocation(dir string, exists func(path string) bool) (string, error) {
	if c.Config == "" {
		for _, name := range []string{ownFile, "gunicorn.conf.py"} {
			if path := filepath.Join(dir, name); exists(path) {
				return path, nil
			}
		}
		return "", nil
	}
	if strings.HasPrefix(c.Config, "python:") {
		return c.Config, nil
	}
	path := strings.TrimPrefix(c.Config, "file:")
	if !filepath.IsAbs(path) {
		path = filepath.Join(dir, path)
	}
	if !exists(path) {
		return "", fmt.Errorf("%s doesn't exist; it was named with --config", reprString(strings.TrimPrefix(c.Config, "file:")))
	}
	return path, nil
}

// Finish returns the complete and checked values, from the lowest layer to the
// highest: default, environment, framework, config file, GUNICORN_CMD_ARGS,
// GOUNICORN_CMD_ARGS, command line. An error has the method ExitCode.
func (c *Command) Finish(file *File) (Values, error) {
	v := defaults()
	v.defaultControlSocket(c.env)
	if err := v.fromEnv(c.env); err != nil {
		return Values{}, err
	}
	if name := c.processName(); name != "" {
		v.DefaultProcName = name
		v.origins["default_proc_name"] = Origin{Layer: FromFramework, Name: "the application"}
	}
	if err := file.apply(&v); err != nil {
		return Values{}, err
	}
	if err := c.apply(&v); err != nil {
		return Values{}, err
	}
	if err := v.finish(); err != nil {
		return Values{}, err
	}
	return v, nil
}

// processName is what gunicorn calls its processes when nobody says: the
// application, or the file of PasteDeploy.
func (c *Command) processName() string {
	if path, _, _ := strings.Cut(c.Paste, "#"); path != "" {
		return path
	}
	return c.App
}

// apply gives v what the flags say, layer by layer: all values of a list, of
// another flag the last.
func (c *Command) apply(v *Values) error {
	type place struct {
		setting *Setting
		layer   Layer
	}
	last := make(map[place]int)
	for i, g := range c.given {
		last[place{g.setting, g.from.Layer}] = i
	}
	seen := make(map[place]bool)
	for i, g := range c.given {
		s, at := g.setting, place{g.setting, g.from.Layer}
		if s.Kind != List && s.Kind != Bind && last[at] != i {
			continue
		}
		add := seen[at]
		seen[at] = true
		if err := s.assign(v, g.value, add); err != nil {
			return &ValueError{Setting: s, From: g.from, Value: g.value, Problem: err.Error()}
		}
		v.origins[s.Name] = g.from
	}
	if c.App != "" {
		v.WSGIApp = c.App // as it is, blanks and all
		v.origins["wsgi_app"] = Origin{Layer: FromCommandLine, Name: "the command line"}
	}
	return nil
}

// fromEnv applies the environment variables. An empty variable is an unset
// one, because a container's environment often has it so, but where gunicorn
// makes something of an empty one it counts.
func (v *Values) fromEnv(env func(string) (string, bool)) error {
	for i := range All {
		s := &All[i]
		for _, name := range s.EnvNames() {
			text, found := env(name)
			if text == "" && !(found && s.Empty && name == s.Env) {
				continue
			}
			from := Origin{Layer: FromEnv, Name: name}
			switch name {
			case "PORT":
				text = "0.0.0.0:" + text
			case "SENDFILE": // gunicorn: everything but these words is off
				text = fmt.Sprint(strings.Contains(" y 1 yes true ", " "+strings.ToLower(text)+" "))
			}
			items := []string{text}
			if s.Kind == List || s.Kind == Bind {
				var err error
				if items, err = SplitWords(text); err != nil {
					return &ValueError{Setting: s, From: from, Value: text, Problem: err.Error()}
				}
			}
			for j, item := range items {
				if err := s.assign(v, item, j > 0); err != nil {
					return &ValueError{Setting: s, From: from, Value: string(s.conceal(json.RawMessage(text))), Problem: err.Error()}
				}
			}
			v.origins[s.Name] = from
		}
	}
	return nil
}

// defaultControlSocket is where gunicorn has it.
func (v *Values) defaultControlSocket(env func(string) (string, bool)) {
	if dir, _ := env("XDG_RUNTIME_DIR"); dir != "" {
		v.ControlSocket = filepath.Join(dir, "gunicorn.ctl")
	} else if home, _ := env("HOME"); home != "" {
		v.ControlSocket = filepath.Join(home, ".gunicorn", "gunicorn.ctl")
	}
}

// defaults returns the defaults of the table. A test knows that they are legal.
func defaults() Values {
	v := Values{origins: make(map[string]Origin, len(All)), hooks: map[string]Callable{}, dicts: map[string]json.RawMessage{}}
	for i := range All {
		s := &All[i]
		if s.Default != "" {
			if err := s.assign(&v, s.Default, false); err != nil {
				panic(fmt.Sprintf("settings: default of %s: %v", s.Name, err))
			}
		}
	}
	return v
}
