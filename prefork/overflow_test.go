package prefork

import (
	"math"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"testing/fstest"
	"time"

	"github.com/gounicorn/gounicorn/prefork/wire"
)

func itoa(n int) string { return strconv.Itoa(n) }
func kb(mib int) string { return strconv.Itoa(mib << 10) }

var lacksWorker = want{Worker: true}

func TestGenerationIsFilledUp(t *testing.T) {
	c := newCrew(t, func(cfg *Config) { cfg.Workers = 3 })
	if c.p.current != c.g || len(c.in(ready, false)) != 3 {
		t.Fatalf("%d workers are ready", len(c.in(ready, false)))
	}
	c.p.retire(c.in(ready, false)[0], CauseMaxRequests)
	if n := len(c.in(booting, false)); n != 1 {
		t.Errorf("%d successors for one worker", n)
	}
	c.p.retire(c.in(ready, false)[0], CauseMaxRequests)
	c.p.fill(c.g)
	if n := len(c.in(booting, false)); n != 2 {
		t.Errorf("%d successors for two workers", n)
	}
}

func TestNoWorkerIsForkedBeforeItsTimeAfterAFailure(t *testing.T) {
	c := newCrew(t, nil)
	c.p.failures = 5
	c.die(c.in(ready, false)[0], syscall.WaitStatus(syscall.SIGKILL)) // it is younger than a second
	c.p.retire(c.in(ready, false)[0], CauseMaxRequests)
	if n := len(c.in(booting, false)); n != 0 || !c.g.paused {
		t.Fatalf("%d workers were forked", n)
	}
	for c.g.paused {
		(<-c.p.calls)()
	}
	if n := len(c.in(booting, false)); n != 2 {
		t.Errorf("%d workers were forked after the pause, want 2", n)
	}
}

func TestOverflowWorkersComeOneAtATime(t *testing.T) {
	c := newCrew(t, func(cfg *Config) { cfg.SlowReserve = 2 })
	now := time.Now()
	for i := range 3 {
		for range 3 {
			c.lack(now)
		}
		if n, want := len(c.in(booting, true)), min(1, 2-i); n != want {
			t.Fatalf("round %d: %d workers were forked at once, want %d", i, n, want)
		}
		c.boot()
	}
	if n := len(c.in(ready, true)); n != 2 || c.p.d.lanes.Computing() != 4 {
		t.Errorf("%d overflow workers and %d computing threads, want 2 and 4", n, c.p.d.lanes.Computing())
	}
}

func TestNoOverflowWhileAGenerationBootsOrEnds(t *testing.T) {
	for name, change := range map[string]func(c *crew){
		"boots": func(c *crew) { c.p.incoming = &generation{} },
		"ends":  func(c *crew) { c.g.ending = true },
		"stops": func(c *crew) { c.p.stopping = true },
		"dead":  func(c *crew) { c.g.exited = true },
		"off":   func(c *crew) { c.g.plan.MaxWorkers = c.g.plan.Workers },
	} {
		c := newCrew(t, nil)
		change(c)
		c.lack(time.Now())
		if n := len(c.in(booting, true)); n != 0 {
			t.Errorf("%s: %d overflow workers", name, n)
		}
	}
}

// lack makes the dispatcher lack a worker for long enough.
func (c *crew) lack(now time.Time) {
	c.p.adapt(now.Add(-c.p.cfg.SlowAfter), lacksWorker)
	c.p.adapt(now, lacksWorker)
}

func TestNoOverflowForAMoment(t *testing.T) {
	c := newCrew(t, nil)
	now := time.Now()
	c.p.adapt(now, lacksWorker)
	c.p.adapt(now.Add(time.Millisecond), lacksWorker)
	c.p.adapt(now.Add(c.p.cfg.SlowAfter/2), want{})
	c.p.adapt(now.Add(c.p.cfg.SlowAfter), lacksWorker)
	if n := len(c.in(booting, true)); n != 0 {
		t.Errorf("%d overflow workers although the others were held for moments only", n)
	}
}

// overflown is a crew with an overflow worker.
func overflown(t *testing.T, change func(*Config)) (*crew, *worker, time.Time) {
	t.Helper()
	c := newCrew(t, change)
	now := time.Now()
	c.lack(now)
	c.boot()
	if len(c.in(ready, true)) != 1 {
		t.Fatal("there is no overflow worker")
	}
	return c, c.in(ready, true)[0], now
}

func TestOverflowWorkerLeavesWhenItWasNotNeededForLong(t *testing.T) {
	c, w, now := overflown(t, nil)
	idle := c.g.plan.OverflowIdle
	c.p.adapt(now.Add(idle-time.Millisecond), want{})
	if w.state != ready {
		t.Fatal("it left before its time")
	}
	b := &bench{t: t, d: c.p.d, g: c.g, in: wire.NewPackets(c.g.queue.remote)}
	b.teach("slow", time.Second)
	first, second := b.submit("slow", ""), b.submit("slow", "")
	for i, j := range []*Job{first, second} {
		if b.run(b.in, c.in(ready, false)[i].id) != j {
			t.Fatal("another request")
		}
	}
	c.p.adapt(now.Add(idle), want{})
	if w.state != ready {
		t.Fatal("it left although two workers alone would be held by slow requests")
	}
	c.p.d.over(first, true, false)
	c.p.d.over(second, true, false)
	first = b.submit("slow", "")
	if b.run(b.in, w.id) != first {
		t.Fatal("another request")
	}
	c.p.adapt(now.Add(2*idle), want{})
	if w.state != ready {
		t.Fatal("it left although it runs a slow request")
	}
	c.p.d.over(first, true, false)
	c.p.adapt(now.Add(2*idle), want{})
	if w.state != retiring {
		t.Fatal("it stays without need")
	}
	if h, _, _, err := c.control[w].Receive(); err != nil || h.Kind != wire.KindStop {
		t.Errorf("it got %v, %v", h.Kind, err)
	}
	c.die(w, 0)
	if len(c.in(booting, false))+len(c.in(booting, true)) != 0 {
		t.Error("it got a successor")
	}
	if len(c.causes) != 0 {
		t.Errorf("its end counts as restart: %v", c.causes)
	}
}

