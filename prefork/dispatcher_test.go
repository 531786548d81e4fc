package prefork

import (
	"fmt"
	"os"
	"sync"
	"testing"
	"time"

	"github.com/gounicorn/gounicorn/prefork/lane"
	"github.com/gounicorn/gounicorn/prefork/wire"
)

// bench is a dispatcher whose workers the test plays.
type bench struct {
	t  *testing.T
	d  *dispatcher
	g  *generation
	in *wire.Packets // the workers' end of the queue
}

func newBench(t *testing.T, threads int, change func(*Config)) *bench {
	t.Helper()
	cfg := &Config{Plan: Plan{SlowReserve: 1}}
	if change != nil {
		change(cfg)
	}
	cfg.defaults()
	d, err := newDispatcher(cfg)
	if err != nil {
		t.Fatal(err)
	}
	g := testGeneration(t)
	d.aim(g)
	offer(d, g, threads)
	t.Cleanup(func() { _ = d.board.Close() })
	return &bench{t: t, d: d, g: g, in: wire.NewPackets(g.queue.remote)}
}

// offer adds a worker whose threads all read the generation's queue.
func offer(d *dispatcher, g *generation, threads int) *worker {
	w := &worker{id: uint32(len(g.seats) + 1), g: g}
	w.seat = &seat{worker: w.id, owner: g}
	d.seat(w, threads, 0)
	return w
}

func testGeneration(t *testing.T) *generation {
	t.Helper()
	q, err := newRequestQueue()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(q.close)
	return &generation{queue: q, workers: map[uint32]*worker{}}
}

// sink records what a job was told.
type sink struct {
	mu     sync.Mutex
	failed []Failure
}

func (s *sink) Frame(wire.Header, []byte, []byte, *os.File) error { return nil }
func (s *sink) Room(<-chan struct{})                              {}
func (s *sink) String() string                                    { return "GET /test" }
func (s *sink) Failed(f Failure) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.failed = append(s.failed, f)
}

func (s *sink) failures() []Failure {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]Failure(nil), s.failed...)
}

func (b *bench) submit(key, body string) *Job {
	j := &Job{Payload: append(make([]byte, 8), body...), Key: []byte(key), Sink: &sink{}}
	b.d.submit(j)
	return j
}

// queued is how many packets lie on the workers' queue.
func (b *bench) queued() int {
	b.t.Helper()
	b.d.mu.Lock()
	defer b.d.mu.Unlock()
	return b.d.lanes.Busy()
}

// start plays a worker that takes the next packet; ok is false when the packet may not start.
func (b *bench) start(worker uint32) (j *Job, ok bool) {
	b.t.Helper()
	h, _, _, err := b.in.Receive()
	if err != nil {
		b.t.Fatal(err)
	}
	ok = b.d.board.CompareAndSwap(h.A, wire.MakeWord(h.B, wire.SlotQueued, 0), wire.MakeWord(h.B, wire.SlotRunning, worker))
	return b.d.job(h.A, h.B), ok
}

// teach lets the dispatcher see one request of the key that ran that long, all of it computing.
func (b *bench) teach(key string, run time.Duration) { b.teachTimes(key, run, run) }

// teachTimes lets the dispatcher see one request of the key that took that long for itself, and so much CPU time.
func (b *bench) teachTimes(key string, own, cpu time.Duration) {
	b.d.mu.Lock()
	defer b.d.mu.Unlock()
	it := &lane.Item{}
	b.d.lanes.Arrive(it, []byte(key), 0, time.Since(b.d.epoch))
	b.d.lanes.Learn(it, lane.Spent{Own: own, CPU: cpu})
}

// classOf is what the dispatcher thinks of a key.
func (b *bench) classOf(key string) lane.Class {
	b.d.mu.Lock()
	defer b.d.mu.Unlock()
	it := &lane.Item{}
	b.d.lanes.Arrive(it, []byte(key), 0, time.Since(b.d.epoch))
	return it.Class()
}

func TestSlowRequestsLeaveAThreadFree(t *testing.T) {
	b := newBench(t, 4, nil)
	b.teach("slow", time.Second)
	b.teach("fast", time.Millisecond)
	for range 10 {
		b.submit("slow", "")
	}
	if n := b.queued(); n != 3 {
		t.Errorf("%d slow requests were sent to 4 threads, want 3", n)
	}
	b.submit("fast", "")
	if n := b.queued(); n != 4 {
		t.Errorf("the fast request was not sent beside them (%d with the workers)", n)
	}
}

