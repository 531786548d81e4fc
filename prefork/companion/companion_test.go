package companion

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
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

// The kill matrix: who ends in which way × what follows.
func TestEveryKindOfEndHasItsStateAndLeavesNoOrphan(t *testing.T) {
	t.Parallel()
	stray := `setsid sh -c 'echo $$ > stray; trap "" TERM; while :; do sleep 60; done' & while [ ! -s stray ]; do sleep 0.01; done;`
	kinds := map[string]string{
		"plain":         ``,
		"ignores TERM":  `trap "" TERM; sh -c 'trap "" TERM; while :; do sleep 60; done' & `,
		"double fork":   `(` + stray + `);`,
		"celery's pool": `sleep 60 & sleep 60 &`,
	}
	ends := map[string]struct {
		script, last string
		signal       string
	}{
		"exit 0": {script: `exit 0`, last: "exit code 0"},
		"exit 1": {script: `exit 1`, last: "exit code 1"},
		"SEGV":   {script: `kill -SEGV $$; sleep 60`, last: "SIGSEGV"},
		"KILL":   {script: `kill -KILL $$; sleep 60`, last: "SIGKILL"},
		"hang":   {script: `echo $$ > hangs; while :; do sleep 60; done`},
	}
	for kind, prelude := range kinds {
		for end, e := range ends {
			t.Run(kind+", "+end, func(t *testing.T) {
				t.Parallel()
				c := newCompany(t)
				c.apply(dict{"p": dict{
					"command": sh(prelude + e.script), "startsecs": 5, "startretries": 1, "stop": [][]any{{"TERM", 0.1}},
				}})
				if e.last == "" { // it does not end by itself
					c.pidIn("hangs")
					if cut := c.Stop(context.Background()); len(cut) != 1 && kind == "ignores TERM" {
						t.Errorf("nobody was cut off")
					}
					return
				}
				s := c.state("p", Fatal)
				if !strings.HasPrefix(s.LastExit, e.last) || s.Starts != 2 || s.Healthy {
					t.Errorf("status %+v", s)
				}
				c.eventually("it is told that it was given up", func() bool { return c.has(&c.gaveUp, "\np\n") })
				for _, pid := range c.carriers() {
					t.Errorf("an orphan: %s", cmdline(pid))
				}
			})
		}
	}
}

func TestRestartFollowsThePolicy(t *testing.T) {
	t.Parallel()
	c := newCompany(t)
	c.apply(dict{
		"always":     dict{"command": sh("exit 0"), "startsecs": 0},
		"unexpected": dict{"command": sh("exit 3"), "startsecs": 0, "autorestart": "unexpected", "exitcodes": []int{3}},
		"crash":      dict{"command": sh("exit 4"), "startsecs": 0, "autorestart": "unexpected"},
		"never":      dict{"command": sh("exit 0"), "startsecs": 0, "autorestart": false, "essential": false},
		"off":        dict{"command": sh("exit 0"), "autostart": false},
		"missing":    dict{"command": "no-such-command-anywhere", "startretries": 0, "essential": false},
	})
	c.eventually("those that are to run are started again", func() bool { return c.of("always").Starts > 3 && c.of("crash").Starts > 3 })
	for name, want := range map[string]State{"unexpected": Exited, "never": Exited, "off": Stopped, "missing": Fatal} {
		if s := c.state(name, want); s.Healthy != (want != Fatal) {
			t.Errorf("%s: %+v", name, s)
		}
	}
	if s := c.of("missing"); !strings.Contains(s.Note, "no-such-command-anywhere is not found on PATH") {
		t.Errorf("missing: %q", s.Note)
	}
	if c.has(&c.gaveUp, "e") {
		t.Errorf("given up: %v", c.gaveUp)
	}
}

