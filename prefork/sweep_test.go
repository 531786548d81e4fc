package prefork

import (
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/gounicorn/gounicorn/prefork/lane"
	"github.com/gounicorn/gounicorn/prefork/wire"
	"golang.org/x/sys/unix"
)

// running submits a request and lets a worker run it since then.
func (c *crew) running(w *worker, since time.Duration) *Job {
	c.t.Helper()
	b := &bench{t: c.t, d: c.p.d, g: c.g, in: wire.NewPackets(c.g.queue.remote)}
	j := b.submit("key", "")
	if b.run(b.in, w.id) != j {
		c.t.Fatal("another request")
	}
	b.report(j, time.Now().Add(-since))
	return j
}

func TestSoftTimeoutIsRaisedOnce(t *testing.T) {
	c := newCrew(t, func(cfg *Config) { cfg.Workers, cfg.SlowReserve, cfg.SoftTimeout = 3, 0, time.Second })
	w := c.in(ready, false)[0]
	lines := len(*c.log)
	c.running(w, 900*time.Millisecond)
	j := c.running(w, 1100*time.Millisecond)
	answered := c.running(w, 1100*time.Millisecond)
	answered.answered.Store(true)
	c.p.sweep(time.Now())
	c.p.sweep(time.Now())
	c.p.stop(w, CauseReload)
	h, _, _, err := c.control[w].Receive()
	if err != nil || h.Kind != wire.KindInterrupt || h.A != j.slot || h.B != j.generation {
		t.Fatalf("the worker got %+v, %v", h, err)
	}
	if h, _, _, err := c.control[w].Receive(); err != nil || h.Kind != wire.KindStop {
		t.Errorf("then the worker got %v, %v", h.Kind, err)
	}
	if said := (*c.log)[lines:]; len(said) != 1 || !strings.Contains(said[0], "SOFT TIMEOUT") || !strings.Contains(said[0], "GET /test, running for 1.1") {
		t.Errorf("logged %q", said)
	}
}

// nice is the nice value of a process.
func nice(t *testing.T, pid int) int {
	t.Helper()
	raw, err := unix.Getpriority(unix.PRIO_PROCESS, pid)
	if err != nil {
		t.Fatal(err)
	}
	return 20 - raw
}

// sleeping is a process that does nothing, and its nice value.
func sleeping(t *testing.T) (pid, base int) {
	t.Helper()
	sleeper := exec.Command("sleep", "60")
	if err := sleeper.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = sleeper.Process.Kill(); _ = sleeper.Wait() })
	return sleeper.Process.Pid, nice(t, sleeper.Process.Pid)
}

func TestRequestThatTurnsOutSlowYieldsTheProcessor(t *testing.T) {
	for _, returns := range []bool{true, false} {
		pid, base := sleeping(t)
		c := newCrew(t, func(cfg *Config) { cfg.SlowNice = 7 })
		c.p.d.mayReturn = returns
		w := c.in(ready, false)[0]
		w.pid = pid
		j := c.running(w, time.Second)
		c.p.d.board.SetThread(j.slot, 0, uint32(pid))
		if nice(t, pid) != base {
			t.Fatal("demoted before its time")
		}
		want, notice := base, uint32(0)
		if returns {
			want, notice = min(base+7, 19), wire.NoticeDemoted
		}
		for range 2 { // once
			c.p.sweep(time.Now())
			if got := nice(t, pid); got != want || c.p.d.board.Notice(j.slot) != notice {
				t.Errorf("may return: %v: nice %d and notice %d, want %d and %d", returns, got, c.p.d.board.Notice(j.slot), want, notice)
			}
		}
	}
}

func TestRequestThatIsOverIsNotDemoted(t *testing.T) {
	pid, base := sleeping(t)
	c := newCrew(t, func(cfg *Config) { cfg.SlowNice = 7 })
	c.p.d.mayReturn = true
	w := c.in(ready, false)[0]
	w.pid = pid
	j := c.running(w, time.Second)
	c.p.d.board.SetThread(j.slot, 0, uint32(pid))
	found := c.p.d.sweep(time.Now())
	if len(found.slow) != 1 {
		t.Fatalf("%d turned out slow", len(found.slow))
	}
	c.p.d.over(j, true, false)
	c.p.demote(found.slow[0])
	if got := nice(t, pid); got != base {
		t.Errorf("nice %d, want %d", got, base)
	}
}

