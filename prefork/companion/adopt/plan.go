package adopt

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"gopkg.in/ini.v1"
)

// Bounds of what is read.
const (
	maxFile  = 1 << 20 // bytes
	maxFiles = 100
)

// Plan is what a file means here.
type Plan struct {
	Source   string // supervisord or circus
	Programs []Program
	Web      []string // commands of web servers, which gounicorn takes the place of
	Flags    []string // of gounicorn, as on a command line
	Notes    []string // what has no equivalent, and what to look at
}

// Program is one companion.
type Program struct {
	Name string
	Keys []Key // in the order in which they are to be shown
}

// Key is one key of a program with its value as Python writes it.
type Key struct{ Name, Value string }

func (p *Program) set(name, value string) { p.Keys = append(p.Keys, Key{name, value}) }

// note adds a sentence, once.
func (p *Plan) note(format string, args ...any) {
	if text := fmt.Sprintf(format, args...); !slices.Contains(p.Notes, text) {
		p.Notes = append(p.Notes, text)
	}
}

// Read reads a file and those that it includes.
func Read(path string) (*Plan, error) {
	f, err := load(path)
	if err != nil {
		return nil, err
	}
	for _, s := range f.Sections() {
		switch name, _, _ := strings.Cut(s.Name(), ":"); {
		case name == "circus" || name == "watcher":
			return readCircus(f, path)
		case name == "supervisord" || name == "program" || name == "fcgi-program" || name == "eventlistener":
			return readSupervisord(f, path)
		}
	}
	return nil, fmt.Errorf("%s has neither a section [program:…] of supervisord nor [watcher:…] of Circus", path)
}

// load reads one file by the rules of Python's configparser, which both managers use: values go on in lines that are indented, a comment
// begins with ; or # after a blank, and quotes are part of the value.
func load(path string) (*ini.File, error) {
	st, err := os.Stat(path)
	switch {
	case err != nil:
		return nil, err
	case !st.Mode().IsRegular():
		return nil, fmt.Errorf("%s is no file", path)
	case st.Size() > maxFile:
		return nil, fmt.Errorf("%s has %d bytes, and %d are the most", path, st.Size(), maxFile)
	}
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	f, err := parse(text)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return f, nil
}

func parse(text []byte) (*ini.File, error) {
	if len(text) > maxFile {
		return nil, errors.New("it is too large")
	}
	return ini.LoadSources(ini.LoadOptions{
		AllowPythonMultilineValues: true, SpaceBeforeInlineComment: true, PreserveSurroundedQuote: true, IgnoreContinuation: true,
		AllowBooleanKeys: true, UnescapeValueDoubleQuotes: false, KeyValueDelimiters: "=:", AllowShadows: false,
	}, text)
}

// include adds the files of patterns, which count from the folder of the file that names them.
func (p *Plan) include(into *ini.File, from string, patterns []string) error {
	count := 0
	for _, pattern := range patterns {
		full := pattern
		if !filepath.IsAbs(full) {
			full = filepath.Join(filepath.Dir(from), pattern)
		}
		names, err := filepath.Glob(full)
		if err != nil {
			return fmt.Errorf("include %s: %w", pattern, err)
		}
		if len(names) == 0 {
			p.note("include %s: there is no such file", pattern)
		}
		for _, name := range names {
			if count++; count > maxFiles {
				return fmt.Errorf("more than %d files are included", maxFiles)
			}
			more, err := load(name)
			if err != nil {
				return err
			}
			for _, s := range more.Sections() {
				for _, k := range s.Keys() {
					to, err := into.NewSection(s.Name())
					if err != nil {
						return err
					}
					if _, err := to.NewKey(k.Name(), k.Value()); err != nil {
						return err
					}
				}
			}
		}
	}
	return nil
}

// setCommand sets the command. One with variables in it, which the manager replaced and we do not, is given to a shell, whose place it takes.
func (p *Program) setCommand(command string, variables bool) {
	if variables {
		p.set("command", quote("exec "+command))
		p.set("shell", "True")
		return
	}
	p.set("command", quote(command))
}

// quote writes a text as Python does.
func quote(text string) string {
	q := strconv.Quote(text) // escapes that Go has and Python has not are those of control characters above 0x7f only
	return strings.ReplaceAll(q, `\x7f`, `\u007f`)
}

// number writes a number, or what is none as a text, which the check of the settings then refuses with a reason.
func number(text string) string {
	if _, err := strconv.ParseFloat(text, 64); err == nil && strings.Trim(text, "0123456789.-") == "" {
		return text
	}
	return quote(text)
}

// truth writes a switch of configparser.
func truth(text string) string {
	switch strings.ToLower(strings.TrimSpace(text)) {
	case "1", "true", "yes", "on", "t", "y", "":
		return "True"
	}
	return "False"
}

// dictionary writes pairs as a Python dictionary.
func dictionary(pairs [][2]string) string {
	var items []string
	for _, p := range pairs {
		items = append(items, quote(p[0])+": "+quote(p[1]))
	}
	return "{" + strings.Join(items, ", ") + "}"
}

// webServers are what a command may begin with that gounicorn takes the place of.
var webServers = []string{"gunicorn", "uwsgi", "chaussette", "waitress-serve", "mod_wsgi-express"}

// web returns the arguments of a web server that gounicorn replaces, ok false if the command is something else.
func web(command string) (name string, rest []string, ok bool) {
	words := strings.Fields(command)
	for i := 0; i < len(words) && i < 3; i++ { // env, exec or python -m may stand before it
		base := filepath.Base(words[i])
		for _, server := range webServers {
			if base == server {
				return server, words[i+1:], true
			}
		}
	}
	return "", nil, false
}

// serve notes a command of a web server.
func (p *Plan) serve(program, command string) bool {
	server, rest, ok := web(command)
	if !ok {
		return false
	}
	if server == "gunicorn" {
		p.Web = append(p.Web, "gounicorn "+strings.Join(rest, " "))
		return true
	}
	p.Web = append(p.Web, "gounicorn MODULE:NAME")
	p.note("%s runs %s, in whose place gounicorn serves the application; its flags have to be translated by hand: %s", program, server, strings.Join(rest, " "))
	return true
}

// flat keeps a comment in one line.
func flat(text string) string { return strings.Join(strings.Fields(text), " ") }

// Text is the plan as a part of gunicorn.conf.py.
func (p *Plan) Text(path string) string {
	var b strings.Builder
	fmt.Fprintf(&b, "# From %s, a configuration of %s, by gounicorn import. Put it into gunicorn.conf.py.\n", flat(filepath.Base(path)), p.Source)
	for _, command := range p.Web {
		fmt.Fprintf(&b, "# The web server itself: %s\n", flat(command+" "+strings.Join(p.Flags, " ")))
	}
	if len(p.Web) == 0 && len(p.Flags) > 0 {
		fmt.Fprintf(&b, "# Flags of gounicorn: %s\n", flat(strings.Join(p.Flags, " ")))
	}
	if len(p.Programs) > 0 {
		b.WriteString("companions = {\n")
		for _, one := range p.Programs {
			fmt.Fprintf(&b, "    %s: {\n", quote(one.Name))
			for _, k := range one.Keys {
				fmt.Fprintf(&b, "        %s: %s,\n", quote(k.Name), k.Value)
			}
			b.WriteString("    },\n")
		}
		b.WriteString("}\n")
	}
	if len(p.Notes) > 0 {
		b.WriteString("\n# To look at:\n")
	}
	for _, n := range p.Notes {
		fmt.Fprintf(&b, "# - %s\n", flat(n))
	}
	return b.String()
}
