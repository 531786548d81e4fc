package console

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/gounicorn/gounicorn/server/control"
	"golang.org/x/term"
)

// ClientName is the name under which this program is the client of the control socket, as gunicorn has one.
const ClientName = "gounicornc"

const (
	controlTimeout = 30 * time.Second // for the answer to a command
	probeTimeout   = 3 * time.Second  // for an instance to say who it is
	historySize    = 1000             // lines
	controlUsage   = `usage: gounicornc [-h] [-s SOCKET] [-c COMMAND] [-j] [-v]

Talk to a running gounicorn or gunicorn through its control socket.

  -h, --help            show this text
  -s, --socket SOCKET   path of the socket (default: that of the only instance in $XDG_RUNTIME_DIR or ~/.gunicorn)
  -c, --command COMMAND run one command and end; 'help' lists them
  -j, --json            print answers as JSON
  -v, --version         show the version

Without -c it asks for commands, or reads them from standard input when that is no terminal.
`
)

// controlOptions is the command line of gounicornc.
type controlOptions struct {
	socket, command     string
	json, help, version bool
}

// parseControl reads the command line, as argparse would.
func parseControl(args []string) (o controlOptions, err error) {
	texts := map[string]*string{"socket": &o.socket, "command": &o.command}
	flags := map[string]*bool{"json": &o.json, "version": &o.version, "help": &o.help}
	short := map[byte]string{'s': "socket", 'c': "command", 'j': "json", 'v': "version", 'h': "help"}
	for len(args) > 0 {
		arg := args[0]
		args = args[1:]
		name, value, given := strings.Cut(strings.TrimPrefix(arg, "--"), "=")
		if !strings.HasPrefix(arg, "--") {
			if len(arg) < 2 || arg[0] != '-' || short[arg[1]] == "" {
				return o, fmt.Errorf("unrecognized argument %s; a command goes into -c \"…\"", arg)
			}
			name, value = short[arg[1]], arg[2:]
			given = value != ""
			if flags[name] != nil && given { // -jc …
				args, given = append([]string{"-" + value}, args...), false
			}
		}
		switch text, flag := texts[name], flags[name]; {
		case flag != nil && !given:
			*flag = true
		case text != nil && given:
			*text = value
		case text != nil && len(args) > 0:
			*text, args = args[0], args[1:]
		case text != nil:
			return o, fmt.Errorf("%s wants a value", arg)
		default:
			return o, fmt.Errorf("unrecognized argument %s", arg)
		}
	}
	return o, nil
}

// Client is gounicornc; it returns the exit code.
func Client(p *Program, args []string) int {
	o, err := parseControl(args)
	switch {
	case err != nil:
		fmt.Fprintf(p.Stderr, "%sgounicornc: error: %v\n", strings.SplitAfter(controlUsage, "\n")[0], err)
		return exitUsage
	case o.help:
		fmt.Fprint(p.Stdout, controlUsage)
		return exitOK
	case o.version:
		fmt.Fprintf(p.Stdout, "gounicornc (gounicorn %s)\n", p.Version)
		return exitOK
	}
	if o.socket == "" {
		if o.socket, err = findInstance(p.Env); err != nil {
			fmt.Fprintf(p.Stderr, "Error: %v\n", err)
			return exitError
		}
	}
	c := &console{path: o.socket, json: o.json, out: p.Stdout, err: p.Stderr}
	if c.client, err = control.Dial(c.path, controlTimeout); err != nil {
		fmt.Fprintf(p.Stderr, "Error: %v\n", err)
		return exitError
	}
	defer func() { c.client.Close() }()
	switch {
	case o.command != "":
		return c.run(o.command)
	case term.IsTerminal(int(os.Stdin.Fd())) && term.IsTerminal(int(os.Stdout.Fd())):
		home, _ := p.Env("HOME")
		return c.converse(os.Stdin, filepath.Join(home, ".gounicornc_history"))
	}
	return c.read(os.Stdin)
}