func TestStopGoesStepByStepAndOneSlowOneKeepsNobodyWaiting(t *testing.T) {
	t.Parallel()
	c := newCompany(t)
	c.apply(dict{
		"slow": dict{"command": sh(`trap 'echo got TERM' TERM; trap 'echo got QUIT; exit 0' QUIT; echo up; while :; do sleep 0.01; done`), "startsecs": 0,
			"stop": [][]any{{"TERM", 0.2}, {"QUIT", 60}}},
		"deaf":  dict{"command": sh(`trap '' TERM; echo up; while :; do sleep 60; done`), "startsecs": 0, "stopwaitsecs": 60},
		"other": dict{"command": sh("exec sleep 60"), "startsecs": 0},
	})
	c.state("other", Running)
	c.eventually("both are up", func() bool { return c.printed("slow: up") && c.printed("deaf: up") })
	soon, cancel := context.WithTimeout(context.Background(), 50*time.Millisecond)
	defer cancel()
	if err := c.Halt(soon, "deaf"); err == nil {
		t.Error("the wait for the deaf one did not end with its context")
	}
	first := c.of("other").PID
	if err := c.Restart(context.Background(), "other"); err != nil || c.of("other").PID == first {
		t.Errorf("restart beside a stop: %v, %+v", err, c.of("other"))
	}
	if err := c.Halt(context.Background(), "slow"); err != nil {
		t.Error(err)
	}
	if !c.printed("slow: got TERM\nslow: got QUIT") || c.of("slow").State != Stopped {
		t.Errorf("%+v", c.of("slow"))
	}
	if s := c.of("deaf"); s.State != Stopping {
		t.Errorf("deaf: %+v", s)
	}
	go c.Hasten(10 * time.Millisecond)
	if cut := c.Stop(context.Background()); len(cut) != 1 || cut[0].Name != "deaf" {
		t.Errorf("cut: %v", cut)
	}
}

