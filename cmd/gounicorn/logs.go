package main

import (
	"cmp"
	"errors"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/gounicorn/gounicorn/server/accesslog"
	"github.com/gounicorn/gounicorn/server/errorlog"
	"github.com/gounicorn/gounicorn/server/logfile"
	"github.com/gounicorn/gounicorn/server/metrics"
	"github.com/gounicorn/gounicorn/server/settings"
	"github.com/gounicorn/gounicorn/server/statsd"
	"github.com/gounicorn/gounicorn/server/syslog"
)

// logs is everything that the settings of logging and metrics open. It is used until a reload has others.
type logs struct {
	errFile, accessFile                   *logfile.Writer // accessFile may be nil, as all below stderr
	stdout, stderr                        *logfile.Writer // what workers print; stderr may be errFile
	errSyslog, accessSyslog, statsdSocket *logfile.Writer
	statsd                                *statsd.Client
	capture                               bool
	errors                                errorlog.Config
	format                                accesslog.Formatter
	access                                []accesslog.Output
	requestID                             bool
}

// openLogs opens the logs of the settings and makes m.log and m.access write to them. Those in use until then stay open for
// the caller to close. On an error nothing has changed.
func (m *master) openLogs(v *settings.Values) (err error) {
	l := &logs{}
	defer func() {
		if err != nil {
			l.close()
		}
	}()
	if err = l.openFiles(v, m.warnf); err != nil {
		return err
	}
	if v.LogsInPython() {
		l.handOver(v, m.records)
	}
	if err = l.openSockets(v, m.warnf); err != nil {
		return err
	}
	l.errors.Sinks = append(l.errors.Sinks, m.noted)
	m.logs.Store(l)
	if m.log == nil {
		m.log, m.access = errorlog.New(l.errors), accesslog.New()
	}
	m.log.Configure(l.errors)
	m.access.Configure(l.requestID, l.access...)
	return nil
}

// opened reports whether there is a log.
func (m *master) opened() bool { return m.logs.Load() != nil }

// warnf is for what happens to the logs themselves.
func (m *master) warnf(err error) {
	if m.log != nil {
		m.log.Warningf("%v", err)
	}
}

// openFiles opens the error log, the access log and our standard streams, and compiles the format of the access log.
func (l *logs) openFiles(v *settings.Values, warn func(error)) (err error) {
	isJSON := v.LogFormat == "json"
	compiled, err := accesslog.Compile(v.AccessLogFormat)
	if err != nil {
		return badSetting(v, "access_log_format", v.AccessLogFormat, err)
	}
	l.requestID = isJSON || compiled.RequestID()
	file := logfile.Config{Path: v.ErrorLog, Std: os.Stderr}
	if l.capture = v.CaptureOutput; l.capture && v.ErrorLog != "-" {
		file.Capture = []*os.File{os.Stdout, os.Stderr}
	}
	l.format = formatter(compiled, isJSON)
	if l.errFile, err = logfile.Open(file); err != nil {
		return err
	}
	if l.stdout, err = logfile.Open(logfile.Config{Path: "-", Std: os.Stdout}); err != nil {
		return err
	}
	if l.stderr = l.errFile; v.ErrorLog != "-" {
		if l.stderr, err = logfile.Open(logfile.Config{Path: "-", Std: os.Stderr}); err != nil {
			return err
		}
	}
	level, _ := errorlog.ParseLevel(v.LogLevel)
	l.errors = errorlog.Config{Writer: l.errFile, Level: level, Pid: os.Getpid(), JSON: isJSON}
	if v.AccessLog == "" {
		return nil
	}
	if l.accessFile, err = logfile.Open(logfile.Config{Path: v.AccessLog, Std: os.Stdout, Batch: true, OnError: warn}); err != nil {
		return err
	}
	l.access = append(l.access, accesslog.Lines(l.format, l.accessFile))
	return nil
}

// handOver gives what goes to the files to the zygote, where a logger of Python's writes it.
func (l *logs) handOver(v *settings.Values, r *recorder) {
	level := l.errors.Level
	l.errors.Divert = func(rec errorlog.Record, write func()) bool {
		if rec.Level < level { // if Python does not write it, nobody does
			write = func() {}
		}
		return r.error(rec, write) || rec.Level < level
	}
	if v.HasLogConfig() {
		l.errors.Level = errorlog.LevelDebug // the levels are Python's
	}
	l.access = []accesslog.Output{recorded{r, l.access}}
}

func formatter(text *accesslog.Format, isJSON bool) accesslog.Formatter {
	if isJSON {
		return accesslog.JSON{}
	}
	return text
}

