package main

import (
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"strconv"
	"sync"
	"sync/atomic"
	"syscall"
	"time"
	"unsafe"

	"github.com/gounicorn/gounicorn/prefork/wire"
	"golang.org/x/sys/unix"
)

// How the master hands out requests, as prefork does.
const (
	window      = 8   // requests for each worker that may lie ahead of it
	packMost    = 8   // requests that may share a packet
	payloadSize = 600 // bytes of a request
	echoSize    = 16  // bytes of the payload that the answer repeats, from both of its ends
	sendBuffer  = 4 << 20
)

// design is one way to carry requests and answers.
type design struct {
	name     string
	requests string // socket or ring
	pack     bool   // several requests to a packet when no worker is free
	answers  string // stream, eventfd or futex
	oneRead  bool   // the stream is read once a wake-up, see oneRead
	polls    int    // how often a worker looks at the ring again before it sleeps
	dies     int    // entries after which the first worker kills itself, the last one taken and not started; 0: never
}

// designs are compared in this order; the first is the yardstick.
var designs = []design{
	{name: "a socket", requests: "socket", answers: "stream"},
	{name: "b packed", requests: "socket", answers: "stream", pack: true},
	{name: "b' packed, one read", requests: "socket", answers: "stream", pack: true, oneRead: true},
	{name: "c ring", requests: "ring", answers: "stream"},
	{name: "d rings, eventfd", requests: "ring", answers: "eventfd"},
	{name: "e packed, answer ring", requests: "socket", answers: "eventfd", pack: true},
	{name: "d rings, polls", requests: "ring", answers: "eventfd", polls: 1000},
	{name: "d rings, futex", requests: "ring", answers: "futex"},
}

// job is one request of a client that asks again as soon as it is answered.
type job struct {
	payload          []byte
	serial           uint64
	slot, generation uint32
}

// frames is where answers are read: a wire.Stream or an answerRing.
type frames interface {
	Next() (wire.Header, []byte, *os.File, error)
	Buffered() bool
}

// master hands the requests of its clients to its workers: a model of prefork's dispatcher without policy.
type master struct {
	design  design
	workers int
	board   *wire.Scoreboard
	ring    *requestRing
	queue   *os.File
	fd      int // of queue
	streams []*wire.Stream
	answers []*answerRing
	procs   []*exec.Cmd
	jobs    [slots]atomic.Pointer[job]
	readers sync.WaitGroup
	flush   chan struct{}
	err     atomic.Pointer[error]

	mu       sync.Mutex
	free     []uint32
	numbers  [slots]uint32
	sent     int // with the workers
	waits    []*job
	scratch  []byte
	lazy     bool
	stopping bool
	live     int // jobs that will be answered
	idle     chan struct{}

	done    atomic.Int64 // answers
	goal    int64        // of them, after which reached is closed; set before load
	reached chan struct{}
	packets atomic.Int64
}

// newMaster starts the workers; each request costs them so many turns of the spin. close must be called.
func newMaster(d design, program string, workers int, turns int64) (m *master, err error) {
	m = &master{design: d, workers: workers, flush: make(chan struct{}, 1), idle: make(chan struct{}), reached: make(chan struct{})}
	defer func() {
		if err != nil {
			m.close()
		}
	}()
	for slot := slots - 1; slot >= 0; slot-- {
		m.free = append(m.free, uint32(slot))
	}
	if m.board, err = wire.NewScoreboard(slots); err != nil {
		return m, err
	}
	if m.ring, err = newRequestRing(); err != nil {
		return m, err
	}
	local, remote, err := wire.SocketPair(unix.SOCK_SEQPACKET, "requests")
	if err != nil {
		return m, err
	}
	defer remote.Close()
	m.queue = local
	raw, err := local.SyscallConn()
	if err != nil {
		return m, err
	}
	_ = raw.Control(func(fd uintptr) {
		m.fd = int(fd)
		_ = unix.SetsockoptInt(m.fd, unix.SOL_SOCKET, unix.SO_SNDBUFFORCE, sendBuffer)
	})
	for id := range workers {
		if err := m.start(program, id, turns, remote); err != nil {
			return m, err
		}
	}
	if d.pack {
		go m.flusher()
	}
	return m, nil
}

