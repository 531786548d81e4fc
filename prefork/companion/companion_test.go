package companion

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"
	"unsafe"

	"github.com/gounicorn/gounicorn/tests/harness"
	"golang.org/x/sys/unix"
)

const budget = 20 * time.Second // bounds failures, never a passing run

// TestMain reaps what becomes ours because its parent died, as the pool of workers does in the server.
func TestMain(m *testing.M) {
	dead := make(chan os.Signal, 1)
	signal.Notify(dead, unix.SIGCHLD)
	go func() {
		for range dead {
			for reapOne() {
			}
		}
	}()
	os.Exit(m.Run())
}

// managers are those of the tests that run.
var managers sync.Map

func reapOne() bool {
	var info unix.Siginfo
	if unix.Waitid(unix.P_ALL, 0, &info, unix.WEXITED|unix.WNOHANG|unix.WNOWAIT, nil) != nil {
		return false
	}
	pid := int(*(*int32)(unsafe.Add(unsafe.Pointer(&info), 16))) // as prefork/reap.go
	owned := pid == 0
	managers.Range(func(m, _ any) bool { owned = owned || m.(*Manager).Owns(pid); return true })
	if owned {
		return false
	}
	_, err := unix.Wait4(pid, nil, unix.WNOHANG, nil)
	return err == nil
}

// company is a Manager and what it told.
type company struct {
	*Manager
	t   *testing.T
	dir string

	mu     sync.Mutex
	log    []string
	lines  []string
	gaveUp []string
}

func newCompany(t *testing.T) *company {
	t.Helper()
	c := &company{t: t, dir: t.TempDir()}
	add := func(to *[]string, text string) {
		c.mu.Lock()
		defer c.mu.Unlock()
		*to = append(*to, text)
	}
	c.Manager = New(Config{
		Log:    func(_ Level, _ int, text string) { add(&c.log, text) },
		Line:   func(_ *Program, name string, _ int, line []byte) { add(&c.lines, name+": "+string(line)) },
		GaveUp: func(p *Program) { add(&c.gaveUp, p.Name) },
		Pause:  func(n int) time.Duration { return time.Duration(n) * 5 * time.Millisecond },
		Watch:  20 * time.Millisecond,
	})
	managers.Store(c.Manager, true)
	t.Cleanup(func() {
		ctx, cancel := context.WithCancel(context.Background())
		cancel()
		c.Stop(ctx)
		managers.Delete(c.Manager)
		if t.Failed() {
			t.Logf("log:\n%s\nlines:\n%s", strings.Join(c.log, "\n"), strings.Join(c.lines, "\n"))
		}
		for _, pid := range c.carriers() {
			t.Errorf("process %d has outlived the test: %s", pid, cmdline(pid))
		}
	})
	return c
}

// carriers are the living processes that have the folder of the test in their environment.
func (c *company) carriers() (pids []int) {
	for _, r := range processes() {
		text, err := os.ReadFile(fmt.Sprintf("/proc/%d/environ", r.pid))
		if err == nil && !r.dead && strings.Contains(string(text), "TEST_FOLDER="+c.dir+"\x00") {
			pids = append(pids, r.pid)
		}
	}
	return pids
}

func cmdline(pid int) string {
	text, _ := os.ReadFile(fmt.Sprintf("/proc/%d/cmdline", pid))
	return strings.ReplaceAll(string(text), "\x00", " ")
}

func (c *company) context() Context {
	return Context{
		Env: append(os.Environ(), "TEST_FOLDER="+c.dir), Directory: c.dir, UID: os.Geteuid(),
		Split: func(text string) ([]string, error) { return strings.Fields(text), nil },
	}
}

type dict = map[string]any

// sh is the command of a shell script.
func sh(script string) []string { return []string{"/bin/sh", "-c", script} }

func (c *company) parse(programs dict) []Program {
	c.t.Helper()
	text, err := json.Marshal(programs)
	if err != nil {
		c.t.Fatal(err)
	}
	parsed, err := Parse(text, c.context())
	if err != nil {
		c.t.Fatal(err)
	}
	return parsed
}

func (c *company) apply(programs dict) {
	c.t.Helper()
	c.Apply(c.parse(programs))
}

func (c *company) eventually(what string, cond func() bool) {
	c.t.Helper()
	if !harness.Poll(budget, cond) {
		c.t.Fatalf("not within %v: %s; status %+v", budget, what, c.Status())
	}
}

func (c *company) of(name string) Status {
	for _, s := range c.Status() {
		if s.Name == name {
			return s
		}
	}
	return Status{}
}

func (c *company) state(name string, want State) Status {
	c.t.Helper()
	c.eventually(name+" is "+string(want), func() bool { return c.of(name).State == want })
	return c.of(name)
}

func (c *company) said(text string) bool    { return c.has(&c.log, text) }
func (c *company) printed(line string) bool { return c.has(&c.lines, line) }

func (c *company) has(in *[]string, text string) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return strings.Contains("\n"+strings.Join(*in, "\n")+"\n", text)
}

// mark is the content of a file that a program writes, "" until there is a whole line.
func (c *company) mark(name string) string {
	text, _ := os.ReadFile(filepath.Join(c.dir, name))
	line, _, found := strings.Cut(string(text), "\n")
	if !found {
		return ""
	}
	return line
}

func (c *company) pidIn(name string) int {
	c.t.Helper()
	c.eventually("the mark "+name, func() bool { return c.mark(name) != "" })
	pid, err := strconv.Atoi(c.mark(name))
	if err != nil {
		c.t.Fatal(err)
	}
	return pid
}

func alive(pid int) bool {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	return err == nil && !strings.Contains(string(text), ") Z ")
}
