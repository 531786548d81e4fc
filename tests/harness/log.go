package harness

import (
	"bufio"
	"io"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

// A Log collects the lines that a process writes and lets tests wait for one. It is safe for concurrent use.
type Log struct {
	mu      sync.Mutex // guards the rest
	lines   []string
	changed chan struct{} // closed and replaced on every line
	ended   bool
}

func newLog() *Log {
	return &Log{changed: make(chan struct{})}
}

// collect reads lines until r ends; it is run in a goroutine of its own.
func (l *Log) collect(r io.ReadCloser) {
	defer r.Close()
	reader := bufio.NewReaderSize(r, 1<<16)
	for {
		line, err := reader.ReadString('\n')
		l.mu.Lock()
		if line != "" {
			l.lines = append(l.lines, strings.TrimSuffix(line, "\n"))
		}
		l.ended = err != nil
		close(l.changed)
		l.changed = make(chan struct{})
		l.mu.Unlock()
		if err != nil {
			return
		}
	}
}

// Lines returns the lines so far.
func (l *Log) Lines() []string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return slices.Clone(l.lines)
}

// String returns the text so far.
func (l *Log) String() string {
	return strings.Join(l.Lines(), "\n")
}

// Len is the number of lines so far: a place from which a later wait can start.
func (l *Log) Len() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return len(l.lines)
}

// Grep returns the lines that contain text.
func (l *Log) Grep(text string) []string {
	return slices.DeleteFunc(l.Lines(), func(line string) bool { return !strings.Contains(line, text) })
}

// Wait returns the first line from line number `from` on that contains text, and fails the test if there is none
// within d or the log ends without it.
func (l *Log) Wait(tb testing.TB, from int, text string, d time.Duration) string {
	tb.Helper()
	line, ok := l.wait(from, text, d)
	if !ok {
		tb.Fatalf("the log does not say %q within %v", text, d)
	}
	return line
}

func (l *Log) wait(from int, text string, d time.Duration) (string, bool) {
	deadline := time.NewTimer(d)
	defer deadline.Stop()
	for {
		l.mu.Lock()
		for ; from < len(l.lines); from++ {
			if strings.Contains(l.lines[from], text) {
				defer l.mu.Unlock()
				return l.lines[from], true
			}
		}
		changed, ended := l.changed, l.ended
		l.mu.Unlock()
		if ended {
			return "", false
		}
		select {
		case <-changed:
		case <-deadline.C:
			return "", false
		}
	}
}

// Ended reports whether every writer has closed its end, so that no line can follow.
func (l *Log) Ended() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.ended
}
