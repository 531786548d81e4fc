package exchange

import (
	"io"
	"os"
	"strconv"
)

// Source is a body that comes piece by piece.
type Source interface {
	// Next returns the next piece: either bytes, valid until the next call, or n bytes of f from off. An empty piece is skipped. io.EOF,
	// alone, ends the body; any other error breaks it off. Next may block, but must return when the client has gone (Exchange.SetGone).
	Next() (p []byte, f *os.File, off, n int64, err error)
	// Close is called exactly once, when no further piece is wanted.
	Close()
}

// File is a Source that is one part of a regular file. An engine may send it on the spot, without a goroutine, as far as that does not wait
// for the client.
type File struct {
	File    *os.File
	Off, N  int64
	Release func() // called once when File is needed no more; may be nil
}

// filePiece is the largest piece of a file that an engine is given at once, so that it notices between two that the client has gone.
const filePiece = 1 << 20

// Next implements Source. The engine breaks the answer off where the file has become shorter.
func (f *File) Next() ([]byte, *os.File, int64, int64, error) {
	if f.N == 0 {
		return nil, nil, 0, 0, io.EOF
	}
	off, n := f.Off, min(f.N, filePiece)
	f.Off, f.N = f.Off+n, f.N-n
	return nil, f.File, off, n, nil
}

// Close implements Source.
func (f *File) Close() {
	if f.Release != nil {
		f.Release()
	}
}

// StatusError may be returned by a Source before its first byte: the client then gets a page of ours instead of a broken connection.
type StatusError struct {
	Status     int
	RetryAfter int // seconds, 0 for none
	Err        error
}

// Error describes the status and the error behind it.
func (e *StatusError) Error() string {
	if e.Err == nil {
		return "status " + strconv.Itoa(e.Status)
	}
	return "status " + strconv.Itoa(e.Status) + ": " + e.Err.Error()
}

// Unwrap returns the error behind the status.
func (e *StatusError) Unwrap() error { return e.Err }