func TestKilledOverflowWorkerIsNotReplaced(t *testing.T) {
	c, w, _ := overflown(t, nil)
	w.since = w.since.Add(-time.Hour)
	c.die(w, syscall.WaitStatus(syscall.SIGKILL))
	if len(c.in(booting, false))+len(c.in(booting, true)) != 0 {
		t.Error("it got a successor")
	}
	if len(c.in(ready, false)) != 2 || c.p.failures != 0 {
		t.Errorf("%d workers, %d failures", len(c.in(ready, false)), c.p.failures)
	}
	if len(c.causes) != 1 || c.causes[0] != CauseSignal {
		t.Errorf("counted as %v", c.causes)
	}
	c.lack(time.Now())
	if len(c.in(booting, true)) != 1 {
		t.Error("there is no other one when it is needed")
	}
	c.boot()
	c.p.retire(c.in(ready, false)[0], CauseMaxRequests)
	if len(c.in(booting, false)) != 1 {
		t.Error("it keeps the successor of another worker away")
	}
}

func TestOverflowWorkerThatDoesNotBootIsNotTheSitesTrouble(t *testing.T) {
	c := newCrew(t, nil)
	now := time.Now()
	c.lack(now)
	c.forked()
	w := c.in(booting, true)[0]
	c.p.fromWorker(w, wire.Header{Kind: wire.KindBootFailed, Aux: 3}, []byte("Traceback"))
	c.die(w, syscall.WaitStatus(3<<8))
	if last := (*c.log)[len(*c.log)-1]; !strings.Contains(last, "overflow worker did not boot") {
		t.Errorf("logged %q", last)
	}
	if c.p.failures != 0 || c.p.stopping || c.g.paused || c.g.ending {
		t.Error("its trouble is the site's")
	}
	c.lack(time.Now())
	if len(c.in(booting, true)) != 0 {
		t.Error("it is tried again at once")
	}
	c.lack(now.Add(time.Minute))
	if len(c.in(booting, true)) != 1 {
		t.Error("it is not tried again")
	}
}

func TestOverflowNeedsMemory(t *testing.T) {
	c := newCrew(t, func(cfg *Config) { cfg.os.root = machine(199, nil) })
	now := time.Now()
	c.lack(now)
	c.lack(now.Add(time.Minute))
	if len(c.in(booting, true)) != 0 {
		t.Error("a worker was forked with 199 MiB for one of 100")
	}
	if n := len(*c.log); !strings.HasSuffix((*c.log)[n-1], "199 MiB are available, 200 MiB must be") || strings.Contains((*c.log)[n-2], "MiB") {
		t.Errorf("logged %q", *c.log)
	}
	c.p.cfg.os.root = machine(200, nil)
	c.lack(now.Add(time.Hour))
	if len(c.in(booting, true)) != 1 {
		t.Error("no worker was forked with 200 MiB for one of 100")
	}
}

func TestMemoryIsThatOfTheTightestLimit(t *testing.T) {
	file := func(text string) *fstest.MapFile { return &fstest.MapFile{Data: []byte(text)} }
	for _, test := range []struct {
		name       string
		root       fstest.MapFS
		need, have int64 // MiB
	}{
		{"machine", machine(1000, nil), 200, 1000},
		{"cgroup", machine(1000, fstest.MapFS{
			"proc/self/cgroup":                      file("0::/site/web\n"),
			"sys/fs/cgroup/site/web/memory.max":     file("max\n"),
			"sys/fs/cgroup/site/web/memory.current": file("1\n"),
			"sys/fs/cgroup/site/memory.max":         file(strconv.Itoa(500 << 20)),
			"sys/fs/cgroup/site/memory.current":     file(strconv.Itoa(450 << 20)),
			"sys/fs/cgroup/site/memory.stat":        file("anon 1\ninactive_file " + strconv.Itoa(30<<20) + "\n"),
		}), 200, 80},
		{"above its limit", machine(1000, fstest.MapFS{
			"proc/self/cgroup":             file("0::/\n"),
			"sys/fs/cgroup/memory.max":     file("1000"),
			"sys/fs/cgroup/memory.current": file("2000"),
		}), 200, 0},
		{"cgroup of version 1", machine(1000, fstest.MapFS{
			"proc/self/cgroup": file("5:cpu,memory:/web\n0::/\n"),
			"sys/fs/cgroup/memory/web/memory.limit_in_bytes": file(strconv.Itoa(300 << 20)),
			"sys/fs/cgroup/memory/web/memory.usage_in_bytes": file(strconv.Itoa(100 << 20)),
		}), 200, 200},
		{"nothing told", fstest.MapFS{"proc/7/statm": file("5000 2000 1500 1 0 1 0\n")}, 0, math.MaxInt64 >> 20},
	} {
		need, have, ok := memoryFor(test.root, 7)
		if need>>20 != test.need && test.need != 0 || have>>20 != test.have || ok != (have >= need) {
			t.Errorf("%s: %d MiB of %d needed, %v", test.name, need>>20, have>>20, ok)
		}
		if test.need == 0 && need != 2*500*int64(syscall.Getpagesize()) {
			t.Errorf("%s: %d bytes needed", test.name, need)
		}
	}
}
