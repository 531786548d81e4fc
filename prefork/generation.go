package prefork

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"syscall"
	"time"

	"github.com/gounicorn/gounicorn/prefork/wire"
	"golang.org/x/sys/unix"
)

// generation is one zygote with the workers it forked and the queue they read. A reload, or a zygote that died, makes a new one.
type generation struct {
	number   int
	phase    phase
	plan     Plan // from the phase configured on
	size     int  // workers that it is to have
	preExec  []chan struct{}
	queue    *requestQueue
	cmd      *exec.Cmd
	control  *wire.Packets
	workers  map[uint32]*worker
	exited   bool    // the zygote is dead
	serving  bool    // every worker has been ready once
	ending   bool    // it gets no new worker
	edited   bool    // Renew began it
	outdated bool    // one that Renew began has replaced it
	paused   bool    // it gets none for now, after a failure
	sited    bool    // it has said what it serves besides requests
	asked    *worker // it is to say that
	failures int     // workers in a row that died while it boots
	room     int     // workers of all generations that may live at once while this one replaces another one by one; 0: any number

	recycling    *recycling // nil: no worker is being replaced
	recycleAfter time.Time  // a successor was not to be had
	heavy        bool       // that its workers are above MaxMemory from the start has been said

	seats []*seat // workers that are ready; guarded by the dispatcher's mutex
	ready int     // computing threads of all of them; guarded by the dispatcher's mutex

	deadline time.Time // when it must have answered, or be ready to fork; zero: never
}

// phase is how far a generation's zygote has come.
type phase uint8

const (
	spawned    phase = iota // it evaluates the configuration
	configured              // there is a plan
	loading                 // it has got the boot document
	loaded                  // it can fork
	announced               // it has been told that the server listens; the first only
	forking                 // it has been asked for workers
)

// spawn starts the zygote of a new generation. What it reports arrives at the supervisor.
func (p *Pool) spawn(number int) (*generation, error) {
	queue, err := newRequestQueue()
	if err != nil {
		return nil, err
	}
	g := &generation{number: number, queue: queue, workers: map[uint32]*worker{}}
	local, remote, err := wire.SocketPair(unix.SOCK_SEQPACKET, "zygote control")
	if err != nil {
		queue.close()
		return nil, err
	}
	defer remote.Close()
	outR, outW, err := os.Pipe()
	if err != nil {
		queue.close()
		_ = local.Close()
		return nil, fmt.Errorf("pipe: %w", err)
	}
	errR, errW, err := os.Pipe()
	if err != nil {
		queue.close()
		_ = local.Close()
		_ = outR.Close()
		_ = outW.Close()
		return nil, fmt.Errorf("pipe: %w", err)
	}
	defer outW.Close()
	defer errW.Close()
	g.control = wire.NewPackets(local)
	g.cmd = &exec.Cmd{
		Path: p.cfg.Worker, Args: []string{"gounicorn: zygote"},
		Env: append(append([]string(nil), p.cfg.Env...), "GOUNICORN_ZYGOTE=1"),
		Dir: p.cfg.Dir, Stdout: outW, Stderr: errW,
		ExtraFiles:  []*os.File{remote, queue.remote, p.d.board.File()}, // 3, 4, 5: wire.FDControl, FDQueue, FDScoreboard
		SysProcAttr: &syscall.SysProcAttr{Setpgid: true},                // a terminal's ^C is for the master, which decides
	}
	if err := g.cmd.Start(); err != nil {
		queue.close()
		_ = g.control.Close()
		_ = outR.Close()
		_ = errR.Close()
		return nil, fmt.Errorf("start the worker binary: %w", err)
	}
	pid := g.cmd.Process.Pid
	p.spawned(pid)
	printed := make(chan struct{})
	go pump(outR, func(text []byte) { p.cfg.Stdout(pid, text) })
	go func() { defer close(printed); pump(errR, func(text []byte) { p.cfg.Stderr(pid, text) }) }()
	read := make(chan struct{})
	go func() { defer close(read); p.readZygote(g) }()
	go func() {
		err := g.cmd.Wait()
		g.control.Drain()
		<-read // what it still had to say comes first
		select {
		case <-printed:
		case <-time.After(outputGrace):
		}
		p.do(func() { p.zygoteExited(g, err) })
	}()
	if p.current != nil && p.current.plan.BootTimeout > 0 { // at the start there is somebody who waits
		g.deadline = time.Now().Add(p.current.plan.BootTimeout)
	}
	p.sendDocument(g, wire.KindConfigure, p.cfg.Configure)
	return g, nil
}