func TestOrderOfStartIsByReadinessAndOfStopTheReverse(t *testing.T) {
	t.Parallel()
	c := newCompany(t)
	note := func(name string) string {
		return `echo "start ` + name + `" >> order; trap 'echo "stop ` + name + `" >> order; exit 0' TERM; while :; do sleep 0.01; done`
	}
	c.apply(dict{
		"beat":   dict{"command": sh(note("beat")), "startsecs": 0, "after": []string{"worker"}},
		"worker": dict{"command": sh(note("worker")), "startsecs": 0.05, "after": []string{"broker"}},
		"broker": dict{"command": sh(note("broker")), "startsecs": 0, "ready": dict{"command": sh("test -e open"), "every": 0.01}},
	})
	c.eventually("the broker is started", func() bool { return c.mark("order") == "start broker" })
	if s := c.of("worker"); s.State != Starting || s.Note != "waits for broker" || s.PID != 0 {
		t.Errorf("worker: %+v", s)
	}
	if err := os.WriteFile(filepath.Join(c.dir, "open"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	c.state("beat", Running)
	c.eventually("it is noted", func() bool {
		text, _ := os.ReadFile(filepath.Join(c.dir, "order"))
		return strings.Contains(string(text), "start beat")
	})
	if cut := c.Stop(context.Background()); len(cut) > 0 {
		t.Errorf("cut: %v", cut)
	}
	text, _ := os.ReadFile(filepath.Join(c.dir, "order"))
	if want := "start broker\nstart worker\nstart beat\nstop beat\nstop worker\nstop broker\n"; string(text) != want {
		t.Errorf("order:\n%s", text)
	}
}

func TestReadyByNotifySocketAndTimeout(t *testing.T) {
	t.Parallel()
	python := `import os, socket, time; s = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM); s.connect("\0" + os.environ["NOTIFY_SOCKET"][1:]); s.send(b"STATUS=x\nREADY=1"); time.sleep(60)`
	c := newCompany(t)
	c.apply(dict{
		"notifies": dict{"command": []string{"python3", "-c", python}, "startsecs": 0, "ready": dict{"notify": true}},
		"silent":   dict{"command": sh("sleep 60"), "startsecs": 0, "ready": dict{"tcp": "127.0.0.1:1", "timeout": 0.05, "every": 0.01}, "startretries": 1},
	})
	c.state("notifies", Running)
	if s := c.state("silent", Fatal); !strings.Contains(s.Note, "was not ready within 50ms") || s.Starts != 2 {
		t.Errorf("silent: %+v", s)
	}
}

func TestReloadTouchesOnlyWhatHasChanged(t *testing.T) {
	t.Parallel()
	c := newCompany(t)
	sleeper := func(more ...any) dict {
		d := dict{"command": sh("exec sleep 60"), "startsecs": 0}
		for i := 0; i < len(more); i += 2 {
			d[more[i].(string)] = more[i+1]
		}
		return d
	}
	c.apply(dict{"same": sleeper(), "changes": sleeper(), "goes": sleeper(), "pool": sleeper("count", 2), "follows": sleeper("reload", "restart")})
	for _, name := range []string{"same", "changes", "goes", "pool:0", "pool:1", "follows"} {
		c.state(name, Running)
	}
	before := map[string]int{}
	for _, s := range c.Status() {
		before[s.Name] = s.PID
	}
	c.apply(dict{"same": sleeper(), "changes": sleeper("environment", dict{"A": "1"}), "pool": sleeper("count", 3), "comes": sleeper(), "follows": sleeper("reload", "restart")})
	c.eventually("the changes are made", func() bool {
		for _, name := range []string{"changes", "comes", "pool:2", "follows"} {
			if s := c.of(name); s.State != Running || s.PID == before[name] {
				return false
			}
		}
		return !alive(before["goes"]) && !alive(before["changes"])
	})
	for _, name := range []string{"same", "pool:0", "pool:1"} {
		if now := c.of(name).PID; now != before[name] {
			t.Errorf("%s was started again", name)
		}
	}
	for range 50 { // a storm of them ends with the last
		c.apply(dict{"same": sleeper(), "changes": sleeper("environment", dict{"A": strconv.Itoa(time.Now().Nanosecond())})})
	}
	c.eventually("one of each", func() bool {
		return len(c.carriers()) == 2 && c.of("changes").State == Running && len(c.Status()) == 2
	})
	if c.of("same").PID != before["same"] {
		t.Error("the storm started the other one again")
	}
}

func TestOutputComesInWholeLines(t *testing.T) {
	t.Parallel()
	c := newCompany(t)
	c.apply(dict{"p": dict{"startsecs": 0, "autorestart": "never", "essential": false, "count": 1, "command": []string{"python3", "-c", `
import sys
sys.stdout.write("one\r\ntwo\n\nhalf"); sys.stdout.flush()
sys.stderr.write("x" * (1 << 20) + "\n")
for i in range(20000): print(i)
sys.stdout.write("no end")`}}})
	c.state("p", Exited)
	if !c.printed("\np: one\np: two\np: \n") || !c.printed("\np: half0\np: 1\n") || !c.printed("\np: 19999\np: no end\n") {
		t.Error("lines are missing")
	}
	long := 0
	for _, line := range c.lines {
		if strings.HasPrefix(line, "p: xxx") {
			long += len(line) - 3
		}
		if len(line) > maxLine+3 {
			t.Errorf("a line of %d bytes", len(line))
		}
	}
	if long != 1<<20 {
		t.Errorf("%d bytes of the long line", long)
	}
}

func TestPartialLineIsShownWhileItIsWaitedFor(t *testing.T) {
	t.Parallel()
	c := newCompany(t)
	c.apply(dict{"p": dict{"startsecs": 0, "command": sh("printf 'password: '; exec sleep 60")}})
	c.eventually("the question", func() bool { return c.printed("p: password: ") })
}

func TestRunHasItsEnvironmentLimitsAndSession(t *testing.T) {
	t.Parallel()
	c := newCompany(t)
	if err := os.WriteFile(filepath.Join(c.dir, "secrets"), []byte("# comment\nexport A='from file'\nB=b$x\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Mkdir(filepath.Join(c.dir, "sub"), 0o700); err != nil {
		t.Fatal(err)
	}
	c.apply(dict{"p": dict{
		"startsecs": 0, "count": 2, "directory": "sub", "env_files": "secrets", "environment": dict{"C": 3}, "umask": 0o27, "limits": dict{"nofile": []int{77, 88}},
		"command": sh(`echo "$A|$B|$C|$GOUNICORN_COMPANION|$GOUNICORN_COMPANION_INDEX|$(umask)|$(ulimit -S -n)|$(ulimit -H -n)|$(basename "$PWD")|$(ps -o sid= -p $$ | tr -d ' ')=$$"; exec sleep 60`),
	}})
	c.state("p:1", Running)
	want := fmt.Sprintf("p:1: from file|b$x|3|p|1|0027|77|88|sub|%d=%[1]d", c.of("p:1").PID)
	c.eventually("the line "+want, func() bool { return c.printed(want) })
}

func TestProgramsOfAnotherUser(t *testing.T) {
	if os.Geteuid() != 0 {
		if _, err := Parse([]byte(`{"p": {"command": "true", "user": "nobody"}}`), newCompany(t).context()); err == nil || !strings.Contains(err.Error(), "only root can") {
			t.Errorf("%v", err)
		}
		return
	}
	t.Parallel()
	c := newCompany(t)
	if err := os.Chmod(c.dir, 0o755); err != nil {
		t.Fatal(err)
	}
	c.apply(dict{"p": dict{"startsecs": 0, "user": "nobody", "directory": "/", "command": sh(`echo "$(id -un) $(id -G) $HOME $USER $LOGNAME"; exec sleep 60`)}})
	c.eventually("who it is", func() bool { return c.printed("p: nobody 65534 /nonexistent nobody nobody") })
}

func TestTimersRunAgainAndNeverOverlap(t *testing.T) {
	t.Parallel()
	c := newCompany(t)
	programs := c.parse(dict{
		"tick": dict{"command": sh("mkdir busy || echo overlap; sleep 0.03; rmdir busy; exit 1"), "every": 1},
		"long": dict{"command": sh("sleep 60"), "every": 1, "timeout": 0.05},
		"cron": dict{"command": "true", "every": "30 3 * * *"},
	})
	for i := range programs {
		if t := programs[i].Timer; t.Every > 0 {
			t.Every = 10 * time.Millisecond
		}
	}
	c.Apply(programs)
	c.eventually("runs", func() bool { return c.of("tick").Starts > 3 && c.of("long").Starts > 1 })
	if c.printed("overlap") || !c.said("Companion tick has failed: exit code 1") || !c.said("Companion long runs for more than 50ms and is stopped") {
		t.Error("the log is not as it should be")
	}
	if s := c.of("cron"); s.State != Stopped || !s.Healthy || s.Next.Hour() != 3 || s.Next.Minute() != 30 {
		t.Errorf("cron: %+v", s)
	}
	if err := c.Start(context.Background(), "cron"); err != nil {
		t.Error(err)
	}
	c.eventually("it waits again", func() bool {
		s := c.of("cron")
		return s.State == Exited && s.Starts == 1 && !s.Next.IsZero() && s.Healthy
	})
}

func TestTooLargeAndTooOldAreStartedAgain(t *testing.T) {
	t.Parallel()
	c := newCompany(t)
	c.apply(dict{
		"large": dict{"startsecs": 0, "max_memory": "30M", "command": []string{"python3", "-c", `import time; x = b"x" * (60 << 20); time.sleep(60)`}},
		"old":   dict{"startsecs": 0, "max_age": 0.05, "max_age_jitter": 0.01, "command": sh("exec sleep 60")},
	})
	c.eventually("both were", func() bool { return c.of("large").Starts > 1 && c.of("old").Starts > 1 })
	if !c.said("MB, more than max_memory and is started again") || !c.said("Companion old has reached max_age") {
		t.Error("the log does not say why")
	}
}

func TestSingletonWaitsForItsLockAndTheOtherMaster(t *testing.T) {
	t.Parallel()
	a, b := newCompany(t), newCompany(t)
	one := dict{"beat": dict{"command": sh("exec sleep 60"), "startsecs": 0, "singleton": filepath.Join(a.dir, "lock")}}
	b.Hold(true)
	b.apply(one)
	if s := b.state("beat", Starting); s.Note != "waits for the other master" {
		t.Errorf("%+v", s)
	}
	a.apply(one)
	a.state("beat", Running)
	b.Hold(false)
	b.eventually("it waits for the lock", func() bool { return strings.Contains(b.of("beat").Note, "another server") })
	a.Stop(context.Background())
	b.state("beat", Running)
}

func TestSignalsAndVerbs(t *testing.T) {
	t.Parallel()
	c := newCompany(t)
	c.apply(dict{"p": dict{"command": sh(`trap 'echo usr1' USR1; echo up; while :; do sleep 0.01; done`), "startsecs": 0, "autostart": false}})
	ctx := context.Background()
	if err := c.Signal(ctx, "p", "USR1"); err == nil || err.Error() != "p does not run" {
		t.Errorf("%v", err)
	}
	if err := c.Start(ctx, "p"); err != nil || c.of("p").State != Running {
		t.Fatalf("%v, %+v", err, c.of("p"))
	}
	c.eventually("it is up", func() bool { return c.printed("p: up") })
	if err := c.Signal(ctx, "p", "usr1"); err != nil {
		t.Error(err)
	}
	c.eventually("the signal", func() bool { return c.printed("p: usr1") })
	if err := c.Signal(ctx, "p", "BOO"); err == nil {
		t.Error("BOO is a signal")
	}
	if err := c.Halt(ctx, "p"); err != nil || c.of("p").State != Stopped || !c.of("p").Healthy {
		t.Errorf("%v, %+v", err, c.of("p"))
	}
	if err := c.Start(ctx, "q"); err == nil || err.Error() != "there is no such companion: q; there are p" {
		t.Errorf("%v", err)
	}
	c.Stop(ctx)
	if err := c.Start(ctx, "p"); !errors.Is(err, ErrStopping) {
		t.Errorf("%v", err)
	}
}

func TestStepsRunInTurnAndTheFirstThatFailsEndsThem(t *testing.T) {
	t.Parallel()
	c := newCompany(t)
	run := func(ctx context.Context, timeout time.Duration, scripts ...string) error {
		var steps []Program
		for _, s := range scripts {
			steps = append(steps, Program{Name: s, Args: sh(s), Directory: c.dir, Umask: -1, Env: c.context().Env})
		}
		return c.RunSteps(ctx, steps, timeout)
	}
	err := run(context.Background(), time.Minute, "echo one", "echo two >&2; sleep 60 & exit 3", "echo three")
	if err == nil || !strings.Contains(err.Error(), "exit code 3") || !c.printed("prestart: one\nprestart: two") || c.printed("three") {
		t.Errorf("%v", err)
	}
	if err := run(context.Background(), 20*time.Millisecond, "sleep 60"); err == nil || !strings.Contains(err.Error(), "did not end within 20ms (--prestart-timeout)") {
		t.Errorf("%v", err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	time.AfterFunc(20*time.Millisecond, cancel)
	if err := run(ctx, 0, "trap '' TERM; sleep 60"); !errors.Is(err, context.Canceled) {
		t.Errorf("%v", err)
	}
}

func TestPausesGrowAreCappedAndDiffer(t *testing.T) {
	t.Parallel()
	for n, least := range map[int]time.Duration{0: time.Second, 1: time.Second, 2: 2 * time.Second, 5: 16 * time.Second, 7: time.Minute, 1000: time.Minute} {
		if d := pause(n); d < least || d > least+least/4 {
			t.Errorf("pause %d is %v", n, d)
		}
	}
}

func TestCompanionsDieWithTheirMaster(t *testing.T) {
	if os.Getenv("COMPANION_MASTER") != "" {
		c := newCompany(t)
		c.dir = os.Getenv("TEST_FOLDER")
		c.apply(dict{"p": dict{"command": sh(`trap "" TERM; sleep 77 & echo $$ > ` + os.Getenv("COMPANION_MASTER") + `.0; while :; do sleep 0.05; done`), "startsecs": 0}})
		c.pidIn("pid.0")
		c.state("p", Running)
		if err := os.Link(os.Getenv("COMPANION_MASTER")+".0", os.Getenv("COMPANION_MASTER")); err != nil {
			t.Fatal(err)
		}
		select {}
	}
	c := newCompany(t)
	pr, err := os.StartProcess(os.Args[0], []string{os.Args[0], "-test.run=^" + t.Name() + "$"},
		&os.ProcAttr{Env: append(os.Environ(), "COMPANION_MASTER="+filepath.Join(c.dir, "pid"), "TEST_FOLDER="+c.dir)})
	if err != nil {
		t.Fatal(err)
	}
	c.children.Store(pr.Pid, true)
	pid := c.pidIn("pid")
	if !alive(pid) {
		t.Fatal("it has ended before")
	}
	_ = pr.Signal(syscall.SIGKILL)
	_, _ = pr.Wait()
	c.children.Delete(pr.Pid)
	c.eventually("the companion and what it has started are dead", func() bool { return !alive(pid) && len(c.carriers()) == 0 })
}
