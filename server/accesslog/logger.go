package accesslog

import (
	"io"
	"sync"
)

// Logger writes lines. It is safe for concurrent use if its writer is.
type Logger struct {
	format *Format
	w      io.Writer
	bufs   sync.Pool

	// Divert takes an Entry in place of the line when it returns true; it may be nil. Set it before the Logger is used.
	Divert func(e *Entry) bool
}

// New returns a Logger that makes one Write to w for each line. The writer
// should not block; package logfile has one that does not.
func New(format *Format, w io.Writer) *Logger {
	l := &Logger{format: format, w: w}
	l.bufs.New = func() any { b := make([]byte, 0, 512); return &b }
	return l
}

// Log writes the line for e. A line that the writer refuses is lost; the
// writer counts it.
func (l *Logger) Log(e *Entry) {
	if l.Divert != nil && l.Divert(e) {
		return
	}
	buf := l.bufs.Get().(*[]byte)
	*buf = append(l.format.Append((*buf)[:0], e), '\n')
	_, _ = l.w.Write(*buf)
	l.bufs.Put(buf)
}