func TestUnknownRequestsTakeOnlyFreeThreads(t *testing.T) {
	b := newBench(t, 4, nil)
	b.teach("slow", time.Second)
	for range 10 {
		b.submit("slow", "")
	}
	for i := range 10 {
		b.submit(fmt.Sprint("never seen ", i), "")
	}
	if n := b.queued(); n != 4 {
		t.Errorf("%d requests were sent to 4 threads", n)
	}
	for range 3 { // the slow ones
		b.start(1)
	}
	if j, ok := b.start(1); !ok || j.item.Class() != lane.Unknown {
		t.Error("a request of an unknown route waits behind slow ones although a thread is free")
	}
}

func TestOneThreadServesSlowRequestsToo(t *testing.T) {
	b := newBench(t, 1, nil)
	b.submit("unknown", "")
	if n := b.queued(); n != 1 {
		t.Errorf("%d sent: with one thread there is nothing to reserve", n)
	}
}

func TestFastRequestsWaitOnTheWorkersQueueUpToTheWindow(t *testing.T) {
	b := newBench(t, 2, nil)
	b.teach("fast", time.Millisecond)
	for range 100 {
		b.submit("fast", "")
	}
	if n := b.queued(); n != 2+2*lane.Window {
		t.Errorf("%d sent to 2 threads, want %d", n, 2+2*lane.Window)
	}
	j, _ := b.start(1)
	b.d.over(j, true, false)
	if n := b.queued(); n != 2+2*lane.Window {
		t.Errorf("%d sent after one ended, want %d again", n, 2+2*lane.Window)
	}
}

func TestWithdrawnRequestNeverStarts(t *testing.T) {
	b := newBench(t, 2, nil)
	j := b.submit("a", "")
	if !b.d.recall(j) {
		t.Fatal("a request that nobody started could not be withdrawn")
	}
	if _, ok := b.start(1); ok {
		t.Error("its packet started all the same")
	}
	running := b.submit("b", "")
	if _, ok := b.start(1); !ok {
		t.Fatal("a request that was not withdrawn did not start")
	}
	if b.d.recall(running) {
		t.Error("a request that runs was withdrawn")
	}
	b.d.abandon(running)
	waiting := b.submit("c", "")
	if !b.d.recall(waiting) || b.d.recall(waiting) {
		t.Error("a request that waits can be withdrawn once")
	}
}

func TestResentPacketStartsOnce(t *testing.T) {
	b := newBench(t, 2, nil)
	j := b.submit("a", "")
	b.d.resend(b.g)
	first, ok := b.start(1)
	if !ok || first != j {
		t.Fatal("the packet did not start")
	}
	if _, ok := b.start(2); ok {
		t.Error("the packet that was sent again started a second time")
	}
}

func TestRequestIsRetriedAtTheFront(t *testing.T) {
	b := newBench(t, 1, nil)
	died := b.submit("a", "")
	if _, ok := b.start(7); !ok {
		t.Fatal("did not start")
	}
	b.submit("b", "")
	if owned := b.d.owned(b.g, 7); len(owned) != 1 || owned[0] != died {
		t.Fatalf("worker 7 owns %v", owned)
	}
	b.d.retry(died)
	if j, ok := b.start(8); !ok || j != died || !j.Retried {
		t.Error("the request of the dead worker was not the next to start")
	}
}

func TestQueueIsBounded(t *testing.T) {
	b := newBench(t, 1, func(c *Config) { c.MaxQueue = 2 })
	b.submit("a", "")
	b.submit("b", "")
	b.submit("c", "")
	j := b.submit("d", "")
	if f := j.Sink.(*sink).failures(); len(f) != 1 || f[0] != QueueFull {
		t.Errorf("failures = %v, want queue full", f)
	}
}

func TestSweepEndsWhatWaitedTooLong(t *testing.T) {
	b := newBench(t, 1, func(c *Config) { c.QueueTimeout = time.Second })
	b.submit("runs", "")
	if _, ok := b.start(1); !ok {
		t.Fatal("did not start")
	}
	waits := b.submit("waits", "")
	expired := b.d.sweep(time.Now()).expired
	if len(expired) != 0 {
		t.Fatal("expired at once")
	}
	if expired = b.d.sweep(time.Now().Add(2 * time.Second)).expired; len(expired) != 1 || expired[0] != waits {
		t.Errorf("expired = %v, want the request that waits", expired)
	}
}

