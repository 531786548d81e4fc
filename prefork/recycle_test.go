package prefork

import (
	"slices"
	"strings"
	"syscall"
	"testing"
	"testing/fstest"
	"time"

	"github.com/gounicorn/gounicorn/prefork/wire"
)

// due makes workers say that they have served their share.
func (c *crew) due(all ...*worker) {
	for _, w := range all {
		c.p.fromWorker(w, wire.Header{Kind: wire.KindDue, A: w.id}, nil)
	}
}

// stopped wants STOP to be what a worker got.
func (c *crew) stopped(w *worker) {
	c.t.Helper()
	if h, _, _, err := c.control[w].Receive(); err != nil || h.Kind != wire.KindStop || w.state != retiring {
		c.t.Errorf("worker %d in state %d got %v, %v; want STOP", w.id, w.state, h.Kind, err)
	}
}

func TestWorkersAreReplacedOneAtATimeAndServeUntilTheirSuccessorIsReady(t *testing.T) {
	c := newCrew(t, func(cfg *Config) { cfg.Workers, cfg.MaxRequests = 3, 10 })
	old := c.in(ready, false)
	c.due(old...)
	for i := range old {
		c.p.recycle(time.Now())
		if len(c.in(ready, false)) != 3 || len(c.in(booting, false)) != 1 || len(c.in(retiring, false)) != 0 {
			t.Fatalf("replacement %d: %d ready, %d booting, %d retiring; want 3, 1 and 0", i,
				len(c.in(ready, false)), len(c.in(booting, false)), len(c.in(retiring, false)))
		}
		c.boot()
		gone := c.in(retiring, false)
		if len(gone) != 1 || len(c.in(ready, false)) != 3 {
			t.Fatalf("replacement %d: %d leave, %d serve", i, len(gone), len(c.in(ready, false)))
		}
		c.stopped(gone[0])
		c.p.recycle(time.Now())
		if len(c.in(booting, false)) != 0 {
			t.Fatalf("replacement %d: another one begins while the old worker drains", i)
		}
		c.die(gone[0], 0)
	}
	c.p.recycle(time.Now())
	if len(c.in(booting, false)) != 0 || !slices.Equal(c.causes, []Cause{CauseMaxRequests, CauseMaxRequests, CauseMaxRequests}) {
		t.Errorf("%d boot, counted as %v", len(c.in(booting, false)), c.causes)
	}
	for _, w := range c.in(ready, false) {
		if slices.Contains(old, w) {
			t.Errorf("worker %d is still there", w.id)
		}
	}
}

// Those that somebody asks for are replaced one after the other, too.
func TestRetiredWorkersAreReplacedOneAfterTheOther(t *testing.T) {
	c := newCrew(t, nil)
	old := c.in(ready, false)
	retire := func(pid int) bool {
		found := make(chan bool, 1)
		go func() { found <- c.p.Retire(pid) }()
		(<-c.p.calls)()
		return <-found
	}
	for _, w := range old {
		if !retire(w.pid) {
			t.Errorf("worker %d is not known", w.pid)
		}
	}
	if retire(99) {
		t.Error("there is a worker 99")
	}
	for range old {
		c.p.recycle(time.Now())
		if len(c.in(ready, false)) != 2 || len(c.in(booting, false)) != 1 {
			t.Fatalf("%d serve, %d boot", len(c.in(ready, false)), len(c.in(booting, false)))
		}
		c.boot()
		c.die(c.in(retiring, false)[0], 0)
	}
	if !slices.Equal(c.causes, []Cause{CauseSignal, CauseSignal}) || c.p.dismissed != 2 {
		t.Errorf("counted as %v, %d dismissed", c.causes, c.p.dismissed)
	}
	boots := c.p.fork(c.g, false)
	c.forked()
	if !retire(boots.pid) || boots.state != retiring {
		t.Error("one that boots goes on")
	}
}

func TestSuccessorThatDoesNotBootLeavesTheOldWorkerServing(t *testing.T) {
	c := newCrew(t, nil)
	c.due(c.in(ready, false)[0])
	c.forked()
	successor := c.in(booting, false)[0]
	c.die(successor, syscall.WaitStatus(syscall.SIGKILL))
	if len(c.in(ready, false)) != 2 || len(c.in(booting, false)) != 0 {
		t.Fatalf("%d serve, %d boot", len(c.in(ready, false)), len(c.in(booting, false)))
	}
	c.p.recycle(time.Now())
	if len(c.in(booting, false)) != 0 {
		t.Error("it is tried again at once")
	}
	c.p.recycle(time.Now().Add(time.Minute))
	if len(c.in(booting, false)) != 1 {
		t.Error("it is not tried again")
	}
}

