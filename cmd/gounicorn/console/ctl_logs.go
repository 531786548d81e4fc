package console

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/gounicorn/gounicorn/server/history"
)

// followEvery is how often logs -f looks for more.
const followEvery = 300 * time.Millisecond

func showLogs(s *session, args []string) int {
	follow, n := false, 50
	for i := 0; i < len(args); i++ {
		switch {
		case args[i] == "-f" || args[i] == "--follow":
			follow = true
		case args[i] == "-n" && i+1 < len(args):
			i++
			var err error
			if n, err = strconv.Atoi(args[i]); err != nil || n < 0 || n > 500 {
				return s.failed(fmt.Errorf("-n %s: say how many lines, from 0 to 500", args[i]))
			}
		default:
			return s.failed(fmt.Errorf("logs takes -f and -n LINES, not %s", args[i]))
		}
	}
	var answer struct {
		Lines []history.Line `json:"lines"`
	}
	if err := s.do("logs", &answer); err != nil {
		return s.failed(err)
	}
	last := uint64(0)
	if len(answer.Lines) > 0 {
		last = answer.Lines[len(answer.Lines)-1].Number
	}
	from := uint64(0)
	if n := uint64(n); last > n {
		from = last - n
	}
	for first := true; first || follow; first = false {
		if !first {
			time.Sleep(followEvery)
		}
		for {
			if err := s.do(fmt.Sprintf("logs %d 500", from), &answer); err != nil {
				return s.failed(err)
			}
			for i := range answer.Lines {
				s.line(&answer.Lines[i])
				from = answer.Lines[i].Number
			}
			if len(answer.Lines) == 0 || !follow && from >= last {
				break
			}
		}
	}
	return exitOK
}

// line writes one line of the log as the log has it.
func (s *session) line(l *history.Line) {
	if s.json {
		s.print(l)
		return
	}
	name := ""
	if l.Logger != "" {
		name = l.Logger + ": "
	}
	at := time.UnixMicro(int64(l.Time * 1e6))
	fmt.Fprintf(s.Stdout, "[%s] [%d] [%s] %s%s\n", at.Format("2006-01-02 15:04:05 -0700"), l.PID, l.Level, printable(name), printableText(l.Message))
	if l.Traceback != "" {
		fmt.Fprintln(s.Stdout, printableText(strings.TrimRight(l.Traceback, "\n")))
	}
}

func showStacks(s *session, args []string) int {
	pids := args
	if args[0] == "all" {
		d, err := s.look()
		if err != nil {
			return s.failed(err)
		}
		pids = nil
		for _, w := range d.Workers {
			pids = append(pids, strconv.Itoa(w.PID))
		}
	}
	type stack struct {
		PID    int    `json:"pid"`
		Stacks string `json:"stacks"`
	}
	var all []stack
	code := exitOK
	for _, pid := range pids {
		var one stack
		if err := s.do("stacks "+pid, &one); err != nil {
			code = s.failed(err)
			continue
		}
		all = append(all, one)
		if !s.json {
			fmt.Fprintf(s.Stdout, "Worker %d, most recent call first\n%s\n\n", one.PID, printableText(one.Stacks))
		}
	}
	if s.json {
		return max(s.print(map[string]any{"workers": all}), code)
	}
	return code
}
