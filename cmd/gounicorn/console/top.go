package console

import (
	"errors"
	"fmt"
	"os"
	"strings"
	"time"

	"github.com/gounicorn/gounicorn/cmd/gounicorn/insight"
	"github.com/gounicorn/gounicorn/cmd/gounicorn/top"
	"github.com/gounicorn/gounicorn/server/control"
	"golang.org/x/term"
)

const topUsage = "usage: gounicorn top [-s SOCKET] [--interval SECONDS] [--once]\n"

const topHelp = topUsage + `
Shows a running gounicorn at the terminal: its lanes, its workers and what each runs now, the slowest
routes, companions and the last events. ? lists the keys.

  -s, --socket SOCKET
        The server's --control-socket. Default: that of the only server of this user.
  --interval SECONDS
        Between two looks. Default: 1.
  --once
        Write one screen and end; also when standard output is no terminal, or a dumb one.
  -h, --help
        Show this text.

NO_COLOR in the environment turns colours off.

Exit codes: 0 it was quit, 1 no server or no terminal, 2 a malformed command.

To serve an application in a module called top write gounicorn top:application.
`

// onceWidth is the width of --once where there is no terminal.
const onceWidth = 120

// watch is the verb.
func watch(p *Program, args []string) int {
	once, interval := false, time.Second
	s := &session{Program: p, timeout: patience}
	var rest []string
	for i := 0; i < len(args); i++ {
		switch {
		case args[i] == "-h" || args[i] == "--help":
			fmt.Fprint(p.Stdout, topHelp)
			return exitOK
		case args[i] == "--once":
			once = true
		case args[i] == "--interval" && i+1 < len(args), strings.HasPrefix(args[i], "--interval="):
			_, value, joined := strings.Cut(args[i], "=")
			if !joined {
				i++
				value = args[i]
			}
			var err error
			if interval, err = time.ParseDuration(value + "s"); err != nil || interval < 100*time.Millisecond {
				fmt.Fprintf(p.Stderr, "%sgounicorn top: error: argument --interval: %q is no number of seconds from 0.1\n", topUsage, value)
				return exitUsage
			}
		default:
			rest = append(rest, args[i])
		}
	}
	words, err := s.parse(append(rest, "top")) // a word, so that none is no mistake
	if err == nil && len(words) != 1 {
		err = fmt.Errorf("unrecognized arguments: %s", words[0])
	}
	if err != nil {
		fmt.Fprintf(p.Stderr, "%sgounicorn top: error: %v\n", topUsage, err)
		return exitUsage
	}
	if s.path == "" {
		if s.path, err = findInstance(p.Env); err != nil {
			return s.failed(err)
		}
	}
	watched := &watchedServer{path: s.path}
	defer watched.close()
	out, terminal := p.Stdout.(*os.File)
	if !once && terminal && isTerminal(out) && os.Getenv("TERM") != "dumb" {
		if err := top.Run(top.Config{Server: watched, Interval: interval, Output: out}); err != nil {
			return s.failed(err)
		}
		return exitOK
	}
	d, err := watched.Look()
	if err != nil {
		return s.failed(err)
	}
	width := onceWidth
	if terminal {
		if w, _, err := term.GetSize(int(out.Fd())); err == nil && w > 0 {
			width = w
		}
	}
	if err := top.Once(p.Stdout, &d, width); err != nil {
		return s.failed(err)
	}
	return exitOK
}

// watchedServer is a top.Server behind a control socket; it connects again when the server has gone and come back. Look is for one
// goroutine, the other methods for any.
type watchedServer struct {
	path   string
	client *control.Client
}

func (w *watchedServer) close() {
	if w.client != nil {
		w.client.Close()
		w.client = nil
	}
}

func (w *watchedServer) connect() (err error) {
	if w.client == nil {
		w.client, err = control.Dial(w.path, controlTimeout)
	}
	return err
}

// act does a command over a connection of its own, because looking goes on meanwhile.
func (w *watchedServer) act(command string, into any) error {
	client, err := control.Dial(w.path, controlTimeout)
	if err != nil {
		return err
	}
	defer client.Close()
	return (&session{client: client}).do(command, into)
}

// Look implements top.Server.
func (w *watchedServer) Look() (d insight.Document, err error) {
	if err = w.connect(); err != nil {
		return d, err
	}
	err = (&session{client: w.client}).do("status", &d)
	if refused := (*control.CommandError)(nil); err != nil && !errors.As(err, &refused) {
		w.close()
	}
	return d, err
}

// Stacks implements top.Server.
func (w *watchedServer) Stacks(pid int) (string, error) {
	var answer struct {
		Stacks string `json:"stacks"`
	}
	err := w.act(fmt.Sprintf("stacks %d", pid), &answer)
	return answer.Stacks, err
}

// Reload implements top.Server.
func (w *watchedServer) Reload() error { return w.act("reload", nil) }

// Scale implements top.Server.
func (w *watchedServer) Scale(by int) error {
	if by < 0 {
		return w.act(fmt.Sprintf("worker remove %d", -by), nil)
	}
	return w.act(fmt.Sprintf("worker add %d", by), nil)
}
