package prefork

import (
	"os"
	"sync"
	"testing"

	"github.com/gounicorn/gounicorn/prefork/wire"
	"golang.org/x/sys/unix"
)

// BenchmarkContention is what the dispatcher's mutex bears: each turn is a whole request, submitted by as many goroutines at once as
// there are processors, and taken off the books again. "books" has no workers: packets go nowhere. "queue" reads them back from the
// workers' end, as the workers would, so that the socket's own lock is in it. docs/scaling.md has the figures; run it with
//
//	go test -run '^$' -bench Contention -cpu 1,2,4,8 ./prefork
func BenchmarkContention(b *testing.B) {
	b.Run("books", func(b *testing.B) { benchmarkContention(b, false) })
	b.Run("queue", func(b *testing.B) { benchmarkContention(b, true) })
}

func benchmarkContention(b *testing.B, queue bool) {
	const threads = 64 // so many that no job waits
	cfg := &Config{Plan: Plan{SlowReserve: 1}}
	cfg.defaults()
	d, err := newDispatcher(cfg)
	if err != nil {
		b.Fatal(err)
	}
	defer d.board.Close()
	q, err := newRequestQueue()
	if err != nil {
		b.Fatal(err)
	}
	defer q.close()
	g := &generation{queue: q, workers: map[uint32]*worker{}}
	d.aim(g)
	offer(d, g, threads)
	if !queue {
		null, err := os.OpenFile(os.DevNull, os.O_WRONLY, 0)
		if err != nil {
			b.Fatal(err)
		}
		defer null.Close()
		q.fd = int(null.Fd())
	}
	raw, err := q.remote.SyscallConn()
	if err != nil {
		b.Fatal(err)
	}
	key, payload := []byte("GET /"), make([]byte, 600)
	var failed sync.Once
	b.ResetTimer()
	cpu := cpuTime(b)
	b.RunParallel(func(pb *testing.PB) {
		j := &Job{}
		packet := make([]byte, wire.MaxPacket)
		for pb.Next() {
			j.Reset()
			j.Payload, j.Key, j.Idempotent, j.Sink = payload, key, true, &sink{}
			j.PID = 1 // so that the dispatcher learns from it
			d.submit(j)
			if queue {
				var n int
				var got error
				_ = raw.Control(func(fd uintptr) { n, _, got = unix.Recvfrom(int(fd), packet, unix.MSG_DONTWAIT) })
				h, ok := wire.ParseHeader(packet[:n])
				if j = d.job(h.A, h.B); !ok || j == nil {
					failed.Do(func() { b.Errorf("a packet of %d bytes that belongs to no job (%v)", n, got) })
					return
				}
			}
			running := wire.MakeWord(j.generation, wire.SlotRunning, 1)
			if !d.board.CompareAndSwap(j.slot, wire.MakeWord(j.generation, wire.SlotQueued, 0), running) {
				failed.Do(func() { b.Error("a job that was sent is not queued") })
				return
			}
			d.over(j, true, false)
		}
	})
	b.ReportMetric(float64(cpuTime(b)-cpu)/float64(b.N), "cpu-ns/op")
}

// cpuTime is the CPU time of this process, which counts also when others use the processors; waiting for the mutex costs none.
func cpuTime(b *testing.B) int64 {
	b.Helper()
	var ts unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_PROCESS_CPUTIME_ID, &ts); err != nil {
		b.Fatal(err)
	}
	return ts.Nano()
}