func TestSweepFindsSilentRequests(t *testing.T) {
	b := newBench(t, 1, func(c *Config) { c.Timeout = time.Nanosecond })
	j := b.submit("runs", "")
	if overdue := b.d.sweep(time.Now()).overdue; len(overdue) != 0 {
		t.Fatal("a request that has not started is overdue")
	}
	if _, ok := b.start(3); !ok {
		t.Fatal("did not start")
	}
	b.report(j, time.Now().Add(-time.Minute))
	overdue := b.d.sweep(time.Now()).overdue
	if len(overdue) != 1 || overdue[0].worker != 3 || overdue[0].job != j {
		t.Errorf("overdue = %v", overdue)
	}
	j.stalled.Store(true)
	if overdue := b.d.sweep(time.Now()).overdue; len(overdue) != 0 {
		t.Error("a worker that waits for a slow client is not silent by its own fault")
	}
}

// report writes into the slot what a worker would.
func (b *bench) report(j *Job, started time.Time) {
	b.t.Helper()
	at := uint64(int64(b.d.mono) + int64(started.Sub(b.d.epoch)))
	b.d.board.SetStarted(j.slot, at, 99)
}

func TestLongRunTeachesBeforeItEnds(t *testing.T) {
	b := newBench(t, 4, nil)
	b.teach("pdf", time.Millisecond)
	j := b.submit("pdf", "")
	if _, ok := b.start(1); !ok {
		t.Fatal("did not start")
	}
	b.report(j, time.Now().Add(-10*time.Second))
	b.d.sweep(time.Now())
	for range 10 {
		b.submit("pdf", "")
	}
	if n := b.queued(); n != 3 {
		t.Errorf("%d with the workers, want 3: the route is known to be slow now", n)
	}
}

func TestNewGenerationTakesOverWhatHasNotStarted(t *testing.T) {
	b := newBench(t, 2, nil)
	running := b.submit("a", "")
	if _, ok := b.start(1); !ok {
		t.Fatal("did not start")
	}
	b.teach("fast", time.Millisecond)
	queued := b.submit("fast", "")
	next := testGeneration(t)
	offer(b.d, next, 2)
	b.d.aim(next)
	if _, ok := b.start(1); ok {
		t.Error("the old generation started a request after the new one took over")
	}
	b.in = wire.NewPackets(next.queue.remote)
	if j, ok := b.start(5); !ok || j != queued {
		t.Error("the new generation did not get the request")
	}
	if running.owner != b.g {
		t.Error("a request that runs changed its generation")
	}
}

func TestLargePayloadCrossesAsADescriptor(t *testing.T) {
	b := newBench(t, 1, nil)
	b.submit("large", string(make([]byte, 2*wire.MaxPacket)))
	h, _, files, err := b.in.Receive()
	if err != nil || h.Flags&wire.FlagPayloadFD == 0 || len(files) != 1 {
		t.Fatalf("%+v, %d files, %v", h, len(files), err)
	}
	if st, err := files[0].Stat(); err != nil || st.Size() != int64(h.Length) {
		t.Errorf("descriptor of %v bytes, announced %d", st.Size(), h.Length)
	}
	_ = files[0].Close()
}

func TestBackoffGrowsAndIsBounded(t *testing.T) {
	last := time.Duration(-1)
	for n := range 40 {
		d := backoff(n)
		if d < last || d > 10*time.Second {
			t.Fatalf("backoff(%d) = %v after %v", n, d, last)
		}
		last = d
	}
	if backoff(1) != 0 || last < 5*time.Second {
		t.Errorf("first pause %v, last %v", backoff(1), last)
	}
}

// frames splits a packet of the queue into the slots and generations of its requests.
func (b *bench) frames() (words [][2]uint32) {
	b.t.Helper()
	buf := make([]byte, wire.MaxPacket)
	n, err := b.g.queue.remote.Read(buf)
	if err != nil {
		b.t.Fatal(err)
	}
	for p := buf[:n]; len(p) > 0; {
		h, ok := wire.ParseHeader(p)
		if !ok || wire.HeaderSize+int(h.Length) > len(p) {
			b.t.Fatalf("%d bytes are no frame", len(p))
		}
		words = append(words, [2]uint32{h.A, h.B})
		p = p[wire.HeaderSize+int(h.Length):]
	}
	return words
}

