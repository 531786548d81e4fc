package spool

import (
	"errors"
	"fmt"
	"os"
	"sync/atomic"

	"golang.org/x/sys/unix"
)

// ErrFull means that the budget, the disk or the system has no room for more; the client should try again later.
var ErrFull = errors.New("spool: no room")

// Budget bounds what all bodies together may hold. It is safe for concurrent use.
type Budget struct {
	Dir    string // where temporary files are made; empty: os.TempDir
	Memory int64  // bytes in memory; 0: no limit
	Disk   int64  // bytes in files; 0: no limit

	memory, disk atomic.Int64
	regions      regions
}

// Used returns the bytes that bodies hold now. Up to Memory, memory that bodies have left is kept for a while for others.
func (b *Budget) Used() (memory, disk int64) { return b.memory.Load(), b.disk.Load() }

func take(used *atomic.Int64, limit, n int64) bool {
	if used.Add(n) <= limit || limit == 0 {
		return true
	}
	used.Add(-n)
	return false
}

func (b *Budget) takeMemory(n int) bool {
	if !take(&b.memory, b.Memory, int64(n)) {
		return false
	}
	if b.Memory > 0 {
		b.regions.shrink(b.Memory - b.memory.Load())
	}
	return true
}

// largest is the most that one request body may have of the memory, in bytes: a quarter, so that a few do not take it all.
func (b *Budget) largest() int64 {
	if b.Memory == 0 {
		return memoryBody
	}
	return min(memoryBody, b.Memory/4)
}

// giveRegion takes a region back.
func (b *Budget) giveRegion(r *region) {
	room := int64(unlimitedIdle)
	if b.Memory > 0 {
		room = b.Memory - b.memory.Load()
	}
	b.regions.give(r, room)
}

// unlimitedIdle is how much memory is kept for further bodies when there is no limit, in bytes.
const unlimitedIdle = 64 << 20

func (b *Budget) takeDisk(n int) bool { return take(&b.disk, b.Disk, int64(n)) }
func (b *Budget) giveMemory(n int)    { b.memory.Add(-int64(n)) }
func (b *Budget) giveDisk(n int64)    { b.disk.Add(-n) }

// Check reports why no file can be made now, nil when one can.
func (b *Budget) Check() error {
	f, err := b.file()
	if err == nil {
		err = f.Close()
	}
	return err
}

// MemoryBody is the most that a request body may have without a file, in bytes.
func (b *Budget) MemoryBody() int64 { return b.largest() }

// file makes an unlinked file: nothing is left behind whatever happens to the process.
func (b *Budget) file() (*os.File, error) {
	dir := b.Dir
	if dir == "" {
		dir = os.TempDir()
	}
	fd, err := unix.Open(dir, unix.O_TMPFILE|unix.O_RDWR|unix.O_CLOEXEC, 0o600)
	if err == nil {
		return os.NewFile(uintptr(fd), "spool"), nil
	}
	if !errors.Is(err, unix.EOPNOTSUPP) && !errors.Is(err, unix.EISDIR) && !errors.Is(err, unix.EINVAL) { // a file system without O_TMPFILE
		return nil, fmt.Errorf("spool file in %s: %w", dir, err)
	}
	f, err := os.CreateTemp(dir, "gounicorn-spool-")
	if err != nil {
		return nil, fmt.Errorf("spool file: %w", err)
	}
	if err := os.Remove(f.Name()); err != nil {
		_ = f.Close()
		return nil, fmt.Errorf("spool file: %w", err)
	}
	return f, nil
}
