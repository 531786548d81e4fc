package accesslog

import (
	"io"
	"sync"
	"sync/atomic"
)

// Formatter makes a line of an entry, without a newline. Format and JSON are Formatters.
type Formatter interface {
	Append(dst []byte, e *Entry) []byte
}

// Output takes what there is to say about a request, in any goroutine; it must not block, and keeps nothing of the entry.
type Output interface {
	Log(e *Entry)
}

// Logger passes entries on. It is safe for concurrent use if its outputs are.
type Logger struct {
	state atomic.Pointer[state]
}

type state struct {
	outputs   []Output
	requestID bool
}

// New returns a Logger that writes to all the outputs.
func New(outputs ...Output) *Logger {
	l := &Logger{}
	l.Configure(false, outputs...)
	return l
}

// Configure changes the outputs. requestID says that one of them wants an id for each request.
func (l *Logger) Configure(requestID bool, outputs ...Output) {
	l.state.Store(&state{outputs: outputs, requestID: requestID})
}

// Enabled reports whether there is an output. A nil Logger has none.
func (l *Logger) Enabled() bool { return l != nil && len(l.state.Load().outputs) > 0 }

// WantsRequestID reports whether requests need an id.
func (l *Logger) WantsRequestID() bool { return l != nil && l.state.Load().requestID }

// Log writes e to all outputs.
func (l *Logger) Log(e *Entry) {
	for _, out := range l.state.Load().outputs {
		out.Log(e)
	}
}

// Lines is an Output that makes one Write to w for each line. The writer should not block; package logfile has one that does not.
func Lines(format Formatter, w io.Writer) Output {
	l := &lines{format: format, w: w}
	l.bufs.New = func() any { b := make([]byte, 0, 512); return &b }
	return l
}

type lines struct {
	format Formatter
	w      io.Writer
	bufs   sync.Pool
}

// Log implements Output. A line that the writer refuses is lost; the writer counts it.
func (l *lines) Log(e *Entry) {
	buf := l.bufs.Get().(*[]byte)
	*buf = append(l.format.Append((*buf)[:0], e), '\n')
	_, _ = l.w.Write(*buf)
	l.bufs.Put(buf)
}
