package compress

import (
	"bytes"
	"errors"
	"io"
	"os"
	"sync"

	"github.com/andybalholm/brotli"
	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"

	"github.com/gounicorn/gounicorn/server/exchange"
)

// Levels: each about as fast as the others, as the client waits.
const (
	gzipLevel   = 5
	brotliLevel = 4
	window      = 256 << 10 // bytes of a zstd window; bounds what an encoder takes
	fileBlock   = 64 << 10  // bytes of a file that are encoded at a time
)

// encoder is what the three libraries have in common.
type encoder interface {
	io.WriteCloser
	Flush() error
	Reset(w io.Writer)
}

// pools keep encoders, which are large, by coding.
var pools = [codings]sync.Pool{
	Zstd: {New: func() any {
		e, err := zstd.NewWriter(nil, zstd.WithEncoderConcurrency(1), zstd.WithWindowSize(window), zstd.WithLowerEncoderMem(true))
		if err != nil {
			panic(err) // an option that does not exist
		}
		return e
	}},
	Brotli: {New: func() any { return brotli.NewWriterLevel(nil, brotliLevel) }},
	Gzip: {New: func() any {
		e, err := gzip.NewWriterLevel(nil, gzipLevel)
		if err != nil {
			panic(err) // a level that does not exist
		}
		return e
	}},
}

// Encode returns a whole body encoded. coding is not Identity.
func Encode(coding Coding, body []byte) []byte {
	var out bytes.Buffer
	out.Grow(len(body)/4 + 64)
	e := pools[coding].Get().(encoder)
	e.Reset(&out)
	_, _ = e.Write(body) // a Buffer takes everything
	_ = e.Close()
	e.Reset(nil)
	pools[coding].Put(e)
	return out.Bytes()
}

// NewSource returns src encoded. What src has given so far can be decoded at once: the encoder is flushed after each piece.
func NewSource(coding Coding, src exchange.Source) exchange.Source {
	s := &source{src: src, coding: coding, encoder: pools[coding].Get().(encoder)}
	s.encoder.Reset(&s.out)
	return s
}

type source struct {
	src     exchange.Source
	coding  Coding
	encoder encoder
	out     bytes.Buffer
	file    *os.File // the rest of a piece
	off, n  int64
	block   []byte
	ended   bool
}

// Next implements exchange.Source.
func (s *source) Next() ([]byte, *os.File, int64, int64, error) {
	s.out.Reset()
	for s.out.Len() == 0 {
		if s.ended {
			return nil, nil, 0, 0, io.EOF
		}
		if err := s.piece(); err != nil {
			return nil, nil, 0, 0, err
		}
	}
	return s.out.Bytes(), nil, 0, 0, nil
}

// piece encodes what comes next.
func (s *source) piece() error {
	if s.n > 0 {
		return s.read()
	}
	p, f, off, n, err := s.src.Next()
	switch {
	case errors.Is(err, io.EOF):
		s.ended = true
		return s.encoder.Close()
	case err != nil:
		return err
	case f != nil:
		s.file, s.off, s.n = f, off, n
		return nil
	case len(p) == 0:
		return nil
	}
	return s.write(p)
}

// read encodes a block of the file.
func (s *source) read() error {
	if s.block == nil {
		s.block = make([]byte, fileBlock)
	}
	k, err := s.file.ReadAt(s.block[:min(s.n, fileBlock)], s.off)
	if k == 0 {
		if err == nil || errors.Is(err, io.EOF) {
			err = io.ErrUnexpectedEOF // the file became shorter
		}
		return err
	}
	s.off, s.n = s.off+int64(k), s.n-int64(k)
	return s.write(s.block[:k])
}

func (s *source) write(p []byte) error {
	if _, err := s.encoder.Write(p); err != nil {
		return err
	}
	return s.encoder.Flush()
}

// Close implements exchange.Source.
func (s *source) Close() {
	s.src.Close()
	s.encoder.Reset(nil)
	pools[s.coding].Put(s.encoder)
	s.encoder = nil
}
