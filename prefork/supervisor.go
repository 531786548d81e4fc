package prefork

import (
	"encoding/binary"
	"fmt"
	"os"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/gounicorn/gounicorn/prefork/wire"
	"golang.org/x/sys/unix"
)

// supervise is the goroutine that owns generations and workers.
func (p *Pool) supervise() {
	defer close(p.ended)
	ticks := time.NewTicker(sweepEvery)
	defer ticks.Stop()
	for {
		select {
		case f := <-p.calls:
			f()
		case <-p.d.wanting:
			p.adapt(time.Now(), p.d.want())
		case now := <-ticks.C:
			p.sweep(now)
			p.weigh(now)
			p.recycle(now)
			p.press(now)
			p.adapt(now, p.d.want())
		}
		p.publish()
		if p.stopping && p.empty() {
			for _, c := range p.stopped {
				close(c)
			}
			p.announce(ErrStopped)
			_ = p.d.board.Close()
			return
		}
	}
}

// logged hands on a LOG packet.
func (p *Pool) logged(h wire.Header, pid int, text []byte) {
	if h.A == wire.AccessLog {
		if p.cfg.AccessLog != nil {
			p.cfg.AccessLog(string(text))
		}
		return
	}
	p.cfg.Log(int(h.Aux), pid, string(text))
}

func (p *Pool) empty() bool {
	for _, g := range p.generations {
		if !g.exited || len(g.workers) > 0 {
			return false
		}
	}
	return true
}

func (p *Pool) publish() {
	var s Stats
	for _, g := range p.generations {
		for _, w := range g.workers {
			if w.overflow && w.state != dead {
				s.Overflow++
			}
			switch w.state {
			case booting:
				s.Booting++
			case ready:
				s.Ready++
			case retiring:
				s.Retiring++
			}
		}
	}
	p.mu.Lock()
	s.SoftTimeouts, s.Spawned, s.Ended = p.stats.SoftTimeouts, p.forks, p.dismissed
	p.stats = s
	p.mu.Unlock()
}

// announce tells Start how the first boot went; later calls are ignored.
func (p *Pool) announce(err error) {
	select {
	case p.started <- err:
	default:
	}
}

// fromZygote handles one message of a zygote.
func (p *Pool) fromZygote(g *generation, h wire.Header, payload []byte, files []*os.File) {
	var pidfd *os.File
	if h.Kind == wire.KindForked && len(files) > 0 {
		pidfd, files = files[0], files[1:]
	}
	payload = unpack(h, payload, files)
	switch h.Kind {
	case wire.KindHello:
		if h.Aux != wire.Version {
			p.cfg.error(g.cmd.Process.Pid, fmt.Sprintf("the worker binary speaks protocol %d, this gounicorn %d: build both together", h.Aux, wire.Version))
			_ = g.cmd.Process.Kill()
		}
	case wire.KindLog:
		p.logged(h, 0, payload) // it plays the part of the master
	case wire.KindConfigured:
		p.answered(g, payload)
	case wire.KindSite:
		p.described(g, payload)
	case wire.KindLoaded:
		if g.phase == loading {
			g.phase, g.deadline = loaded, time.Time{}
			p.scribe.Store(g.control)
			p.proceed(g)
		}
	case wire.KindEvent:
		switch {
		case h.Aux == wire.EventWhenReady && g.phase == announced:
			p.staff(g)
		case h.Aux == wire.EventPreExec && len(g.preExec) > 0:
			close(g.preExec[0])
			g.preExec = g.preExec[1:]
		}
	case wire.KindBootFailed:
		if w := g.workers[h.A]; w != nil { // it was not forked
			w.bootError = &BootError{Code: int(h.Aux), PID: g.cmd.Process.Pid, Text: string(payload)}
			return
		}
		p.bootFailed(g, &BootError{Code: int(h.Aux), PID: g.cmd.Process.Pid, Text: string(payload)})
	case wire.KindForked:
		p.forked(g, h, pidfd)
	case wire.KindExited:
		w := g.workers[h.A]
		if w == nil || len(payload) < 4 {
			return
		}
		status := syscall.WaitStatus(binary.LittleEndian.Uint32(payload))
		w.status = &status
		if w.pid == 0 { // the fork itself failed
			p.lost(w)
			return
		}
		if w.drained {
			p.bury(w)
		}
	}
}

// unpack returns the payload of a packet, which may be in its first descriptor, and closes all of them.
func unpack(h wire.Header, payload []byte, files []*os.File) []byte {
	if h.Flags&wire.FlagPayloadFD != 0 && len(files) > 0 {
		payload = make([]byte, h.Length) // ParsePacket has bounded it
		n, _ := files[0].ReadAt(payload, 0)
		payload = payload[:n]
	}
	for _, f := range files {
		_ = f.Close()
	}
	return payload
}

// described takes the site document of a generation; the first one counts.
func (p *Pool) described(g *generation, document []byte) {
	if !g.sited {
		g.sited = true
		p.cfg.Site(g.number, document)
	}
}

