package settings

import (
	"errors"
	"fmt"
	"slices"
	"strings"
)

// The variables that hold flags, the second above the first.
const (
	gunicornArgs  = "GUNICORN_CMD_ARGS"
	gounicornArgs = "GOUNICORN_CMD_ARGS"
)

// ErrHelp and ErrVersion are the results of Parse when the user asked for
// --help or --version: the caller prints it and exits with status 0.
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
	Problem string // a clause beginning with "it"
}

// Error names the setting, the value, where it came from and the fix.
func (e *ValueError) Error() string {
	from := ""
	if e.From.Layer != FromDefault {
		from = " (from " + e.From.String() + ")"
	}
	return fmt.Sprintf("invalid value for %s: %q%s: %s", e.Setting.Name, e.Value, from, e.Problem)
}

// ExitCode is the exit status of the process, 1.
func (e *ValueError) ExitCode() int { return 1 }

// Parse reads the settings from the arguments (without the program's name)
// and the environment. The error is ErrHelp, ErrVersion, a *UsageError or a
// *ValueError.
func Parse(args []string, env func(string) (string, bool)) (Values, error) {
	var v Values
	v.origins = make(map[string]Origin, len(All))
	for i := range All {
		s := &All[i]
		if s.Default != "" {
			if err := s.assign(&v, s.Default, false); err != nil {
				return Values{}, &ValueError{Setting: s, Value: s.Default, Problem: err.Error()}
			}
		}
	}
	if err := v.fromEnv(env); err != nil {
		return Values{}, err
	}
	for _, layer := range []struct {
		name  string
		layer Layer
	}{{gunicornArgs, FromGunicornArgs}, {gounicornArgs, FromGounicornArgs}} {
		text, _ := env(layer.name)
		words, err := shellSplit(text)
		if err != nil {
			return Values{}, &UsageError{Text: fmt.Sprintf("%s: %v", layer.name, err)}
		}
		if err := v.fromArgs(words, layer.layer); err != nil {
			return Values{}, err
		}
	}
	if err := v.fromArgs(args, FromCommandLine); err != nil {
		return Values{}, err
	}
	if err := v.finish(); err != nil {
		return Values{}, err
	}
	return v, nil
}

// fromEnv applies the environment variables. An empty variable is an unset
// one, because a container's environment often has it so.
func (v *Values) fromEnv(env func(string) (string, bool)) error {
	for i := range All {
		s := &All[i]
		for _, name := range s.EnvNames() {
			text, _ := env(name)
			if text == "" {
				continue
			}
			from := Origin{Layer: FromEnv, Name: name}
			if name == "PORT" {
				text = "0.0.0.0:" + text
			}
			items := []string{text}
			if s.Kind == List || s.Kind == Bind {
				var err error
				if items, err = shellSplit(text); err != nil {
					return &ValueError{Setting: s, From: from, Value: text, Problem: err.Error()}
				}
			}
			for j, item := range items {
				if err := s.assign(v, item, j > 0); err != nil {
					return &ValueError{Setting: s, From: from, Value: text, Problem: err.Error()}
				}
			}
			v.origins[s.Name] = from
		}
	}
	return nil
}

// fromArgs applies one list of arguments. The positional ones count on the
// command line only, and of them the first.
func (v *Values) fromArgs(args []string, layer Layer) error {
	app := ""
	seen := make(map[string]bool)
	for i := 0; i < len(args); i++ {
		arg := args[i]
		if arg == "--" {
			if app == "" && i+1 < len(args) {
				app = args[i+1]
			}
			break
		}
		if !looksLikeFlag(arg) {
			if app == "" {
				app = arg
			}
			continue
		}
		consumed, err := v.flag(arg, args[i+1:], layer, seen)
		if err != nil {
			return err
		}
		i += consumed
	}
	if app != "" && layer == FromCommandLine {
		s := Lookup("wsgi_app")
		from := Origin{Layer: layer, Name: "the command line"}
		if err := s.assign(v, app, false); err != nil {
			return &ValueError{Setting: s, From: from, Value: app, Problem: err.Error()}
		}
		v.origins[s.Name] = from
	}
	return nil
}

