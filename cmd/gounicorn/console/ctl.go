package console

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/gounicorn/gounicorn/cmd/gounicorn/insight"
	"github.com/gounicorn/gounicorn/server/control"
)

// lookEvery is how often a command that waits looks at the server.
const lookEvery = 200 * time.Millisecond

// patience is how long a command waits for its effect, unless --timeout says otherwise.
const patience = 5 * time.Minute

// ctlCommand is one row of the table of commands.
type ctlCommand struct {
	name, args, help string
	least, most      int // arguments
	run              func(s *session, args []string) (exitCode int)
	offered          string // words that a shell completes behind it
	local            bool   // it needs no server
}

// ctlCommands is the table, in the order of the help. It is a function because the help shows it.
func ctlCommands() []ctlCommand {
	return []ctlCommand{
		{name: "status", help: "How it is: one screen. Exit code 3 when something is not as it should be.", run: showStatus},
		{name: "workers", help: "The worker processes, and what each runs now.", run: showWorkers},
		{name: "requests", help: "The requests that run now, longest first.", run: showRequests},
		{name: "lanes", help: "Fast and slow: what runs and waits, times of the last minute, and what is known of the routes.", run: showLanes},
		{name: "companions", help: "The programs beside the workers. Exit code 3 when one is not as it should be.", run: showCompanions},
		{
			name: "companion", args: "start|stop|restart NAME, or signal SIGNAL NAME", help: "Acts on one of them.",
			least: 2, most: 3, run: actOnCompanion, offered: "start stop restart signal",
		},
		{name: "config", args: "[NAME]…", help: "The settings in effect, and where each comes from.", most: 1000, run: showConfig, offered: settingNames()},
		{name: "logs", args: "[-f] [-n LINES]", help: "The last lines of the error log; -f: and those to come.", most: 3, run: showLogs, offered: "-f -n"},
		{name: "stacks", args: "PID|all", help: "The Python stacks of a worker; it goes on.", least: 1, most: 1, run: showStacks, offered: "all"},
		{
			name: "explain", args: "'GET /path'", help: "Which lane that request goes to, and why: gounicorn explain, for which the server needs --metrics-bind.",
			least: 1, most: 2, run: explainFrom,
		},
		{
			name: "reload", help: "New workers with the code and settings as they are now (HUP). Waits until they serve; if they cannot, says why and ends with 1.",
			run: doReload,
		},
		{name: "restart", help: "Replaces the workers one after the other; new code is for reload, which tries it first.", run: doRestart},
		{name: "scale", args: "N|+N|-N", help: "Changes the number of workers.", least: 1, most: 1, run: doScale},
		{
			name: "upgrade", help: "A new master with the program as it is now (USR2) in the place of this one, without closing a connection.",
			run: doUpgrade,
		},
		{name: "reopen", help: "Opens the log files again (USR1).", run: doReopen},
		{name: "stop", args: "[--quick]", help: "Stops the server (TERM), when its requests have ended; --quick: at once (INT).", most: 1, run: doStop, offered: "--quick"},
		{name: "completion", args: "bash", help: "Prints what makes bash complete these words.", least: 1, most: 1, run: showCompletion, offered: "bash", local: true},
	}
}

const ctlUsage = "usage: gounicorn ctl [-s SOCKET] [--json] [--timeout SECONDS] [--no-wait] COMMAND [ARGUMENT]…\n"

// ctlHelp explains the verb.
func ctlHelp() string {
	var b strings.Builder
	b.WriteString(ctlUsage + "\nLooks at a running gounicorn and steers it, through its control socket.\n\n")
	w := tabwriter.NewWriter(&b, 0, 0, 2, ' ', 0)
	for _, c := range ctlCommands() {
		fmt.Fprintf(w, "  %s\t%s\n", strings.TrimSpace(c.name+" "+c.args), c.help)
	}
	_ = w.Flush() // to memory
	b.WriteString(`
  -s, --socket SOCKET
        The server's --control-socket. Default: that of the only server of this user.
  --json
        Print what the server says as JSON.
  --timeout SECONDS
        How long reload, restart, scale, upgrade and stop wait for their effect. Default: 300.
  --no-wait
        Do not wait.
  -h, --help
        Show this text.

Exit codes: 0 done, 1 no server, or it could not do it, 2 a malformed command, 3 something is not as it should be.

Examples
  gounicorn ctl status
        is the site well?
  gounicorn ctl reload && echo deployed
        new code, and an exit code for the deploy script
  gounicorn ctl stacks all
        what does every worker do right now?
  watch -n1 gounicorn ctl requests
        gounicorn top shows more

To serve an application in a module called ctl write gounicorn ctl:application.
`)
	return b.String()
}

// session is one command line of ctl at work.
type session struct {
	*Program
	path    string
	client  *control.Client
	json    bool
	noWait  bool
	timeout time.Duration
}

