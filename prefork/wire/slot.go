package wire

import (
	"fmt"
	"os"
	"sync/atomic"
	"unsafe"

	"golang.org/x/sys/unix"
)

// SlotState says who owns a request in flight.
type SlotState uint8

// States of a slot and who sets them; see PROTOCOL.md.
const (
	SlotFree      SlotState = 0
	SlotQueued    SlotState = 1
	SlotRunning   SlotState = 2
	SlotDone      SlotState = 3
	SlotCancelled SlotState = 4
)

// Layout of a slot, in bytes.
const (
	SlotSize    = 64
	slotWord    = 0
	slotStarted = 8
	slotEnded   = 16
	slotCPU     = 24
	slotPID     = 32
	slotThread  = 36
	slotNotice  = 40
	slotTID     = 44
	slotDelay   = 48
	slotRoute   = 56
)

// Bits of what the master tells the worker about a request that runs.
const (
	NoticeAbandoned = 1 // the client left
	NoticeDemoted   = 2 // the master lowers the priority of the serving thread, which puts it back when the request ends
)

// Word is the first eight bytes of a slot: generation, state and the worker that runs it.
type Word uint64

// MakeWord packs generation, state and worker id (24 bits) into a word.
func MakeWord(generation uint32, state SlotState, worker uint32) Word {
	return Word(uint64(generation) | uint64(state)<<32 | uint64(worker&0xffffff)<<40)
}

// Generation of the request that the slot holds.
func (w Word) Generation() uint32 { return uint32(w) }

// State of the slot.
func (w Word) State() SlotState { return SlotState(w >> 32) }

// Worker that runs the request, when the state is SlotRunning or SlotDone.
func (w Word) Worker() uint32 { return uint32(w >> 40) }

// Scoreboard is the memory that the master and its workers share: an array of slots. Its words are changed by compare-and-swap only, so
// every method may be called concurrently. What workers write there is a report, never trusted with more than times and a pid.
type Scoreboard struct {
	file  *os.File
	mem   []byte
	slots int
}

// NewScoreboard makes a scoreboard of the given number of slots in a memfd. The caller closes it.
func NewScoreboard(slots int) (*Scoreboard, error) {
	fd, err := unix.MemfdCreate("gounicorn-scoreboard", unix.MFD_CLOEXEC)
	if err != nil {
		return nil, fmt.Errorf("scoreboard: memfd_create: %w", err)
	}
	size := slots * SlotSize
	if err := unix.Ftruncate(fd, int64(size)); err != nil {
		unix.Close(fd)
		return nil, fmt.Errorf("scoreboard: ftruncate: %w", err)
	}
	mem, err := unix.Mmap(fd, 0, size, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_SHARED)
	if err != nil {
		unix.Close(fd)
		return nil, fmt.Errorf("scoreboard: mmap: %w", err)
	}
	return &Scoreboard{file: os.NewFile(uintptr(fd), "scoreboard"), mem: mem, slots: slots}, nil
}

// File is the memfd, to be inherited by the zygote.
func (s *Scoreboard) File() *os.File { return s.file }

// Slots is the number of slots.
func (s *Scoreboard) Slots() int { return s.slots }

// Close unmaps the scoreboard and closes its memfd. No other method may run or follow.
func (s *Scoreboard) Close() error {
	if s.mem != nil {
		_ = unix.Munmap(s.mem)
		s.mem = nil
	}
	return s.file.Close()
}

func (s *Scoreboard) at(slot uint32, off int) unsafe.Pointer {
	return unsafe.Pointer(&s.mem[int(slot)*SlotSize+off])
}

// Load returns the word of a slot.
func (s *Scoreboard) Load(slot uint32) Word {
	return Word(atomic.LoadUint64((*uint64)(s.at(slot, slotWord))))
}

// CompareAndSwap changes the word of a slot from old to word and reports whether it did.
func (s *Scoreboard) CompareAndSwap(slot uint32, old, word Word) bool {
	return atomic.CompareAndSwapUint64((*uint64)(s.at(slot, slotWord)), uint64(old), uint64(word))
}

