package errorlog_test

import (
	"bytes"
	"errors"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/gounicorn/gounicorn/server/errorlog"
)

// writes keeps what each Write got.
type writes struct {
	mu  sync.Mutex // guards all
	all []string
	err error
}

func (w *writes) Write(p []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.all = append(w.all, string(p))
	return len(p), w.err
}

func (w *writes) String() string { return strings.Join(w.all, "") }

// at is the fixed time of the tests.
var at = time.Date(2026, 11, 22, 13, 0, 0, 0, time.FixedZone("", 3600))

func newLogger(level slog.Level) (*errorlog.Logger, *writes) {
	w := &writes{}
	return errorlog.New(errorlog.Config{Writer: w, Level: level, Pid: 1234, Now: func() time.Time { return at }}), w
}

func TestLineIsGunicorns(t *testing.T) {
	l, w := newLogger(errorlog.LevelDebug)
	l.Infof("Starting gunicorn %s", "0.1")
	l.Debugf("debug")
	l.Warningf("warning")
	l.Errorf("error")
	l.WithPid(99).Criticalf("WORKER TIMEOUT (pid:%d)", 99)
	want := `[2026-11-22 13:00:00 +0100] [1234] [INFO] Starting gunicorn 0.1
[2026-11-22 13:00:00 +0100] [1234] [DEBUG] debug
[2026-11-22 13:00:00 +0100] [1234] [WARNING] warning
[2026-11-22 13:00:00 +0100] [1234] [ERROR] error
[2026-11-22 13:00:00 +0100] [99] [CRITICAL] WORKER TIMEOUT (pid:99)
`
	if got := w.String(); got != want {
		t.Errorf("got\n%swant\n%s", got, want)
	}
	if len(w.all) != 5 {
		t.Errorf("%d writes for 5 records", len(w.all))
	}
}

func TestLevelsBelowAreLeftOut(t *testing.T) {
	l, w := newLogger(errorlog.LevelInfo)
	l.Debugf("no")
	l.Record(at, errorlog.LevelDebug, 1, "no")
	l.Trace(errorlog.LevelDebug, "no", "no")
	slog.New(l.Handler()).Debug("no")
	if w.String() != "" {
		t.Errorf("wrote %q", w.String())
	}
	other := l.WithPid(5)
	l.SetLevel(errorlog.LevelCritical)
	other.Errorf("no")
	other.Criticalf("yes")
	if !strings.HasSuffix(w.String(), "[5] [CRITICAL] yes\n") || len(w.all) != 1 {
		t.Errorf("wrote %q", w.String())
	}
}

func TestTracebackIsOneRecord(t *testing.T) {
	l, w := newLogger(errorlog.LevelInfo)
	l.Record(time.Time{}, errorlog.LevelError, 77, "Error handling request GET /\r\nTraceback (most recent call last):\r\n  File \"x.py\"\nValueError: \x1b[31mred\n")
	want := "[2026-11-22 13:00:00 +0100] [77] [ERROR] Error handling request GET /\nTraceback (most recent call last):\n  File \"x.py\"\nValueError: \\x1b[31mred\n"
	if len(w.all) != 1 || w.all[0] != want {
		t.Errorf("got %q\nwant one write %q", w.all, want)
	}
}

func TestForeignTextCannotForgeARecord(t *testing.T) {
	const fake = "[2026-11-22 13:00:00 +0100] [1] [INFO] all is well"
	for name, log := range map[string]func(*errorlog.Logger){
		"message":   func(l *errorlog.Logger) { l.Infof("Invalid request from ip=%s", "1.2.3.4\n"+fake) },
		"attribute": func(l *errorlog.Logger) { slog.New(l.Handler()).Info("bad request", "uri", "/\r\n"+fake) },
		"key":       func(l *errorlog.Logger) { slog.New(l.Handler()).Info("bad request", "a\n"+fake, 1) },
		"traceback": func(l *errorlog.Logger) { l.Trace(errorlog.LevelError, "boom", "ValueError: \n"+fake) },
		"record":    func(l *errorlog.Logger) { l.Record(at, errorlog.LevelError, 1, "boom\n"+fake) },
		"separator": func(l *errorlog.Logger) { l.Infof("a\u2028%s", fake) },
	} {
		t.Run(name, func(t *testing.T) {
			l, w := newLogger(errorlog.LevelInfo)
			log(l)
			if n := strings.Count("\n"+w.String(), "\n[2026"); n != 1 {
				t.Errorf("%d records in %q", n, w.String())
			}
			if strings.ContainsAny(w.String(), "\r\x1b\u2028") {
				t.Errorf("control characters in %q", w.String())
			}
		})
	}
}

func TestControlCharactersAreVisible(t *testing.T) {
	for in, want := range map[string]string{
		"a\tb": "a\tb", "a\nb": `a\nb`, "a\rb": `a\rb`, "\x00\x7f": `\x00\x7f`, "caf\u00e9": "caf\u00e9",
		"\u009b2J": `\xc2\x9b2J`, "\xff": `\xff`, "\u202e": `\xe2\x80\xae`, "\u2066": `\xe2\x81\xa6`, "\ufffd": "\ufffd",
	} {
		l, w := newLogger(errorlog.LevelInfo)
		l.Infof("%s", in)
		if got := strings.TrimPrefix(w.String(), "[2026-11-22 13:00:00 +0100] [1234] [INFO] "); got != want+"\n" {
			t.Errorf("%q: got %q, want %q", in, got, want)
		}
	}
}