func (m *master) start(program string, id int, turns int64, remote *os.File) error {
	local, stream, err := wire.SocketPair(unix.SOCK_STREAM, "answers")
	if err != nil {
		return err
	}
	defer stream.Close()
	s, err := wire.NewStream(local)
	if err != nil {
		local.Close()
		return err
	}
	m.streams = append(m.streams, s)
	a, err := newAnswerRing(m.design.answers == "futex")
	if err != nil {
		return err
	}
	m.answers = append(m.answers, a)
	dies := m.design.dies
	if id > 0 {
		dies = 0
	}
	p := exec.Command(program, "serve", m.design.requests, m.design.answers, strconv.Itoa(id+1), strconv.FormatInt(turns, 10),
		strconv.Itoa(m.design.polls), strconv.Itoa(dies))
	p.Stderr = os.Stderr
	p.ExtraFiles = []*os.File{remote, stream, m.board.File(), m.ring.file, a.file, a.event}
	p.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if err := p.Start(); err != nil {
		return err
	}
	m.procs = append(m.procs, p)
	m.readers.Add(1)
	switch {
	case m.design.oneRead:
		go func() { m.ended(oneRead(local, m.answered)) }()
	case m.design.answers == "stream":
		go func() { m.ended(m.read(s)) }()
	default:
		go func() { m.ended(m.read(a)) }()
	}
	return nil
}

// read takes the answers of one worker until there will be no more.
func (m *master) read(f frames) error {
	for {
		h, payload, _, err := f.Next()
		if err == nil {
			err = m.answered(h, payload, f.Buffered())
		}
		if err != nil {
			return err
		}
	}
}

// ended notes why a reader ended, which is wrong while requests are not answered.
func (m *master) ended(err error) {
	m.mu.Lock()
	if m.live > 0 {
		m.err.CompareAndSwap(nil, &err)
		m.live = 0
		close(m.idle)
	}
	m.mu.Unlock()
	m.readers.Done()
}

// answered checks an answer, takes its job off the books and lets its client ask again.
func (m *master) answered(h wire.Header, payload []byte, more bool) error {
	if h.A >= slots {
		return errors.New("answer names no slot")
	}
	j := m.jobs[h.A].Load()
	if j == nil || j.generation != h.B || m.board.Load(h.A).State() != wire.SlotDone {
		return fmt.Errorf("answer for slot %d, generation %d, which is not its request", h.A, h.B)
	}
	if len(payload) < 2*echoSize || string(payload[:echoSize]) != string(j.payload[:echoSize]) ||
		string(payload[echoSize:2*echoSize]) != string(j.payload[payloadSize-echoSize:]) {
		return fmt.Errorf("the answer for slot %d is another's", h.A)
	}
	m.mu.Lock()
	m.release(j)
	if !more {
		m.pump()
	}
	m.mu.Unlock()
	if m.done.Add(1) == m.goal {
		close(m.reached)
	}
	m.submit(j)
	return nil
}

func (m *master) release(j *job) {
	m.jobs[j.slot].Store(nil)
	m.board.Free(j.slot, j.generation)
	m.free = append(m.free, j.slot)
	m.sent--
}

// submit sends a job at once or keeps it waiting.
func (m *master) submit(j *job) {
	j.serial++
	binary.LittleEndian.PutUint64(j.payload, j.serial)
	binary.LittleEndian.PutUint64(j.payload[payloadSize-8:], j.serial)
	m.mu.Lock()
	if m.stopping {
		if m.live--; m.live == 0 {
			close(m.idle)
		}
		m.mu.Unlock()
		return
	}
	company := m.design.pack && m.sent >= m.workers
	if len(m.waits) == 0 && !company && m.admits() && m.send(j) {
		m.mu.Unlock()
		return
	}
	m.waits = append(m.waits, j)
	tell := !m.lazy && m.admits()
	m.lazy = m.lazy || tell
	if tell && !m.design.pack {
		m.lazy = false
		m.pump()
		tell = false
	}
	m.mu.Unlock()
	if tell {
		m.flush <- struct{}{}
	}
}

