package errorlog

import (
	"bytes"
	"cmp"
	"context"
	"fmt"
	"io"
	"log/slog"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/gounicorn/gounicorn/server/jsontext"
)

// Config says where a Logger writes. The zero value of a field is its default.
type Config struct {
	Writer io.Writer        // gets one Write for each record; required
	Level  slog.Level       // the least level that is written; zero is Info
	Pid    int              // the pid of a line without another
	Now    func() time.Time // the clock; nil is time.Now
	JSON   bool             // an object for each record instead of gunicorn's line
	Sinks  []Sink           // get each record that is written, after it was
	// Divert may take a record and return true; write then writes it after all, now or later. It may be nil.
	Divert func(r Record, write func()) bool
	// Count gets the level of each record, of those below Level too, and whether there is a traceback; may be nil.
	Count func(level slog.Level, traceback bool)
}

// Sink takes a record, in any goroutine, and must not block. The record is valid during the call.
type Sink func(*Record)

// Record is one message of the log.
type Record struct {
	Time      time.Time
	Level     slog.Level
	PID       int
	Message   string // of one line
	Traceback string // the lines after it, perhaps none
	Logger    string // empty is gunicorn.error
}

// Logger writes records. It is safe for concurrent use if its writer is.
type Logger struct {
	shared *shared
	pid    int
}

// shared is what a Logger has in common with those made by WithPid.
type shared struct {
	out   atomic.Pointer[Config]
	level slog.LevelVar
	lost  atomic.Uint64
	bufs  sync.Pool
}

// New returns a Logger.
func New(c Config) *Logger {
	s := &shared{}
	s.bufs.New = func() any { b := make([]byte, 0, 512); return &b }
	l := &Logger{shared: s, pid: c.Pid}
	l.Configure(c)
	return l
}

// Configure makes the Logger, and those made by WithPid, write by another configuration, but for the pid. A record that is being
// written may still go by the old one.
func (l *Logger) Configure(c Config) {
	if c.Now == nil {
		c.Now = time.Now
	}
	l.shared.level.Set(c.Level)
	l.shared.out.Store(&c)
}

// now is the time by the Logger's clock.
func (l *Logger) now() time.Time { return l.shared.out.Load().Now() }

// WithPid returns a Logger whose lines carry that pid. Level and writer stay
// common to both.
func (l *Logger) WithPid(pid int) *Logger { return &Logger{shared: l.shared, pid: pid} }

// SetLevel changes the least level that is written.
func (l *Logger) SetLevel(level slog.Level) { l.shared.level.Set(level) }

// Enabled reports whether records of that level are written.
func (l *Logger) Enabled(level slog.Level) bool { return level >= l.shared.level.Level() }

// Lost returns the number of records that the writer refused.
func (l *Logger) Lost() uint64 { return l.shared.lost.Load() }

// Debugf writes a record of level DEBUG.
func (l *Logger) Debugf(format string, args ...any) { l.printf(LevelDebug, format, args) }

// Infof writes a record of level INFO.
func (l *Logger) Infof(format string, args ...any) { l.printf(LevelInfo, format, args) }

// Warningf writes a record of level WARNING.
func (l *Logger) Warningf(format string, args ...any) { l.printf(LevelWarning, format, args) }

// Errorf writes a record of level ERROR.
func (l *Logger) Errorf(format string, args ...any) { l.printf(LevelError, format, args) }

// Criticalf writes a record of level CRITICAL.
func (l *Logger) Criticalf(format string, args ...any) { l.printf(LevelCritical, format, args) }

func (l *Logger) printf(level slog.Level, format string, args []any) {
	if l.wanted(level, false) {
		l.write(&Record{Time: l.now(), Level: level, PID: l.pid, Message: fmt.Sprintf(format, args...)})
	}
}

// wanted counts a record and reports whether to write it.
func (l *Logger) wanted(level slog.Level, traceback bool) bool {
	if count := l.shared.out.Load().Count; count != nil {
		count(level, traceback)
	}
	return l.Enabled(level)
}

