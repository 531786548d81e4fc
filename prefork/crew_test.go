package prefork

import (
	"os"
	"slices"
	"syscall"
	"testing"
	"testing/fstest"

	"github.com/gounicorn/gounicorn/prefork/wire"
	"golang.org/x/sys/unix"
)

// crew is a pool with one generation that serves. The test plays the supervisor, the zygote and the workers.
type crew struct {
	t       *testing.T
	p       *Pool
	g       *generation
	log     *[]string
	zygote  *wire.Packets
	control map[*worker]*wire.Packets // the workers' ends
	threads map[*worker][]*os.File    // own queue if any, streams
	causes  []Cause
}

func newCrew(t *testing.T, change func(*Config)) *crew {
	t.Helper()
	c := &crew{t: t, control: map[*worker]*wire.Packets{}, threads: map[*worker][]*os.File{}}
	c.p, c.log = testPool(t, func(cfg *Config) {
		cfg.Workers, cfg.SlowReserve = 2, 1
		cfg.os.root = machine(1000, nil)
		cfg.Replaced = func(_ int, why Cause) { c.causes = append(c.causes, why) }
		if change != nil {
			change(cfg)
		}
	})
	local, remote, err := wire.SocketPair(unix.SOCK_SEQPACKET, "zygote")
	if err != nil {
		t.Fatal(err)
	}
	c.zygote = wire.NewPackets(remote)
	c.g = testGeneration(t)
	c.g.number, c.g.phase, c.g.control = 1, forking, wire.NewPackets(local)
	c.g.plan, c.g.size = c.p.cfg.Plan, c.p.cfg.Workers
	c.p.generations, c.p.incoming = []*generation{c.g}, c.g
	c.p.fill(c.g)
	c.boot()
	t.Cleanup(func() {
		close(c.p.ended)
		_ = c.g.control.Close()
		_ = c.zygote.Close()
		for _, w := range c.control {
			_ = w.Close()
		}
		for _, ends := range c.threads {
			for _, f := range ends {
				_ = f.Close()
			}
		}
	})
	return c
}

// machine is a file system that tells of so many MiB of memory; every process has 100 for itself.
func machine(mib int, more fstest.MapFS) fstest.MapFS {
	m := fstest.MapFS{"proc/meminfo": {Data: []byte("MemTotal: 99999999 kB\nMemAvailable: " + kb(mib) + " kB\n")}}
	for pid := range 20 {
		m["proc/"+itoa(pid)+"/smaps_rollup"] = &fstest.MapFile{
			Data: []byte("Rss: " + kb(500) + " kB\nPrivate_Clean: " + kb(40) + " kB\nPrivate_Dirty: " + kb(60) + " kB\n"),
		}
	}
	for name, file := range more {
		m[name] = file
	}
	return m
}

// in lists the workers of some state, overflow workers or others.
func (c *crew) in(state workerState, overflow bool) (all []*worker) {
	for _, w := range c.g.workers {
		if w.state == state && w.overflow == overflow {
			all = append(all, w)
		}
	}
	return all
}

// forked takes what the zygote was asked to fork.
func (c *crew) forked() {
	c.t.Helper()
	for range len(c.in(booting, false)) + len(c.in(booting, true)) - c.unready() {
		h, _, files, err := c.zygote.Receive()
		if err != nil || h.Kind != wire.KindFork {
			c.t.Fatalf("the zygote got %v, %v", h.Kind, err)
		}
		w := c.g.workers[h.A]
		w.pid = int(h.A)
		c.control[w] = wire.NewPackets(files[0])
		_ = files[1].Close()
		_ = files[2].Close()
		own := 3 + int(h.B&wire.ForkOwnQueue) // the tray is behind it
		_ = files[own].Close()
		c.threads[w] = slices.Concat(c.threads[w], files[3:own], files[own+1:])
	}
}

// unready is the number of workers that were forked and have not booted.
func (c *crew) unready() (n int) {
	for w := range c.control {
		if w.state == booting {
			n++
		}
	}
	return n
}

// boot makes every worker that was asked for ready.
func (c *crew) boot() {
	c.t.Helper()
	c.forked()
	for _, w := range append(c.in(booting, false), c.in(booting, true)...) {
		c.p.workerReady(w, false)
	}
}

// die ends a worker's process and plays the supervisor until that is settled and logged, and its successor asked for if it is at once.
func (c *crew) die(w *worker, status syscall.WaitStatus) {
	c.t.Helper()
	w.status = &status
	c.p.lost(w)
	_ = c.control[w].Close()
	for !w.drained || c.g.workers[w.id] == w || c.p.dying > 0 || c.g.paused && c.p.failures <= 1 {
		(<-c.p.calls)()
	}
}
