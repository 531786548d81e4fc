package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/gounicorn/gounicorn/prefork/wire"
	"github.com/gounicorn/gounicorn/server/accesslog"
	"github.com/gounicorn/gounicorn/server/errorlog"
	"github.com/gounicorn/gounicorn/server/settings"
)

var errNoZygote = errors.New("no zygote")

func TestRecordsGoToTheZygoteInOrder(t *testing.T) {
	var got []string
	r := newRecorder(func(level int, payload []byte) error {
		var rec errorRecord
		if err := json.Unmarshal(payload, &rec); err != nil {
			t.Error(err)
		}
		got = append(got, fmt.Sprint(level, " ", rec.PID, " ", rec.Message, " ", rec.Time))
		return nil
	})
	r.begin()
	at := time.Unix(1, 500000000)
	for i := range 3 {
		if !r.error(errorlog.Record{Time: at, Level: errorlog.LevelWarning, PID: 7, Message: fmt.Sprint("line\n", i)}, func() { t.Error("written by the master") }) {
			t.Error("refused")
		}
	}
	r.close()
	if want := []string{"30 7 line\n0 1.5", "30 7 line\n1 1.5", "30 7 line\n2 1.5"}; !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
	if r.error(errorlog.Record{Time: at, Level: errorlog.LevelInfo, PID: 7, Message: "late"}, nil) {
		t.Error("a record after the end was taken")
	}
}

func TestRecordsWithoutAZygoteAreTheMasters(t *testing.T) {
	r := newRecorder(func(int, []byte) error { return errNoZygote })
	written := make(chan string, 1)
	r.error(errorlog.Record{Time: time.Now(), Level: errorlog.LevelInfo, PID: 1, Message: "x"}, func() { written <- "x" })
	r.close()
	if len(written) != 1 {
		t.Error("nobody wrote the record")
	}
}

func TestAFullQueueDropsAndCounts(t *testing.T) {
	release := make(chan struct{})
	r := newRecorder(func(int, []byte) error { <-release; return nil })
	var wait sync.WaitGroup
	for range 4 {
		wait.Go(func() {
			for range recordQueue {
				r.error(errorlog.Record{Time: time.Now(), Level: errorlog.LevelInfo, PID: 1, Message: "x"}, nil)
			}
		})
	}
	wait.Wait()
	if n := r.dropped.Load(); n < 3*recordQueue-1 || n > 3*recordQueue {
		t.Errorf("%d dropped, want %d", n, 3*recordQueue)
	}
	close(release)
	r.close()
}

func TestRecordsFitAPacket(t *testing.T) {
	var size int
	r := newRecorder(func(_ int, payload []byte) error { size = len(payload); return nil })
	if !r.error(errorlog.Record{Time: time.Now(), Level: errorlog.LevelError, PID: 1, Message: strings.Repeat("\x01", 1<<20)}, nil) {
		t.Error("refused")
	}
	long := []byte(strings.Repeat("\x01", 1<<16))
	if !r.access(&accesslog.Entry{Target: long, Path: long, Query: long, Referer: long, UserAgent: long, Method: long}, nil) {
		t.Error("refused")
	}
	r.close()
	if size == 0 || size > wire.MaxPacket-wire.HeaderSize {
		t.Errorf("a payload of %d bytes", size)
	}
}

func TestOnlyRequestsThatNoWorkerAnsweredAreRecorded(t *testing.T) {
	var got []accessRecord
	r := newRecorder(func(_ int, payload []byte) error {
		var rec accessRecord
		if err := json.Unmarshal(payload, &rec); err != nil {
			t.Error(err)
		}
		got = append(got, rec)
		return nil
	})
	if !r.access(&accesslog.Entry{Answered: true, Worker: 5}, nil) || !r.access(&accesslog.Entry{
		Worker: 5, Status: 504, Method: []byte("GET"), Target: []byte("/\xe9"), Duration: 3 * time.Millisecond, BytesSent: 9,
	}, nil) {
		t.Error("refused")
	}
	r.close()
	if len(got) != 1 {
		t.Fatalf("%d records", len(got))
	}
	e := got[0]
	if e.Status != 504 || e.Sent != 9 || e.Microseconds != 3000 || *e.Environ["RAW_URI"] != "/\u00e9" || *e.Environ["SERVER_PROTOCOL"] != "-" ||
		e.Environ["HTTP_REFERER"] != nil {
		t.Errorf("%+v", e)
	}
}

// With logconfig the levels are Python's, and the master hands over everything; what comes back is for the master's own level.
func TestRecordsThatComeBackKeepTheLevel(t *testing.T) {
	var text strings.Builder
	l := &logs{errors: errorlog.Config{Writer: &text, Level: errorlog.LevelInfo, Pid: 1}}
	v := settings.Values{LogConfig: "log.ini", LoggerClass: "simple"}
	r := newRecorder(func(int, []byte) error { return errNoZygote })
	l.handOver(&v, r)
	log := errorlog.New(l.errors)
	log.Debugf("waits, below")
	log.Infof("waits")
	r.close()
	log.Debugf("late, below")
	log.Infof("late")
	if got := text.String(); strings.Contains(got, "below") || !strings.Contains(got, "waits") || !strings.Contains(got, "late") {
		t.Errorf("the log has\n%s", got)
	}
}