func (p *Pool) forked(g *generation, h wire.Header, pidfd *os.File) {
	w := g.workers[h.A]
	if w == nil || pidfd == nil {
		if pidfd != nil {
			_ = pidfd.Close()
		}
		return
	}
	w.pid, w.pidfd = int(h.B), nonblocking(pidfd)
	w.pidNow.Store(int64(w.pid))
	p.forks++
	close(w.born)
	p.cfg.info(w.pid, fmt.Sprintf("Booting worker with pid: %d", w.pid))
	go func() {
		_ = awaitExit(w.pidfd)
		p.do(func() { p.lost(w) })
	}()
	if p.stopping || g.ending {
		p.stop(w, CauseReload)
	}
}

// nonblocking makes a received descriptor one that the runtime can poll.
func nonblocking(f *os.File) *os.File {
	fd, err := unix.FcntlInt(f.Fd(), unix.F_DUPFD_CLOEXEC, 0)
	if err != nil {
		return f
	}
	_ = unix.SetNonblock(fd, true)
	_ = f.Close()
	return os.NewFile(uintptr(fd), "pidfd")
}

// fromWorker handles one message of a worker.
func (p *Pool) fromWorker(w *worker, h wire.Header, payload []byte) {
	switch h.Kind {
	case wire.KindReady:
		p.workerReady(w, h.Aux&1 != 0)
	case wire.KindLog:
		p.logged(h, int(w.pidNow.Load()), payload)
	case wire.KindBootFailed:
		w.bootError = &BootError{Code: int(h.Aux), PID: w.pid, Text: string(payload), Told: !w.overflow}
		if w.bootError.Told { // before what it says when it leaves
			p.cfg.error(w.pid, w.bootError.Text)
		}
	case wire.KindDue:
		w.due = true
		p.recycle(time.Now())
	case wire.KindRetiring:
		cause := causeUnknown
		if h.Aux == wire.RetireAppExit {
			cause = CauseExit
		}
		p.retire(w, cause)
	case wire.KindRoute:
		if len(payload) > 8 {
			p.d.routeName(binary.LittleEndian.Uint64(payload), string(payload[8:]))
		}
	case wire.KindFiles:
		if names := strings.Trim(string(payload), "\x00"); names != "" && p.cfg.Files != nil {
			p.cfg.Files(strings.Split(names, "\x00"))
		}
	case wire.KindSite:
		p.described(w.g, payload)
	case wire.KindBehind:
		p.d.unpack(time.Now())
	case wire.KindPong:
		p.heard(w)
	case wire.KindStacks:
		p.dumped(w, string(payload))
	}
}

func (p *Pool) workerReady(w *worker, noGIL bool) {
	if w.state != booting {
		return
	}
	w.state, w.deadline, w.since = ready, time.Time{}, time.Now()
	w.noGIL, w.computing, w.spare = noGIL, 1, w.g.plan.Threads-1
	if noGIL {
		w.computing, w.spare = w.g.plan.Threads, 0
	}
	w.threadsSince = w.since
	p.d.seat(w, w.computing, w.spare)
	p.scales.next = time.Time{}
	p.succeed(w)
	p.mayServe(w.g)
}

// fill forks workers until a generation has as many as are configured, those that boot included. After a failure it waits for its time.
func (p *Pool) fill(g *generation) {
	if p.stopping || g.ending || g.exited || g.phase != forking || p.incoming != g && p.incoming != nil && p.incoming.room > 0 {
		return
	}
	missing := g.size
	for _, w := range g.workers {
		if !w.overflow && (w.state == booting || w.state == ready) {
			missing--
		}
	}
	if r := g.recycling; r != nil && r.leavesFirst {
		missing--
	}
	if g.room > 0 {
		missing = min(missing, g.room-p.living())
	}
	for ; missing > 0 && !g.paused; missing-- {
		p.fork(g, false)
	}
}

// retire takes a worker out of service, because it said so or was asked to stop, and forks its successor if it needs one.
func (p *Pool) retire(w *worker, cause Cause) {
	if w.state == retiring || w.state == dead {
		return
	}
	wasReady := w.state == ready
	w.state = retiring
	if cause != causeUnknown {
		w.cause = cause
	}
	w.deadline = time.Now().Add(w.g.plan.GracefulTimeout)
	if wasReady {
		p.d.seat(w, 0, 0)
	}
	p.fill(w.g)
}

// stop asks a worker to finish what it runs and leave.
func (p *Pool) stop(w *worker, cause Cause) {
	w.dismissed = true
	why := uint16(wire.StopLeave)
	if w.g.outdated {
		why = wire.StopEdited
	}
	_ = w.control.Send(wire.Header{Kind: wire.KindStop, Aux: why}, nil)
	p.retire(w, cause)
}

// end lets a generation finish.
func (p *Pool) end(g *generation) {
	if g.ending {
		return
	}
	g.ending = true
	for _, w := range g.workers {
		p.stop(w, CauseReload)
	}
	if g != p.last {
		_ = g.control.Send(wire.Header{Kind: wire.KindExit, Aux: wire.ExitGeneration}, nil)
	}
}