func (b *bench) short(n int) (jobs []*Job) {
	for range n {
		j := &Job{Payload: make([]byte, 8), Key: []byte("short"), Sink: &sink{}, Idempotent: true}
		b.d.submit(j)
		jobs = append(jobs, j)
	}
	return jobs
}

func TestShortRequestsShareAPacketWhenNoThreadIsFree(t *testing.T) {
	for took, want := range map[time.Duration]int{packTime / 100: packMost, packTime / 10: 10, packTime: packEven, packBelow - 1: packEven} {
		b := newBench(t, 4, nil)
		b.teach("short", took)
		b.short(4 + 2*packMost)
		b.d.next()
		for range 4 {
			if n := len(b.frames()); n != 1 {
				t.Errorf("%v: a packet has %d requests although a thread was free", took, n)
			}
		}
		if n := len(b.frames()); n != want {
			t.Errorf("%v: the next packet has %d requests, want %d", took, n, want)
		}
	}
}

func TestPacketsAreNotLargerThanTheQueueTakes(t *testing.T) {
	b := newBench(t, 2, nil)
	b.teach("short", time.Microsecond)
	for range 2 + packMost {
		b.d.submit(&Job{Payload: make([]byte, wire.MaxPacket/packEven-1), Key: []byte("short"), Sink: &sink{}, Idempotent: true})
	}
	b.d.next()
	b.frames()
	b.frames()
	if n := len(b.frames()); n != packEven-1 { // and as many headers do not fit
		t.Errorf("a packet has %d requests of 8 KiB", n)
	}
}

// crowd makes the flusher find n tiny requests, as when so many come together.
func (b *bench) crowd(n int) {
	b.t.Helper()
	b.teach("short", time.Microsecond)
	b.d.company = n
}

func TestTinyRequestsThatComeTogetherWaitForEachOther(t *testing.T) {
	b := newBench(t, 4, nil)
	b.crowd(4)
	if j := b.short(1)[0]; j.where != sent {
		t.Error("a request waits although no more come together than there are threads")
	}
	b.frames()
	b.crowd(5)
	for _, j := range b.short(packMost) {
		if j.where != waiting {
			t.Fatal("a request goes alone although others come with it")
		}
	}
	stop := make(chan struct{})
	go b.d.flusher(stop) // submit told it once
	if n := len(b.frames()); n != packMost {
		t.Errorf("the packet has %d requests", n)
	}
	close(stop)
	b.d.mu.Lock()
	defer b.d.mu.Unlock()
	if b.d.company != packMost {
		t.Errorf("%d came together, it says", b.d.company)
	}
}

func TestOthersDoNotWaitInACrowd(t *testing.T) {
	b := newBench(t, 4, nil)
	b.crowd(5)
	b.teach("longer", packTime)
	j := &Job{Payload: make([]byte, 8), Key: []byte("longer"), Sink: &sink{}, Idempotent: true}
	if b.d.submit(j); j.where != sent {
		t.Error("a request that takes as long as it costs to wake a worker waits while one is free")
	}
}

func TestWhatMayNotShareAPacketDoesNot(t *testing.T) {
	b := newBench(t, 1, nil)
	b.teach("short", 10*time.Microsecond)
	b.teach("longer", packBelow)
	b.teach("kills", 10*time.Microsecond)
	b.d.blame(&Job{Key: []byte("kills")})
	job := func(key string) *Job {
		j := &Job{Payload: make([]byte, 8), Key: []byte(key), Sink: &sink{}, Idempotent: true}
		b.d.submit(j)
		return j
	}
	for name, j := range map[string]*Job{"its route kills": job("kills"), "takes longer than that": job("longer"), "unknown": job("never seen")} {
		if j.packable() {
			t.Errorf("%s: may share a packet", name)
		}
	}
	for name, change := range map[string]func(*Job){
		"not idempotent": func(j *Job) { j.Idempotent = false },
		"tried before":   func(j *Job) { j.Retried = true },
		"body in a file": func(j *Job) { j.Body = os.Stdin },
		"large":          func(j *Job) { j.Payload = make([]byte, wire.MaxPacket) },
	} {
		j := job("short")
		if !j.packable() {
			t.Fatal("an ordinary short request may share a packet")
		}
		if change(j); j.packable() {
			t.Errorf("%s: may share a packet", name)
		}
	}
}

