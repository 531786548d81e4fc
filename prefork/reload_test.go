package prefork

import (
	"errors"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/gounicorn/gounicorn/prefork/wire"
	"golang.org/x/sys/unix"
)

// newcomer is a generation that is to follow the crew's. The test plays its zygote.
func (c *crew) newcomer(plan Plan) *generation {
	c.t.Helper()
	g := testGeneration(c.t)
	local, remote, err := wire.SocketPair(unix.SOCK_SEQPACKET, "zygote")
	if err != nil {
		c.t.Fatal(err)
	}
	zygote := wire.NewPackets(remote)
	c.t.Cleanup(func() {
		_ = g.control.Close()
		_ = zygote.Close()
		for _, w := range g.workers {
			_ = w.control.Close()
		}
	})
	plan.defaults()
	g.number, g.control, g.phase, g.cmd = c.g.number+1, wire.NewPackets(local), loaded, exec.Command("true")
	if err := g.cmd.Run(); err != nil {
		c.t.Fatal(err)
	}
	g.plan, g.size = plan, plan.Workers
	c.p.generations, c.p.incoming = append(c.p.generations, g), g
	return g
}

// reload asks for one and gives it a generation.
func (c *crew) reload(plan Plan) (int, *generation) {
	number := c.p.Reload()
	<-c.p.calls // would start a zygote
	g := c.newcomer(plan)
	c.p.reloadBegan(g.number)
	return number, g
}

func TestReloadSaysWhatBecameOfIt(t *testing.T) {
	c := newCrew(t, nil)
	if r := c.p.status(time.Now()).Reload; r.State != ReloadNone || r.Number != 0 {
		t.Fatalf("before any: %+v", r)
	}
	number, g := c.reload(Plan{})
	if r := c.p.status(c.p.reload.Began.Add(time.Minute)).Reload; r.State != ReloadRunning || r.Number != number || r.Generation != 2 || r.Seconds != 60 {
		t.Errorf("while it runs: %+v", r)
	}
	second := c.p.Reload()
	(<-c.p.calls)()
	if c.p.reload.Number != number || !c.p.again {
		t.Error("a second request was taken for the first")
	}
	c.p.again = false
	c.p.bootFailed(g, &BootError{Code: 3, Text: "Traceback: x"})
	if r := c.p.status(time.Now()).Reload; r.State != ReloadFailed || r.Error != "Traceback: x" || r.Number != number || r.Seconds <= 0 {
		t.Errorf("after it failed: %+v", r)
	}
	number, g = c.reload(Plan{})
	if number != second+1 {
		t.Errorf("number %d after %d", number, second)
	}
	c.p.staff(g)
	for _, w := range g.workers {
		c.p.workerReady(w, false)
	}
	if r := c.p.status(time.Now()).Reload; r.State != ReloadDone || r.Error != "" || r.Number != number {
		t.Errorf("after it was done: %+v", r)
	}
	c.p.reloadBegan(3)
	if c.p.reload.State != ReloadDone {
		t.Error("a generation in the place of a dead one counts as a reload")
	}
}

// A zygote or workers that die without a word end a reload, as an exception does.
func TestReloadEndsWithTheDeathOfWhatItStarts(t *testing.T) {
	for name, die := range map[string]func(c *crew, g *generation){
		"zygote": func(c *crew, g *generation) { c.p.zygoteExited(g, errors.New("signal: segmentation fault")) },
		"workers": func(c *crew, g *generation) {
			c.p.staff(g)
			for i := range bootTries {
				for g.paused {
					(<-c.p.calls)()
				}
				if g.ending {
					t.Fatalf("it ended with death %d", i)
				}
				for _, w := range g.workers {
					status := syscall.WaitStatus(syscall.SIGSEGV)
					w.pid, w.status = 7, &status
					close(w.born)
					c.p.lost(w)
					for g.workers[w.id] == w || c.p.dying > 0 {
						(<-c.p.calls)()
					}
				}
			}
		},
	} {
		kept := 0
		c := newCrew(t, func(cfg *Config) { cfg.Kept = func() { kept++ } })
		_, g := c.reload(Plan{})
		die(c, g)
		if r := c.p.status(time.Now()).Reload; r.State != ReloadFailed || r.Error == "" || kept != 1 {
			t.Errorf("%s: %+v, Kept was called %d times", name, r, kept)
		}
		if c.p.incoming != nil || c.p.current != c.g || !g.ending || !strings.Contains(strings.Join(*c.log, "\n"), "Reload failed") {
			t.Errorf("%s: the old generation does not go on alone, logged %q", name, *c.log)
		}
	}
}