// findInstance returns the socket of the only instance that answers in the default folder.
func findInstance(env func(string) (string, bool)) (path string, err error) {
	path = control.DefaultPath(env)
	if path == "" {
		return "", errors.New("there is neither XDG_RUNTIME_DIR nor a home folder: name the socket with -s")
	}
	pattern := strings.TrimSuffix(path, ".ctl")
	found, _ := filepath.Glob(globQuote(pattern) + "*.ctl*") // the pattern is right
	var alive, texts []string
	for _, p := range found {
		if text, ok := introduce(p); ok {
			alive, texts = append(alive, p), append(texts, "  "+p+text)
		}
	}
	switch len(alive) {
	case 0:
		if len(found) > 0 {
			return found[0], nil // whose error says why
		}
		return "", fmt.Errorf("nobody answers at %s*.ctl: is the server running, with a control socket? Name its --control-socket with -s", pattern)
	case 1:
		return alive[0], nil
	}
	return "", fmt.Errorf("several instances are running; name one with -s:\n%s", strings.Join(texts, "\n"))
}

// globQuote keeps a path from being a pattern.
func globQuote(path string) string {
	return strings.NewReplacer(`\`, `\\`, `*`, `\*`, `?`, `\?`, `[`, `\[`).Replace(path)
}

// introduce asks an instance who it is; ok is false when nobody answers.
func introduce(path string) (text string, ok bool) {
	c, err := control.Dial(path, probeTimeout)
	if err != nil {
		return "", false
	}
	defer c.Close()
	var stats struct{ PID int }
	var sockets struct{ Listeners []struct{ Address string } }
	data, err := c.Do("show stats")
	if err != nil || json.Unmarshal(data, &stats) != nil {
		return "  (does not answer)", true
	}
	text = fmt.Sprintf("  (pid %d", stats.PID)
	if data, err = c.Do("show listeners"); err == nil && json.Unmarshal(data, &sockets) == nil {
		for _, l := range sockets.Listeners {
			text += ", " + l.Address
		}
	}
	return text + ")", true
}

// console sends commands and shows the answers.
type console struct {
	client   *control.Client
	path     string
	json     bool
	out, err io.Writer
}

// run does one command and returns the exit code. What a command could not do is an error, whichever way the server says it.
func (c *console) run(line string) int {
	line = strings.Join(strings.Fields(line), " ")
	data, err := c.client.Do(line)
	if err != nil {
		fmt.Fprintf(c.err, "Error: %v\n", err)
		return exitError
	}
	var outcome struct {
		Success *bool  `json:"success"`
		Healthy *bool  `json:"healthy"` // of companions
		Error   string `json:"error"`
	}
	failed := json.Unmarshal(data, &outcome) == nil && outcome.Success != nil && !*outcome.Success
	switch {
	case c.json:
		var pretty bytes.Buffer
		_ = json.Indent(&pretty, data, "", "  ") // it has been parsed
		fmt.Fprintf(c.out, "%s\n", &pretty)
	case failed:
		fmt.Fprintf(c.err, "Error: %s\n", printable(outcome.Error))
	default:
		fmt.Fprint(c.out, present(line, data))
	}
	switch {
	case failed:
		return exitError
	case outcome.Healthy != nil && !*outcome.Healthy:
		return exitUnhealthy
	}
	return exitOK
}

// leaves reports whether a line ends the conversation.
func leaves(line string) bool {
	return slices.Contains([]string{"quit", "exit", "q"}, strings.ToLower(line))
}

// read does the commands of an input that is no terminal, a line each, up to the first that fails.
func (c *console) read(in io.Reader) int {
	lines := bufio.NewScanner(in)
	for lines.Scan() {
		line := strings.TrimSpace(lines.Text())
		if line == "" || strings.HasPrefix(line, "#") {
			continue
		}
		if leaves(line) {
			break
		}
		if code := c.run(line); code != exitOK {
			return code
		}
	}
	if err := lines.Err(); err != nil {
		fmt.Fprintf(c.err, "Error: standard input: %v\n", err)
		return exitError
	}
	return exitOK
}

// converse asks for commands at a terminal.
func (c *console) converse(tty *os.File, history string) int {
	fmt.Fprintf(c.out, "Connected to %s\nType 'help' for available commands, 'quit' to exit.\n\n", c.path)
	keys := &keyboard{Reader: tty}
	t := term.NewTerminal(struct {
		io.Reader
		io.Writer
	}{keys, c.out}, "gounicorn> ")
	t.AutoCompleteCallback = complete
	past := loadHistory(history)
	t.History = past
	defer past.save(history)
	for {
		line, err := readLine(tty, t)
		switch {
		case errors.Is(err, io.EOF) && keys.interrupted:
			fmt.Fprintln(c.out)
			return exitInterrupt
		case errors.Is(err, io.EOF):
			fmt.Fprintln(c.out)
			return exitOK
		case err != nil && !errors.Is(err, term.ErrPasteIndicator):
			fmt.Fprintf(c.err, "Error: terminal: %v\n", err)
			return exitError
		}
		line = strings.TrimSpace(line)
		switch {
		case line == "":
			continue
		case leaves(line):
			return exitOK
		}
		if c.run(line) != exitOK && !c.alive() {
			fmt.Fprintln(c.err, "The server has gone.")
			return exitError
		}
		fmt.Fprintln(c.out)
	}
}

// alive connects again when the connection is of no use any more.
func (c *console) alive() bool {
	client, err := control.Dial(c.path, controlTimeout)
	if err != nil {
		return false
	}
	c.client.Close()
	c.client = client
	return true
}

// readLine edits one line; between two the terminal is as it was, so that ^C ends a command that hangs.
func readLine(tty *os.File, t *term.Terminal) (string, error) {
	before, err := term.MakeRaw(int(tty.Fd()))
	if err != nil {
		return "", err
	}
	defer func() { _ = term.Restore(int(tty.Fd()), before) }()
	if width, height, err := term.GetSize(int(tty.Fd())); err == nil && width > 0 { // not every pty knows its size
		_ = t.SetSize(width, height)
	}
	return t.ReadLine()
}

// keyboard knows a ^C, which Terminal reports as the end of the input.
type keyboard struct {
	io.Reader
	interrupted bool
}

const controlC = 3

func (k *keyboard) Read(p []byte) (int, error) {
	n, err := k.Reader.Read(p)
	k.interrupted = bytes.IndexByte(p[:n], controlC) >= 0
	return n, err
}

// complete finishes the command that a line begins with, as far as it is clear.
func complete(line string, pos int, key rune) (string, int, bool) {
	if key != '\t' || pos != len(line) {
		return "", 0, false
	}
	var common string
	found := false
	for _, words := range control.Commands() {
		if !strings.HasPrefix(words, line) {
			continue
		}
		if !found {
			common, found = words, true
		}
		for !strings.HasPrefix(words, common) {
			common = common[:len(common)-1]
		}
	}
	if !found {
		return "", 0, false
	}
	return common, len(common), true
}

// pastLines is the history of commands, oldest first.
type pastLines struct{ lines []string }

// loadHistory reads the file of former conversations; without one there is no history.
func loadHistory(path string) *pastLines {
	text, err := os.ReadFile(path)
	if err != nil {
		return &pastLines{}
	}
	p := &pastLines{}
	for line := range strings.Lines(string(text)) {
		p.Add(strings.TrimRight(line, "\n"))
	}
	return p
}

// Add implements term.History.
func (p *pastLines) Add(line string) {
	if line = strings.TrimSpace(line); line == "" || len(p.lines) > 0 && p.lines[len(p.lines)-1] == line {
		return
	}
	p.lines = append(p.lines, line)
	p.lines = p.lines[max(len(p.lines)-historySize, 0):]
}

// Len implements term.History.
func (p *pastLines) Len() int { return len(p.lines) }

// At implements term.History: 0 is the newest.
func (p *pastLines) At(i int) string { return p.lines[len(p.lines)-1-i] }

// save writes the file; that it cannot be written, in a home that is read-only, hurts nobody.
func (p *pastLines) save(path string) {
	if len(p.lines) > 0 {
		_ = os.WriteFile(path, []byte(strings.Join(p.lines, "\n")+"\n"), 0o600)
	}
}
