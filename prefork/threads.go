package prefork

import (
	"fmt"
	"os"
	"slices"
	"time"

	"github.com/gounicorn/gounicorn/prefork/wire"
	"golang.org/x/sys/unix"
)

// Threads beyond Config.Threads are added while requests that only wait find no spare thread, and end when they were idle for long.

// threadPause is how long a worker that could not start a thread is not asked again.
const threadPause = time.Second

// addThread gives the worker with the fewest threads one more. Each worker starts one at a time; it counts when it says HELLO.
func (p *Pool) addThread(g *generation, now time.Time) {
	var best *worker
	for _, w := range g.workers {
		able := w.state == ready && w.seat.queue != nil && !w.joining && !w.noGIL && w.threads() < g.plan.MaxThreads
		if able && !now.Before(w.noThreadUntil) && (best == nil || w.spare < best.spare || w.spare == best.spare && w.id < best.id) {
			best = w
		}
	}
	if best == nil {
		return
	}
	if err := p.startThread(best); err != nil {
		best.noThreadUntil = now.Add(threadPause)
		p.cfg.error(best.pid, fmt.Sprintf("cannot add a thread: %v", err))
	}
}

func (p *Pool) startThread(w *worker) error {
	local, remote, err := wire.SocketPair(unix.SOCK_STREAM, "response stream")
	if err != nil {
		return err
	}
	defer remote.Close()
	index := slices.Index(w.streams, nil)
	if index < 0 {
		index = len(w.streams)
		w.streams = append(w.streams, nil)
	}
	if err := w.control.Send(wire.Header{Kind: wire.KindThread, A: uint32(index)}, nil, int(remote.Fd())); err != nil {
		_ = local.Close()
		return err
	}
	w.joining = true
	return p.listen(w, index, local, func() { p.do(func() { p.threadJoined(w) }) })
}

// listen reads the stream of one thread of a worker. joined is called when the thread says HELLO; it may be nil.
func (p *Pool) listen(w *worker, index int, f *os.File, joined func()) error {
	s, err := wire.NewStream(f)
	if err != nil {
		return err
	}
	w.streams[index] = s
	w.readers.Add(1)
	go func() {
		w.readStream(p.d, s, joined)
		p.do(func() { p.threadEnded(w, index) })
		w.readers.Done()
	}()
	return nil
}

// threadJoined is told that an added thread reads the worker's own queue.
func (p *Pool) threadJoined(w *worker) {
	w.joining = false
	if w.state != ready {
		return
	}
	w.spare++
	w.threadsSince = time.Now()
	p.d.seat(w, w.computing, w.spare)
	p.adapt(w.threadsSince, p.d.want())
}

// threadEnded is told that the stream of a thread has ended: because it was told to leave, could not be started, or the worker ends.
func (p *Pool) threadEnded(w *worker, index int) {
	if w.state == dead {
		return
	}
	w.streams[index] = nil
	switch {
	case w.leaving > 0:
		w.leaving--
	case w.joining:
		w.joining = false
		w.noThreadUntil = time.Now().Add(threadPause)
	}
}

// endThreads tells threads to leave that were not needed since the last look, OverflowIdle ago.
func (p *Pool) endThreads(g *generation, now time.Time) {
	for _, w := range g.workers {
		if w.state != ready || w.threads() <= g.plan.Threads || now.Sub(w.threadsSince) < g.plan.OverflowIdle {
			continue
		}
		w.threadsSince = now
		left := p.d.dismiss(w.seat, g.plan.Threads-w.computing)
		w.leaving += w.spare - left
		w.spare = left
	}
}

// dismiss tells the spare threads of a worker to leave that were not needed since it was last called, but not the least, and returns
// how many stay.
func (d *dispatcher) dismiss(s *seat, least int) int {
	d.mu.Lock()
	defer d.mu.Unlock()
	leave := wire.AppendHeader(nil, wire.Header{Kind: wire.KindLeave})
	for s.spare > max(s.peak, least) && s.queue.send(leave) == nil {
		s.spare--
	}
	s.peak = s.busy
	if s.owner == d.target {
		d.resize()
	}
	return s.spare
}
