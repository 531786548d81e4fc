package prefork

import (
	"fmt"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"golang.org/x/sys/unix"
)

// spending is a machine whose processors have been idle for so long in all, and whose cgroup has used so much of its one and a half.
func spending(idle, used time.Duration) fstest.MapFS {
	var ours unix.CPUSet
	if err := unix.SchedGetaffinity(0, &ours); err != nil {
		panic(err)
	}
	first := 0
	for !ours.IsSet(first) {
		first++
	}
	text := fmt.Sprintf("cpu 1 2 3 4 5 6\ncpu%d 9 9 9 %d 1 9 9\ncpu%d 9 9 9 77 77 9 9\n", first, idle/userHz-1, 1<<10)
	return machine(1000, fstest.MapFS{
		"proc/stat":                      {Data: []byte(text)},
		"proc/self/cgroup":               {Data: []byte("0::/site/web\n")},
		"sys/fs/cgroup/site/cpu.max":     {Data: []byte("150000 100000\n")},
		"sys/fs/cgroup/site/cpu.stat":    {Data: []byte(fmt.Sprintf("usage_usec %d\nuser_usec 1\n", used.Microseconds()))},
		"sys/fs/cgroup/site/web/cpu.max": {Data: []byte("max 100000\n")},
	})
}

func TestIdleProcessorsAreThoseOfTheMachineAndOfTheQuota(t *testing.T) {
	at := time.Now()
	before := spentNow(spending(100*time.Second, 50*time.Second), at)
	for _, test := range []struct{ idle, used, want float64 }{{2, 0, 1.5}, {1, 0, 1}, {2, 3, 0}, {2, 2, 0.5}, {0, 0, 0}} {
		after := spentNow(spending(seconds(100+test.idle), seconds(50+test.used)), at.Add(2*time.Second))
		want := min(test.idle/2, 1.5-test.used/2)
		if got := after.idleSince(before); got < want-0.01 || got > want+0.01 {
			t.Errorf("idle for %v s, used %v s in 2 s: %v processors, want %v", test.idle, test.used, got, want)
		}
	}
	v1 := func(used string) spent {
		root := spending(100*time.Second, 50*time.Second)
		for name, text := range map[string]string{
			"proc/self/cgroup": "5:cpu,cpuacct:/web\n", "sys/fs/cgroup/cpu/web/cpu.cfs_quota_us": "50000\n", "sys/fs/cgroup/cpu/web/cpu.cfs_period_us": "100000\n",
			"sys/fs/cgroup/cpu/cpu.cfs_quota_us": "-1\n", "sys/fs/cgroup/cpu/cpu.cfs_period_us": "100000\n", "sys/fs/cgroup/cpuacct/cpuacct.usage": "1\n",
			"sys/fs/cgroup/cpuacct/web/cpuacct.usage": used,
		} {
			root[name] = &fstest.MapFile{Data: []byte(text)}
		}
		return spentNow(root, at)
	}
	busy := v1("700000000")
	busy.at, busy.idle = at.Add(2*time.Second), busy.idle+4*time.Second
	if got := busy.idleSince(v1("100000000")); got < 0.19 || got > 0.21 {
		t.Errorf("%v processors are idle by a quota of version 1, want 0.2", got)
	}
	if none := spentNow(fstest.MapFS{}, at); none.idleSince(before) != 0 {
		t.Error("processors that nothing is known of are idle")
	}
}

func seconds(n float64) time.Duration { return time.Duration(n * float64(time.Second)) }

func TestWorkersAreAddedWhileRequestsWaitAndProcessorsAreIdle(t *testing.T) {
	for _, test := range []struct {
		name       string
		idle, used float64 // in a second
		wait       time.Duration
		change     func(*Config)
		added      int
		text       string
	}{
		{"idle", 1, 0.5, time.Second, nil, 1, "Requests of the lane fast wait for 1"},
		{"busy", 0.3, 0.5, time.Second, nil, 0, "the processors are busy"},
		{"quota spent", 1, 1.4, time.Second, nil, 0, "the processors are busy"},
		{"short wait", 1, 0.5, 100 * time.Millisecond, nil, 0, ""},
		{"off", 1, 0.5, time.Second, func(cfg *Config) { cfg.ScaleWait = 0 }, 0, ""},
		{"no more workers", 1, 0.5, time.Second, func(cfg *Config) { cfg.MaxWorkers = 2 }, 0, ""},
	} {
		c := newCrew(t, func(cfg *Config) {
			cfg.SlowReserve, cfg.MaxWorkers, cfg.ScaleWait = 0, 4, 500*time.Millisecond
			if test.change != nil {
				test.change(cfg)
			}
		})
		b := &bench{t: t, d: c.p.d, g: c.g}
		b.teach("fast", 50*time.Millisecond)
		for range 30 {
			b.submit("fast", "")
		}
		c.p.d.epoch = c.p.d.epoch.Add(-test.wait)
		now, idle, used := time.Now(), 100.0, 50.0
		look := func(steps int) {
			for range steps {
				c.p.cfg.os.root = spending(seconds(idle), seconds(used))
				c.p.press(now)
				c.p.adapt(now, want{})
				now, idle, used = now.Add(time.Second/2), idle+test.idle/2, used+test.used/2
			}
		}
		look(2)
		if n := len(c.in(booting, true)); n != 0 {
			t.Fatalf("%s: %d workers at once", test.name, n)
		}
		look(4)
		if n := len(c.in(booting, true)); n != test.added {
			t.Errorf("%s: %d workers were added, want %d", test.name, n, test.added)
		}
		log := strings.Join(*c.log, "\n")
		if !strings.Contains(log, test.text) || test.text == "" && strings.Contains(log, "lane") || strings.Count(log, "lane fast") > 1 {
			t.Errorf("%s: logged %q", test.name, *c.log)
		}
		c.boot()
		look(6)
		if n := len(c.in(booting, true)); n != test.added {
			t.Errorf("%s: %d more workers were added, want %d", test.name, n, test.added)
		}
	}
}

// An overflow worker stays while one worker fewer would often not have been enough, and leaves when that was rarely so.
func TestWorkerThatHelpsNowAndThenStays(t *testing.T) {
	for _, test := range []struct {
		full, looks int
		state       workerState
	}{{2, 10, ready}, {1, 10, retiring}} {
		c, w, now := overflown(t, nil)
		c.p.overflow.pressure.full, c.p.overflow.pressure.looks = test.full, test.looks
		c.p.adapt(now.Add(c.g.plan.OverflowIdle), want{})
		if w.state != test.state {
			t.Errorf("%d of %d looks: state %d, want %d", test.full, test.looks, w.state, test.state)
		}
	}
}
