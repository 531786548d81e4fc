package logfile

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"time"
)

const (
	// defaultBuffer holds some 5000 access lines, a second of a busy site.
	defaultBuffer = 1 << 20
	// closeGrace is how long Close waits for a stuck reader of the log.
	closeGrace = 2 * time.Second
	// fileMode is gunicorn's: readable by all, umask permitting.
	fileMode = 0o644
)

// ErrClosed is the result of using a Writer after Close.
var ErrClosed = errors.New("log file is closed")

// ErrDropped is the result of Write when the buffer has no room for the record.
var ErrDropped = errors.New("log record dropped: buffer full")

// Config says where a Writer writes and how.
type Config struct {
	Path    string        // the file; "-" is Std
	Std     *os.File      // what "-" means; never closed
	Capture []*os.File    // descriptors, such as standard output, that follow the file that Path names
	Dial    Dialer        // not nil: the log is a socket, and Path only its name in errors
	Hold    bool          // with Dial: keep what cannot be sent until there is a connection again, as long as it fits
	Buffer  int           // bytes that may wait to be written; 0 is 1 MiB
	Batch   bool          // let waiting records share a write(2)
	Delay   time.Duration // with Batch: how long a record may wait for company
	MaxSize int64         // bytes of the file, before which it is renamed to Path.1 and begun anew; 0: no limit
	Backups int           // files that are kept then, Path.1 the newest; 0: none
	OnError func(error)   // called when writing begins to fail, not again until it has worked; may be nil
}

// Writer is an open log. It is safe for concurrent use.
type Writer struct {
	c Config

	mu      sync.Mutex // guards what follows
	pending []byte
	ends    []int // where each record in pending ends, unless Batch
	busy    bool  // the goroutine is writing a buffer it took
	closed  bool
	idle    *sync.Cond // signalled when busy becomes false

	file    atomic.Pointer[os.File]
	owner   atomic.Pointer[owner]
	socket  socket        // owned by the goroutine
	stop    chan struct{} // closed by Close
	wake    chan struct{} // something is pending
	full    chan struct{} // the buffer is half full, a flush is asked for, or closed
	done    chan struct{} // the goroutine has ended
	dropped atomic.Uint64
	failed  atomic.Uint64
	failing bool  // owned by the goroutine
	size    int64 // of the file, as is rotated; owned by the goroutine
	rotated *os.File
}

// A Dialer connects to the receiver of a log. It may be called again and again.
type Dialer func(context.Context) (net.Conn, error)

// owner is who shall own the file.
type owner struct{ uid, gid int }

// Open opens the log and starts its goroutine, which Close ends.
func Open(c Config) (*Writer, error) {
	if c.Buffer <= 0 {
		c.Buffer = defaultBuffer
	}
	w := &Writer{
		c: c, wake: make(chan struct{}, 1), full: make(chan struct{}, 1), done: make(chan struct{}), stop: make(chan struct{}),
	}
	w.idle = sync.NewCond(&w.mu)
	if c.Dial == nil {
		f, err := w.open()
		if err != nil {
			return nil, err
		}
		w.file.Store(f)
	}
	go w.run()
	return w, nil
}

// open returns the file that Path names now.
func (w *Writer) open() (*os.File, error) {
	if w.c.Path == "-" {
		if w.c.Std == nil {
			return nil, errors.New("open log: no standard stream was given for \"-\"")
		}
		return w.c.Std, nil
	}
	f, err := os.OpenFile(w.c.Path, os.O_WRONLY|os.O_CREATE|os.O_APPEND, fileMode)
	if err != nil {
		return nil, unwritable(w.c.Path, err)
	}
	if o := w.owner.Load(); o != nil {
		_ = f.Chown(o.uid, o.gid) // it may be a device, or ours already
	}
	for _, to := range w.c.Capture {
		if err := redirect(to, f); err != nil {
			return nil, errors.Join(fmt.Errorf("redirect %s to %s: %w", to.Name(), w.c.Path, err), f.Close())
		}
	}
	return f, nil
}

// unwritable says in gunicorn's words that a log cannot be opened, and what to do.
func unwritable(path string, err error) error {
	fix := "name another file"
	switch {
	case errors.Is(err, fs.ErrNotExist):
		fix = "create the directory " + filepath.Dir(path) + ", or " + fix
	case errors.Is(err, fs.ErrPermission):
		fix = fmt.Sprintf("let user %d write there, or %s", os.Geteuid(), fix)
	}
	return fmt.Errorf("'%s' isn't writable [%w]: %s", path, err, fix)
}

// Write takes a copy of the record p, which ends with its newline, and never
// blocks. It returns ErrDropped if there is no room.
func (w *Writer) Write(p []byte) (int, error) {
	w.mu.Lock()
	if w.closed {
		w.mu.Unlock()
		return 0, ErrClosed
	}
	if len(w.pending)+len(p) > w.c.Buffer {
		w.mu.Unlock()
		w.dropped.Add(1)
		return 0, ErrDropped
	}
	first := len(w.pending) == 0
	w.pending = append(w.pending, p...)
	if !w.c.Batch {
		w.ends = append(w.ends, len(w.pending))
	}
	crowded := len(w.pending) >= w.c.Buffer/2
	w.mu.Unlock()
	if first {
		signal(w.wake)
	}
	if crowded {
		signal(w.full)
	}
	return len(p), nil
}

