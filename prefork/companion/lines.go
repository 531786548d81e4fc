package companion

import (
	"bytes"
	"errors"
	"os"
	"sync"
	"time"
)

const (
	maxLine     = 16 << 10    // bytes; what is longer comes in pieces
	partialTime = time.Second // after which a line that nobody ends is shown, such as a question
)

// lines hands on what a process prints.
type lines struct {
	f *os.File

	mu     sync.Mutex
	ending bool // guarded by mu
}

// read hands on a line at a time, without its end, until all that hold the pipe have closed it, or finish was called.
func (l *lines) read(line func([]byte)) {
	defer l.f.Close()
	buf := make([]byte, 0, maxLine)
	for {
		l.expect(len(buf) > 0)
		n, err := l.f.Read(buf[len(buf):cap(buf)])
		rest := buf[:len(buf)+n]
		for {
			one, more, found := bytes.Cut(rest, []byte{'\n'})
			if !found {
				break
			}
			line(bytes.TrimSuffix(one, []byte{'\r'}))
			rest = more
		}
		if len(rest) == maxLine || err != nil && len(rest) > 0 {
			line(rest)
			rest = nil
		}
		buf = buf[:copy(buf[:maxLine], rest)]
		if err != nil && (l.over() || !errors.Is(err, os.ErrDeadlineExceeded)) {
			return
		}
	}
}

// expect sets the time by which the rest of a line is to come.
func (l *lines) expect(partial bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	switch {
	case l.ending:
	case partial:
		_ = l.f.SetReadDeadline(time.Now().Add(partialTime))
	default:
		_ = l.f.SetReadDeadline(time.Time{})
	}
}

// finish lets read end when all has been read, or after a moment: what still holds the pipe is none of ours.
func (l *lines) finish() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.ending = true
	_ = l.f.SetReadDeadline(time.Now().Add(outputGrace))
}

func (l *lines) over() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.ending
}