// looksLikeFlag follows argparse: a lone "-" is a value, and so is a negative
// number or a word with a space in it.
func looksLikeFlag(arg string) bool {
	if len(arg) < 2 || arg[0] != '-' {
		return false
	}
	if arg[1] >= '0' && arg[1] <= '9' || arg[1] == '.' {
		return false
	}
	name, _, _ := strings.Cut(arg, "=")
	return !strings.Contains(name, " ") || len(arg) > 2 && arg[1] != '-' && findShort(arg[:2]) != nil
}

// flag applies the flag in arg, which may be several short ones in one word,
// and reports how many of the following words it took as value.
func (v *Values) flag(arg string, rest []string, layer Layer, seen map[string]bool) (int, error) {
	for {
		name, value, hasValue, err := splitFlag(arg)
		if err != nil {
			return 0, err
		}
		switch name {
		case "-h", "--help":
			return 0, ErrHelp
		case "-v", "--version":
			return 0, ErrVersion
		}
		s := findFlag(name)
		if s == nil {
			return 0, &UsageError{Text: "unrecognized arguments: " + arg}
		}
		consumed, more := 0, ""
		switch {
		case !s.takesValue():
			if hasValue && len(name) == 2 && !strings.HasPrefix(arg[2:], "=") {
				more = "-" + value // -Dw4: the letters after a switch are flags
			} else if hasValue {
				return 0, &UsageError{Text: fmt.Sprintf("argument %s: ignored explicit argument %q", s.label(), value)}
			}
			value = "true"
		case !hasValue:
			if len(rest) == 0 || looksLikeFlag(rest[0]) || rest[0] == "--" {
				return 0, &UsageError{Text: fmt.Sprintf("argument %s: expected one argument", s.label())}
			}
			value, consumed = rest[0], 1
		}
		from := Origin{Layer: layer, Name: name}
		if err := s.assign(v, value, seen[s.Name]); err != nil {
			var bad malformed
			if errors.As(err, &bad) {
				return 0, &UsageError{Text: fmt.Sprintf("argument %s: invalid value %q: %s", s.label(), value, bad.text)}
			}
			return 0, &ValueError{Setting: s, From: from, Value: value, Problem: err.Error()}
		}
		seen[s.Name] = true
		v.origins[s.Name] = from
		if more == "" {
			return consumed, nil
		}
		arg = more
	}
}

// splitFlag finds the full name of the flag in arg and the value written in
// the same word.
func splitFlag(arg string) (name, value string, hasValue bool, err error) {
	if !strings.HasPrefix(arg, "--") {
		name = arg[:2]
		if len(arg) > 2 {
			return name, strings.TrimPrefix(arg[2:], "="), true, nil
		}
		return name, "", false, nil
	}
	name, value, hasValue = strings.Cut(arg, "=")
	if slices.Contains(longFlags, name) {
		return name, value, hasValue, nil
	}
	var matches []string
	for _, f := range longFlags {
		if strings.HasPrefix(f, name) {
			matches = append(matches, f)
		}
	}
	switch len(matches) {
	case 0:
		return "", "", false, &UsageError{Text: "unrecognized arguments: " + arg}
	case 1:
		return matches[0], value, hasValue, nil
	}
	return "", "", false, &UsageError{Text: fmt.Sprintf("ambiguous option: %s could match %s", name, strings.Join(matches, ", "))}
}

// longFlags are the names that a prefix is compared with.
var longFlags = func() []string {
	names := []string{"--help", "--version"}
	for _, s := range All {
		for _, f := range s.Flags {
			if strings.HasPrefix(f, "--") {
				names = append(names, f)
			}
		}
	}
	return names
}()

// findFlag returns the row with that flag, or nil.
func findFlag(name string) *Setting {
	for i := range All {
		if slices.Contains(All[i].Flags, name) {
			return &All[i]
		}
	}
	return nil
}

// findShort is findFlag for a flag of one letter, help and version included.
func findShort(name string) *Setting {
	if name == "-h" || name == "-v" {
		return &All[0]
	}
	return findFlag(name)
}
