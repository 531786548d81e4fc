package companion

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

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

// What runs and does not do its work is started again; a check that fails now and then is not enough for that.
func TestSickProgramIsStartedAgain(t *testing.T) {
	t.Parallel()
	c := newCompany(t)
	often := func(script string) dict {
		return dict{"command": sh(script), "every": 0.02, "failures": 3, "timeout": 5}
	}
	c.apply(dict{
		"sick": dict{"command": sh("rm -f well; exec sleep 60"), "startsecs": 0, "health": often("test -e well")},
		// fails twice, then works once
		"frail": dict{"command": sh("exec sleep 60"), "startsecs": 0, "health": often("echo >> checks; n=$(wc -l < checks); test $((n % 3)) = 0")},
		"shut":  dict{"command": sh("exec sleep 60"), "startsecs": 0, "health": dict{"tcp": "127.0.0.1:1", "every": 0.02, "failures": 1}},
	})
	c.eventually("the sick ones were started again", func() bool { return c.of("sick").Starts > 1 && c.of("shut").Starts > 1 })
	c.eventually("the frail one was looked at often", func() bool {
		text, _ := os.ReadFile(filepath.Join(c.dir, "checks"))
		return len(text) > 9
	})
	if s := c.of("frail"); s.Starts != 1 || s.State != Running {
		t.Errorf("frail: %+v", s)
	}
	if !c.said("Companion sick failed its health check 3 times: exit code 1. It is stopped and started again.") {
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