// sendDocument gives a zygote what it waits for. When that fails its exit follows.
func (p *Pool) sendDocument(g *generation, kind wire.Kind, text []byte) {
	file, err := memfd("gounicorn-document", text)
	if err != nil {
		p.cfg.error(g.cmd.Process.Pid, fmt.Sprintf("zygote: %v", err))
		_ = g.cmd.Process.Kill()
		return
	}
	defer file.Close()
	h := wire.Header{Kind: kind, Aux: wire.Version, Flags: wire.FlagPayloadFD, Length: uint32(len(text))}
	if err := g.control.Send(h, nil, int(file.Fd())); err != nil {
		p.cfg.error(g.cmd.Process.Pid, fmt.Sprintf("zygote: %v", err))
	}
}

// answered is told what a zygote says of its configuration.
func (p *Pool) answered(g *generation, answer []byte) {
	if g.phase != spawned || p.stopping || g.ending {
		return
	}
	if p.cfg.Decide == nil {
		p.planned(g, p.cfg.Plan)
		return
	}
	go func() {
		plan, err := p.cfg.Decide(g.number, answer)
		p.do(func() {
			switch {
			case p.stopping || g.ending || g.exited:
			case err != nil:
				p.refuse(g, err)
			default:
				plan.defaults()
				p.planned(g, plan)
			}
		})
	}()
}

// planned gives a generation its plan.
func (p *Pool) planned(g *generation, plan Plan) {
	g.plan, g.size, g.phase, g.deadline = plan, plan.Workers, configured, time.Time{}
	if p.current == nil {
		p.d.follow(plan, true)
	}
	p.proceed(g)
}

// proceed takes a generation as far as it may go: the first one to the goal, later ones to the end.
func (p *Pool) proceed(g *generation) {
	goal := forking
	if p.current == nil {
		goal = p.goal
	}
	if g != p.incoming || p.stopping || g.ending {
		return
	}
	switch {
	case g.phase == configured && goal > configured:
		g.phase = loading
		if g.plan.BootTimeout > 0 {
			g.deadline = time.Now().Add(g.plan.BootTimeout)
		}
		p.sendDocument(g, wire.KindBoot, g.plan.Boot)
	case g.phase == loaded && goal > loaded:
		if p.current == nil && g.control.Send(wire.Header{Kind: wire.KindEvent, Aux: wire.EventWhenReady}, nil) == nil {
			g.phase = announced
			return
		}
		p.staff(g)
	case g.phase == goal:
		p.announce(nil)
	}
}

// staff forks the workers of a generation.
func (p *Pool) staff(g *generation) {
	g.phase = forking
	p.measure(g)
	p.fill(g)
	p.advance()
}

func (p *Pool) readZygote(g *generation) {
	for {
		h, payload, files, err := g.control.Receive()
		if err != nil {
			if !errors.Is(err, io.EOF) {
				p.cfg.error(g.cmd.Process.Pid, fmt.Sprintf("zygote: %v", err))
				_ = g.cmd.Process.Kill()
			}
			return
		}
		p.do(func() { p.fromZygote(g, h, payload, files) })
	}
}

