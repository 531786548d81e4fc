package main

import (
	"fmt"
	"os"

	"github.com/gounicorn/gounicorn/server/errorlog"
	"github.com/gounicorn/gounicorn/server/logfile"
)

// openLogs opens the error log, the access log and our standard output.
func (m *master) openLogs() (err error) {
	v := &m.v
	if m.errFile, err = logfile.Open(logfile.Config{Path: v.ErrorLog, Std: os.Stderr}); err != nil {
		return fmt.Errorf("error log: %w", err)
	}
	if m.outFile, err = logfile.Open(logfile.Config{Path: "-", Std: os.Stdout}); err != nil {
		return fmt.Errorf("standard output: %w", err)
	}
	level, _ := errorlog.ParseLevel(v.LogLevel)
	m.log = errorlog.New(errorlog.Config{Writer: m.errFile, Level: level, Pid: os.Getpid()})
	if v.AccessLog != "" {
		if m.accessFile, err = logfile.Open(logfile.Config{Path: v.AccessLog, Std: os.Stdout, Batch: true}); err != nil {
			return fmt.Errorf("access log: %w", err)
		}
	}
	m.opened.Store(true)
	return nil
}

// close writes out what the logs still hold.
func (m *master) close() {
	for _, f := range []*logfile.Writer{m.accessFile, m.outFile, m.errFile} {
		if f != nil {
			_ = f.Close()
		}
	}
}

// reopen opens the log files again by their names, after a rotation.
func (m *master) reopen() {
	for _, f := range []*logfile.Writer{m.errFile, m.accessFile} {
		if f != nil {
			if err := f.Reopen(); err != nil {
				m.log.Errorf("reopen log: %v", err)
			}
		}
	}
}
