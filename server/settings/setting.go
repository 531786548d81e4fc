package settings

import (
	"slices"
	"strings"
)

// Kind says how the text of a setting becomes a value, and which Go type the
// field of Values has.
type Kind uint8

// The kinds, with the Go type of their field.
const (
	Bool    Kind = iota + 1 // bool; a flag without a value
	Int                     // int; decimal
	Auto                    // int; decimal, or "auto" which is 0
	Seconds                 // time.Duration; seconds, with a fraction if need be
	Bytes                   // int64; bytes, with a suffix K, M or G if need be
	String                  // string
	Path                    // string; a file or folder
	List                    // []string; a flag that may be repeated
	Comma                   // []string; one value, split at commas
	Bind                    // []Address; a flag that may be repeated
	Listen                  // Address; "" is none
	Octal                   // int; octal with a leading 0, else decimal
	IPs                     // IPSet; addresses and networks, separated by commas
	Dict                    // map[string]string; a dictionary in the config file, JSON elsewhere
	JSON                    // json.RawMessage; a dictionary in the config file, JSON elsewhere
	Class                   // string; the dotted name of a class, in the config file also the class
	Hook                    // Callable, no field, see Values.Hook; a function in the config file
)

// kindNames are the words used for a kind in messages and documents.
var kindNames = [...]string{
	Bool: "switch", Int: "whole number", Auto: "whole number or auto",
	Seconds: "seconds", Bytes: "size", String: "text", Path: "path",
	List: "text, repeatable", Comma: "comma-separated list",
	Bind: "address, repeatable", Listen: "address", Octal: "octal number", IPs: "addresses and networks",
	Dict: "dictionary", JSON: "dictionary", Class: "class", Hook: "function",
}

// String names the kind as the documents do.
func (k Kind) String() string {
	if int(k) < len(kindNames) {
		return kindNames[k]
	}
	return ""
}

// Reload says what has to happen for a changed value to take effect.
type Reload string

// The reload classes.
const (
	Live    Reload = "live"    // the master applies it at once
	Worker  Reload = "worker"  // new workers have it
	Restart Reload = "restart" // only a new master has it
)

// Status says what gounicorn does with a setting.
type Status string

// The statuses.
const (
	Works    Status = "works"    // does what Help says
	Accepted Status = "accepted" // read and checked, without effect; Note says why, once, when it is set
	Later    Status = "later"    // refused when it is set; Note says what to use instead
)

// Source says whose setting it is.
type Source string

// The sources.
const (
	Gunicorn  Source = "gunicorn"
	Gounicorn Source = "gounicorn"
)

// Setting is one row of the table.
type Setting struct {
	Name    string   // as in gunicorn's config file, e.g. "graceful_timeout"
	Section string   // heading in --help and SETTINGS.md
	Flags   []string // e.g. "-w", "--workers"; empty if there is no flag
	Kind    Kind
	Default string   // as the user would type it; lists are one item
	Const   string   // what the flag means without a value: a flag with an optional one, or a switch that switches off
	Blank   bool     // gunicorn's default is an empty text where others have None
	Metavar string   // the placeholder of the value in --help; the arguments of a Hook
	Arity   []int    // how many arguments a Hook may take
	Env     string   // a variable that sets it besides the derived GOUNICORN_<NAME>
	Empty   bool     // Env counts even when it is empty
	Choices []string // the legal values, if there are few
	Min     int64    // smallest legal number: Int, Auto and Octal in units, Seconds in seconds, Bytes in bytes
	Max     int64    // largest number with an effect, 0 if none; larger ones are lowered to it
	Outside bool     // needed before the config file is read, or no setting in gunicorn: the file cannot set it
	Plain   bool     // a config file may also write the name without the prefix, although gunicorn has no such setting
	Secret  string   // key of a dictionary inside the value whose values are never shown
	Reload  Reload
	Status  Status
	Origin  Source
	Since   string // the first version with the setting
	Help    string // first sentence: what it is; then why, zero, and differences from gunicorn
	Note    string // Accepted: why it has no effect; Later: what to use instead. A clause without a full stop
	Differs string // why default or flags are not gunicorn's, "" where they are
}

// FileName is the name of s in a config file that may have been written for
// gunicorn.
func (s *Setting) FileName() string {
	if s.Origin == Gounicorn {
		return ownPrefix + s.Name
	}
	return s.Name
}

// EnvNames returns the environment variables that set s, the derived name
// last, which is also the one that wins.
func (s *Setting) EnvNames() []string {
	if s.Kind == Hook {
		return nil // a function cannot be written in a variable
	}
	derived := "GOUNICORN_" + strings.ToUpper(s.Name)
	if s.Env == "" || s.Env == derived {
		return []string{derived}
	}
	return []string{s.Env, derived}
}

// label names the setting in a message: its flags, or its name.
func (s *Setting) label() string {
	if len(s.Flags) == 0 {
		return s.Name
	}
	return strings.Join(s.Flags, "/")
}

// takesValue reports whether the flag of s is followed by a value, which may
// be optional.
func (s *Setting) takesValue() bool { return s.Kind != Bool }

// optional reports whether that value may be left out.
func (s *Setting) optional() bool { return s.takesValue() && s.Const != "" }

// Lookup returns the row with that name, or nil.
func Lookup(name string) *Setting {
	i := slices.IndexFunc(All, func(s Setting) bool { return s.Name == name })
	if i < 0 {
		return nil
	}
	return &All[i]
}