func (m *master) flusher() {
	for range m.flush {
		runtime.Gosched()
		m.mu.Lock()
		m.lazy = false
		m.pump()
		m.mu.Unlock()
	}
}

func (m *master) admits() bool { return m.sent < (1+window)*m.workers }

// pump sends what waits and may be sent.
func (m *master) pump() {
	for len(m.waits) > 0 && m.admits() {
		n := 1
		if share := (len(m.waits) + m.workers - 1) / m.workers; m.design.pack && m.sent >= m.workers {
			n = min(max(share, 1), packMost, len(m.waits))
		}
		if !m.send(m.waits[:n]...) {
			return
		}
		m.waits = m.waits[:copy(m.waits, m.waits[n:])]
	}
}

// send hands jobs to the workers, in one packet if it goes by the socket.
func (m *master) send(jobs ...*job) bool {
	m.scratch = m.scratch[:0]
	for _, j := range jobs {
		j.slot = m.free[len(m.free)-1]
		m.free = m.free[:len(m.free)-1]
		m.numbers[j.slot]++
		j.generation = m.numbers[j.slot]
		m.board.Queue(j.slot, j.generation)
		m.sent++
		m.jobs[j.slot].Store(j)
		h := wire.Header{Kind: wire.KindRequest, A: j.slot, B: j.generation, Length: uint32(len(j.payload))}
		if m.design.requests == "ring" {
			if !m.ring.push(j.slot, j.generation, h, j.payload) {
				m.release(j)
				return false
			}
			continue
		}
		m.scratch = append(wire.AppendHeader(m.scratch, h), j.payload...)
	}
	if m.design.requests == "ring" {
		return true
	}
	m.packets.Add(1)
	_, _, errno := unix.RawSyscall(unix.SYS_WRITE, uintptr(m.fd), uintptr(unsafe.Pointer(unsafe.SliceData(m.scratch))), uintptr(len(m.scratch)))
	if errno == 0 {
		return true
	}
	for i := len(jobs) - 1; i >= 0; i-- {
		m.release(jobs[i])
	}
	return false
}

// load lets so many clients ask, each again when it is answered.
func (m *master) load(clients int) {
	m.live = clients
	for i := range clients {
		j := &job{payload: make([]byte, payloadSize), serial: uint64(i) << 32}
		for k := range j.payload {
			j.payload[k] = byte(i)
		}
		m.submit(j)
	}
}

// drain waits until every request is answered. The error says what was wrong with an answer.
func (m *master) drain() error {
	m.mu.Lock()
	m.stopping = true
	for range m.waits {
		if m.live--; m.live == 0 {
			close(m.idle)
		}
	}
	m.waits = nil
	m.mu.Unlock()
	select {
	case <-m.idle:
	case <-time.After(10 * time.Second):
		m.mu.Lock()
		defer m.mu.Unlock()
		return fmt.Errorf("%s: %d requests are not answered", m.design.name, m.live)
	}
	if err := m.err.Load(); err != nil {
		return *err
	}
	return nil
}

// close ends the workers.
func (m *master) close() {
	m.mu.Lock()
	m.stopping, m.waits = true, nil // a ring's worker leaves when it is empty
	m.mu.Unlock()
	if m.queue != nil {
		m.queue.Close()
	}
	if m.ring != nil {
		m.ring.stop()
	}
	for _, p := range m.procs {
		ended := time.AfterFunc(5*time.Second, func() { _ = p.Process.Kill() })
		_ = p.Wait()
		ended.Stop()
	}
	for i := range m.procs {
		m.streams[i].Drain()
		m.answers[i].finish()
		if m.design.oneRead { // an end that comes right behind data may not wake it
			m.streams[i].Close()
		}
	}
	m.readers.Wait()
	for _, s := range m.streams {
		s.Close()
	}
	for _, a := range m.answers {
		a.close()
	}
	if m.design.pack {
		close(m.flush)
	}
	if m.ring != nil {
		m.ring.close()
	}
	if m.board != nil {
		m.board.Close()
	}
}
