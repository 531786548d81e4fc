package exchange

import (
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
