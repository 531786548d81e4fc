package spool

import (
	"errors"
	"fmt"
	"io"
	"os"

	"golang.org/x/sys/unix"
)

// Sizes of request bodies, in bytes.
const (
	InlineBody = 32 << 10 // at most this much travels inside the request packet
	memoryBody = 1 << 20  // at most this much is kept in memory, beyond it in a file
)

// Body is a request body that is read completely before a worker sees it. The zero value with a Budget is ready. One goroutine.
type Body struct {
	Budget *Budget

	inline []byte
	file   *os.File
	size   int64
	onDisk bool
}

// Bytes returns the body when it is small enough to travel inside the packet, and nil otherwise. Valid until Release.
func (b *Body) Bytes() []byte { return b.inline }

// File returns the body as a file to be read from offset 0, or nil when it is inline. It stays open until Release.
func (b *Body) File() *os.File { return b.file }

// Size is the number of bytes of the body.
func (b *Body) Size() int64 { return b.size }

// Fill reads src to its end. announced is its length in bytes, or -1. It returns ErrFull when there is no room, or the error of src;
// what was read so far is dropped by Release.
func (b *Body) Fill(src io.Reader, announced int64) error {
	if announced > InlineBody {
		if err := b.spill(announced > memoryBody); err != nil {
			return err
		}
	}
	if b.file == nil {
		want := InlineBody
		if announced >= 0 {
			want = int(announced)
		}
		if cap(b.inline) < want+1 {
			b.inline = make([]byte, 0, want+1)
		}
		for len(b.inline) <= want {
			n, err := src.Read(b.inline[len(b.inline) : want+1])
			b.inline = b.inline[:len(b.inline)+n]
			if err == io.EOF {
				b.size = int64(len(b.inline))
				return nil
			}
			if err != nil {
				return err
			}
		}
		if err := b.spill(false); err != nil {
			return err
		}
		if err := b.write(b.inline); err != nil {
			return err
		}
		b.inline = b.inline[:0]
	}
	return b.copy(src)
}

func (b *Body) copy(src io.Reader) error {
	buf := make([]byte, 64<<10)
	for {
		n, err := src.Read(buf)
		if n > 0 {
			if err := b.write(buf[:n]); err != nil {
				return err
			}
		}
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return err
		}
	}
}

func (b *Body) write(p []byte) error {
	if !b.onDisk && (b.size+int64(len(p)) > memoryBody || !b.Budget.takeMemory(len(p))) {
		if err := b.toDisk(); err != nil {
			return err
		}
	} else if !b.onDisk {
		if _, err := b.file.WriteAt(p, b.size); err != nil {
			b.Budget.giveMemory(len(p))
			return fmt.Errorf("spool: %w", err)
		}
		b.size += int64(len(p))
		return nil
	}
	if !b.Budget.takeDisk(len(p)) {
		return ErrFull
	}
	if _, err := b.file.WriteAt(p, b.size); err != nil {
		b.Budget.giveDisk(int64(len(p)))
		return full(err)
	}
	b.size += int64(len(p))
	return nil
}

// full turns the errors of a disk that takes no more into ErrFull.
func full(err error) error {
	if errors.Is(err, unix.ENOSPC) || errors.Is(err, unix.EDQUOT) || errors.Is(err, unix.EIO) || errors.Is(err, unix.EROFS) || errors.Is(err, unix.EFBIG) {
		return fmt.Errorf("%w: %w", ErrFull, err)
	}
	return fmt.Errorf("spool: %w", err)
}

// spill makes the file that takes the body: on disk, or in memory.
func (b *Body) spill(disk bool) error {
	if disk {
		f, err := b.Budget.file()
		if err != nil {
			return full(err)
		}
		b.file, b.onDisk = f, true
		return nil
	}
	fd, err := unix.MemfdCreate("gounicorn-body", unix.MFD_CLOEXEC)
	if err != nil {
		return fmt.Errorf("spool: memfd_create: %w", err)
	}
	b.file = os.NewFile(uintptr(fd), "body")
	return nil
}

// toDisk moves a body that outgrew memory.
func (b *Body) toDisk() error {
	memory, size := b.file, b.size
	defer memory.Close()
	b.file = nil
	b.Budget.giveMemory(int(size))
	b.size = 0
	if err := b.spill(true); err != nil {
		return err
	}
	return b.copy(io.NewSectionReader(memory, 0, size))
}

// Release drops the body and gives its share of the budget back. The Body can be used again.
func (b *Body) Release() {
	if b.file != nil {
		_ = b.file.Close()
		if b.onDisk {
			b.Budget.giveDisk(b.size)
		} else {
			b.Budget.giveMemory(int(b.size))
		}
	}
	b.file, b.size, b.onDisk = nil, 0, false
	if b.inline != nil {
		b.inline = b.inline[:0]
	}
}