func TestThreadOfAnotherProcessIsNotDemoted(t *testing.T) {
	c := newCrew(t, nil)
	w := c.in(ready, false)[0]
	w.pid = unix.Getpid()
	for tid, want := range map[int]bool{0: false, 1: false, unix.Gettid(): true} {
		if w.owns(tid) != want {
			t.Errorf("thread %d is said to be the worker's: %v", tid, !want)
		}
	}
}

func TestStatusNamesWorkersAndWhatTheyRun(t *testing.T) {
	c, extra, _ := overflown(t, nil)
	c.running(extra, 3*time.Second)
	old := c.in(ready, false)[0]
	c.p.retire(old, CauseMaxRequests)
	s := c.p.status(time.Now())
	if s.Generation != 1 || len(s.Workers) != 3 {
		t.Fatalf("%+v", s)
	}
	for _, w := range s.Workers {
		wantState := map[bool]string{true: "retiring", false: "ready"}[w.PID == old.pid]
		if w.State != wantState || w.Overflow != (w.PID == extra.pid) || w.Threads != 1 {
			t.Errorf("%+v", w)
		}
		if w.PID != extra.pid {
			continue
		}
		if len(w.Requests) != 1 || w.Requests[0].Request != "GET /test" || w.Requests[0].Seconds < 3 {
			t.Errorf("%+v", w.Requests)
		}
	}
}

// What a thread does that runs the first request of its route is told from two looks at it, and at it only.
func TestFirstLongRequestIsSeenToWait(t *testing.T) {
	pid, _ := sleeping(t)
	c := newCrew(t, nil)
	w := c.in(ready, false)[0]
	w.pid = pid
	j := c.running(w, time.Second)
	sweep := func() bool {
		c.p.d.board.SetThread(j.slot, 0, uint32(pid))
		c.p.sweep(time.Now())
		return !j.item.Background()
	}
	if sweep() {
		t.Fatal("one look told")
	}
	c.p.d.retry(j) // as if its worker had died
	b := &bench{t: c.t, d: c.p.d, g: c.g, in: wire.NewPackets(c.g.queue.remote)}
	if b.run(b.in, w.id) != j {
		t.Fatal("it is not sent again")
	}
	b.report(j, time.Now().Add(-time.Second))
	if sweep() {
		t.Error("one look told, after one at another thread")
	}
	for since := time.Now(); !sweep(); { // it may still be starting
		if time.Since(since) > 10*time.Second {
			t.Fatal("it waits, and nobody saw it")
		}
	}
}

// Requests sent ahead of a free thread as fast are taken back once their route turns out slow, before they fill every thread.
func TestWhatWasSentAheadIsTakenBackWhenItsRouteTurnsSlow(t *testing.T) {
	b := newBench(t, 2, nil)
	for range 16 {
		b.teach("GET /x", time.Millisecond)
	}
	const n = 6
	for range n {
		b.submit("GET /x", "")
	}
	if sent := b.queued(); sent != n {
		t.Fatalf("%d of %d fast requests were sent", sent, n)
	}
	for range 64 {
		b.teach("GET /x", time.Second)
	}
	if c := b.classOf("GET /x"); c != lane.Slow {
		t.Fatalf("the route is %v", c)
	}
	b.d.sweep(time.Now())
	if sent := b.queued(); sent != 1 { // one of two threads is open to slow work
		t.Errorf("%d are with the workers, want 1", sent)
	}
	b.d.mu.Lock()
	defer b.d.mu.Unlock()
	if waiting := b.d.lanes.Waiting(); waiting != n-1 {
		t.Errorf("%d wait, want %d", waiting, n-1)
	}
}