// signal makes c readable if it is not already.
func signal(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}

// run writes what is pending until the Writer is closed and empty.
func (w *Writer) run() {
	defer close(w.done)
	var spare []byte
	var spareEnds []int
	timer := time.NewTimer(time.Hour)
	timer.Stop()
	defer timer.Stop()
	for {
		select {
		case <-w.wake:
			if w.c.Batch && w.c.Delay > 0 {
				timer.Reset(w.c.Delay)
				select {
				case <-timer.C:
				case <-w.full:
				}
			}
		case <-w.full:
		}
		w.mu.Lock()
		buf, ends := w.pending, w.ends
		w.pending, w.ends = spare[:0], spareEnds[:0]
		w.busy = len(buf) > 0
		last := w.closed
		w.mu.Unlock()
		w.emit(buf, ends)
		spare, spareEnds = buf, ends
		w.mu.Lock()
		w.busy = false
		w.idle.Broadcast()
		w.mu.Unlock()
		if last {
			return
		}
	}
}

// emit hands a buffer to the system, record by record unless they may share.
func (w *Writer) emit(buf []byte, ends []int) {
	if w.c.Batch {
		w.put(buf)
		return
	}
	start := 0
	for _, end := range ends {
		w.put(buf[start:end])
		start = end
	}
}

// put makes one write(2), and notes when writing begins to fail.
func (w *Writer) put(p []byte) {
	if len(p) == 0 {
		return
	}
	w.rotate(len(p))
	var n int
	var err error
	if w.c.Dial != nil {
		err = w.send(p)
	} else if n, err = w.file.Load().Write(p); errors.Is(err, os.ErrClosed) {
		n, err = w.file.Load().Write(p) // Reopen closed the old file in between
	}
	w.size += int64(n)
	if err == nil {
		w.failing = false
		return
	}
	w.failed.Add(uint64(max(1, bytes.Count(p[n:], []byte{'\n'}))))
	w.complain(err)
}

// complain reports that writing has begun to fail.
func (w *Writer) complain(err error) {
	if !w.failing && w.c.OnError != nil {
		w.c.OnError(fmt.Errorf("write log %s: %w", w.c.Path, err))
	}
	w.failing = true
}

// Reopen opens Path again, after a log rotation has renamed the file. On an
// error the old file stays in use. A standard stream and a socket have nothing to reopen.
func (w *Writer) Reopen() error {
	if w.c.Path == "-" || w.c.Dial != nil {
		return nil
	}
	f, err := w.open()
	if err != nil {
		return err
	}
	w.mu.Lock()
	if w.closed {
		w.mu.Unlock()
		return errors.Join(ErrClosed, f.Close())
	}
	old := w.file.Swap(f)
	w.mu.Unlock()
	if err := old.Close(); err != nil {
		return fmt.Errorf("close old log: %w", err)
	}
	return nil
}

// Chown gives the file, and every later one of that name, to another user, who can then open it again. -1 leaves the user or the
// group as it is. A standard stream and a socket have no owner.
func (w *Writer) Chown(uid, gid int) error {
	if w.c.Path == "-" || w.c.Dial != nil {
		return nil
	}
	w.owner.Store(&owner{uid, gid})
	if err := w.file.Load().Chown(uid, gid); err != nil {
		return fmt.Errorf("give log %s to user %d, group %d: %w", w.c.Path, uid, gid, err)
	}
	return nil
}

// Flush waits until every record taken before it has been handed to the
// system, or until ctx ends, whose error it then returns.
func (w *Writer) Flush(ctx context.Context) error {
	stop := context.AfterFunc(ctx, func() {
		w.mu.Lock()
		defer w.mu.Unlock()
		w.idle.Broadcast()
	})
	defer stop()
	w.mu.Lock()
	defer w.mu.Unlock()
	for len(w.pending) > 0 || w.busy {
		if err := ctx.Err(); err != nil {
			return err
		}
		signal(w.full)
		w.idle.Wait()
	}
	return nil
}

// Dropped returns the number of records that found no room.
func (w *Writer) Dropped() uint64 { return w.dropped.Load() }

// Failed returns the number of records that the system refused, by their lines.
func (w *Writer) Failed() uint64 { return w.failed.Load() }

// Close writes what is pending, for two seconds at most, and closes the file.
// Further calls do nothing.
func (w *Writer) Close() error {
	w.mu.Lock()
	again := w.closed
	w.closed = true
	w.mu.Unlock()
	if again {
		return nil
	}
	close(w.stop)
	signal(w.full)
	signal(w.wake)
	timer := time.NewTimer(closeGrace)
	defer timer.Stop()
	select {
	case <-w.done:
	case <-timer.C:
		return fmt.Errorf("close log %s: its reader is stuck", w.c.Path)
	}
	if w.c.Dial != nil {
		return w.socket.close()
	}
	if w.c.Path == "-" {
		return nil
	}
	if err := w.file.Load().Close(); err != nil {
		return fmt.Errorf("close log: %w", err)
	}
	return nil
}

var _ io.WriteCloser = (*Writer)(nil)