func TestSlogRecords(t *testing.T) {
	l, w := newLogger(errorlog.LevelInfo)
	log := slog.New(l.Handler())
	log.Info("worker ready", "pid", 7, "app", "my site", "empty", "", "took", 1500*time.Millisecond, "err", errors.New(`no "x"`))
	log.With("a", 1).WithGroup("g").With("b", 2).Warn("grouped", "c", 3, slog.Group("h", "d", 4), slog.Group("", "e", 5))
	log.Error("failed", errorlog.TracebackKey, "line 1\nline 2\n", "x", 1)
	log.WithGroup("").Log(t.Context(), errorlog.LevelCritical, "end")
	want := `[INFO] worker ready pid=7 app="my site" empty="" took=1.5s err="no \"x\""
[WARNING] grouped a=1 g.b=2 g.c=3 g.h.d=4 g.e=5
[ERROR] failed x=1
line 1
line 2
[CRITICAL] end
`
	var got strings.Builder
	for _, line := range w.all {
		_, rest, _ := strings.Cut(line, "[1234] ")
		got.WriteString(rest)
	}
	if got.String() != want {
		t.Errorf("got\n%swant\n%s", got.String(), want)
	}
}

func TestRawLinesPassUnchanged(t *testing.T) {
	l, w := newLogger(errorlog.LevelCritical)
	l.WriteRaw([]byte("\x1b[31mprint\x1b[0m\n"))
	l.WriteRaw([]byte("half"))
	l.WriteRaw(nil)
	if got, want := w.String(), "\x1b[31mprint\x1b[0m\nhalf\n"; got != want || len(w.all) != 2 {
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestRefusedRecordsAreCounted(t *testing.T) {
	l, w := newLogger(errorlog.LevelInfo)
	w.err = errors.New("full")
	l.Infof("a")
	l.WriteRaw([]byte("b\n"))
	if got := l.Lost(); got != 2 {
		t.Errorf("%d lost, want 2", got)
	}
}

func TestConcurrentRecordsStayWhole(t *testing.T) {
	l, w := newLogger(errorlog.LevelInfo)
	var wg sync.WaitGroup
	for i := range 8 {
		wg.Go(func() {
			for range 50 {
				l.WithPid(i).Infof("%s", strings.Repeat("x", 100*i))
			}
		})
	}
	wg.Wait()
	for _, line := range w.all {
		if strings.Count(line, "\n") != 1 || strings.Count(line, "[INFO]") != 1 {
			t.Fatalf("broken record %q", line)
		}
	}
}

func TestParseLevel(t *testing.T) {
	for name, want := range map[string]slog.Level{
		"debug": errorlog.LevelDebug, "INFO": errorlog.LevelInfo, "Warning": errorlog.LevelWarning,
		"warn": errorlog.LevelWarning, "error": errorlog.LevelError, "critical": errorlog.LevelCritical,
	} {
		if got, ok := errorlog.ParseLevel(name); got != want || !ok {
			t.Errorf("ParseLevel(%q) = %v, %v, want %v", name, got, ok, want)
		}
	}
	if got, ok := errorlog.ParseLevel("loud"); got != errorlog.LevelInfo || ok {
		t.Errorf("an unknown level is %v, %v", got, ok)
	}
}

func FuzzRecord(f *testing.F) {
	f.Add("a\n[b", "c\r\n\x1b")
	f.Fuzz(func(t *testing.T, message, value string) {
		var out bytes.Buffer
		l := errorlog.New(errorlog.Config{Writer: &out, Now: func() time.Time { return at }})
		slog.New(l.Handler()).Info(message, "key", value)
		if n := bytes.Count(out.Bytes(), []byte("\n")); n != 1 {
			t.Errorf("%d lines for a record without a traceback: %q", n, out.String())
		}
		out.Reset()
		l.Record(at, errorlog.LevelInfo, 1, message+"\n"+value)
		if n := bytes.Count(append([]byte("\n"), out.Bytes()...), []byte("\n[")); n != 1 {
			t.Errorf("%d records: %q", n, out.String())
		}
	})
}

func TestLineOfAProgramHasItsNameWhateverTheLevel(t *testing.T) {
	log, out := newLogger(errorlog.LevelError)
	log.Line(42, "worker:0", []byte("a\x1b[2Jb"))
	if got := out.String(); !strings.HasSuffix(got, "] [42] [INFO] worker:0: a\\x1b[2Jb\n") {
		t.Errorf("got %q", got)
	}
	out = &writes{}
	log.Configure(errorlog.Config{Writer: out, Level: errorlog.LevelError, JSON: true})
	log.Line(42, "worker:0", []byte("text"))
	if got := out.String(); !strings.Contains(got, `"level":"INFO","logger":"worker:0","pid":42,"message":"text"`) {
		t.Errorf("got %q", got)
	}
}
