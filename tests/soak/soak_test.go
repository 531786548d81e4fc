package soak

import (
	"crypto/tls"
	"flag"
	"fmt"
	mrand "math/rand/v2"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/gounicorn/gounicorn/tests/harness"
	"github.com/gounicorn/gounicorn/tests/oracle"
)

var (
	minutes = flag.Float64("minutes", 0.2, "how long the run takes")
	every   = flag.Duration("every", 10*time.Second, "time between two lines of progress")

	pauseOfKiller = flag.Duration("kill", 500*time.Millisecond, "time between two kills")
)

const (
	processes = 4
	threads   = 2
)

// A run is one server that is mistreated, and what was done to it.
type run struct {
	t       *testing.T
	s       *harness.Server
	pidFile string
	master  atomic.Int64 // its pid changes with an upgrade
	began   time.Time

	kills, hangs, reloads, kept, upgrades atomic.Int64
	inside                                atomic.Int64 // requests that may have been in a worker when it ended
}

func TestSoak(t *testing.T) {
	dir, err := os.MkdirTemp("", "soak")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	authority := harness.NewAuthority(t)
	cert, key := authority.Write(dir, "site", harness.Leaf{Hosts: []string{"127.0.0.1"}})
	config := &tls.Config{RootCAs: authority.Pool}
	r := &run{t: t, pidFile: filepath.Join(dir, "pid"), began: time.Now()}
	r.s = harness.Start(t, harness.Config{
		App: "canary:app", TLS: config, Env: []string{"GOGC=20"}, // a leak must not hide in what waits to be collected
		Args: []string{
			"-w", strconv.Itoa(processes), "--threads", strconv.Itoa(threads), "-t", "2", "--graceful-timeout", "10", "-p", r.pidFile,
			"--certfile", cert, "--keyfile", key, "--keep-alive", "60", "--spool-memory", "64M", "--max-requests", "5000", "--max-requests-jitter", "1000",
		},
	})
	r.master.Store(int64(r.s.PID))
	load := oracle.Begin(t, r.s, oracle.Options{Kept: 4, New: 2, HTTP2: 4, Leaving: 3, Slow: 3, Pause: 4 * time.Millisecond, TLS: config})
	load.Await(t, 100)
	r.reload() // what is made once is made
	before := oracle.OfMaster(t, r.s, r.pid())
	memory := []int{before.MemoryKB}

	stop, stopped := make(chan struct{}), make(chan struct{})
	go func() { defer close(stopped); r.killer(stop) }()
	end, report := time.Now().Add(time.Duration(*minutes*float64(time.Minute))), time.Now().Add(*every)
	for time.Now().Before(end) && !t.Failed() {
		<-time.After(200*time.Millisecond + mrand.N(time.Second))
		switch p := mrand.IntN(100); {
		case p < 50:
			r.hang()
		case p < 94:
			r.reload()
		default:
			r.upgrade()
		}
		if time.Now().After(report) {
			report = report.Add(*every)
			now := oracle.OfMaster(t, r.s, r.pid())
			memory = append(memory, now.MemoryKB)
			r.print(load, now)
		}
	}
	close(stop)
	<-stopped
	tally := load.Stop()
	r.settle()
	after := oracle.OfMaster(t, r.s, r.pid())
	r.verdict(tally, before, after, append(memory, after.MemoryKB))
	if err := syscall.Kill(r.pid(), syscall.SIGTERM); err != nil {
		t.Error(err)
	}
	r.s.WantNoOrphans(harness.StopBudget)
}

// killer ends random workers, also during reloads and upgrades; those that may still boot are left alone.
func (r *run) killer(stop chan struct{}) {
	pace := time.NewTicker(*pauseOfKiller)
	defer pace.Stop()
	seen := map[int]time.Time{}
	for {
		select {
		case <-stop:
			return
		case now := <-pace.C:
			var grown []int
			for _, pid := range r.workers() {
				if since, ok := seen[pid]; !ok {
					seen[pid] = now
				} else if now.Sub(since) > time.Second {
					grown = append(grown, pid)
				}
			}
			if len(grown) > 0 && syscall.Kill(grown[mrand.IntN(len(grown))], syscall.SIGKILL) == nil {
				r.kills.Add(1)
				r.inside.Add(threads)
			}
		}
	}
}

// hang makes one request hang until it is timed out, with its worker.
func (r *run) hang() {
	r.hangs.Add(1)
	r.inside.Add(threads)
	path := []string{"/spin", "/stop", "/deadlock", "/segv", "/garbage-to-fd", "/exit/3"}[mrand.IntN(6)]
	go r.s.Request("POST", path, "x")
}

