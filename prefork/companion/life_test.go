package companion

import (
	"context"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"
)

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
			"stop": [][]any{{"TERM", 1}, {"QUIT", 60}}},
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
	go c.Hasten(time.Second)
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
	if s := c.state("worker", Starting); s.Note != "waits for broker" || s.PID != 0 {
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
