package spool

import (
	"errors"
	"fmt"
	"io"
	"os"
	"sync"
)

// Sizes of request bodies, in bytes.
const (
	InlineBody = 32 << 10 // at most this much travels inside the request packet
	memoryBody = 16 << 20 // at most this much is kept in memory, beyond it in a file; see also Budget.largest
	readBody   = 1 << 20  // read at a time
)

// Body is a request body that is read completely before a worker sees it. The zero value with a Budget is ready. One goroutine.
type Body struct {
	Budget *Budget

	inline []byte
	region *region  // a larger body in memory
	file   *os.File // of region, for the worker; or a file on disk
	size   int64

	counted int // bytes of the budget for inline
}

// Bytes returns the body when it is small enough to travel inside the packet, and nil otherwise. Valid until Release.
func (b *Body) Bytes() []byte { return b.inline }

// File returns the body as a file to be read from offset 0, or nil when it is inline. It may be longer than the body. It stays open
// until Release.
func (b *Body) File() *os.File { return b.file }

// Size is the number of bytes of the body.
func (b *Body) Size() int64 { return b.size }

// Fill reads src to its end. announced is its length in bytes, or -1. It returns ErrFull when there is no room, or the error of src;
// what was read so far is dropped by Release.
func (b *Body) Fill(src io.Reader, announced int64) error {
	switch {
	case announced > b.Budget.largest():
		if err := b.toDisk(); err != nil {
			return err
		}
		return b.copy(src)
	case announced > InlineBody:
		return b.fillRegion(src)
	}
	want := InlineBody
	if announced >= 0 {
		want = int(announced)
	}
	if !b.takeInline(want + 1) {
		if err := b.toDisk(); err != nil {
			return err
		}
		return b.copy(src)
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
	return b.fillRegion(src)
}

// takeInline makes room for a small body of at most n bytes. It counts twice, as it will stand in the packet too.
func (b *Body) takeInline(n int) bool {
	if !b.Budget.takeMemory(2 * n) {
		return false
	}
	b.counted = 2 * n
	if n > keptInline {
		b.inline = (*inlines.Get().(*[]byte))[:0]
	} else if cap(b.inline) < n {
		b.inline = make([]byte, 0, keptInline)
	}
	return true
}

// keptInline is the size of small bodies, in bytes, for which a Body keeps memory; larger ones share theirs.
const keptInline = 2 << 10

var inlines = sync.Pool{New: func() any { b := make([]byte, InlineBody+1); return &b }}

// giveInline drops what takeInline gave.
func (b *Body) giveInline() {
	b.Budget.giveMemory(b.counted)
	b.counted = 0
	if cap(b.inline) > keptInline {
		full := b.inline[:cap(b.inline)]
		inlines.Put(&full)
		b.inline = nil
	} else if b.inline != nil {
		b.inline = b.inline[:0]
	}
}

// fillRegion reads what follows the bytes in inline, and them, into memory, or to disk if there is no room.
func (b *Body) fillRegion(src io.Reader) error {
	r, err := b.Budget.regions.take()
	if err != nil {
		return full(err)
	}
	b.region = r
	n := copy(r.mem, b.inline)
	b.giveInline()
	for {
		r.touched = max(r.touched, b.size+int64(n))
		if b.size+int64(n) > b.Budget.largest() || !b.Budget.takeMemory(n) {
			return b.spill(src, n)
		}
		b.size += int64(n)
		switch {
		case err == nil:
		case errors.Is(err, io.EOF):
			if b.file, err = r.reader(); err != nil {
				return full(err)
			}
			return nil
		default:
			return err
		}
		n, err = src.Read(r.mem[b.size:min(b.size+readBody, regionSize)])
	}
}

// spill moves a body that outgrew memory to disk, with the n bytes that have been read behind it, and reads the rest.
func (b *Body) spill(src io.Reader, n int) error {
	r, size := b.region, b.size
	b.region, b.size = nil, 0
	defer b.Budget.giveRegion(r)
	b.Budget.giveMemory(int(size))
	if err := b.toDisk(); err != nil {
		return err
	}
	if err := b.write(r.mem[:size+int64(n)]); err != nil {
		return err
	}
	return b.copy(src)
}

// toDisk makes the file on disk that takes the body.
func (b *Body) toDisk() error {
	f, err := b.Budget.file()
	if err != nil {
		return full(err)
	}
	b.file = f
	return nil
}

func (b *Body) copy(src io.Reader) error {
	buf := blocks.Get().(*[blockSize]byte)
	defer blocks.Put(buf)
	for {
		n, err := src.Read(buf[:])
		if n > 0 {
			if err := b.write(buf[:n]); err != nil {
				return err
			}
		}
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
	}
}

// write appends to the file on disk.
func (b *Body) write(p []byte) error {
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

// full makes ErrFull of whatever keeps us from storing a body: a disk that is full, broken or read-only, no descriptor, no memory. It is never
// the client's fault.
func full(err error) error { return fmt.Errorf("%w: %w", ErrFull, err) }

// Release drops the body and gives its share of the budget back. The Body can be used again.
func (b *Body) Release() {
	if b.file != nil {
		_ = b.file.Close()
	}
	switch {
	case b.region != nil:
		b.Budget.giveMemory(int(b.size))
		b.Budget.giveRegion(b.region)
	case b.file != nil:
		b.Budget.giveDisk(b.size)
	}
	b.file, b.region, b.size = nil, nil, 0
	b.giveInline()
}
