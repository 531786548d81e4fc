package main

import (
	"os"
	"sync/atomic"
	"unsafe"

	"github.com/gounicorn/gounicorn/prefork/wire"
	"golang.org/x/sys/unix"
)

// Layouts of the shared memory, the same as in worker/worker.c.
const (
	slots       = 4096
	entries     = 256  // of the request ring: more than may ever be with the workers
	entriesAt   = 4096 // bytes
	areasAt     = 8192 // bytes; one area for each slot's payload
	areaSize    = 1024 // bytes, header included
	ringBytes   = areasAt + slots*areaSize
	answerBytes = 64 << 10 // of the answer ring
	answersAt   = 4096     // bytes

	ringTail, ringHead, ringEvent, ringSleepers, ringStop = 0, 64, 128, 132, 136
	answerWritten, answerRead, answerSleeping             = 0, 64, 128
)

// futex operations on memory that processes share.
const (
	futexWait = 0
	futexWake = 1
)

// shared is a memfd and its mapping.
type shared struct {
	file *os.File
	mem  []byte
}

func newShared(name string, size int) (*shared, error) {
	fd, err := unix.MemfdCreate(name, unix.MFD_CLOEXEC)
	if err != nil {
		return nil, os.NewSyscallError("memfd_create", err)
	}
	file := os.NewFile(uintptr(fd), name)
	if err := unix.Ftruncate(fd, int64(size)); err != nil {
		file.Close()
		return nil, os.NewSyscallError("ftruncate", err)
	}
	mem, err := unix.Mmap(fd, 0, size, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_SHARED)
	if err != nil {
		file.Close()
		return nil, os.NewSyscallError("mmap", err)
	}
	return &shared{file, mem}, nil
}

func (s *shared) close() {
	_ = unix.Munmap(s.mem)
	s.file.Close()
}

func (s *shared) u64(at int) *uint64 { return (*uint64)(unsafe.Pointer(&s.mem[at])) }
func (s *shared) u32(at int) *uint32 { return (*uint32)(unsafe.Pointer(&s.mem[at])) }

// wake wakes up to n of those who wait on the word.
func (s *shared) wake(at, n int) {
	_, _, _ = unix.RawSyscall(unix.SYS_FUTEX, uintptr(unsafe.Pointer(s.u32(at))), futexWake, uintptr(n))
}

// requestRing hands slot numbers to the workers: one producer (under the master's mutex), any number of consumers. An entry is a slot
// and its generation in one word, read before the head is moved past it; so a worker that dies while it takes one leaves no hole.
// The payload lies in the slot's own area, which nobody else writes until the slot is free again.
type requestRing struct {
	*shared
	wakes atomic.Int64 // sleepers woken
}

func newRequestRing() (*requestRing, error) {
	s, err := newShared("request-ring", ringBytes)
	if err != nil {
		return nil, err
	}
	return &requestRing{shared: s}, nil
}

// push publishes a request and wakes a worker if one sleeps. It reports whether there was room. One caller at a time.
func (r *requestRing) push(slot, generation uint32, h wire.Header, payload []byte) bool {
	tail := *r.u64(ringTail)
	if tail-atomic.LoadUint64(r.u64(ringHead)) >= entries {
		return false
	}
	area := r.mem[areasAt+int(slot)*areaSize:][:0:areaSize]
	_ = append(wire.AppendHeader(area, h), payload...)
	atomic.StoreUint64(r.u64(entriesAt+int(tail%entries)*8), uint64(generation)<<32|uint64(slot))
	atomic.StoreUint64(r.u64(ringTail), tail+1)
	sleepers := (*int32)(unsafe.Pointer(r.u32(ringSleepers)))
	for n := atomic.LoadInt32(sleepers); n > 0; n = atomic.LoadInt32(sleepers) {
		if atomic.CompareAndSwapInt32(sleepers, n, n-1) {
			atomic.AddUint32(r.u32(ringEvent), 1)
			r.wakes.Add(1)
			r.wake(ringEvent, 1)
			break
		}
	}
	return true
}

// stop makes the workers leave.
func (r *requestRing) stop() {
	atomic.StoreUint32(r.u32(ringStop), 1)
	atomic.AddUint32(r.u32(ringEvent), 1)
	r.wake(ringEvent, 1<<30)
}