// ctl is the verb.
func ctl(p *Program, args []string) int {
	s := &session{Program: p, timeout: patience}
	words, err := s.parse(args)
	if err == nil && len(words) == 0 {
		fmt.Fprint(p.Stdout, ctlHelp())
		return exitOK
	}
	var command *ctlCommand
	if err == nil {
		command, err = findCommand(words)
	}
	if err != nil {
		fmt.Fprintf(p.Stderr, "%sgounicorn ctl: error: %v\n", ctlUsage, err)
		return exitUsage
	}
	if command.local {
		return command.run(s, words[1:])
	}
	if s.path == "" {
		if s.path, err = findInstance(p.Env); err != nil {
			return s.failed(err)
		}
	}
	if s.client, err = control.Dial(s.path, controlTimeout); err != nil {
		return s.failed(err)
	}
	defer func() { s.client.Close() }()
	return command.run(s, words[1:])
}

// parse takes the options, wherever they stand, and returns the words. No word is help.
func (s *session) parse(args []string) (words []string, err error) {
	for i := 0; i < len(args); i++ {
		name, value, has := strings.Cut(args[i], "=")
		take := func() {
			if !has && i+1 < len(args) {
				i, value, has = i+1, args[i+1], true
			}
			if !has {
				err = fmt.Errorf("argument %s: expected one argument", name)
			}
		}
		switch name {
		case "-h", "--help":
			return nil, nil
		case "-j", "--json":
			s.json = true
		case "--no-wait":
			s.noWait = true
		case "-s", "--socket":
			take()
			s.path = value
		case "--timeout":
			take()
			if s.timeout, err = time.ParseDuration(value + "s"); err != nil || s.timeout <= 0 {
				return nil, fmt.Errorf("argument --timeout: %q is no number of seconds", value)
			}
		default:
			words = append(words, args[i])
		}
		if err != nil {
			return nil, err
		}
	}
	if len(words) == 0 && len(args) > 0 {
		return nil, errors.New("name a command, such as status; gounicorn ctl --help lists them")
	}
	return words, nil
}

func findCommand(words []string) (*ctlCommand, error) {
	for _, c := range ctlCommands() {
		switch {
		case c.name != words[0]:
		case len(words)-1 < c.least || len(words)-1 > c.most:
			return nil, fmt.Errorf("say gounicorn ctl %s", strings.TrimSpace(c.name+" "+c.args))
		default:
			return &c, nil
		}
	}
	return nil, fmt.Errorf("there is no command %q; gounicorn ctl --help lists them", words[0])
}

func (s *session) failed(err error) int {
	fmt.Fprintf(s.Stderr, "gounicorn ctl: error: %s\n", printableText(err.Error()))
	return exitError
}

// print writes a value as JSON.
func (s *session) print(v any) int {
	e := json.NewEncoder(s.Stdout)
	e.SetIndent("", "  ")
	e.SetEscapeHTML(false)
	if err := e.Encode(v); err != nil {
		return s.failed(err)
	}
	return exitOK
}

// do runs a command of the control socket and decodes its answer.
func (s *session) do(command string, into any) error {
	data, err := s.client.Do(command)
	if err != nil {
		return err
	}
	var outcome struct {
		Success *bool  `json:"success"`
		Error   string `json:"error"`
	}
	if json.Unmarshal(data, &outcome) == nil && outcome.Success != nil && !*outcome.Success {
		return errors.New(outcome.Error)
	}
	if into == nil {
		return nil
	}
	if err := json.Unmarshal(data, into); err != nil {
		return fmt.Errorf("the answer of the server is not understood, perhaps it is of another version: %w", err)
	}
	return nil
}

// look gets the document.
func (s *session) look() (d insight.Document, err error) {
	err = s.do("status", &d)
	return d, err
}

// relay prints the answer to a command: as JSON, or as gounicornc would.
func (s *session) relay(command string) int {
	c := &console{client: s.client, path: s.path, json: s.json, out: s.Stdout, err: s.Stderr}
	return c.run(command)
}

// errPatience is that what was waited for did not happen.
var errPatience = errors.New("it takes longer than --timeout says; it goes on, see gounicorn ctl status")

// await looks at the server until done says so, and shows what is going on.
func (s *session) await(done func(d *insight.Document) (finished bool, progress string)) error {
	line := progressLine{out: s.Stderr}
	defer line.wipe()
	for end := time.Now().Add(s.timeout); ; time.Sleep(lookEvery) {
		d, err := s.look()
		if err != nil {
			return err
		}
		finished, progress := done(&d)
		if finished {
			return nil
		}
		line.show(progress)
		if time.Now().After(end) {
			return errPatience
		}
	}
}

// progressLine is the line at a terminal that says how far something is; elsewhere it says each text once.
type progressLine struct {
	out   interface{ Write([]byte) (int, error) }
	shown string
}

func (l *progressLine) live() bool {
	f, ok := l.out.(*os.File)
	return ok && isTerminal(f)
}

func (l *progressLine) show(text string) {
	if text == "" || text == l.shown {
		return
	}
	l.shown = text
	if l.live() {
		fmt.Fprintf(l.out, "\r\x1b[K%s", text)
		return
	}
	fmt.Fprintln(l.out, text)
}

func (l *progressLine) wipe() {
	if l.shown != "" && l.live() {
		fmt.Fprint(l.out, "\r\x1b[K")
	}
}
