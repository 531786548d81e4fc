package accesslog_test

import (
	"bytes"
	"errors"
	"sync"
	"testing"

	"github.com/gounicorn/gounicorn/server/accesslog"
)

// sink collects the writes.
type sink struct {
	mu     sync.Mutex // guards writes
	writes []string
	err    error
}

func (s *sink) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.writes = append(s.writes, string(p))
	return len(p), s.err
}

func TestLoggerMakesOneWriteForEachLine(t *testing.T) {
	f, err := accesslog.Compile("%(m)s %(s)s")
	if err != nil {
		t.Fatal(err)
	}
	var out sink
	l := accesslog.New(accesslog.Lines(f, &out))
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			for range 50 {
				l.Log(entry(nil))
			}
		})
	}
	wg.Wait()
	if got := len(out.writes); got != 400 {
		t.Fatalf("%d writes, want 400", got)
	}
	for _, w := range out.writes {
		if w != "GET 200\n" {
			t.Fatalf("wrote %q", w)
		}
	}
}

func TestLoggerGoesOnAfterALostLine(t *testing.T) {
	f, err := accesslog.Compile("%(s)s")
	if err != nil {
		t.Fatal(err)
	}
	out := sink{err: errors.New("no room")}
	l := accesslog.New(accesslog.Lines(f, &out))
	l.Log(entry(nil))
	l.Log(entry(nil))
	if got := len(out.writes); got != 2 {
		t.Errorf("%d writes, want 2", got)
	}
}

func BenchmarkLogger(b *testing.B) {
	f, err := accesslog.Compile(accesslog.Default)
	if err != nil {
		b.Fatal(err)
	}
	var discard bytes.Buffer
	l := accesslog.New(accesslog.Lines(f, writerFunc(func(p []byte) (int, error) { discard.Reset(); return discard.Write(p) })))
	e := entry(nil)
	b.ReportAllocs()
	for b.Loop() {
		l.Log(e)
	}
}

type writerFunc func([]byte) (int, error)

func (f writerFunc) Write(p []byte) (int, error) { return f(p) }
