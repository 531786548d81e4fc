package console

import (
	"fmt"
	"io"
	"strings"
)

// Exit codes of gounicornc and of the verbs.
const (
	exitOK        = 0
	exitError     = 1   // no server, or it could not do it
	exitUsage     = 2   // a malformed command
	exitUnhealthy = 3   // something is not as it should be, as supervisorctl has it
	exitInterrupt = 130 // ^C, as gunicorn's client and shells have it
)

// Program is the surroundings of a verb.
type Program struct {
	Version        string
	Env            func(name string) (value string, set bool)
	Stdout, Stderr io.Writer
}

// Verb is a first word of the command line that does something else than to serve.
type Verb struct {
	Name, Args, Help string
	Run              func(p *Program, args []string) (exitCode int)
}

// Verbs is the table of verbs, in the order of --help. It is a function because verbs show it.
func Verbs() []Verb {
	return []Verb{
		{"ctl", "COMMAND", "Looks at a running server and steers it: status, workers, reload, scale, logs and more.", ctl},
		{"top", "", "Shows a running server at the terminal: what each worker runs now, lanes, routes, events.", watch},
		{"explain", "'GET /path'", "Which lane does that request go to on a running server, and why?", explain},
		{"compress", "DIR", "Makes .gz, .br and .zst files for --static beside those of a folder.", compressFiles},
		{"import", "FILE", "Translates supervisord.conf or circus.ini into settings.", translate},
	}
}

// Find returns the verb that a command line begins with, and nil when it is one to serve.
func Find(args []string) *Verb {
	if len(args) == 0 {
		return nil
	}
	for _, v := range Verbs() {
		if v.Name == args[0] {
			return &v
		}
	}
	return nil
}

// Help is the part of --help about verbs.
func Help() string {
	var b strings.Builder
	b.WriteString("\nVerbs (gounicorn VERB --help says more)\n")
	for _, v := range Verbs() {
		fmt.Fprintf(&b, "  gounicorn %s %s\n        %s\n", v.Name, v.Args, v.Help)
	}
	return b.String()
}
