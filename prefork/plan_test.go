package prefork

import (
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/gounicorn/gounicorn/prefork/wire"
	"golang.org/x/sys/unix"
)

// next returns the next packet that the zygote got of another kind than FORK.
func (c *crew) next() wire.Header {
	c.t.Helper()
	for {
		h, _, files, err := c.zygote.Receive()
		if err != nil {
			c.t.Fatal(err)
		}
		for _, f := range files {
			_ = f.Close()
		}
		if h.Kind != wire.KindFork {
			return h
		}
	}
}

func TestResizeTellsTheZygoteAndRetiresTheOldest(t *testing.T) {
	c := newCrew(t, nil)
	oldest := slices.MinFunc(c.in(ready, false), func(a, b *worker) int { return a.started.Compare(b.started) })
	c.p.resize(c.g, 1)
	if h := c.next(); h.Kind != wire.KindEvent || h.Aux != wire.EventNWorkersChanged || h.A != 1 || h.B != 2 {
		t.Errorf("the zygote got %+v, want NWORKERS_CHANGED from 2 to 1", h)
	}
	if left := c.in(ready, false); len(left) != 1 || left[0] == oldest || oldest.state != retiring {
		t.Errorf("%d workers are left, the oldest is in state %d", len(left), oldest.state)
	}
	c.die(oldest, 0)
	if n := len(c.in(booting, false)); n != 0 {
		t.Errorf("%d workers were forked in its place", n)
	}
	if len(c.causes) != 0 {
		t.Errorf("counted as a replacement: %v", c.causes)
	}
	c.p.resize(c.g, 3)
	if n := len(c.in(booting, false)); n != 2 {
		t.Errorf("%d workers boot, want 2 more", n)
	}
	if c.next(); c.g.most() != 4 {
		t.Errorf("there may be %d workers, want 3 and one for overflow", c.g.most())
	}
	c.p.resize(c.g, 0)
	if h := c.next(); h.A != 0 || len(c.in(ready, false))+len(c.in(booting, false)) != 0 {
		t.Errorf("EVENT %+v, and %d workers are left", h, len(c.in(ready, false)))
	}
}

func TestWorkerIsAbortedBetweenItsStacksAndItsEnd(t *testing.T) {
	c := newCrew(t, func(cfg *Config) { cfg.Abort = true })
	w := c.in(ready, false)[0]
	w.dumping, w.deadline = true, time.Now().Add(stacksWait)
	c.p.fromWorker(w, wire.Header{Kind: wire.KindStacks, A: w.id}, []byte("File \"app.py\""))
	if !w.aborted || w.deadline.IsZero() {
		t.Errorf("aborted %v, deadline %v: it is to have what is left of its second", w.aborted, w.deadline)
	}
	lines := len(*c.log)
	c.p.sweep(w.deadline.Add(time.Millisecond))
	if !w.deadline.IsZero() || len(*c.log) != lines {
		t.Errorf("after that it is killed without another word, logged %q", (*c.log)[lines:])
	}
}

// The plan of a generation counts for the pool from the time when it serves; what belongs to the lanes stays.
func TestPlanOfANewGenerationIsFollowedWhenItServes(t *testing.T) {
	c := newCrew(t, func(cfg *Config) { cfg.Timeout, cfg.SlowAfter = time.Second, time.Second })
	served := 0
	g := testGeneration(t)
	local, remote, err := wire.SocketPair(unix.SOCK_SEQPACKET, "zygote")
	if err != nil {
		t.Fatal(err)
	}
	g.number, g.control = 2, wire.NewPackets(local)
	zygote := wire.NewPackets(remote)
	t.Cleanup(func() { _ = g.control.Close(); _ = zygote.Close() })
	c.p.generations, c.p.incoming = append(c.p.generations, g), g
	plan := Plan{Boot: []byte("boot"), Workers: 1, Timeout: time.Minute, SlowAfter: time.Minute, Serving: func() { served++ }}
	c.p.cfg.Decide = func(generation int, answer []byte) (Plan, error) {
		if generation != 2 || string(answer) != "values" {
			t.Errorf("Decide got %d, %q", generation, answer)
		}
		return plan, nil
	}
	c.p.answered(g, []byte("values"))
	(<-c.p.calls)()
	if g.phase != loading || c.p.cfg.Timeout != time.Second {
		t.Errorf("phase %d, timeout %v before it serves", g.phase, c.p.cfg.Timeout)
	}
	g.phase = loaded
	c.p.proceed(g)
	if g.phase != forking || len(g.workers) != 1 {
		t.Fatalf("phase %d, %d workers; WHEN_READY is for the first generation only", g.phase, len(g.workers))
	}
	for _, w := range g.workers {
		c.p.workerReady(w, false)
		_ = w.control.Close()
	}
	if c.p.current != g || served != 1 || c.p.cfg.Timeout != time.Minute || c.p.cfg.SlowAfter != time.Second {
		t.Errorf("serves %v, told %d times, timeout %v, slow after %v", c.p.current == g, served, c.p.cfg.Timeout, c.p.cfg.SlowAfter)
	}
}

func TestGenerationWithoutAPlanEndsAndTheOldOneStays(t *testing.T) {
	c := newCrew(t, nil)
	g := testGeneration(t)
	local, remote, err := wire.SocketPair(unix.SOCK_SEQPACKET, "zygote")
	if err != nil {
		t.Fatal(err)
	}
	g.control = wire.NewPackets(local)
	zygote := wire.NewPackets(remote)
	t.Cleanup(func() { _ = g.control.Close(); _ = zygote.Close() })
	c.p.generations, c.p.incoming = append(c.p.generations, g), g
	c.p.cfg.Decide = func(int, []byte) (Plan, error) { return Plan{}, errors.New("workers: x") }
	c.p.answered(g, nil)
	(<-c.p.calls)()
	if h, _, _, err := zygote.Receive(); err != nil || h.Kind != wire.KindExit || h.Aux != wire.ExitGeneration {
		t.Errorf("the new zygote got %+v, %v; want EXIT of its generation", h, err)
	}
	if c.p.current != c.g || c.p.incoming != nil || !g.ending {
		t.Error("the old generation does not go on alone")
	}
	if text := strings.Join(*c.log, "\n"); !strings.Contains(text, "workers: x") || !strings.Contains(text, "Reload failed") {
		t.Errorf("logged %q", text)
	}
}

// The zygote hears of the server's end only when the end of the last worker has been logged.
func TestZygoteSaysGoodbyeLast(t *testing.T) {
	var c *crew
	stopped, logged := 0, 0
	c = newCrew(t, func(cfg *Config) {
		cfg.Stopped = func() { stopped, logged = stopped+1, strings.Count(strings.Join(*c.log, "\n"), "exited with code 1") }
	})
	workers := c.in(ready, false)
	c.p.shutdown(nil)
	for i, w := range workers {
		if stopped != 0 || c.p.last != c.g {
			t.Fatalf("%d of %d workers are dead, and the zygote was told", i, len(workers))
		}
		c.die(w, 1<<8)
	}
	if h := c.next(); h.Kind != wire.KindExit || h.Aux != wire.ExitServer || stopped != 1 || logged != 2 {
		t.Errorf("the zygote got %+v, Stopped was called %d times, when the ends of %d workers had been logged", h, stopped, logged)
	}
}
