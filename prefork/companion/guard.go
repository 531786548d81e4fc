package companion

import (
	"fmt"
	"maps"
	"os"
	"os/exec"
	"sync"
	"syscall"
	"time"
)

// guard is a shell that kills the groups of all programs when we die: the kernel kills their leaders, but has nothing for the rest of a
// group. It reads what there is from a pipe, whose end is our death. It is started with the first program.
type guard struct {
	m      *Manager
	mu     sync.Mutex // guards what follows
	cmd    *exec.Cmd  // nil: there is none
	in     *os.File
	groups map[int]bool
	over   bool // close was called
}

// watchman reads lines "+ PGID" and "- PGID". It is in a session of its own, and leaves when the pipe ends.
const watchman = `trap '' HUP INT QUIT TERM USR1 USR2
all=" "
while read -r what group; do
	case $what in
	+) all="$all$group " ;;
	-) all="${all%% "$group" *} ${all#* "$group" }" ;;
	esac
done
for group in $all; do kill -9 "-$group"; done 2>/dev/null`

// guardTime is how long a line to the guard may take; one that is frozen must not hold up a start.
const guardTime = 100 * time.Millisecond

// post starts it unless it is there, so that add has little to do.
func (g *guard) post() {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.cmd == nil && !g.over {
		g.restart()
	}
}

// add has the guard kill a group at the end.
func (g *guard) add(group int) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.groups[group] = true
	if !g.over && (g.cmd == nil || g.tell("+", group) != nil) { // somebody has killed it
		g.restart()
	}
}

// restart takes a new one in place of the old, if there is one.
func (g *guard) restart() {
	g.drop()
	if err := g.start(); err != nil {
		g.m.cfg.Log(Warning, 0, fmt.Sprintf("if this process is killed, what companions have started stays: no guard: %v", err))
	}
}

// remove is told that nothing of a group is left.
func (g *guard) remove(group int) {
	g.mu.Lock()
	defer g.mu.Unlock()
	delete(g.groups, group)
	if g.cmd != nil {
		_ = g.tell("-", group) // the next add sees it
	}
}

func (g *guard) tell(what string, group int) error {
	_ = g.in.SetWriteDeadline(time.Now().Add(guardTime))
	_, err := fmt.Fprintf(g.in, "%s %d\n", what, group)
	return err
}

// start starts it and names all groups.
func (g *guard) start() error {
	r, w, err := os.Pipe()
	if err != nil {
		return err
	}
	defer r.Close()
	cmd := exec.Command("/bin/sh", "-c", watchman)
	cmd.Args[0], cmd.Env, cmd.Dir, cmd.Stdin = "gounicorn: guard", []string{}, "/", r
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	g.m.starting.Add(1)
	if err = cmd.Start(); err == nil {
		g.m.children.Store(cmd.Process.Pid, true)
	}
	g.m.starting.Add(-1)
	if err != nil {
		_ = w.Close()
		return err
	}
	g.cmd, g.in = cmd, w
	for group := range maps.Keys(g.groups) {
		if err := g.tell("+", group); err != nil {
			return err
		}
	}
	return nil
}

// drop ends it, with nothing to kill, and reaps it.
func (g *guard) drop() {
	if g.cmd == nil {
		return
	}
	_ = g.cmd.Process.Kill()
	g.m.wait(g.cmd)
	_ = g.in.Close()
	g.cmd = nil
}

// close ends it when there is nothing to guard any more.
func (g *guard) close() {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.over = true
	g.drop()
}
