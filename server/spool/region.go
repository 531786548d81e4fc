package spool

import (
	"fmt"
	"os"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"
)

const (
	// regionSize is the most that a region holds: the largest body in memory, and room to see that there is no more.
	regionSize = memoryBody + 4096
	// idleFor is how long a region that nobody needs is kept, and idleMost how many.
	idleFor  = 10 * time.Second
	idleMost = 16
)

// region is memory that is a file too: the master reads a body straight into it, and a worker gets a descriptor of it that can only
// be read. It is used again, because the kernel takes several times as long to find fresh pages as to fill them (measured: 600 µs
// for each MiB against 110).
type region struct {
	file    *os.File
	mem     []byte
	touched int64 // bytes that have been written to since it was made
	idle    time.Time
}

// newRegion makes a region. Its size is sealed, so that whoever has a descriptor of it cannot take memory away from under the master.
func newRegion() (*region, error) {
	made, err := unix.MemfdCreate("gounicorn-body", unix.MFD_CLOEXEC|unix.MFD_ALLOW_SEALING)
	if err != nil {
		return nil, fmt.Errorf("spool: memfd_create: %w", err)
	}
	defer unix.Close(made)
	if err := unix.Ftruncate(made, regionSize); err != nil {
		return nil, fmt.Errorf("spool: ftruncate: %w", err)
	}
	if _, err := unix.FcntlInt(uintptr(made), unix.F_ADD_SEALS, unix.F_SEAL_SHRINK|unix.F_SEAL_GROW|unix.F_SEAL_SEAL); err != nil {
		return nil, fmt.Errorf("spool: seal: %w", err)
	}
	file, err := reopen(made, unix.O_RDWR) // the kernel counts only opened files, and shared asks it to
	if err != nil {
		return nil, err
	}
	mem, err := unix.Mmap(int(file.Fd()), 0, regionSize, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_SHARED)
	if err != nil {
		_ = file.Close()
		return nil, fmt.Errorf("spool: mmap: %w", err)
	}
	return &region{file: file, mem: mem}, nil
}

// reader opens the region for a reader, from offset 0.
func (r *region) reader() (*os.File, error) { return reopen(int(r.file.Fd()), unix.O_RDONLY) }

func reopen(fd, mode int) (*os.File, error) {
	fd, err := unix.Open("/proc/self/fd/"+strconv.Itoa(fd), mode|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, fmt.Errorf("spool: open memfd: %w", err)
	}
	return os.NewFile(uintptr(fd), "body"), nil
}

// shared reports whether a reader has it open still, here or in another process: the kernel grants a write lease (fcntl(2)) only when
// nobody has.
func (r *region) shared() bool {
	fd := r.file.Fd()
	if _, err := unix.FcntlInt(fd, unix.F_SETLEASE, unix.F_WRLCK); err != nil {
		return true
	}
	_, err := unix.FcntlInt(fd, unix.F_SETLEASE, unix.F_UNLCK)
	return err != nil
}

func (r *region) drop() {
	_ = unix.Munmap(r.mem)
	_ = r.file.Close()
}

// regions are those that wait for their next body, the one that was used last at the end.
type regions struct {
	mu    sync.Mutex
	idle  []*region
	bytes atomic.Int64 // that they have touched
	timer *time.Timer  // drops the oldest; nil: there is none
}

// take returns a region for a body: a used one that nobody reads any more, or a new one.
func (s *regions) take() (*region, error) {
	s.mu.Lock()
	for i := len(s.idle) - 1; i >= 0; i-- {
		if r := s.idle[i]; !r.shared() {
			s.idle = append(s.idle[:i], s.idle[i+1:]...)
			s.bytes.Add(-r.touched)
			s.mu.Unlock()
			return r, nil
		}
	}
	s.mu.Unlock()
	return newRegion()
}

// give keeps a region for the next body. A worker may read it still: it ends its answer before it closes the request's body.
func (s *regions) give(r *region, room int64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.bytes.Load()+r.touched > room || len(s.idle) == idleMost {
		s.dropOldest()
	}
	if s.bytes.Load()+r.touched > room {
		r.drop()
		return
	}
	r.idle = time.Now()
	s.idle = append(s.idle, r)
	s.bytes.Add(r.touched)
	if s.timer == nil {
		s.timer = time.AfterFunc(idleFor, s.expire)
	}
}

func (s *regions) dropOldest() {
	if len(s.idle) == 0 {
		return
	}
	r := s.idle[0]
	s.idle = append(s.idle[:0], s.idle[1:]...)
	s.bytes.Add(-r.touched)
	r.drop()
}

// expire drops what has been idle for long.
func (s *regions) expire() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for len(s.idle) > 0 && time.Since(s.idle[0].idle) >= idleFor {
		s.dropOldest()
	}
	s.timer = nil
	if len(s.idle) > 0 {
		s.timer = time.AfterFunc(idleFor-time.Since(s.idle[0].idle), s.expire)
	}
}

// shrink drops as many as it takes for the rest to have no more than room bytes.
func (s *regions) shrink(room int64) {
	if s.bytes.Load() <= room {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for len(s.idle) > 0 && s.bytes.Load() > room {
		s.dropOldest()
	}
}
