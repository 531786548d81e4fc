package spool

import (
	"os"
	"sync"
)

// Sizes of a buffered response, in bytes.
const (
	memoryBuffer = 2 << 20 // of one response in memory; what comes beyond goes to its file
	blockSize    = 64 << 10
	largeBlock   = 256 << 10 // for what is appended in large pieces, which then is written in as large ones
	smallPiece   = 8 << 10   // below it, what is appended gets no block of the pool
)

// blocks are used again: fresh memory for every large response costs more than copying it does.
var (
	blocks      = sync.Pool{New: func() any { return new([blockSize]byte) }}
	largeBlocks = sync.Pool{New: func() any { return new([largeBlock]byte) }}
)

// Buffer is a response between the worker that writes it at full speed and the client that reads it at its own. One goroutine appends
// (Append, AppendFile, End, Abort, Room), one takes (Next, Close). Pieces come out in the order they went in.
type Buffer struct {
	budget *Budget

	mu      sync.Mutex
	changed chan struct{} // capacity 1: something for the taker
	drained chan struct{} // capacity 1: room for the appender
	pieces  []piece
	memory  int      // bytes in memory pieces, also those the taker holds
	file    *os.File // spill file
	written int64    // its size
	left    int64    // bytes of it not taken yet
	over    bool     // memory beyond the limits is in use: the appender must wait
	err     error    // io.EOF after End
	closed  bool     // the taker has gone
	holding piece    // what Next returned last
}

// piece is some memory, or a range of a file.
type piece struct {
	data   []byte
	block  *[blockSize]byte  // what data is a part of, if it came from the pool
	large  *[largeBlock]byte // likewise
	file   *os.File
	off, n int64
	own    bool // file is the piece's own and is closed after it
}

// free gives the memory of a piece back.
func (p *piece) free() {
	if p.block != nil {
		blocks.Put(p.block)
	}
	if p.large != nil {
		largeBlocks.Put(p.large)
	}
	p.data, p.block, p.large = nil, nil, nil
}

// NewBuffer returns an empty buffer on the budget.
func NewBuffer(b *Budget) *Buffer {
	return &Buffer{budget: b, changed: make(chan struct{}, 1), drained: make(chan struct{}, 1)}
}

func signal(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}

// Append copies p to the end. It never blocks on the client; call Room before the next one.
func (b *Buffer) Append(p []byte) {
	if len(p) == 0 {
		return
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.closed || b.err != nil {
		return
	}
	if b.memory+len(p) <= memoryBuffer && b.left == 0 && b.budget.takeMemory(len(p)) {
		b.remember(p)
	} else if !b.spill(p) {
		b.budget.memory.Add(int64(len(p))) // beyond the budget, and the last one until there is room
		b.remember(p)
		b.over = true
	}
	signal(b.changed)
}

func (b *Buffer) remember(p []byte) {
	b.memory += len(p)
	for len(p) > 0 {
		if n := len(b.pieces); n > 0 {
			if last := &b.pieces[n-1]; last.data != nil && len(last.data) < cap(last.data) {
				k := min(len(p), cap(last.data)-len(last.data))
				last.data = append(last.data, p[:k]...)
				p = p[k:]
				continue
			}
		}
		if len(p) < smallPiece {
			b.pieces = append(b.pieces, piece{data: append(make([]byte, 0, max(len(p), 512)), p...)})
			return
		}
		if len(p) > 2*blockSize {
			block := largeBlocks.Get().(*[largeBlock]byte)
			b.pieces = append(b.pieces, piece{data: block[:0], large: block})
			continue
		}
		block := blocks.Get().(*[blockSize]byte)
		b.pieces = append(b.pieces, piece{data: block[:0], block: block})
	}
}

// spill appends p to the file and reports whether there was room.
func (b *Buffer) spill(p []byte) bool {
	if !b.budget.takeDisk(len(p)) {
		return false
	}
	if b.file == nil {
		f, err := b.budget.file()
		if err != nil {
			b.budget.giveDisk(int64(len(p)))
			return false
		}
		b.file = f
	}
	if _, err := b.file.WriteAt(p, b.written); err != nil {
		b.budget.giveDisk(int64(len(p)))
		return false
	}
	if n := len(b.pieces); n > 0 && b.pieces[n-1].file == b.file && b.pieces[n-1].off+b.pieces[n-1].n == b.written {
		b.pieces[n-1].n += int64(len(p))
	} else {
		b.pieces = append(b.pieces, piece{file: b.file, off: b.written, n: int64(len(p))})
	}
	b.written += int64(len(p))
	b.left += int64(len(p))
	return true
}

// AppendFile puts n bytes of f from off at the end. The buffer closes f.
func (b *Buffer) AppendFile(f *os.File, off, n int64) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.closed || b.err != nil || n == 0 {
		_ = f.Close()
		return
	}
	b.pieces = append(b.pieces, piece{file: f, off: off, n: n, own: true})
	signal(b.changed)
}

// End says that nothing more will come: err is io.EOF for a complete response, anything else cuts it off. The first call counts.
func (b *Buffer) End(err error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.err == nil {
		b.err = err
	}
	signal(b.changed)
}

// Room blocks while the buffer has more than it should, until the client took some, left, or stop is closed.
func (b *Buffer) Room(stop <-chan struct{}) {
	for {
		b.mu.Lock()
		wait := b.over && !b.closed
		b.mu.Unlock()
		if !wait {
			return
		}
		select {
		case <-b.drained:
		case <-stop:
			return
		}
	}
}

// Next waits for the next piece: either p, valid until the following call, or n bytes of f from off, which stays the buffer's. err is
// io.EOF at the end of a complete response, the error given to End otherwise.
func (b *Buffer) Next() (p []byte, f *os.File, off, n int64, err error) {
	for {
		b.mu.Lock()
		b.letGo()
		if len(b.pieces) > 0 {
			b.holding = b.pieces[0]
			b.pieces = b.pieces[1:]
			h := b.holding
			b.mu.Unlock()
			return h.data, h.file, h.off, h.n, nil
		}
		err := b.err
		b.mu.Unlock()
		if err != nil {
			return nil, nil, 0, 0, err
		}
		<-b.changed
	}
}

// letGo gives back what the taker held.
func (b *Buffer) letGo() {
	h := b.holding
	b.holding = piece{}
	switch {
	case h.data != nil:
		b.memory -= len(h.data)
		b.budget.giveMemory(len(h.data))
		h.free()
	case h.own:
		_ = h.file.Close()
	case h.file != nil:
		if b.left -= h.n; b.left == 0 { // all taken: begin the file anew
			b.budget.giveDisk(b.written)
			_ = b.file.Truncate(0)
			b.written = 0
		}
	}
	if b.over && b.memory <= memoryBuffer/2 {
		b.over = false
		signal(b.drained)
	}
}

// Close drops everything that was not taken; later appends are dropped too. The taker calls it once.
func (b *Buffer) Close() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.closed = true
	b.letGo()
	for i := range b.pieces {
		switch p := &b.pieces[i]; {
		case p.data != nil:
			b.budget.giveMemory(len(p.data))
			p.free()
		case p.own:
			_ = p.file.Close()
		}
	}
	b.pieces = nil
	if b.file != nil {
		b.budget.giveDisk(b.written)
		_ = b.file.Close()
		b.file, b.written, b.left = nil, 0, 0
	}
	b.over = false
	signal(b.drained)
}
