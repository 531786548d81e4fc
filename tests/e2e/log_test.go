package e2e

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"syscall"
	"testing"

	"github.com/gounicorn/gounicorn/tests/harness"
)

var errorLine = regexp.MustCompile(`^\[\d{4}-\d\d-\d\d \d\d:\d\d:\d\d [+-]\d{4}\] \[\d+\] \[(DEBUG|INFO|WARNING|ERROR|CRITICAL)\] \S`)

func TestLogHasTheLinesOfGunicorn(t *testing.T) {
	t.Parallel()
	s := start(t, "hello:app", "-w", "2")
	s.Stop(syscall.SIGTERM)
	harness.Eventually(t, harness.EventBudget, "the log is complete", s.Log.Ended)
	for _, want := range []string{
		`\[INFO\] Starting go?unicorn \S+$`, `\[INFO\] Listening at: http://127\.0\.0\.1:\d+ \(\d+\)$`,
		`\[INFO\] Using worker: sync$`, `\[INFO\] Booting worker with pid: \d+$`, `\[INFO\] Handling signal: term$`,
		`\[INFO\] Worker exiting \(pid: \d+\)$`, `\[INFO\] Shutting down: Master$`,
	} {
		pattern := regexp.MustCompile(want)
		found := false
		for _, line := range s.Log.Lines() {
			found = found || pattern.MatchString(line)
		}
		if !found {
			t.Errorf("no line matches %s", want)
		}
	}
	for _, line := range s.Log.Lines() {
		if !errorLine.MatchString(line) {
			t.Errorf("not a log line: %q", line)
		}
	}
}

func TestLogLevelAndErrorLogFile(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "error.log")
	s := harness.Launch(t, harness.Config{
		App: "faults:app", Bind: []string{harness.FreePort(t)}, Args: []string{"--error-logfile", path, "--log-level", "warning"},
	})
	s.UseBind()
	harness.Eventually(t, harness.StartBudget, "the server answers", func() bool { return s.Get("/pid").Status == 200 })
	s.Get("/fail")
	harness.Eventually(t, harness.EventBudget, "the failure is in the file", func() bool {
		text, _ := os.ReadFile(path)
		return strings.Contains(string(text), "a failure with a name of its own")
	})
	if text, _ := os.ReadFile(path); strings.Contains(string(text), "[INFO]") {
		t.Errorf("INFO lines at level warning: %s", text)
	}
	if text := s.Log.String(); strings.Contains(text, "a failure with a name of its own") {
		t.Errorf("the failure is on stderr too: %s", text)
	}
}

func TestAccessLogIsGunicornsByDefault(t *testing.T) {
	t.Parallel()
	s := start(t, "faults:app", "--access-logfile", "-")
	s.Request("GET", "/pid?x=1", "", "User-Agent", `agent "quoted"`, "Referer", "http://from/")
	line := s.Out.Wait(t, 0, "/pid", harness.EventBudget)
	want := regexp.MustCompile(`^127\.0\.0\.1 - - \[\d\d/[A-Z][a-z]{2}/\d{4}:\d\d:\d\d:\d\d [+-]\d{4}\] "GET /pid\?x=1 HTTP/1\.1" 200 \d+ "http://from/" "agent \\"quoted\\""$`)
	if !want.MatchString(line) {
		t.Errorf("got %s", line)
	}
}

func TestAccessLogFormatHasEveryAtom(t *testing.T) {
	t.Parallel()
	format := `%(h)s|%(l)s|%(u)s|%(r)s|%(m)s|%(U)s|%(q)s|%(H)s|%(s)s|%(B)s|%(b)s|%(f)s|%(a)s|%(T)s|%(M)s|%(D)s|%(L)s|%(p)s|` +
		`%({X-In}i)s|%({content-type}o)s|%({REMOTE_ADDR}e)s|%({none}i)s|100%%`
	s := start(t, "faults:app", "--access-logfile", "-", "--access-logformat", format)
	s.Request("GET", "/pid?q=1", "", "Authorization", "Basic am9lOnNlY3JldA==", "X-In", "in", "User-Agent", "agent")
	line := s.Out.Wait(t, 0, "/pid", harness.EventBudget)
	want := regexp.MustCompile(`^127\.0\.0\.1\|-\|joe\|GET /pid\?q=1 HTTP/1\.1\|GET\|/pid\|q=1\|HTTP/1\.1\|200\|\d+\|\d+\|-\|agent\|` +
		`0\|\d+\|\d+\|0\.\d{6}\|<\d+>\|in\|text/plain\|127\.0\.0\.1\|-\|100%$`)
	if !want.MatchString(line) {
		t.Errorf("got %s", line)
	}
}