// Trace writes a record of one line of message followed by a traceback, whose
// newlines are kept.
func (l *Logger) Trace(level slog.Level, message, traceback string) {
	if l.wanted(level, traceback != "") {
		l.write(&Record{Time: l.now(), Level: level, PID: l.pid, Message: message, Traceback: traceback})
	}
}

// Record writes a record of another process: its time, level and pid. Of the
// text, all after the first line is taken for a traceback. A zero time is now,
// pid 0 is the Logger's own.
func (l *Logger) Record(at time.Time, level slog.Level, pid int, text string) {
	message, traceback, _ := strings.Cut(text, "\n")
	if !l.wanted(level, traceback != "") {
		return
	}
	if at.IsZero() {
		at = l.now()
	}
	if pid == 0 {
		pid = l.pid
	}
	l.write(&Record{Time: at, Level: level, PID: pid, Message: strings.TrimSuffix(message, "\r"), Traceback: traceback})
}

// Line writes a line that a program beside the web workers printed, whatever the level of the Logger: its name stands before it, and in
// JSON is the logger.
func (l *Logger) Line(pid int, name string, line []byte) {
	l.write(&Record{Time: l.now(), Level: LevelInfo, PID: pid, Logger: name, Message: string(line)})
}

// WriteRaw passes on what a worker printed, without a prefix and whatever the
// level; only a missing newline at the end is added.
func (l *Logger) WriteRaw(lines []byte) {
	if len(lines) == 0 {
		return
	}
	if lines[len(lines)-1] == '\n' {
		l.emit(lines)
		return
	}
	buf := l.buf()
	*buf = append(append(*buf, lines...), '\n')
	l.emit(*buf)
	l.shared.bufs.Put(buf)
}

// Printed passes on whole lines that a process printed: as they are, or with JSON each as the message of a record of the level INFO
// whose logger is the name of the stream.
func (l *Logger) Printed(pid int, stream string, lines []byte) {
	if !l.shared.out.Load().JSON {
		l.WriteRaw(lines)
		return
	}
	for line := range bytes.Lines(lines) {
		r := Record{Time: l.now(), Level: LevelInfo, PID: pid, Logger: stream, Message: string(bytes.TrimRight(line, "\r\n"))}
		buf := l.buf()
		*buf = append(r.AppendJSON(*buf), '\n')
		l.emit(*buf)
		l.shared.bufs.Put(buf)
	}
}

// buf returns an empty buffer from the pool.
func (l *Logger) buf() *[]byte {
	buf := l.shared.bufs.Get().(*[]byte)
	*buf = (*buf)[:0]
	return buf
}

// emit makes the one Write of a record.
func (l *Logger) emit(p []byte) {
	if _, err := l.shared.out.Load().Writer.Write(p); err != nil {
		l.shared.lost.Add(1) // there is nowhere else to say it
	}
}

// write writes one record, unless another does.
func (l *Logger) write(r *Record) {
	if divert := l.shared.out.Load().Divert; divert != nil {
		if kept := *r; divert(kept, func() { l.put(&kept) }) {
			return
		}
	}
	l.put(r)
}

// put formats and writes one record.
func (l *Logger) put(r *Record) {
	out := l.shared.out.Load()
	buf := l.buf()
	if out.JSON {
		*buf = append(r.AppendJSON(*buf), '\n')
	} else {
		*buf = append(r.AppendMessage(appendPrefix(*buf, r.Time, r.Level, r.PID)), '\n')
	}
	l.emit(*buf)
	l.shared.bufs.Put(buf)
	for _, sink := range out.Sinks {
		sink(r)
	}
}

// appendPrefix appends the three brackets.
func appendPrefix(b []byte, at time.Time, level slog.Level, pid int) []byte {
	b = at.AppendFormat(b, "[2006-01-02 15:04:05 -0700] [")
	b = strconv.AppendInt(b, int64(pid), 10)
	b = append(b, "] ["...)
	b = append(b, LevelName(level)...)
	return append(b, "] "...)
}

