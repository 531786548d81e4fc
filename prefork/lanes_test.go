package prefork

import (
	"testing"
	"time"

	"github.com/gounicorn/gounicorn/prefork/lane"
	"github.com/gounicorn/gounicorn/prefork/wire"
)

// ended plays the worker that has run a job since then: so much of it waiting for a processor, so much computing.
func (b *bench) ended(j *Job, run, delay, cpu time.Duration, route uint64) {
	b.t.Helper()
	at := b.d.mono + uint64(b.d.now())
	b.d.board.SetStarted(j.slot, at, 99)
	b.d.board.SetSpent(j.slot, uint64(cpu), route)
	b.d.board.SetEnded(j.slot, at+uint64(run), uint64(delay))
	b.d.over(j, true, false)
}

func TestOnlySlowRequestsThatComputeAreBackgroundWork(t *testing.T) {
	b := newBench(t, 0, nil)
	_, spare := b.spares(1)
	b.spares(0)
	b.teach("fast", time.Millisecond)
	b.teach("pdf", time.Second)
	b.teachTimes("waits", time.Second, time.Millisecond)
	for _, c := range []struct {
		key  string
		from *wire.Packets
		want bool
	}{{"never seen", b.in, false}, {"fast", b.in, false}, {"pdf", b.in, true}, {"waits", spare, false}} {
		j := b.submit(c.key, "")
		h, _, _, err := c.from.Receive()
		if err != nil || h.A != j.slot {
			t.Fatalf("%s: %+v, %v", c.key, h, err)
		}
		if got := h.Flags&wire.FlagBackground != 0; got != c.want {
			t.Errorf("%s: background %v", c.key, got)
		}
		b.d.over(j, false, false)
	}
}

func TestProcessorTimeSaysWhoWaits(t *testing.T) {
	b := newBench(t, 0, nil)
	b.spares(2)
	j := b.submit("api", "")
	b.ended(j, 2*time.Second, 0, 5*time.Millisecond, 0)
	if j := b.submit("api", ""); j.seat == nil || j.Lane != "slow" {
		t.Errorf("lane %s, seat %v: want a spare thread for a request that computed for 5 ms of 2 s", j.Lane, j.seat)
	}
	j = b.submit("pdf", "")
	b.ended(j, 2*time.Second, 0, 2*time.Second, 0)
	if j := b.submit("pdf", ""); j.seat != nil || j.where != sent {
		t.Error("a request that computes went to a spare thread")
	}
}

func TestKeysOfOneFrameworkRouteAreLearnedTogether(t *testing.T) {
	b := newBench(t, 2, nil)
	const hash = 12345
	b.d.routeName(hash, "invoice")
	for _, key := range []string{"GET /en/invoice", "GET /de/rechnung"} {
		b.ended(b.submit(key, ""), time.Second, 0, time.Second, hash)
	}
	x := b.d.explain([]byte("GET /de/rechnung"), 0)
	if x.Route != "GET invoice" || x.Requests != 2 || x.Class != "slow" {
		t.Errorf("%+v", x)
	}
	if st := b.d.status(); len(st.Routes) != 1 || st.Routes[0].Aliases != 2 || st.Slots.Computing != 2 {
		t.Errorf("%+v", st)
	}
}

func TestWorkerNamesRoutes(t *testing.T) {
	c := newCrew(t, nil)
	w := c.in(ready, false)[0]
	j := c.running(w, 0)
	c.p.d.board.SetSpent(j.slot, 1, 0x0807060504030201)
	c.p.d.over(j, true, false)
	for _, payload := range []string{"", "short", "\x01\x02\x03\x04\x05\x06\x07\x08invoice"} {
		c.p.fromWorker(w, wire.Header{Kind: wire.KindRoute}, []byte(payload))
	}
	if x := c.p.Explain([]byte("key"), 0); x.Route != "key invoice" {
		t.Errorf("%+v", x)
	}
}

