package e2e

import (
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/charmbracelet/x/ansi"
	"github.com/creack/pty"
	"github.com/gounicorn/gounicorn/tests/harness"
)

// terminal is a program at a terminal of its own, and what it has written there.
type terminal struct {
	t       *testing.T
	cmd     *exec.Cmd
	master  *os.File
	columns uint16
	mu      sync.Mutex
	written strings.Builder
	ended   chan struct{}
}

func atTerminal(t *testing.T, args ...string) *terminal {
	t.Helper()
	cmd := exec.Command(harness.Binary(t), args...)
	cmd.Env = append(os.Environ(), "TERM=xterm-256color")
	const columns = 80
	master, err := pty.StartWithSize(cmd, &pty.Winsize{Rows: 24, Cols: columns})
	if err != nil {
		t.Fatal(err)
	}
	p := &terminal{t: t, cmd: cmd, master: master, columns: columns, ended: make(chan struct{})}
	go func() {
		defer close(p.ended)
		for buffer := make([]byte, 4096); ; {
			n, err := master.Read(buffer)
			p.mu.Lock()
			p.written.Write(buffer[:n])
			p.mu.Unlock()
			if err != nil { // EIO, when nobody has the other side any more
				return
			}
		}
	}()
	t.Cleanup(func() {
		cmd.Process.Kill()
		cmd.Wait()
		master.Close()
		<-p.ended
	})
	return p
}

// raw is all that was written so far.
func (p *terminal) raw() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.written.String()
}

// press sends keys and waits until each piece has been written since. Only what differs is written, so the terminal is made wider for it
// to be drawn anew.
func (p *terminal) press(keys string, pieces ...string) {
	p.t.Helper()
	before := len(p.raw())
	if _, err := p.master.WriteString(keys); err != nil {
		p.t.Fatal(err)
	}
	for _, piece := range pieces {
		if !harness.Poll(harness.EventBudget, func() bool {
			p.columns++
			if err := pty.Setsize(p.master, &pty.Winsize{Rows: 24, Cols: 80 + p.columns%2}); err != nil {
				p.t.Fatal(err)
			}
			return strings.Contains(ansi.Strip(p.raw()[before:]), piece)
		}) {
			p.t.Fatalf("%q does not bring %q:\n%s", keys, piece, ansi.Strip(p.raw()[before:]))
		}
	}
}

func TestTopAtATerminal(t *testing.T) {
	t.Parallel()
	socket := filepath.Join(shortDir(t), "s")
	s := start(t, "faults:app", "-w", "1", "--max-workers", "2", "--control-socket", socket, "--graceful-timeout", "1")
	hold := s.Go("/gate/hold")
	s.WaitMark(t, "entered-hold", 1)
	pid := strconv.Itoa(s.Workers()[0])

	p := atTerminal(t, "top", "-s", socket, "--interval", "0.1")
	p.press("", "faults:app", pid, "GET /gate/hold", "1 overview")
	p.press("2", "RUNS (by request)")
	p.press("o", "RUNS (by pid)")
	p.press("?", "overflow worker")
	p.press("\r", "Worker "+pid, "faults.py")
	p.press("r", "y/n")
	p.press("n", "nothing was done")
	p.press("q")
	<-p.ended
	if err := p.cmd.Wait(); err != nil {
		t.Errorf("q: %v", err)
	}
	if raw := p.raw(); !strings.Contains(raw, "\x1b[?1049h") || !strings.Contains(raw, "\x1b[?1049l") {
		t.Errorf("the terminal was not given back as it was: %q", raw)
	}

	// For scripts: one screen, and an exit code that says when there is none.
	for _, c := range []struct {
		socket string
		code   int
		piece  string
	}{{socket, 0, "GET /gate/hold"}, {socket + "-none", 1, ""}} {
		stdout, stderr, code := control(t, harness.Binary(t), nil, "top", "-s", c.socket, "--once")
		if code != c.code || !strings.Contains(stdout, c.piece) || strings.Contains(stdout, "\x1b") {
			t.Errorf("--once at %s: exit code %d\n%s%s", c.socket, code, stdout, stderr)
		}
	}

	s.Open(t, "open-hold")
	if reply := <-hold; reply.Status != 200 {
		t.Errorf("the request that was watched got %d %v", reply.Status, reply.Err)
	}
}

// No verb but top has anything to ask of a terminal: a terminal that does not answer would hold up a server's start.
func TestVersionAsksNothingOfTheTerminal(t *testing.T) {
	t.Parallel()
	p := atTerminal(t, "--version")
	<-p.ended
	if raw := p.raw(); strings.Contains(raw, "\x1b") {
		t.Errorf("written: %q", raw)
	}
}