func TestWorkerThatDiesWhileItIsReplacedHasItsSuccessor(t *testing.T) {
	c := newCrew(t, nil)
	old := c.in(ready, false)[0]
	c.due(old)
	c.forked()
	old.started = old.started.Add(-time.Hour)
	c.die(old, syscall.WaitStatus(syscall.SIGSEGV))
	if len(c.in(booting, false)) != 1 || c.g.recycling != nil {
		t.Errorf("%d boot", len(c.in(booting, false)))
	}
	c.boot()
	if len(c.in(ready, false)) != 2 || !slices.Equal(c.causes, []Cause{CauseSignal}) {
		t.Errorf("%d serve, counted as %v", len(c.in(ready, false)), c.causes)
	}
}

func TestOldWorkerLeavesFirstWhereThereIsNoMemoryForTwo(t *testing.T) {
	c := newCrew(t, nil)
	c.p.cfg.os.root = machine(99, nil)
	old := c.in(ready, false)[0]
	c.due(old)
	c.stopped(old)
	if len(c.in(booting, false)) != 0 {
		t.Fatal("its successor boots beside it")
	}
	if last := (*c.log)[len(*c.log)-1]; !strings.HasSuffix(last, "so it leaves first: 99 MiB are available, 100 MiB must be") {
		t.Errorf("logged %q", last)
	}
	c.die(old, 0)
	if len(c.in(booting, false)) != 1 {
		t.Error("it has no successor")
	}
}

func TestOverflowWorkerThatIsDueLeavesWithoutASuccessor(t *testing.T) {
	c, w, _ := overflown(t, nil)
	c.due(w)
	c.stopped(w)
	c.die(w, 0)
	if len(c.in(booting, false))+len(c.in(booting, true)) != 0 {
		t.Error("it got a successor")
	}
}

func TestWorkerIsReplacedForItsAgeOrItsMemory(t *testing.T) {
	const mb = 1 << 20
	for _, test := range []struct {
		name           string
		age            time.Duration
		loaded, memory int64 // MB
		cause          Cause
		text           string
	}{
		{"young and small", 59 * time.Minute, 100, 500, causeUnknown, ""},
		{"old", 90 * time.Minute, 100, 100, CauseAge, "Autorestarting worker: it is 1h30m0s old, --max-worker-age is 1h0m0s"},
		{"large", time.Minute, 100, 512, CauseMemory, "Autorestarting worker: 512 MB used, --max-worker-memory is 500M"},
		{"large from the start", time.Minute, 501, 600, causeUnknown, ""},
		{"not measured", time.Minute, 0, 0, causeUnknown, ""},
	} {
		c := newCrew(t, func(cfg *Config) {
			cfg.MaxAge, cfg.MaxAgeJitter, cfg.MaxMemory = time.Hour, 2*time.Hour, 500*mb
			cfg.os.rand = func(n int) int { return n / 4 } // of the jitter: half an hour
		})
		w := c.in(ready, false)[0]
		now := w.since.Add(test.age)
		for _, n := range []int64{test.loaded, test.memory} {
			if n > 0 {
				c.p.weighed(c.g, 1, map[uint32]int64{w.id: n * mb})
			}
		}
		if test.age < 90*time.Minute && w.lifetime != 90*time.Minute {
			t.Errorf("%s: it may live for %v", test.name, w.lifetime)
		}
		if cause, text := w.spent(now); cause != test.cause || text != test.text {
			t.Errorf("%s: cause %d, %q", test.name, cause, text)
		}
		if warned := strings.Contains(strings.Join(*c.log, "\n"), "as soon as it has loaded"); warned != (test.loaded > 500) {
			t.Errorf("%s: logged %q", test.name, *c.log)
		}
	}
}

func TestMemoryIsMeasuredNowAndThen(t *testing.T) {
	c := newCrew(t, func(cfg *Config) {
		cfg.MaxMemory, cfg.os.root = 50<<20, machine(1000, nil)
		for pid := range 20 {
			cfg.os.root.(fstest.MapFS)["proc/"+itoa(pid)+"/smaps_rollup"].Data = []byte("Pss: " + kb(30*pid) + " kB\n")
		}
	})
	c.p.weigh(time.Now())
	(<-c.p.calls)()
	for _, w := range c.in(ready, false) {
		if w.memory != int64(30*w.pid)<<20 {
			t.Errorf("worker %d has %d bytes", w.pid, w.memory)
		}
	}
	before := c.p.scales.next
	c.p.weigh(before.Add(-time.Millisecond))
	if c.p.scales.busy || c.p.scales.next != before {
		t.Error("it is measured again at once")
	}
	c.p.weighed(c.g, 2, nil)
	c.p.weighed(c.g, 2, nil)
	if n := strings.Count(strings.Join(*c.log, "\n"), "cannot be measured"); n != 1 {
		t.Errorf("%d times it was said that nothing can be measured", n)
	}
}

func TestSizesAreWrittenAsTheSettingsAre(t *testing.T) {
	for n, want := range map[int64]string{1 << 30: "1G", 1536 << 20: "1536M", 500 << 10: "500K", 1001: "1001"} {
		if got := size(n); got != want {
			t.Errorf("%d is %s, want %s", n, got, want)
		}
	}
}
