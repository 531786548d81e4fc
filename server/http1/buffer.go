package http1

import "sync"

// Sizes of pooled buffers. Nearly every head fits into the first; the others
// are for large heads. Larger buffers are not pooled.
const (
	smallBuffer  = 8 << 10
	mediumBuffer = 32 << 10
	largeBuffer  = 128 << 10
)

// bufferPool hands out byte slices of three sizes. Buffers come back with old
// bytes in them; nobody reads behind what was written since (row 70).
type bufferPool struct {
	small, medium, large sync.Pool
}

// buffer is a pooled slice; the pointer is pooled so that putting it back
// does not allocate.
type buffer struct{ b []byte }

// get returns a buffer with room for at least n bytes.
func (p *bufferPool) get(n int) *buffer {
	pool, size := p.class(n)
	if pool == nil {
		return &buffer{make([]byte, n)}
	}
	if v := pool.Get(); v != nil {
		return v.(*buffer)
	}
	return &buffer{make([]byte, size)}
}

// put takes back a buffer that get returned.
func (p *bufferPool) put(b *buffer) {
	b.b = b.b[:cap(b.b)]
	pool, size := p.class(len(b.b))
	if pool != nil && size == len(b.b) {
		pool.Put(b)
	}
}

func (p *bufferPool) class(n int) (*sync.Pool, int) {
	switch {
	case n <= smallBuffer:
		return &p.small, smallBuffer
	case n <= mediumBuffer:
		return &p.medium, mediumBuffer
	case n <= largeBuffer:
		return &p.large, largeBuffer
	}
	return nil, n
}
