package syslog

import (
	"fmt"
	"io"
	"log/slog"
	"slices"
	"strconv"
	"strings"
	"sync"

	"github.com/gounicorn/gounicorn/server/accesslog"
	"github.com/gounicorn/gounicorn/server/errorlog"
)

// Facility is the number of a facility (RFC 3164 4.1.1).
type Facility uint8

// facilities are the names of gunicorn's setting syslog_facility.
var facilities = map[string]Facility{
	"auth": 4, "authpriv": 10, "cron": 9, "daemon": 3, "ftp": 11, "kern": 0, "lpr": 6, "mail": 2, "news": 7, "security": 4, "syslog": 5,
	"user": 1, "uucp": 8, "local0": 16, "local1": 17, "local2": 18, "local3": 19, "local4": 20, "local5": 21, "local6": 22, "local7": 23,
}

// ParseFacility reads a name, in any case.
func ParseFacility(name string) (Facility, error) {
	f, ok := facilities[strings.ToLower(name)]
	if !ok {
		names := make([]string, 0, len(facilities))
		for n := range facilities {
			names = append(names, n)
		}
		slices.Sort(names)
		return 0, fmt.Errorf("unknown facility name %q: write one of %s", name, strings.Join(names, ", "))
	}
	return f, nil
}

// severities are RFC 3164's.
const (
	severityCritical = 2
	severityError    = 3
	severityWarning  = 4
	severityInfo     = 6
	severityDebug    = 7
)

func severity(l slog.Level) int {
	switch {
	case l >= errorlog.LevelCritical:
		return severityCritical
	case l >= errorlog.LevelError:
		return severityError
	case l >= errorlog.LevelWarning:
		return severityWarning
	case l >= errorlog.LevelInfo:
		return severityInfo
	}
	return severityDebug
}

// Log sends the records of one log. It is safe for concurrent use if its writer is.
type Log struct {
	w        io.Writer
	facility Facility
	tag      string
	bufs     sync.Pool
}

// New returns a Log. name is syslog_prefix, or else the name of the process, whose colons become dots; kind is error or access. The
// writer gets one Write for each record.
func New(w io.Writer, f Facility, name, kind string) *Log {
	l := &Log{w: w, facility: f, tag: "gunicorn." + name + "." + kind + ": ["}
	l.bufs.New = func() any { b := make([]byte, 0, 512); return &b }
	return l
}

// Name is the middle part of the tag for the settings syslog_prefix and proc_name.
func Name(prefix, procName string) string {
	if prefix != "" {
		return prefix
	}
	return strings.ReplaceAll(procName, ":", ".")
}

// send frames what message appends.
func (l *Log) send(level slog.Level, pid int, message func([]byte) []byte) {
	buf := l.bufs.Get().(*[]byte)
	b := strconv.AppendInt(append((*buf)[:0], '<'), int64(l.facility)<<3|int64(severity(level)), 10)
	b = append(append(b, '>'), l.tag...)
	b = append(strconv.AppendInt(b, int64(pid), 10), "] "...)
	*buf = append(message(b), 0)
	_, _ = l.w.Write(*buf) // the writer counts what is lost
	l.bufs.Put(buf)
}

// Record sends a record of the error log. It is an errorlog.Sink.
func (l *Log) Record(r *errorlog.Record) { l.send(r.Level, r.PID, r.AppendMessage) }

// Access returns the output of an access log whose lines format makes.
func (l *Log) Access(format accesslog.Formatter) accesslog.Output { return &access{l, format} }

type access struct {
	log    *Log
	format accesslog.Formatter
}

// Log implements accesslog.Output.
func (a *access) Log(e *accesslog.Entry) {
	a.log.send(errorlog.LevelInfo, e.Pid, func(b []byte) []byte { return a.format.Append(b, e) })
}