func TestRefusedRequestsAreToldWhenToComeAgain(t *testing.T) {
	b := newBench(t, 1, func(c *Config) { c.MaxQueue, c.QueueTarget, c.QueueTimeout = 3, time.Second, time.Minute })
	b.submit("a", "")
	waits := b.submit("a", "")
	b.submit("a", "")
	b.submit("a", "")
	full := b.submit("a", "")
	if f := full.Sink.(*sink).failures(); len(f) != 1 || f[0] != QueueFull || full.RetryAfter < time.Second {
		t.Fatalf("%v, again after %v", f, full.RetryAfter)
	}
	now := time.Now()
	for _, at := range []time.Duration{1500 * time.Millisecond, 2700 * time.Millisecond} {
		found := b.d.sweep(now.Add(at))
		if at < 2*time.Second {
			if len(found.expired) != 0 {
				t.Fatal("refused before it was above the target for long")
			}
			continue
		}
		if len(found.expired) != 3 || found.expired[0] != waits || waits.failure != Overloaded || waits.RetryAfter < time.Second || waits.where != nowhere {
			t.Errorf("refused %d, %v, again after %v", len(found.expired), waits.failure, waits.RetryAfter)
		}
	}
}

func TestLaneOfARuleBoundsTheWaitOnTheWorkersQueueToo(t *testing.T) {
	rule, err := lane.ParseRule("/export=export,deadline=1")
	if err != nil {
		t.Fatal(err)
	}
	b := newBench(t, 1, func(c *Config) { c.Lanes = []lane.Rule{rule} })
	j := b.submit("GET /export", "")
	if j.where != sent || j.Lane != "export" {
		t.Fatalf("lane %s", j.Lane)
	}
	if found := b.d.sweep(time.Now().Add(1500 * time.Millisecond)); len(found.expired) != 1 || j.failure != QueueTimeout {
		t.Error("a packet that nobody reads outlives the lane's deadline")
	}
	if st := b.d.status(); st.Lanes[3].Name != "export" || st.Lanes[3].Expired != 1 || st.Lanes[3].Running != 0 {
		t.Errorf("%+v", st.Lanes)
	}
}

func TestWantIsToldAtOnce(t *testing.T) {
	b := newBench(t, 2, nil)
	told := func() bool {
		select {
		case <-b.d.wanting:
			return true
		default:
			return false
		}
	}
	for range 2 { // each of another route: the second takes the reserved thread
		b.submit(time.Now().String(), "")
	}
	if told() {
		t.Fatal("a worker is wanted although nothing waits")
	}
	b.submit("third", "")
	if !told() || !b.d.want().Worker {
		t.Error("no worker is wanted although a request finds every thread taken for long")
	}
	b.submit("fourth", "")
	if told() {
		t.Error("told twice")
	}
}

func TestNoRequestIsSentToASpareThreadThatLeft(t *testing.T) {
	b := newBench(t, 1, nil)
	w, _ := b.spares(2)
	b.teachTimes("waits", time.Second, time.Millisecond)
	if left := b.d.dismiss(w.seat, 0); left != 0 {
		t.Fatalf("%d stay", left)
	}
	if j := b.submit("waits", ""); j.seat != nil {
		t.Error("sent to a thread that was told to leave")
	}
}

func TestClientWhoLeftIsTakenOutOfTheMiddle(t *testing.T) {
	b := newBench(t, 1, nil)
	b.teach("pdf", time.Second)
	running := b.submit("pdf", "")
	var jobs []*Job
	for range 5 {
		jobs = append(jobs, b.submit("pdf", ""))
	}
	if !b.d.recall(jobs[2]) || !b.d.recall(jobs[0]) {
		t.Fatal("a request that waits could not be taken back")
	}
	next := running
	for _, want := range []*Job{jobs[1], jobs[3], jobs[4]} {
		b.d.over(next, true, false)
		if want.where != sent {
			t.Fatal("not the next in order")
		}
		next = want
	}
}
