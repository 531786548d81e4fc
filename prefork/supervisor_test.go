package prefork

import (
	"fmt"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/gounicorn/gounicorn/prefork/wire"
)

// testPool is a pool without processes whose log the test reads. Its supervisor does not run: the test plays it.
func testPool(t *testing.T, change func(*Config)) (p *Pool, log *[]string) {
	t.Helper()
	log = &[]string{}
	cfg := Config{Worker: "/bin/sh", Log: func(level, pid int, msg string) {
		*log = append(*log, fmt.Sprintf("%d %d %s", level, pid, msg))
	}}
	if change != nil {
		change(&cfg)
	}
	p, err := New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = p.d.board.Close() })
	return p, log
}

func TestWorkerWhoseZygoteIsGoneIsNotAFailedFork(t *testing.T) {
	p, log := testPool(t, nil)
	p.obituary(&worker{g: &generation{exited: true}, pid: 77})
	if want := fmt.Sprintf("%d 77 Worker (pid:77) ended; its zygote is gone, so its status is unknown", wire.LevelInfo); len(*log) != 1 || (*log)[0] != want {
		t.Errorf("logged %q, want %q", *log, want)
	}
	p.obituary(&worker{g: &generation{}})
	if len(*log) != 2 || !strings.HasSuffix((*log)[1], "a worker could not be forked") {
		t.Errorf("logged %q", *log)
	}
}

func TestGracefulTimeoutOfZeroIsNoGrace(t *testing.T) {
	p, _ := testPool(t, nil)
	if p.cfg.GracefulTimeout != 0 {
		t.Errorf("a grace of 0 became %v", p.cfg.GracefulTimeout)
	}
	g := testGeneration(t)
	g.ending = true
	w := offer(p.d, g, 1)
	w.state = ready
	p.retire(w, CauseReload)
	if time.Now().Before(w.deadline) {
		t.Errorf("the worker may go on until %v", w.deadline)
	}
}

// Only time proves a worker: if becoming ready did, one that dies a moment later would be forked in a loop.
func TestWorkerThatOnlyBecameReadyProvesNothing(t *testing.T) {
	c := newCrew(t, nil)
	for n := range 2 {
		c.die(c.in(ready, false)[0], syscall.WaitStatus(3<<8))
		if c.p.failures != n+1 {
			t.Fatalf("%d failures after %d early deaths", c.p.failures, n+1)
		}
		if n == 0 {
			for len(c.in(booting, false)) == 0 { // the first pause is none
				(<-c.p.calls)()
			}
			c.boot()
		}
	}
	if len(c.in(booting, false)) != 0 || !c.g.paused {
		t.Error("there is no pause")
	}
	w := c.in(ready, false)[0]
	c.p.sweep(w.since.Add(provenAfter))
	if c.p.failures != 0 {
		t.Errorf("%d failures though a worker serves", c.p.failures)
	}
}