// AppendMessage appends the message and the traceback, escaped as package errorlog says.
func (r *Record) AppendMessage(b []byte) []byte {
	if r.Logger != "" {
		b = append(appendEscaped(b, r.Logger, false), ": "...)
	}
	b = appendEscaped(b, r.Message, false)
	if traceback := strings.TrimRight(r.Traceback, "\r\n"); traceback != "" {
		b = appendEscaped(b, "\n"+traceback, true)
	}
	return b
}

// AppendJSON appends the record as a JSON object of one line; docs/logging.md has the fields.
func (r *Record) AppendJSON(b []byte) []byte {
	b = jsontext.AppendTime(append(b, `{"time":`...), r.Time)
	b = append(append(append(b, `,"level":"`...), LevelName(r.Level)...), `","logger":`...)
	b = jsontext.AppendString(b, cmp.Or(r.Logger, "gunicorn.error"))
	b = strconv.AppendInt(append(b, `,"pid":`...), int64(r.PID), 10)
	b = jsontext.AppendString(append(b, `,"message":`...), r.Message)
	if traceback := strings.TrimRight(r.Traceback, "\r\n"); traceback != "" {
		b = jsontext.AppendString(append(b, `,"traceback":`...), traceback)
	}
	return append(b, '}')
}

// Handler returns a slog.Handler that writes to l: the message, then the
// attributes as key=value. An attribute named TracebackKey becomes the lines
// after the first.
func (l *Logger) Handler() slog.Handler { return &handler{logger: l} }

// TracebackKey is the attribute whose newlines are kept.
const TracebackKey = "traceback"

// handler is the slog side of a Logger. It is immutable.
type handler struct {
	logger *Logger
	group  string // prefix of the keys, ends with a dot
	attrs  string // already formatted
}

// Enabled implements slog.Handler.
func (h *handler) Enabled(_ context.Context, level slog.Level) bool { return h.logger.Enabled(level) }

// Handle implements slog.Handler.
func (h *handler) Handle(_ context.Context, r slog.Record) error {
	at := r.Time
	if at.IsZero() {
		at = h.logger.now()
	}
	text := append([]byte(r.Message), h.attrs...)
	traceback := ""
	r.Attrs(func(a slog.Attr) bool {
		if a.Key == TracebackKey && h.group == "" {
			traceback = a.Value.Resolve().String()
		} else {
			text = appendAttr(text, h.group, a)
		}
		return true
	})
	if h.logger.wanted(r.Level, traceback != "") {
		h.logger.write(&Record{Time: at, Level: r.Level, PID: h.logger.pid, Message: string(text), Traceback: traceback})
	}
	return nil
}

// WithAttrs implements slog.Handler.
func (h *handler) WithAttrs(attrs []slog.Attr) slog.Handler {
	b := []byte(h.attrs)
	for _, a := range attrs {
		b = appendAttr(b, h.group, a)
	}
	return &handler{logger: h.logger, group: h.group, attrs: string(b)}
}

// WithGroup implements slog.Handler.
func (h *handler) WithGroup(name string) slog.Handler {
	if name == "" {
		return h
	}
	return &handler{logger: h.logger, group: h.group + name + ".", attrs: h.attrs}
}

// appendAttr appends " key=value", the value in quotes if it needs them.
func appendAttr(b []byte, group string, a slog.Attr) []byte {
	v := a.Value.Resolve()
	if v.Kind() == slog.KindGroup {
		if a.Key != "" {
			group += a.Key + "."
		}
		for _, inner := range v.Group() {
			b = appendAttr(b, group, inner)
		}
		return b
	}
	if a.Key == "" {
		return b
	}
	b = append(b, ' ')
	b = appendEscaped(b, group+a.Key, false)
	b = append(b, '=')
	text := v.String()
	if text == "" || strings.ContainsAny(text, " \t\"=\n\r\\") {
		return strconv.AppendQuote(b, text)
	}
	return appendEscaped(b, text, false)
}
