package main

import (
	"encoding/json"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/gounicorn/gounicorn/prefork/wire"
	"github.com/gounicorn/gounicorn/server/accesslog"
	"github.com/gounicorn/gounicorn/server/errorlog"
)

const (
	recordQueue = 1000                   // records that wait for the zygote
	recordLimit = wire.MaxPacket / 8     // bytes of text in one; as JSON it may be six times as long
	recordGrace = 500 * time.Millisecond // for those that wait at the end
)

// recorder hands what the master has to log to the zygote, where the configuration's own logger, which is Python's, writes it
// (logger_class, logconfig). What no zygote takes the master writes itself. Safe for concurrent use.
type recorder struct {
	send    func(level int, payload []byte) error // may wait; an error: there is no zygote
	queue   chan record
	once    sync.Once
	dropped atomic.Uint64 // records for which there was no room
	ended   chan struct{}

	mu     sync.RWMutex
	closed bool
}

// record is one that waits.
type record struct {
	level   int
	payload []byte
	native  func() // writes it to the master's own log
}

// errorRecord is the payload of RECORD for the error log.
type errorRecord struct {
	Message string  `json:"message"`
	PID     int     `json:"pid"`
	Time    float64 `json:"time"` // seconds since 1970
}

// accessRecord is the payload of RECORD for a request that no worker answered; python/gounicorn/_exchange.py reads it.
type accessRecord struct {
	Environ      map[string]*string `json:"environ"`
	Status       int                `json:"status"`
	Sent         int64              `json:"sent"`
	Microseconds int64              `json:"microseconds"`
}

func newRecorder(send func(level int, payload []byte) error) *recorder {
	return &recorder{send: send, queue: make(chan record, recordQueue), ended: make(chan struct{})}
}

// begin hands out what comes and what waits, from when there is a zygote or never will be. Until then records wait.
func (r *recorder) begin() { r.once.Do(func() { go r.run() }) }

func (r *recorder) run() {
	defer close(r.ended)
	for rec := range r.queue {
		if r.send(rec.level, rec.payload) != nil {
			rec.native()
		}
	}
}

// close hands out what waits, for a short time. Records that come later are the master's.
func (r *recorder) close() {
	r.begin()
	r.mu.Lock()
	if !r.closed {
		r.closed = true
		close(r.queue)
	}
	r.mu.Unlock()
	select {
	case <-r.ended:
	case <-time.After(recordGrace):
	}
}

// put queues a record; a full queue drops it. False: it is the master's to write.
func (r *recorder) put(level int, v any, native func()) bool {
	payload, err := json.Marshal(v)
	if err != nil || len(payload) > wire.MaxPacket-wire.HeaderSize {
		return false
	}
	r.mu.RLock()
	defer r.mu.RUnlock()
	if r.closed {
		return false
	}
	select {
	case r.queue <- record{level, payload, native}:
	default:
		r.dropped.Add(1)
	}
	return true
}

// error takes a record of the error log.
func (r *recorder) error(e errorlog.Record, native func()) bool {
	text := e.Message
	if e.Traceback != "" {
		text += "\n" + e.Traceback
	}
	text = text[:min(len(text), recordLimit)]
	return r.put(pythonLevel(e.Level), errorRecord{text, e.PID, float64(e.Time.UnixMicro()) / 1e6}, native)
}

// access takes the entry of a request; one that a worker answered is the worker's to log, and true.
func (r *recorder) access(e *accesslog.Entry, native func()) bool {
	if e.Answered {
		return true
	}
	text := func(b []byte) *string {
		if b == nil {
			return nil
		}
		runes := make([]rune, 0, len(b)) // text of WSGI: a character is a byte
		for _, c := range b[:min(len(b), recordLimit/8)] {
			runes = append(runes, rune(c))
		}
		s := string(runes)
		return &s
	}
	rec := accessRecord{Environ: map[string]*string{
		"REMOTE_ADDR": text(e.RemoteAddr), "REQUEST_METHOD": text(e.Method), "RAW_URI": text(e.Target), "PATH_INFO": text(e.Path),
		"QUERY_STRING": text(e.Query), "SERVER_PROTOCOL": text(e.Proto), "HTTP_REFERER": text(e.Referer), "HTTP_USER_AGENT": text(e.UserAgent),
	}, Status: e.Status, Sent: e.BytesSent, Microseconds: e.Duration.Microseconds()}
	for _, name := range []string{"REQUEST_METHOD", "RAW_URI", "SERVER_PROTOCOL"} { // which atoms need
		if rec.Environ[name] == nil {
			missing := "-"
			rec.Environ[name] = &missing
		}
	}
	return r.put(wire.LevelInfo, rec, native)
}

// recorded is the access log of a configuration whose logger is Python's. What no zygote takes goes to the outputs.
type recorded struct {
	records *recorder
	outputs []accesslog.Output
}

// Log implements accesslog.Output.
func (l recorded) Log(e *accesslog.Entry) {
	native := func() {}
	if !e.Answered && len(l.outputs) > 0 {
		kept := e.Clone()
		native = func() {
			for _, out := range l.outputs {
				out.Log(kept)
			}
		}
	}
	if !l.records.access(e, native) {
		native()
	}
}

// pythonLevel is a level as Python's logging counts.
func pythonLevel(level slog.Level) int {
	switch {
	case level >= errorlog.LevelCritical:
		return wire.LevelCritical
	case level >= errorlog.LevelError:
		return wire.LevelError
	case level >= errorlog.LevelWarning:
		return wire.LevelWarning
	case level >= errorlog.LevelInfo:
		return wire.LevelInfo
	}
	return wire.LevelDebug
}
