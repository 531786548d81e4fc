package main

import (
	"bytes"
	"runtime"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/gounicorn/gounicorn/prefork/wire"
)

// TestEveryDesignAnswersEveryRequest runs each design with real workers. Every answer is checked against its request.
func TestEveryDesignAnswersEveryRequest(t *testing.T) {
	program, err := compile(t.Context(), t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	for _, d := range designs {
		t.Run(d.name, func(t *testing.T) {
			m, err := newMaster(d, program, 3, 100)
			if err != nil {
				t.Fatal(err)
			}
			defer m.close()
			m.goal = 5000
			m.load(64)
			select {
			case <-m.reached:
			case <-m.idle: // a wrong answer ended it
			}
			if err := m.drain(); err != nil {
				t.Fatal(err)
			}
			if m.sent != 0 || len(m.free) != slots {
				t.Errorf("%d requests are still booked, %d slots free", m.sent, len(m.free))
			}
			if d.pack && m.packets.Load() >= m.done.Load() {
				t.Errorf("%d packets for %d requests: nothing was packed", m.packets.Load(), m.done.Load())
			}
		})
	}
}

// TestEveryWayBringsTheWholeBody runs each way of bodies.c, whose client counts the bytes.
func TestEveryWayBringsTheWholeBody(t *testing.T) {
	program, err := compileSource(t.Context(), t.TempDir(), "bodies", bodiesSource)
	if err != nil {
		t.Fatal(err)
	}
	for _, way := range ways {
		if s, err := carry(t.Context(), program, way, 20); err != nil || s.worker <= 0 || s.master <= 0 || s.client <= 0 {
			t.Errorf("%s: %+v, %v", way, s, err)
		}
	}
}

// TestAKilledWorkerLeavesTheRingWhole has a worker die between taking an entry and starting it, and others die anywhere. What was
// taken and not started is pushed again; nothing else is lost, and nothing is answered twice.
func TestAKilledWorkerLeavesTheRingWhole(t *testing.T) {
	program, err := compile(t.Context(), t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	for try := range 20 {
		d := design{name: "ring with a death", requests: "ring", answers: "eventfd"}
		if try%2 == 0 {
			d.dies = 100
		}
		m, err := newMaster(d, program, 2, 0)
		if err != nil {
			t.Fatal(err)
		}
		m.goal = 100
		m.load(8)
		victim := m.procs[0]
		if d.dies == 0 {
			<-m.reached
			_ = victim.Process.Kill()
		}
		_ = victim.Wait()
		pushed := m.rescue(1)
		if d.dies > 0 && pushed == 0 {
			t.Error("the entry that the dead worker had taken was not to be pushed again")
		}
		if err := m.drain(); err != nil {
			t.Error(err)
		}
		m.close()
	}
}

// rescue does what a master must do after the death of a worker, all of whose memory stays: read its answers to the end, fail what it
// had started, push again what nobody has started, and wake a worker for each, as the dead one may have had the wake-up.
func (m *master) rescue(worker uint32) (pushed int) {
	a := m.answers[worker-1]
	for atomic.LoadUint32(a.u32(answerSleeping)) == 0 {
		runtime.Gosched()
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	for slot := range m.jobs {
		j := m.jobs[slot].Load()
		if j == nil {
			continue
		}
		switch w := m.board.Load(j.slot); {
		case w.State() == wire.SlotQueued:
			h := wire.Header{Kind: wire.KindRequest, A: j.slot, B: j.generation, Length: uint32(len(j.payload))}
			m.ring.push(j.slot, j.generation, h, j.payload)
			pushed++
		case w.Worker() == worker:
			m.release(j)
			if m.live--; m.live == 0 {
				close(m.idle)
			}
		}
	}
	return pushed
}

// TestModesPrintTables runs each mode as a user would, briefly.
func TestModesPrintTables(t *testing.T) {
	for _, args := range [][]string{
		{"rows", "-rounds", "1", "-tries", "1", "-time", "20ms", "-spin", "0,20", "-clients", "8", "-workers", "2"},
		{"locks", "-rounds", "1", "-time", "20ms", "-writers", "1,2", "-readers", "2"},
		{"accept", "-rounds", "1", "-time", "20ms", "-shards", "1,2"},
	} {
		var out, errs bytes.Buffer
		if code := run(t.Context(), args, &out, &errs); code != 0 {
			t.Fatalf("%v: exit code %d\n%s", args, code, errs.String())
		}
		for line := range strings.SplitSeq(strings.TrimSpace(out.String()), "\n") {
			if strings.Contains(line, "NaN") || strings.Contains(line, "Inf") {
				t.Errorf("%v: %s", args, line)
			}
		}
		if n := strings.Count(out.String(), "\n|"); n < 2 {
			t.Errorf("%v printed no table:\n%s", args, out.String())
		}
	}
}

// TestClosingWithRequestsInFlight ends every worker by itself, without a signal.
func TestClosingWithRequestsInFlight(t *testing.T) {
	program, err := compile(t.Context(), t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	for _, d := range designs {
		m, err := newMaster(d, program, 2, 0)
		if err != nil {
			t.Fatal(err)
		}
		m.goal = 100
		m.load(64)
		<-m.reached
		m.close()
		for _, p := range m.procs {
			if p.ProcessState == nil || !p.ProcessState.Success() {
				t.Errorf("%s: a worker ended with %v", d.name, p.ProcessState)
			}
		}
	}
}