// fork asks the zygote for one more worker; nil when that fails.
func (p *Pool) fork(g *generation, overflow bool) *worker {
	w := &worker{id: p.nextID(), g: g, overflow: overflow, born: make(chan struct{}), gone: make(chan struct{}), started: time.Now()}
	w.seat = &seat{worker: w.id, owner: g}
	if g.plan.BootTimeout > 0 {
		w.deadline = w.started.Add(g.plan.BootTimeout)
	}
	if g.plan.MaxAge > 0 {
		w.lifetime = g.plan.MaxAge + time.Duration(p.cfg.os.rand(int(g.plan.MaxAgeJitter)+1))
	}
	var local, remote []*os.File
	fail := func(err error) {
		w.tray.Close()
		for _, f := range append(local, remote...) {
			_ = f.Close()
		}
		if q := w.seat.queue; q != nil {
			_ = q.local.Close()
		}
		p.cfg.error(0, fmt.Sprintf("cannot fork a worker: %v", err))
		if overflow {
			p.overflow.postpone(time.Now())
			return
		}
		p.failures++
		p.later(g)
	}
	add := func(l, r *os.File, err error) error {
		if err == nil {
			local, remote = append(local, l), append(remote, r)
		}
		return err
	}
	if err := add(wire.SocketPair(unix.SOCK_SEQPACKET, "worker control")); err != nil {
		fail(err)
		return nil
	}
	for range 2 { // stdout, stderr
		if err := add(os.Pipe()); err != nil {
			fail(err)
			return nil
		}
	}
	bits := uint32(0)
	if g.plan.MaxThreads > 1 {
		q, err := newRequestQueue()
		if err != nil {
			fail(err)
			return nil
		}
		bits, w.seat.queue, remote = wire.ForkOwnQueue, q, append(remote, q.remote)
	}
	tray, shared, err := wire.NewTray()
	if err != nil {
		fail(err)
		return nil
	}
	bits, w.tray, remote = bits|wire.ForkTray, tray, append(remote, shared)
	if !g.sited && (g.asked == nil || g.asked.state >= retiring) {
		bits |= wire.ForkSite
		g.asked = w
	}
	if !g.serving {
		bits |= wire.ForkGate
	}
	for range g.plan.Threads {
		if err := add(wire.SocketPair(unix.SOCK_STREAM, "response stream")); err != nil {
			fail(err)
			return nil
		}
	}
	fds := make([]int, len(remote))
	for i, f := range remote {
		fds[i] = int(f.Fd())
	}
	payload := binary.LittleEndian.AppendUint32(nil, uint32(p.maxRequests(&g.plan)))
	err = g.control.Send(wire.Header{Kind: wire.KindFork, Aux: uint16(g.plan.Threads), A: w.id, B: bits}, payload, fds...)
	if err != nil {
		fail(err)
		return nil
	}
	for _, f := range remote {
		_ = f.Close()
	}
	w.control = wire.NewPackets(local[0])
	g.workers[w.id] = w
	w.pumps.Add(2)
	emit := func(to func(int, []byte)) func([]byte) {
		return func(text []byte) { to(int(w.pidNow.Load()), text) }
	}
	go func() { defer w.pumps.Done(); pump(local[1], emit(p.cfg.Stdout)) }()
	go func() { defer w.pumps.Done(); pump(local[2], emit(p.cfg.Stderr)) }()
	w.streams = make([]*wire.Stream, g.plan.Threads)
	for i, f := range local[3:] {
		if err := p.listen(w, i, f, nil); err != nil {
			p.cfg.error(0, err.Error())
		}
	}
	w.readers.Go(func() {
		select { // what it says may be here before the zygote has said who it is
		case <-w.born:
		case <-w.gone:
		}
		for {
			h, payload, files, err := w.control.Receive()
			if err != nil {
				return
			}
			payload = unpack(h, payload, files)
			p.do(func() { p.fromWorker(w, h, payload) })
		}
	})
	return w
}
