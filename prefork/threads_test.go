package prefork

import (
	"os"
	"testing"
	"time"

	"github.com/gounicorn/gounicorn/prefork/wire"
)

var lacksThread = want{Thread: true}

// added takes the THREAD that a worker was sent and returns its index and the worker's end of the new stream.
func (c *crew) added(w *worker) (uint32, *os.File) {
	c.t.Helper()
	h, _, files, err := c.control[w].Receive()
	if err != nil || h.Kind != wire.KindThread || len(files) != 1 {
		c.t.Fatalf("the worker got %v with %d descriptors, %v", h.Kind, len(files), err)
	}
	c.threads[w] = append(c.threads[w], files[0])
	return h.A, files[0]
}

// until plays the supervisor until cond holds.
func (c *crew) until(cond func() bool) {
	c.t.Helper()
	deadline := time.After(10 * time.Second)
	for !cond() {
		select {
		case f := <-c.p.calls:
			f()
		case <-deadline:
			c.t.Fatal("it does not come to that")
		}
	}
}

// hello plays the start of an added thread.
func (c *crew) hello(w *worker, stream *os.File) {
	c.t.Helper()
	spare := w.spare
	if _, err := stream.Write(wire.AppendHeader(nil, wire.Header{Kind: wire.KindHello, Aux: wire.Version})); err != nil {
		c.t.Fatal(err)
	}
	c.until(func() bool { return w.spare > spare })
}

// threaded is a crew of one worker with two threads, which may get four.
func threaded(t *testing.T) (*crew, *worker) {
	t.Helper()
	c := newCrew(t, func(cfg *Config) { cfg.Workers, cfg.Threads, cfg.MaxThreads = 1, 2, 4 })
	w := c.in(ready, false)[0]
	if len(c.threads[w]) != 3 || w.computing != 1 || w.spare != 1 {
		t.Fatalf("%d descriptors, %d computing threads, %d spare ones", len(c.threads[w]), w.computing, w.spare)
	}
	return c, w
}

func TestThreadsAreAddedUpToTheLimitAndLeaveWhenIdle(t *testing.T) {
	c, w := threaded(t)
	now := time.Now()
	for want := range uint32(2) {
		c.p.adapt(now, lacksThread)
		c.p.adapt(now, lacksThread) // one at a time
		index, stream := c.added(w)
		if index != 2+want {
			t.Errorf("thread %d was added as thread %d", 2+want, index)
		}
		if w.seat.spare != w.spare || w.spare != int(1+want) {
			t.Errorf("%d spare threads before HELLO", w.seat.spare)
		}
		c.hello(w, stream)
	}
	c.p.adapt(now, lacksThread)
	if w.joining || w.seat.spare != 3 {
		t.Errorf("%d spare threads, want 3 and no more", w.seat.spare)
	}
	b := &bench{t: t, d: c.p.d, g: c.g}
	first, second := b.place(), b.place()
	b.d.over(first, true, false)
	idle := c.g.plan.OverflowIdle
	c.p.adapt(time.Now().Add(idle), want{})
	if w.spare != 2 || w.leaving != 1 {
		t.Fatalf("%d spare threads, %d leave, want 2 and 1: two were needed", w.spare, w.leaving)
	}
	b.d.over(second, true, false)
	c.p.adapt(time.Now().Add(2*idle), want{})
	c.p.adapt(time.Now().Add(3*idle), want{})
	if w.spare != 1 || w.leaving != 2 || w.seat.spare != 1 {
		t.Errorf("%d spare threads, %d leave, want 1 and 2", w.spare, w.leaving)
	}
	own := wire.NewPackets(c.threads[w][0])
	for _, want := range []wire.Kind{wire.KindRequest, wire.KindRequest, wire.KindLeave, wire.KindLeave} {
		if h, _, _, err := own.Receive(); err != nil || h.Kind != want {
			t.Errorf("on the own queue: %v, %v, want %v", h.Kind, err, want)
		}
	}
	_ = c.threads[w][2].Close() // the thread that the worker began with may be the one
	c.until(func() bool { return w.leaving == 1 })
	if w.state != ready {
		t.Error("the end of a thread that was told to leave is the end of the worker")
	}
	c.p.adapt(now, lacksThread)
	if index, _ := c.added(w); index != 1 {
		t.Errorf("thread %d was added although 1 is free", index)
	}
}

func TestThreadThatCannotStartIsNotCounted(t *testing.T) {
	c, w := threaded(t)
	now := time.Now()
	c.p.adapt(now, lacksThread)
	_, stream := c.added(w)
	_ = stream.Close()
	c.until(func() bool { return !w.joining })
	if w.spare != 1 || w.seat.spare != 1 {
		t.Errorf("%d spare threads", w.spare)
	}
	c.p.adapt(now, lacksThread)
	if w.joining {
		t.Error("the worker was asked again at once")
	}
	c.p.adapt(now.Add(time.Minute), lacksThread)
	if !w.joining {
		t.Error("the worker was not asked again")
	}
}

func TestAllThreadsComputeWithoutAGIL(t *testing.T) {
	c := newCrew(t, func(cfg *Config) { cfg.Workers, cfg.Threads, cfg.MaxThreads = 1, 2, 4 })
	c.p.retire(c.in(ready, false)[0], CauseMaxRequests)
	c.forked()
	w := c.in(booting, false)[0]
	c.p.fromWorker(w, wire.Header{Kind: wire.KindReady, Aux: 1}, nil)
	if w.seat.computing != 2 || w.seat.spare != 0 {
		t.Errorf("%d computing threads, %d spare ones", w.seat.computing, w.seat.spare)
	}
}
