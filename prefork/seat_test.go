package prefork

import (
	"testing"
	"time"

	"github.com/gounicorn/gounicorn/prefork/lane"
	"github.com/gounicorn/gounicorn/prefork/wire"
)

// spares adds a worker with one computing thread and some spare ones, and returns the end of its queue that those read.
func (b *bench) spares(n int) (*worker, *wire.Packets) {
	b.t.Helper()
	q, err := newRequestQueue()
	if err != nil {
		b.t.Fatal(err)
	}
	b.t.Cleanup(q.close)
	w := &worker{id: uint32(len(b.g.seats) + 1), g: b.g}
	w.seat = &seat{worker: w.id, owner: b.g, queue: q}
	b.d.seat(w, 1, n)
	return w, wire.NewPackets(q.remote)
}

// place submits a request of a route that waits, and returns it if a worker was chosen for it.
func (b *bench) place() *Job {
	b.t.Helper()
	if b.classOf("waits") != lane.Slow {
		b.teachTimes("waits", time.Second, time.Millisecond)
	}
	j := b.submit("waits", "")
	if j.seat == nil {
		b.d.recall(j)
		return nil
	}
	return j
}

// run plays the thread that takes the next packet from in.
func (b *bench) run(in *wire.Packets, worker uint32) *Job {
	b.t.Helper()
	h, _, _, err := in.Receive()
	if err != nil {
		b.t.Fatal(err)
	}
	if !b.d.board.CompareAndSwap(h.A, wire.MakeWord(h.B, wire.SlotQueued, 0), wire.MakeWord(h.B, wire.SlotRunning, worker)) {
		b.t.Fatal("the packet may not start")
	}
	return b.d.job(h.A, h.B)
}

func TestWaitingRequestsAreSpreadOverTheWorkers(t *testing.T) {
	b := newBench(t, 0, nil)
	one, _ := b.spares(2)
	two, _ := b.spares(2)
	for i, want := range []*worker{one, two, one, two} {
		if j := b.place(); j == nil || j.seat != want.seat {
			t.Fatalf("request %d did not go to worker %d", i, want.id)
		}
	}
	if b.place() != nil {
		t.Error("a fifth request got one of four spare threads")
	}
}

func TestWaitingRequestsKeepAwayFromThoseThatCompute(t *testing.T) {
	b := newBench(t, 0, nil)
	one, _ := b.spares(2)
	two, _ := b.spares(2)
	pdf := b.submit("pdf", "")
	if b.run(b.in, one.id) != pdf {
		t.Fatal("another request")
	}
	b.d.mu.Lock()
	b.d.weigh(pdf)
	b.d.mu.Unlock()
	for range 2 {
		if j := b.place(); j.seat != two.seat {
			t.Error("a request went to the worker that computes although another has a spare thread")
		}
	}
	last := b.place()
	if last == nil || last.seat != one.seat {
		t.Error("the spare threads of the worker that computes are not used at all")
	}
	b.d.over(pdf, true, false)
	b.d.over(last, true, false)
	if j := b.place(); j.seat != one.seat || len(b.d.heavy) != 0 {
		t.Error("the end of the request that computed was not noticed")
	}
}

func TestWorkerThatStopsGivesBackWhatItHasNotStarted(t *testing.T) {
	b := newBench(t, 0, nil)
	w, in := b.spares(2)
	running, queued := b.place(), b.place()
	if b.run(in, w.id) != running {
		t.Fatal("another request")
	}
	b.d.seat(w, 0, 0)
	if queued.where != waiting || queued.seat != nil {
		t.Error("a request stays on the queue of a worker that reads no more")
	}
	if running.where != sent || w.seat.busy != 1 {
		t.Errorf("the request that runs was touched, %d busy", w.seat.busy)
	}
	b.d.over(running, true, false)
	if w.seat.busy != 0 {
		t.Errorf("%d busy at the end", w.seat.busy)
	}
}

func TestNothingOfTheOwnQueuesIsSentTwiceAfterADeath(t *testing.T) {
	b := newBench(t, 1, nil)
	_, in := b.spares(1)
	j := b.place()
	b.d.resend(b.g)
	if b.run(in, 1) != j {
		t.Fatal("another request")
	}
	last := b.submit("last", "")
	if b.run(b.in, 1) != last {
		t.Error("the packet went to the generation's queue as well")
	}
}
