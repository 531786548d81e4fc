package errorlog

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// Config says where a Logger writes. The zero value of a field is its default.
type Config struct {
	Writer io.Writer        // gets one Write for each record; required
	Level  slog.Level       // the least level that is written; zero is Info
	Pid    int              // the pid of a line without another
	Now    func() time.Time // the clock; nil is time.Now
	// Divert may take a record, traceback and all, and return true; write then writes it after all, now or later. It may be nil.
	Divert func(at time.Time, level slog.Level, pid int, text string, write func()) bool
}

// Logger writes records. It is safe for concurrent use if its writer is.
type Logger struct {
	shared *shared
	pid    int
}

// shared is what a Logger has in common with those made by WithPid.
type shared struct {
	w     io.Writer
	now   func() time.Time
	level slog.LevelVar
	lost  atomic.Uint64

	divert func(at time.Time, level slog.Level, pid int, text string, write func()) bool
	bufs   sync.Pool
}

// New returns a Logger.
func New(c Config) *Logger {
	s := &shared{w: c.Writer, now: c.Now, divert: c.Divert}
	if s.now == nil {
		s.now = time.Now
	}
	s.level.Set(c.Level)
	s.bufs.New = func() any { b := make([]byte, 0, 512); return &b }
	return &Logger{shared: s, pid: c.Pid}
}

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
	if l.Enabled(level) {
		l.write(l.shared.now(), level, l.pid, fmt.Sprintf(format, args...), "")
	}
}

// Trace writes a record of one line of message followed by a traceback, whose
// newlines are kept.
func (l *Logger) Trace(level slog.Level, message, traceback string) {
	if l.Enabled(level) {
		l.write(l.shared.now(), level, l.pid, message, traceback)
	}
}

// Record writes a record of another process: its time, level and pid. Of the
// text, all after the first line is taken for a traceback. A zero time is now,
// pid 0 is the Logger's own.
func (l *Logger) Record(at time.Time, level slog.Level, pid int, text string) {
	if !l.Enabled(level) {
		return
	}
	if at.IsZero() {
		at = l.shared.now()
	}
	if pid == 0 {
		pid = l.pid
	}
	message, traceback, _ := strings.Cut(text, "\n")
	l.write(at, level, pid, strings.TrimSuffix(message, "\r"), traceback)
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

// buf returns an empty buffer from the pool.
func (l *Logger) buf() *[]byte {
	buf := l.shared.bufs.Get().(*[]byte)
	*buf = (*buf)[:0]
	return buf
}

// emit makes the one Write of a record.
func (l *Logger) emit(p []byte) {
	if _, err := l.shared.w.Write(p); err != nil {
		l.shared.lost.Add(1) // there is nowhere else to say it
	}
}

// write writes one record, unless another does.
func (l *Logger) write(at time.Time, level slog.Level, pid int, message, traceback string) {
	if l.shared.divert != nil {
		text := message
		if traceback != "" {
			text += "\n" + traceback
		}
		if l.shared.divert(at, level, pid, text, func() { l.put(at, level, pid, message, traceback) }) {
			return
		}
	}
	l.put(at, level, pid, message, traceback)
}

// put formats and writes one record.
func (l *Logger) put(at time.Time, level slog.Level, pid int, message, traceback string) {
	buf := l.buf()
	b := appendPrefix(*buf, at, level, pid)
	b = appendEscaped(b, message, false)
	*buf = appendTail(b, traceback)
	l.emit(*buf)
	l.shared.bufs.Put(buf)
}

// appendPrefix appends the three brackets.
func appendPrefix(b []byte, at time.Time, level slog.Level, pid int) []byte {
	b = at.AppendFormat(b, "[2006-01-02 15:04:05 -0700] [")
	b = strconv.AppendInt(b, int64(pid), 10)
	b = append(b, "] ["...)
	b = append(b, levelName(level)...)
	return append(b, "] "...)
}

// appendTail appends a traceback, if any, and the newline that ends a record.
func appendTail(b []byte, traceback string) []byte {
	if traceback = strings.TrimRight(traceback, "\r\n"); traceback != "" {
		b = appendEscaped(b, "\n"+traceback, true)
	}
	return append(b, '\n')
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
		at = h.logger.shared.now()
	}
	buf := h.logger.buf()
	b := appendPrefix(*buf, at, r.Level, h.logger.pid)
	b = appendEscaped(b, r.Message, false)
	b = append(b, h.attrs...)
	traceback := ""
	r.Attrs(func(a slog.Attr) bool {
		if a.Key == TracebackKey && h.group == "" {
			traceback = a.Value.Resolve().String()
		} else {
			b = appendAttr(b, h.group, a)
		}
		return true
	})
	*buf = appendTail(b, traceback)
	h.logger.emit(*buf)
	h.logger.shared.bufs.Put(buf)
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
