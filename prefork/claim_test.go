package prefork

import (
	"testing"
	"time"

	"github.com/gounicorn/gounicorn/prefork/wire"
)

func TestRequestWhoseSlotWasSpoiltEnds(t *testing.T) {
	for name, word := range map[string]func(j *Job) wire.Word{
		"freed":             func(j *Job) wire.Word { return wire.MakeWord(j.generation, wire.SlotFree, 0) },
		"cancelled":         func(j *Job) wire.Word { return wire.MakeWord(j.generation, wire.SlotCancelled, 0) },
		"in no known state": func(j *Job) wire.Word { return wire.MakeWord(j.generation, 99, 3) },
		"of another use":    func(j *Job) wire.Word { return wire.MakeWord(j.generation+1, wire.SlotRunning, 3) },
	} {
		b := newBench(t, 1, nil)
		b.submit("a", "")
		j, ok := b.start(3)
		if !ok {
			t.Fatal("did not start")
		}
		if strays := b.d.sweep(time.Now()).strays; len(strays) != 0 {
			t.Fatal("a sound slot counts as spoilt")
		}
		slot, generation := j.slot, j.generation
		b.d.board.CompareAndSwap(slot, b.d.board.Load(slot), word(j))
		strays := b.d.sweep(time.Now()).strays
		if len(strays) != 1 || strays[0].job != j || !strays[0].ended || b.queued() != 0 {
			t.Errorf("%s: %+v, %d with the workers", name, strays, b.queued())
		}
		if j.take(slot, generation, 3) {
			t.Errorf("%s: a late frame could still reach the request", name)
		}
	}
}

func TestRequestThatIsBeingAnsweredEndsWithItsWorkerOnly(t *testing.T) {
	b := newBench(t, 1, nil)
	b.submit("a", "")
	j, ok := b.start(3)
	if !ok || !j.take(j.slot, j.generation, 3) || j.take(j.slot, j.generation, 4) {
		t.Fatal("the request is not the one worker's that started it")
	}
	b.d.board.Free(j.slot, j.generation)
	strays := b.d.sweep(time.Now()).strays
	if len(strays) != 1 || strays[0].ended || strays[0].worker != 3 {
		t.Errorf("%+v, want the worker to be ended and not the request", strays)
	}
	if owned := b.d.owned(b.g, 3); len(owned) != 1 || owned[0] != j {
		t.Errorf("the end of the worker settles %v", owned)
	}
}

func TestRequestThatIsDoneButNeverAnsweredEnds(t *testing.T) {
	b := newBench(t, 1, nil)
	b.submit("a", "")
	j, ok := b.start(3)
	if !ok {
		t.Fatal("did not start")
	}
	b.d.board.CompareAndSwap(j.slot, b.d.board.Load(j.slot), wire.MakeWord(j.generation, wire.SlotDone, 3))
	now := time.Now()
	j.stalled.Store(true)
	for _, at := range []time.Duration{0, time.Minute} {
		if strays := b.d.sweep(now.Add(at)).strays; len(strays) != 0 {
			t.Fatal("an answer that waits for a slow client is not lost")
		}
	}
	j.stalled.Store(false)
	now = now.Add(time.Hour)
	if strays := b.d.sweep(now).strays; len(strays) != 0 {
		t.Fatal("its END may be on the way")
	}
	strays := b.d.sweep(now.Add(doneWait + time.Second)).strays
	if len(strays) != 1 || !strays[0].ended || strays[0].worker != 3 {
		t.Errorf("%+v", strays)
	}
}

func TestSpoiltSlotIsToldToTheClientAtOnce(t *testing.T) {
	p, _ := testPool(t, nil)
	g := testGeneration(t)
	p.d.aim(g)
	offer(p.d, g, 1)
	b := &bench{t: t, d: p.d, g: g, in: wire.NewPackets(g.queue.remote)}
	j := b.submit("a", "")
	p.d.board.Free(j.slot, j.generation)
	p.sweep(time.Now())
	if f := j.Sink.(*sink).failures(); len(f) != 1 || f[0] != Broken {
		t.Errorf("failures = %v, want %v", f, Broken)
	}
}
