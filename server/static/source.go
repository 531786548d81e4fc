package static

import (
	"io"
	"os"
)

// pieceBytes is the largest piece of a file that an engine is given at once, so that it notices between two pieces that it shall end. The
// engine divides it further.
const pieceBytes = 1 << 20

// segment is a part of a body: bytes, or length bytes of the file from offset.
type segment struct {
	bytes          []byte
	offset, length int64
}

// source sends segments of a body.
type source struct {
	body
	segments []segment
}

// Next implements exchange.Source. A file that became shorter is noticed by the engine, which breaks the answer off.
func (s *source) Next() (p []byte, f *os.File, off, n int64, err error) {
	if len(s.segments) == 0 {
		return nil, nil, 0, 0, io.EOF
	}
	part := &s.segments[0] // an empty one becomes an empty piece, which engines skip
	if part.bytes != nil {
		p = part.bytes
		s.segments = s.segments[1:]
		return p, nil, 0, 0, nil
	}
	off, n = part.offset, min(part.length, pieceBytes)
	part.offset += n
	if part.length -= n; part.length == 0 {
		s.segments = s.segments[1:]
	}
	if s.file == nil {
		return s.content[off : off+n], nil, 0, 0, nil
	}
	return nil, s.file, off, n, nil
}

// Close implements exchange.Source.
func (s *source) Close() {
	if s.release != nil {
		s.release()
	}
}