// farewell lets the zygote say good-bye for the server, when there is no worker any more.
func (p *Pool) farewell() {
	if p.last == nil || p.dying > 0 {
		return
	}
	for _, g := range p.generations {
		if len(g.workers) > 0 {
			return
		}
	}
	p.cfg.Stopped()
	_ = p.last.control.Send(wire.Header{Kind: wire.KindExit, Aux: wire.ExitServer}, nil)
	p.last = nil
}

// resize changes how many workers a generation has. Of too many the oldest retire.
func (p *Pool) resize(g *generation, size int) {
	if size == g.size || p.stopping || g.ending {
		return
	}
	h := wire.Header{Kind: wire.KindEvent, Aux: wire.EventNWorkersChanged, A: uint32(size), B: uint32(g.size)}
	_ = g.control.Send(h, nil) // fails when the zygote is dead, which is noticed anyway
	g.size = size
	p.size.Store(int64(size))
	var all []*worker
	for _, w := range g.workers {
		if !w.overflow && (w.state == booting || w.state == ready) {
			all = append(all, w)
		}
	}
	slices.SortFunc(all, func(a, b *worker) int { return a.started.Compare(b.started) })
	for _, w := range all[:max(len(all)-size, 0)] {
		p.stop(w, causeIdle)
	}
	p.fill(g)
}

// later fills a generation after a pause that grows with the number of failures in a row. Until then it gets no worker.
func (p *Pool) later(g *generation) {
	if g.paused || g != p.current && g != p.incoming {
		return
	}
	g.paused = true
	time.AfterFunc(backoff(p.failures), func() {
		p.do(func() {
			g.paused = false
			p.fill(g)
		})
	})
}

// backoff is the pause before the next try: none at first, then 0.1 s, doubled up to 10 s.
func backoff(failures int) time.Duration {
	if failures <= 1 {
		return 0
	}
	return min(100*time.Millisecond<<min(failures-2, 7), 10*time.Second)
}

// zygoteExited is told that a zygote is dead. Its workers live on until a new generation can serve.
func (p *Pool) zygoteExited(g *generation, err error) {
	g.exited = true
	if p.scribe.CompareAndSwap(g.control, nil) && p.current != nil && !p.current.exited {
		p.scribe.Store(p.current.control)
	}
	_ = g.control.Close()
	for _, c := range g.preExec {
		close(c)
	}
	g.preExec = nil
	if g == p.last {
		p.last = nil
	}
	for _, w := range g.workers {
		if w.pid == 0 { // nobody will fork it
			p.lost(w)
		}
	}
	pid := g.cmd.Process.Pid
	delete(p.children, pid)
	switch {
	case g == p.incoming && (p.current == nil || !p.stopping):
		p.bootFailed(g, &BootError{Code: 1, PID: pid, Text: zygoteDeath(g, err)})
	case !g.ending && !p.stopping:
		p.cfg.error(pid, zygoteDeath(g, err))
	}
	if g == p.incoming {
		p.incoming = nil
	}
	p.reviveLater()
	p.generationEnded(g)
}

func zygoteDeath(g *generation, err error) string {
	if g.cmd.ProcessState != nil && g.cmd.ProcessState.ExitCode() == 127 {
		return "the worker binary cannot be run: the libpython it was built against is missing; " +
			"install it again, or build the worker for this interpreter with \"make build PYTHON=/path/to/python\""
	}
	return fmt.Sprintf("the zygote ended: %v", err)
}

func (p *Pool) generationEnded(g *generation) {
	p.farewell()
	if !g.exited || len(g.workers) > 0 {
		return
	}
	g.queue.close()
	for i, o := range p.generations {
		if o == g {
			p.generations = append(p.generations[:i:i], p.generations[i+1:]...)
			break
		}
	}
}

// shutdown begins to stop everything; done is closed at the end.
func (p *Pool) shutdown(done chan struct{}) {
	if done != nil {
		p.stopped = append(p.stopped, done)
	}
	if p.stopping {
		return
	}
	p.stopping = true
	for _, j := range p.d.close() {
		j.Sink.Failed(Stopping)
	}
	p.last = p.current
	if p.last == nil {
		p.last = p.incoming
	}
	if p.last != nil && p.last.exited {
		p.last = nil
	}
	for _, g := range p.generations {
		p.end(g)
	}
	p.farewell()
}

// killWorkers kills what did not stop; a zygote that has workers to see off or a hook to run may do that.
func (p *Pool) killWorkers() {
	for _, g := range p.generations {
		for _, w := range g.workers {
			w.kill("The server ends, and it had not in time.")
		}
		if g.phase < loaded && !g.exited {
			_ = g.cmd.Process.Kill()
		}
	}
}

func (p *Pool) killZygotes() {
	for _, g := range p.generations {
		if !g.exited {
			_ = g.cmd.Process.Kill()
		}
	}
}

// spawned notes a child that is not to be reaped by reapOrphans.
func (p *Pool) spawned(pid int) { p.children[pid] = true }