// Queue takes a slot for a request of the given generation: QUEUED, no times, not abandoned. Only the master calls it, for a slot it
// holds free.
func (s *Scoreboard) Queue(slot, generation uint32) {
	for off := slotStarted; off < slotPID; off += 8 {
		atomic.StoreUint64((*uint64)(s.at(slot, off)), 0)
	}
	atomic.StoreUint32((*uint32)(s.at(slot, slotNotice)), 0)
	atomic.StoreUint64((*uint64)(s.at(slot, slotDelay)), 0)
	atomic.StoreUint64((*uint64)(s.at(slot, slotRoute)), 0)
	atomic.StoreUint64((*uint64)(s.at(slot, slotWord)), uint64(MakeWord(generation, SlotQueued, 0)))
}

// Free gives a slot back; packets of its generation that are still on the queue will not start.
func (s *Scoreboard) Free(slot, generation uint32) {
	atomic.StoreUint64((*uint64)(s.at(slot, slotWord)), uint64(MakeWord(generation, SlotFree, 0)))
}

// Abandon tells the worker that the client left, so that it closes the iterable at the next piece.
func (s *Scoreboard) Abandon(slot uint32) {
	atomic.OrUint32((*uint32)(s.at(slot, slotNotice)), NoticeAbandoned)
}

// Demote tells the worker that the priority of the thread which serves the slot is lowered.
func (s *Scoreboard) Demote(slot uint32) {
	atomic.OrUint32((*uint32)(s.at(slot, slotNotice)), NoticeDemoted)
}

// Notice is what the master has told the worker about the request in a slot: Notice… bits.
func (s *Scoreboard) Notice(slot uint32) uint32 {
	return atomic.LoadUint32((*uint32)(s.at(slot, slotNotice)))
}

// Times is what a worker reports of the request in a slot.
type Times struct {
	Started, Ended uint64 // CLOCK_MONOTONIC, nanoseconds; 0 when it has not come to that
	CPU            uint64 // nanoseconds of the serving thread
	Delay          uint64 // nanoseconds for which it waited for a processor; 0 also when the request took no more than DelayFrom
	Route          uint64 // hash of the framework's name for the route, 0 when it did not tell; see ROUTE
	PID, Thread    uint32
	TID            uint32 // of the serving thread, as the kernel counts in the worker's pid namespace
}

// Times returns what the worker wrote. It may be torn while the request runs, and is only a report.
func (s *Scoreboard) Times(slot uint32) Times {
	return Times{
		Started: atomic.LoadUint64((*uint64)(s.at(slot, slotStarted))),
		Ended:   atomic.LoadUint64((*uint64)(s.at(slot, slotEnded))),
		Delay:   atomic.LoadUint64((*uint64)(s.at(slot, slotDelay))),
		CPU:     atomic.LoadUint64((*uint64)(s.at(slot, slotCPU))),
		PID:     atomic.LoadUint32((*uint32)(s.at(slot, slotPID))),
		Thread:  atomic.LoadUint32((*uint32)(s.at(slot, slotThread))),
		TID:     atomic.LoadUint32((*uint32)(s.at(slot, slotTID))),
		Route:   atomic.LoadUint64((*uint64)(s.at(slot, slotRoute))),
	}
}

// SetStarted writes what a worker does when it starts a request: the time on CLOCK_MONOTONIC in nanoseconds and its pid. The real
// worker does it in C; this is for a worker in Go, such as those of tests.
func (s *Scoreboard) SetStarted(slot uint32, at uint64, pid uint32) {
	atomic.StoreUint32((*uint32)(s.at(slot, slotPID)), pid)
	atomic.StoreUint64((*uint64)(s.at(slot, slotStarted)), at)
}

// SetThread writes which thread of the worker serves the slot: its index and its id.
func (s *Scoreboard) SetThread(slot, index, tid uint32) {
	atomic.StoreUint32((*uint32)(s.at(slot, slotThread)), index)
	atomic.StoreUint32((*uint32)(s.at(slot, slotTID)), tid)
}

// SetEnded writes what a worker does when a request ends: the time, and how long its thread waited for a processor, in nanoseconds.
func (s *Scoreboard) SetEnded(slot uint32, at, delay uint64) {
	atomic.StoreUint64((*uint64)(s.at(slot, slotDelay)), delay)
	atomic.StoreUint64((*uint64)(s.at(slot, slotEnded)), at)
}

// SetSpent writes what else a worker does then: the CPU time of its thread in nanoseconds, and the hash of the framework's route.
func (s *Scoreboard) SetSpent(slot uint32, cpu, route uint64) {
	atomic.StoreUint64((*uint64)(s.at(slot, slotCPU)), cpu)
	atomic.StoreUint64((*uint64)(s.at(slot, slotRoute)), route)
}
