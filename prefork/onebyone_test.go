package prefork

import (
	"fmt"
	"slices"
	"strings"
	"syscall"
	"testing"
)

// of lists the workers of a generation in some state, by number.
func of(g *generation, state workerState) (all []*worker) {
	for _, w := range g.workers {
		if w.state == state {
			all = append(all, w)
		}
	}
	slices.SortFunc(all, func(a, b *worker) int { return int(a.id) - int(b.id) })
	return all
}

// vanish ends a worker of any generation that leaves.
func (c *crew) vanish(w *worker) {
	c.t.Helper()
	w.status = new(syscall.WaitStatus)
	c.p.lost(w)
	if end := c.control[w]; end != nil {
		_ = end.Close()
	}
	for w.g.workers[w.id] == w || c.p.dying > 0 {
		(<-c.p.calls)()
	}
}

func TestGenerationsFollowOneByOneWhereMemoryIsShort(t *testing.T) {
	for _, test := range []struct {
		old, new, mib int // a worker has 100 for itself
		forced        bool
		most, least   int // processes at once, workers of the generation that serves
	}{
		{4, 4, 1000, false, 8, 4},
		{4, 4, 1000, true, 5, 2},
		{4, 4, 599, false, 5, 2},
		{4, 4, 149, false, 4, 2},
		{2, 2, 150, false, 3, 1},
		{1, 1, 150, true, 2, 1},
		{1, 1, 50, false, 1, 0},
		{2, 5, 150, false, 5, 1}, // more are asked for, and the old ones have gone
		{5, 2, 150, false, 6, 2},
	} {
		name := fmt.Sprintf("%d to %d with %d MiB, forced %v", test.old, test.new, test.mib, test.forced)
		c := newCrew(t, func(cfg *Config) { cfg.Workers = test.old })
		c.p.cfg.os.root = machine(test.mib, nil)
		_, g := c.reload(Plan{Workers: test.new, OneByOne: test.forced})
		c.p.staff(g)
		most, least := c.p.living(), test.old
		for step := 0; len(of(g, ready)) < test.new || len(c.g.workers) > 0; step++ {
			if step > 50 {
				t.Fatalf("%s: stuck with %d old and %d new workers, log %q", name, len(c.g.workers), len(g.workers), *c.log)
			}
			if boots := of(g, booting); len(boots) > 0 {
				w := boots[0]
				w.pid = 1
				w.pidNow.Store(1)
				c.p.workerReady(w, false)
			} else if leave := of(c.g, retiring); len(leave) > 0 {
				c.vanish(leave[0])
			}
			most, least = max(most, c.p.living()), min(least, c.p.current.count(ready))
		}
		if most != test.most || least != test.least {
			t.Errorf("%s: up to %d processes and down to %d workers, want %d and %d", name, most, least, test.most, test.least)
		}
		if c.p.current != g || c.p.reload.State != ReloadDone || g.room != 0 {
			t.Errorf("%s: reload %+v, room %d", name, c.p.reload, g.room)
		}
		if said := strings.Contains(strings.Join(*c.log, "\n"), "replaced one by one"); said != (test.mib < 150*test.new) {
			t.Errorf("%s: logged %q", name, *c.log)
		}
	}
}

func TestOldGenerationIsFilledUpWhenTheNewOneFailsOneByOne(t *testing.T) {
	c := newCrew(t, func(cfg *Config) { cfg.Workers = 4 })
	_, g := c.reload(Plan{Workers: 4, OneByOne: true})
	c.p.staff(g)
	c.p.workerReady(of(g, booting)[0], false)
	c.vanish(of(c.g, retiring)[0])
	if n := len(of(c.g, ready)); n != 3 || len(of(c.g, booting)) != 0 || len(of(g, booting)) != 1 {
		t.Fatalf("%d old workers are left, %d boot", n, len(of(c.g, booting)))
	}
	c.p.bootFailed(g, &BootError{Code: 3, Text: "Traceback"})
	if len(of(c.g, ready)) != 3 || len(of(c.g, booting)) != 1 || c.p.current != c.g || c.p.reload.State != ReloadFailed {
		t.Errorf("%d serve, %d boot, reload %+v", len(of(c.g, ready)), len(of(c.g, booting)), c.p.reload)
	}
}