// answerRing carries the frames of one worker: one producer, one consumer, a ring of bytes.
type answerRing struct {
	*shared
	event  *os.File // eventfd: the worker writes it when the reader sleeps
	raw    rawConn
	futex  bool // wait in futex, not in the netpoller
	ready  func(fd uintptr) bool
	closed atomic.Bool
	buf    []byte
	r      int // unread bytes are buf[r:]
}

type rawConn interface {
	Read(func(fd uintptr) bool) error
}

func newAnswerRing(futex bool) (*answerRing, error) {
	s, err := newShared("answer-ring", answersAt+answerBytes)
	if err != nil {
		return nil, err
	}
	fd, err := unix.Eventfd(0, unix.EFD_CLOEXEC|unix.EFD_NONBLOCK)
	if err != nil {
		s.close()
		return nil, os.NewSyscallError("eventfd", err)
	}
	a := &answerRing{shared: s, event: os.NewFile(uintptr(fd), "answer-event"), futex: futex, buf: make([]byte, 0, answerBytes)}
	a.ready = func(uintptr) bool { return a.announce() }
	if a.raw, err = a.event.SyscallConn(); err != nil {
		a.close()
		return nil, err
	}
	return a, nil
}

func (a *answerRing) close() {
	a.event.Close()
	a.shared.close()
}

// some reports whether there is something to read, or nothing will come any more.
func (a *answerRing) some() bool {
	return atomic.LoadUint64(a.u64(answerWritten)) != *a.u64(answerRead) || a.closed.Load()
}

// announce says that the reader is about to sleep; true: it need not.
func (a *answerRing) announce() bool {
	if a.some() {
		return true
	}
	atomic.StoreUint32(a.u32(answerSleeping), 1)
	if a.some() {
		atomic.StoreUint32(a.u32(answerSleeping), 0)
		return true
	}
	return false
}

// wait returns when there is something to read; false: the ring was closed. The netpoller is told of the eventfd by edges, so nobody
// has to read it.
func (a *answerRing) wait() bool {
	if !a.futex {
		if a.raw.Read(a.ready) != nil {
			return false
		}
	} else {
		for !a.announce() {
			_, _, _ = unix.Syscall6(unix.SYS_FUTEX, uintptr(unsafe.Pointer(a.u32(answerSleeping))), futexWait, 1, 0, 0, 0)
		}
	}
	return !a.closed.Load()
}

// Next returns the next frame; its payload is valid until the following call. Frames are copied out before they are looked at: what
// the worker changes afterwards has no effect.
func (a *answerRing) Next() (h wire.Header, payload []byte, file *os.File, err error) {
	for {
		if h, ok := wire.ParseHeader(a.buf[a.r:]); ok {
			size := wire.HeaderSize + int(h.Length)
			if size > answerBytes || !h.Kind.Stream() {
				return h, nil, nil, wire.ErrProtocol
			}
			if len(a.buf)-a.r >= size {
				payload = a.buf[a.r+wire.HeaderSize : a.r+size]
				a.r += size
				return h, payload, nil, nil
			}
		}
		a.buf = a.buf[:copy(a.buf, a.buf[a.r:])]
		a.r = 0
		if !a.wait() {
			return h, nil, nil, os.ErrClosed
		}
		read, written := *a.u64(answerRead), atomic.LoadUint64(a.u64(answerWritten))
		if written-read > answerBytes {
			return h, nil, nil, wire.ErrProtocol
		}
		n := min(int(written-read), cap(a.buf)-len(a.buf))
		at := int(read % answerBytes)
		first := min(n, answerBytes-at)
		a.buf = append(a.buf, a.mem[answersAt+at:][:first]...)
		a.buf = append(a.buf, a.mem[answersAt:][:n-first]...)
		atomic.StoreUint64(a.u64(answerRead), read+uint64(n))
	}
}

// Buffered reports whether Next can return another frame without waiting.
func (a *answerRing) Buffered() bool {
	h, ok := wire.ParseHeader(a.buf[a.r:])
	return ok && len(a.buf)-a.r >= wire.HeaderSize+int(h.Length) || atomic.LoadUint64(a.u64(answerWritten)) != *a.u64(answerRead)
}

// finish makes Next return an error once it is empty.
func (a *answerRing) finish() {
	a.closed.Store(true)
	atomic.StoreUint32(a.u32(answerSleeping), 0)
	a.wake(answerSleeping, 1)
	_, _ = a.event.Write([]byte{1, 0, 0, 0, 0, 0, 0, 0})
}
