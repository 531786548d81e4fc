package pyworker_test

import (
	"encoding/binary"
	"strings"
	"testing"

	"github.com/gounicorn/gounicorn/prefork/wire"
)

func (w *worker) interrupt(t *testing.T, slot uint32) {
	t.Helper()
	if err := w.control.Send(wire.Header{Kind: wire.KindInterrupt, A: slot, B: slot + 100}, nil); err != nil {
		t.Fatal(err)
	}
}

func TestInterruptEndsWhatSleeps(t *testing.T) {
	m := spawn(t, boot{app: "apps"})
	w := m.startWith(t, 1, 1, true)
	w.addThread(t, 1)
	for index, queue := range []*wire.Packets{m.queue, w.own} {
		slot := m.requestOn(t, queue, 0, []string{"/soft-sleep", "/soft-spin"}[index])
		w.stdout.waitFor(t, []string{"sleeping", "turning"}[index])
		w.interrupt(t, slot+8) // no request of this test
		w.interrupt(t, slot)
		if _, body, err := answer(w.streams[index]); body != "SoftTimeout of gounicorn" {
			t.Errorf("thread %d answered %q, %v", index, body, err)
		}
		m.where(t, w, index) // and the worker lives
	}
}

// A request that keeps the GIL keeps INTERRUPT waiting, but nothing else of the worker.
func TestInterruptDoesNotHoldUpTheStacks(t *testing.T) {
	m := spawn(t, boot{app: "apps"})
	w := m.start(t, 1, 1)
	slot := m.request(t, "/stuck")
	w.stdout.waitFor(t, "stuck")
	w.interrupt(t, slot)
	w.send(t, wire.KindDump)
	if text := string(w.control.next(t, wire.KindStacks).payload); !strings.Contains(text, "in stuck_in_c") {
		t.Errorf("STACKS:\n%s", text)
	}
}

func TestRoutesOfAFrameworkAreReported(t *testing.T) {
	m := spawn(t, boot{app: "apps", preload: true})
	w := m.start(t, 1, 1)
	m.get(t, w, "/route")
	slot := m.slot
	p := w.control.next(t, wire.KindRoute)
	hash := binary.LittleEndian.Uint64(p.payload)
	if name := string(p.payload[8:]); p.A != 1 || name != "a route" {
		t.Errorf("ROUTE of worker %d names %q", p.A, name)
	}
	if times := m.board.Times(slot); times.Route != hash || hash == 0 || times.TID != uint32(w.pid) {
		t.Errorf("the slot says %+v, want route %#x and the main thread %d", times, hash, w.pid)
	}
}