func TestRequestStuckBehindAnotherInItsPacketIsTakenBack(t *testing.T) {
	for name, notice := range map[string]func(b *bench){
		"by the sweep":    func(b *bench) { b.d.sweep(time.Now().Add(2 * stuckAfter)) },
		"the worker says": func(b *bench) { b.d.unpack(time.Now().Add(2 * behindAfter)) },
	} {
		t.Run(name, func(t *testing.T) {
			b := newBench(t, 1, nil)
			b.teach("short", 10*time.Microsecond)
			jobs := b.short(4)
			b.d.next()
			b.frames()
			words := b.frames()
			if len(words) != 3 {
				t.Fatalf("packet of %d", len(words))
			}
			start := func(w [2]uint32) bool {
				return b.d.board.CompareAndSwap(w[0], wire.MakeWord(w[1], wire.SlotQueued, 0), wire.MakeWord(w[1], wire.SlotRunning, 1))
			}
			if !start(words[0]) {
				t.Fatal("did not start")
			}
			notice(b)
			for _, w := range words[1:] {
				if start(w) {
					t.Error("a request that was taken back started in its old packet")
				}
			}
			if jobs[2].where == nowhere || jobs[3].where == nowhere {
				t.Error("a request that was taken back is lost")
			}
		})
	}
}

func TestAPacketThatHasJustBeenSentStaysWithTheWorker(t *testing.T) {
	b := newBench(t, 1, nil)
	b.teach("short", 10*time.Microsecond)
	jobs := b.short(4)
	b.d.next()
	b.d.unpack(jobs[3].packed)
	for _, j := range jobs {
		if j.where != sent {
			t.Error("a request was taken back that has not waited")
		}
	}
}

func TestDeathsAreCountedByRoute(t *testing.T) {
	b := newBench(t, 4, nil)
	b.teach("fine", time.Millisecond)
	for i, want := range []int{1, 2, 3} {
		if got := b.d.blame(&Job{Key: []byte("poison")}); got != want {
			t.Errorf("death %d: blame says %d", i+1, got)
		}
	}
	if got := b.d.blame(&Job{Key: []byte("fine")}); got != 1 {
		t.Errorf("another route has %d deaths", got)
	}
}

func TestTenAtOnceOfAnUnknownRouteLeaveAThreadFree(t *testing.T) {
	b := newBench(t, 4, nil)
	for range 10 {
		b.submit("never seen", "")
	}
	if n := b.queued(); n != 3 {
		t.Errorf("%d requests of one unknown route were sent to 4 threads, want 3", n)
	}
	b.submit("another", "")
	if n := b.queued(); n != 4 {
		t.Errorf("a request of another unknown route did not get the thread that is free (%d sent)", n)
	}
}

func TestWaitingForAProcessorDoesNotMakeARouteSlow(t *testing.T) {
	b := newBench(t, 2, nil)
	j := b.submit("home", "")
	b.start(1)
	b.d.board.SetStarted(j.slot, b.d.mono, 99)
	b.d.board.SetEnded(j.slot, b.d.mono+uint64(time.Second), uint64(time.Second-10*time.Millisecond))
	b.d.over(j, true, false)
	if c := b.classOf("home"); j.Run != time.Second || c != lane.Fast {
		t.Errorf("a request that ran for %v, all but 10 ms of it waiting for a processor, makes its route %v", j.Run, c)
	}
}

func TestNothingIsSentWhileEveryWorkerRetires(t *testing.T) {
	b := newBench(t, 1, nil)
	b.teach("short", 10*time.Microsecond)
	jobs := b.short(3)
	w := &worker{g: b.g, seat: b.g.seats[0]}
	b.d.seat(w, 0, 0)
	b.d.over(jobs[0], true, false)
	b.d.next()
	if jobs[1].where != waiting || jobs[2].where != waiting {
		t.Error("a request was sent although no thread will read it")
	}
	b.d.seat(w, 1, 0)
	if jobs[1].where != sent {
		t.Error("a request still waits although there is a thread again")
	}
}
