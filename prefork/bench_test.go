package prefork

import (
	"os"
	"runtime"
	"testing"

	"golang.org/x/sys/unix"
)

// The benchmarks of the dispatcher write their packets to /dev/null and report the CPU time of their thread besides the clock, so that
// they mean something on a busy machine too.

// BenchmarkDispatch is what a fast request costs the dispatcher: submit, its packet, and its end.
func BenchmarkDispatch(b *testing.B) {
	d := benchDispatcher(b)
	j := benchJob()
	measureCPU(b, 1, func() {
		d.submit(j)
		benchEnd(d, j, false)
	})
}

// BenchmarkDispatchBacklog is the cost of each of 64 fast requests that are there at once on two threads, so that most of them wait
// and share packets.
func BenchmarkDispatchBacklog(b *testing.B) {
	d := benchDispatcher(b)
	jobs := make([]*Job, 64)
	for i := range jobs {
		jobs[i] = benchJob()
	}
	measureCPU(b, len(jobs), func() {
		for _, j := range jobs {
			d.submit(j)
			select {
			case <-d.flush:
				d.mu.Lock()
				d.lazy = false
				d.mu.Unlock()
			default:
			}
		}
		d.next()
		for i, j := range jobs {
			benchEnd(d, j, i%8 != 7)
		}
	})
}

func benchJob() *Job {
	return &Job{Payload: make([]byte, 600), Key: []byte("GET /contract/:n/"), Sink: &sink{}, Idempotent: true}
}

// benchEnd plays the worker that has served a job.
func benchEnd(d *dispatcher, j *Job, more bool) {
	at := d.mono + uint64(j.slot)
	d.board.SetStarted(j.slot, at, 99)
	d.board.SetEnded(j.slot, at+50_000, 0)
	d.over(j, true, more)
}

// measureCPU runs f, which serves so many requests, and reports the CPU time of each.
func measureCPU(b *testing.B, requests int, f func()) {
	b.Helper()
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	for range 10 {
		f()
	}
	b.ReportAllocs()
	before := threadCPU(b)
	for b.Loop() {
		f()
	}
	b.ReportMetric(float64(threadCPU(b)-before)/float64(b.N*requests), "cpu-ns/request")
}

func threadCPU(b *testing.B) int64 {
	var ts unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_THREAD_CPUTIME_ID, &ts); err != nil {
		b.Fatal(err)
	}
	return ts.Nano()
}

func TestDispatcherDoesNotAllocate(t *testing.T) {
	d, j := benchDispatcher(t), benchJob()
	if n := testing.AllocsPerRun(1000, func() {
		d.submit(j)
		benchEnd(d, j, false)
	}); n != 0 {
		t.Errorf("%v allocations for each request", n)
	}
}

func benchDispatcher(b testing.TB) *dispatcher {
	b.Helper()
	cfg := &Config{Plan: Plan{SlowReserve: 1}}
	cfg.defaults()
	d, err := newDispatcher(cfg)
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { _ = d.board.Close() })
	null, err := os.OpenFile(os.DevNull, os.O_WRONLY, 0)
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { _ = null.Close() })
	g := &generation{queue: &requestQueue{fd: int(null.Fd())}, workers: map[uint32]*worker{}}
	d.aim(g)
	offer(d, g, 2)
	return d
}
