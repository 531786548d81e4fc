package pyworker_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/gounicorn/gounicorn/prefork/wire"
)

// place is where a request ran.
type place struct {
	Main   bool
	Thread string
}

// addThread gives the worker one more spare thread and waits until it serves.
func (w *worker) addThread(t *testing.T, index int) {
	t.Helper()
	remote := w.newStream(t, index)
	defer remote.Close()
	if err := w.control.Send(wire.Header{Kind: wire.KindThread, A: uint32(index)}, nil, int(remote.Fd())); err != nil {
		t.Fatal(err)
	}
	w.hello(t, index)
}

// where asks one thread of the worker where it runs.
func (m *master) where(t *testing.T, w *worker, index int) (p place) {
	t.Helper()
	queue := m.queue
	if index > 0 {
		queue = w.own
	}
	m.requestOn(t, queue, 0, "/where")
	status, body, err := answer(w.streams[index])
	if err != nil || status != 200 {
		t.Fatalf("thread %d answered %d %q, %v", index, status, body, err)
	}
	if err := json.Unmarshal([]byte(body), &p); err != nil {
		t.Fatal(err)
	}
	return p
}

// leave tells one spare thread to end, and waits for the end of its stream.
func (w *worker) leave(t *testing.T, index int) {
	t.Helper()
	if err := w.own.Send(wire.Header{Kind: wire.KindLeave}, nil); err != nil {
		t.Fatal(err)
	}
	if h, _, _, err := w.streams[index].Next(); !errors.Is(err, io.EOF) {
		t.Fatalf("the stream of thread %d, which was told to leave, has %+v, %v; want EOF", index, h, err)
	}
}

func TestSpareThreadsComeAndGo(t *testing.T) {
	for _, threads := range []int{1, 2} {
		t.Run(fmt.Sprintf("threads=%d", threads), func(t *testing.T) {
			m := spawn(t, boot{app: "apps", document: map[string]any{"max_threads": 3}})
			w := m.startWith(t, 1, threads, true)
			if got, want := m.where(t, w, 0).Main, threads == 1; got != want {
				t.Errorf("thread 0 is the main thread: %v, want %v", got, want)
			}
			for index := threads - 1; index > 0; index-- {
				w.leave(t, index)
			}
			for range 3 { // an index may be used again
				w.addThread(t, 1)
				if got, want := m.where(t, w, 1), (place{Thread: "gounicorn-1"}); got != want {
					t.Errorf("the spare thread is %+v, want %+v", got, want)
				}
				w.leave(t, 1)
			}
			w.addThread(t, 1)
			w.addThread(t, 2)
			w.send(t, wire.KindStop)
			if p := w.control.next(t, wire.KindRetiring); p.Aux != wire.RetireStopped {
				t.Errorf("RETIRING with cause %d, want %d", p.Aux, wire.RetireStopped)
			}
			w.endsWith(t, m, 0)
		})
	}
}

// A child process of a request must not inherit the signal mask of the thread that started the spare one, which blocks everything.
func TestSpareThreadsBlockNoSignals(t *testing.T) {
	m := spawn(t, boot{app: "apps"})
	w := m.startWith(t, 1, 1, true)
	w.addThread(t, 1)
	for index, queue := range []*wire.Packets{m.queue, w.own} {
		m.requestOn(t, queue, 0, "/signal-mask")
		if status, body, err := answer(w.streams[index]); body != "[]" {
			t.Errorf("thread %d: %d, blocked %s, %v; want none", index, status, body, err)
		}
	}
}

func TestStopWaitsForSpareThreads(t *testing.T) {
	m := spawn(t, boot{app: "apps"})
	w := m.startWith(t, 1, 1, true)
	w.addThread(t, 1)
	m.requestOn(t, w.own, 0, "/wait")
	w.stdout.waitFor(t, "waiting")
	w.send(t, wire.KindStop)
	w.signal(t, unix.SIGUSR2) // its handler releases the request
	if status, body, err := answer(w.streams[1]); body != "released" {
		t.Errorf("the request that ran ended with %d %q %v", status, body, err)
	}
	if p := w.control.next(t, wire.KindRetiring); p.Aux != wire.RetireStopped {
		t.Errorf("RETIRING with cause %d, want %d", p.Aux, wire.RetireStopped)
	}
	w.endsWith(t, m, 0)
}