// reload has the master load the application again and waits until that has come to its end. It fails if a new worker is killed while it boots.
func (r *run) reload() {
	from := r.s.Log.Len()
	if err := syscall.Kill(r.pid(), syscall.SIGHUP); err != nil {
		r.t.Fatal(err)
	}
	switch r.outcome(from, "Ready: ", "Reload failed: ") {
	case 0:
		r.reloads.Add(1)
	case 1:
		r.kept.Add(1)
	}
}

// upgrade replaces the master, as a new release does.
func (r *run) upgrade() {
	from := r.s.Log.Len()
	old := r.pid()
	if err := syscall.Kill(old, syscall.SIGUSR2); err != nil {
		r.t.Fatal(err)
	}
	r.outcome(from, "Ready: ")
	text, err := os.ReadFile(r.pidFile + ".2")
	if err != nil {
		r.t.Fatal(err)
	}
	next, err := strconv.Atoi(strings.TrimSpace(string(text)))
	if err != nil {
		r.t.Fatal(err)
	}
	if err := syscall.Kill(old, syscall.SIGTERM); err != nil {
		r.t.Fatal(err)
	}
	r.master.Store(int64(next))
	r.outcome(from, "Master has been promoted.")
	harness.Eventually(r.t, harness.StopBudget, "the old master leaves", func() bool { return !harness.Alive(old) })
	r.upgrades.Add(1)
}

// outcome waits until the log says one of the texts and returns which.
func (r *run) outcome(from int, texts ...string) (found int) {
	r.t.Helper()
	if !harness.Poll(harness.StartBudget, func() bool {
		for _, line := range r.s.Log.Lines()[from:] {
			for n, text := range texts {
				if strings.Contains(line, text) {
					found = n
					return true
				}
			}
		}
		return false
	}) {
		r.t.Fatalf("not within %v: %s; the log: %s", harness.StartBudget, strings.Join(texts, " or "), strings.Join(r.s.Log.Lines()[from:], "\n"))
	}
	return found
}

func (r *run) pid() int { return int(r.master.Load()) }

// workers are the children of the master's zygotes. During an upgrade it has a second master among its children.
func (r *run) workers() (all []int) {
	for _, child := range harness.Children(r.pid()) {
		if name, err := os.ReadFile(fmt.Sprintf("/proc/%d/cmdline", child)); err == nil && strings.HasPrefix(string(name), "gounicorn: zygote") {
			all = append(all, harness.Children(child)...)
		}
	}
	return all
}

// settle waits until there is nothing but the master, its zygote and the workers.
func (r *run) settle() {
	harness.Eventually(r.t, harness.StopBudget, "one generation", func() bool {
		return len(r.workers()) == processes && len(harness.Children(r.pid())) == 1
	})
}

func (r *run) done() string {
	return fmt.Sprintf("%d kills, %d hangs and crashes, %d reloads (%d given up), %d upgrades",
		r.kills.Load(), r.hangs.Load(), r.reloads.Load(), r.kept.Load(), r.upgrades.Load())
}

func (r *run) print(load *oracle.Load, now oracle.Footprint) {
	sent, failed := load.Sent()
	descriptors := 0
	for _, n := range now.Descriptors {
		descriptors += n
	}
	r.t.Logf("%6s  %d requests, %d failed; %s; master: %d descriptors, %d kB", time.Since(r.began).Round(time.Second), sent, failed, r.done(), descriptors, now.MemoryKB)
}

// verdict prints the end and fails the run if something happened that never may.
func (r *run) verdict(tally *oracle.Tally, before, after oracle.Footprint, memory []int) {
	r.t.Logf("after %v: %s\n  %v", time.Since(r.began).Round(time.Second), r.done(), tally)
	r.t.Logf("  forbidden: %d mix-ups, %d repeated, %d lost though started, %d lost before they started, %d strange",
		tally.MixUps, tally.Duplicates, tally.Lost, tally.Refused, tally.Strange)
	if tally.Wrong() > 0 || tally.Refused > 0 {
		r.t.Error("answers were mixed up, repeated or lost")
	}
	if bad := tally.Died + tally.Cut + tally.TimedOut; bad > int(r.inside.Load()) {
		r.t.Errorf("%d requests failed, and at most %d can have been in a worker that ended", bad, r.inside.Load())
	}
	if r.upgrades.Load() == 0 { // another master has other descriptors from the start
		if more := after.Grown(before); len(more) > 0 {
			r.t.Errorf("left behind:\n  %s", strings.Join(more, "\n  "))
		}
	}
	slope := oracle.Slope(memory)
	r.t.Logf("  memory of the master, in kB: %v; slope %.1f for each line", memory, slope)
	if len(memory) >= 20 && slope > 50 {
		r.t.Errorf("the master grows by %.1f kB in %v", slope, *every)
	}
}