// openSockets prepares syslog and statsd. Whether anybody listens there is found out when there is something to send.
func (l *logs) openSockets(v *settings.Values, warn func(error)) error {
	if v.Syslog && !v.LogsInPython() { // else it is Python's to send
		address, err := syslog.ParseAddress(v.SyslogAddr)
		if err != nil {
			return badSetting(v, "syslog_addr", v.SyslogAddr, err)
		}
		facility, err := syslog.ParseFacility(v.SyslogFacility)
		if err != nil {
			return badSetting(v, "syslog_facility", v.SyslogFacility, err)
		}
		name := syslog.Name(v.SyslogPrefix, cmp.Or(v.ProcName, v.DefaultProcName, v.WSGIApp))
		socket := logfile.Config{Path: address.String(), Dial: address.Dial, Hold: address.Stream(), OnError: warn}
		if l.errSyslog, err = logfile.Open(socket); err != nil {
			return err
		}
		l.errors.Sinks = append(l.errors.Sinks, syslog.New(l.errSyslog, facility, name, "error").Record)
		if !v.DisableRedirectAccessToSyslog {
			if l.accessSyslog, err = logfile.Open(socket); err != nil {
				return err
			}
			l.access = append(l.access, syslog.New(l.accessSyslog, facility, name, "access").Access(l.format))
		}
	}
	if v.StatsdHost != "" {
		address, err := statsd.ParseAddress(v.StatsdHost)
		if err != nil {
			return badSetting(v, "statsd_host", v.StatsdHost, err)
		}
		if l.statsdSocket, err = logfile.Open(logfile.Config{Path: address.String(), Dial: address.Dial, OnError: warn}); err != nil {
			return err
		}
		l.statsd = statsd.New(statsd.Config{Writer: l.statsdSocket, Prefix: v.StatsdPrefix, Tags: v.DogstatsdTags})
		l.errors.Count = l.statsd.Count
		l.access = append(l.access, l.statsd)
	}
	return nil
}

func badSetting(v *settings.Values, name, value string, err error) error {
	return &settings.ValueError{Setting: settings.Lookup(name), From: v.Origin(name), Value: value, Problem: err.Error()}
}

// all are the writers that are open.
func (l *logs) all() []*logfile.Writer {
	list := []*logfile.Writer{l.accessFile, l.stdout}
	if l.stderr != l.errFile {
		list = append(list, l.stderr)
	}
	list = append(list, l.accessSyslog, l.errSyslog, l.statsdSocket, l.errFile)
	open := list[:0]
	for _, w := range list {
		if w != nil {
			open = append(open, w)
		}
	}
	return open
}

// close writes out what the logs still hold.
func (l *logs) close() {
	for _, w := range l.all() {
		_ = w.Close()
	}
}

// close writes out what the logs still hold.
func (m *master) close() {
	m.troupe.close()
	if l := m.logs.Load(); l != nil {
		l.close()
	}
}

// reopen opens the log files again by their names, after a rotation.
func (m *master) reopen() {
	l := m.logs.Load()
	var failed []error
	for _, f := range []*logfile.Writer{l.errFile, l.accessFile} {
		if f != nil {
			failed = append(failed, f.Reopen())
		}
	}
	failed = append(failed, m.troupe.reopen())
	if err := errors.Join(failed...); err != nil {
		m.log.Errorf("reopen log: %v", err)
	}
	m.pool.Reopen()
}

// ofLogs reports whether openLogs reads a setting.
func ofLogs(s *settings.Setting) bool {
	return s.Section == settings.Lookup("loglevel").Section || strings.Contains(s.Name, "statsd")
}

// closeLater is for how long the logs of before a reload stay open: a record may be on its way to them.
const closeLater = time.Second

// applyLogs opens the logs of the settings that a reload has brought, if they are others, and else reopens the files. What cannot be
// opened leaves all as it was.
func (m *master) applyLogs(old *settings.Values) {
	changed := slices.ContainsFunc(settings.All, func(s settings.Setting) bool { return ofLogs(&s) && old.Text(s.Name) != m.v.Text(s.Name) })
	if !changed {
		m.reopen()
		return
	}
	before := m.logs.Load()
	if err := m.openLogs(&m.v); err != nil {
		m.log.Errorf("%v; the logs stay as they were", err)
		return
	}
	time.AfterFunc(closeLater, before.close)
}

// printed takes what a worker or the zygote printed to a standard stream.
func (m *master) printed(pid int, stream string, text []byte) {
	l := m.logs.Load()
	switch {
	case l == nil && stream == "stdout":
		_, _ = os.Stdout.Write(text)
	case l == nil:
		_, _ = m.stderr.Write(text)
	case l.capture && l.errors.JSON:
		m.log.Printed(pid, stream, text)
	case stream == "stdout":
		_, _ = l.stdout.Write(text)
	default:
		_, _ = l.stderr.Write(text)
	}
}

// dropped adds to the state what the logs have lost.
func (l *logs) dropped(st *metrics.State) {
	for _, one := range []struct {
		log    metrics.Log
		writer *logfile.Writer
	}{
		{metrics.ErrorLog, l.errFile}, {metrics.AccessLog, l.accessFile}, {metrics.Syslog, l.errSyslog},
		{metrics.Syslog, l.accessSyslog}, {metrics.Statsd, l.statsdSocket},
	} {
		if one.writer == nil {
			continue
		}
		st.LogDropped[one.log] += one.writer.Dropped() + one.writer.Failed()
	}
}
