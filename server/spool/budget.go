package spool

import (
	"errors"
	"fmt"
	"os"
	"sync/atomic"

	"golang.org/x/sys/unix"
)

// ErrFull means that the budget, or the disk, has no room for more; the client should try again later.
var ErrFull = errors.New("spool: no room")

// Budget bounds what all bodies together may hold. It is safe for concurrent use.
type Budget struct {
	Dir    string // where temporary files are made; empty: os.TempDir
	Memory int64  // bytes in memory; 0: no limit
	Disk   int64  // bytes in files; 0: no limit

	memory, disk atomic.Int64
}

// Used returns the bytes held now.
func (b *Budget) Used() (memory, disk int64) { return b.memory.Load(), b.disk.Load() }

func take(used *atomic.Int64, limit, n int64) bool {
	if used.Add(n) <= limit || limit == 0 {
		return true
	}
	used.Add(-n)
	return false
}

func (b *Budget) takeMemory(n int) bool { return take(&b.memory, b.Memory, int64(n)) }
func (b *Budget) takeDisk(n int) bool   { return take(&b.disk, b.Disk, int64(n)) }
func (b *Budget) giveMemory(n int)      { b.memory.Add(-int64(n)) }
func (b *Budget) giveDisk(n int64)      { b.disk.Add(-n) }

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