func TestAccessLogShowsWhatWentWrong(t *testing.T) {
	t.Parallel()
	if peer() {
		t.Log("gunicorn leaves these out of its access log: our own promise")
		return
	}
	s := start(t, "faults:app", "-w", "1", "-t", "1", "--access-logfile", "-", "--access-logformat", "%(s)s %(m)s %(U)s")
	s.Get("/fail")
	s.Request("POST", "/kill9", "x")
	s.Get("/sleep/3600")
	conn := s.Dial()
	conn.Send("NONSENSE\r\n\r\n")
	conn.ReadRest()
	conn = s.Dial()
	conn.Get("/gate/left")
	s.WaitMark(t, "entered-left", 1)
	conn.Reset()
	s.Open(t, "open-left")
	for _, line := range []string{"500 GET /fail", "502 POST /kill9", "504 GET /sleep/3600", "400 ", "499 GET /gate/left"} {
		s.Out.Wait(t, 0, line, harness.EventBudget)
	}
}

// Row 68: what a client sends cannot forge a line of the log.
func TestLogCannotBeForged(t *testing.T) {
	t.Parallel()
	s := start(t, "faults:app", "--access-logfile", "-")
	conn := s.Dial()
	conn.Get("/pid?\x80\xff%0d%0aforged", "User-Agent: a\tb\x80\xff\r\n")
	conn.Read("GET")
	s.Get("/%0A%1B%5B31mforged")
	s.WantGet(t, "/pid?last", 200)
	s.Out.Wait(t, 0, "last", harness.EventBudget)
	for _, line := range s.Out.Lines() {
		for _, c := range []byte(line) {
			if c < ' ' || c > '~' {
				t.Errorf("the line %q holds the byte %#x", line, c)
			}
		}
		if strings.HasPrefix(line, "forged") {
			t.Errorf("forged line %q", line)
		}
	}
}

// What many workers print and log at once reaches stderr line by line, not mixed.
func TestLinesOfManyWorkersAreNotMixed(t *testing.T) {
	t.Parallel()
	s := start(t, "faults:app", "-w", "4", "--threads", "2")
	const requests, lines = 16, 50
	var all sync.WaitGroup
	for n := range requests {
		all.Go(func() {
			if reply := s.Get(fmt.Sprintf("/log-lines/t%d/%d", n, lines)); reply.Status != 200 {
				t.Errorf("got %d %v", reply.Status, reply.Err)
			}
		})
	}
	all.Wait()
	whole := regexp.MustCompile(`^(line t\d+ \d+ x{300} end|logged t\d+ \d+ x{300} end)$`)
	seen := func() int {
		n := 0
		for _, line := range s.Log.Lines() {
			if whole.MatchString(line) {
				n++
			}
		}
		return n
	}
	if !harness.Poll(harness.EventBudget, func() bool { return seen() == 2*requests*lines }) {
		t.Errorf("%d whole lines, want %d", seen(), 2*requests*lines)
	}
}

func TestPrintReachesTheLog(t *testing.T) {
	t.Parallel()
	s := start(t, "faults:app")
	s.WantGet(t, "/stderr-print/caf%C3%A9", 200)
	s.Log.Wait(t, 0, "printed-to-stderr caf", harness.EventBudget)
	s.Log.Wait(t, 0, "printed-to-errors caf", harness.EventBudget)
	harness.Eventually(t, harness.EventBudget, "stdout arrives", func() bool {
		return len(s.Log.Grep("printed-to-stdout"))+len(s.Out.Grep("printed-to-stdout")) > 0
	})
}

func TestTracebackOfAViewIsInTheLog(t *testing.T) {
	t.Parallel()
	s := start(t, "faults:app")
	s.Get("/fail")
	for _, text := range []string{"Error handling request", "Traceback (most recent call last)", "LookupError: the inner reason", "direct cause", "in fail", "RuntimeError: a failure with a name of its own"} {
		s.Log.Wait(t, 0, text, harness.EventBudget)
	}
}
