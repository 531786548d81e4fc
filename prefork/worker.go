package prefork

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/gounicorn/gounicorn/prefork/wire"
	"golang.org/x/sys/unix"
)

type workerState uint8

const (
	booting workerState = iota
	ready
	retiring
	dead
)

// worker is one process. The supervisor owns it; the goroutines that read its sockets know only what they were given at start, the
// atomics, and the channel gone.
type worker struct {
	id      uint32
	g       *generation
	seat    *seat
	state   workerState
	pid     int
	pidfd   *os.File
	control *wire.Packets
	streams []*wire.Stream // by thread; nil: there is none
	tray    *wire.Tray     // used by the readers
	readers sync.WaitGroup // stream readers
	pumps   sync.WaitGroup // output pumps
	born    chan struct{}  // closed when its pid is known
	gone    chan struct{}  // closed when the process is known to be dead
	started time.Time
	since   time.Time // when it became ready

	due      bool          // it has served its share
	unwanted bool          // somebody has asked for another one in its place
	lifetime time.Duration // after which it is replaced; 0: never
	memory   int64         // bytes (PSS) that it had when last measured; 0: not measured
	loaded   int64         // and when it was measured first

	overflow      bool      // forked because slow requests held all others
	noGIL         bool      // all its threads compute
	computing     int       // its threads that read the generation's queue
	spare         int       // those that read its own
	joining       bool      // a thread was asked for and has not said HELLO
	leaving       int       // threads that were told to leave and have not yet
	threadsSince  time.Time // when the number of its threads was last looked at
	noThreadUntil time.Time // it could not start one

	cause     Cause  // why it is retiring or was killed
	killed    string // why we sent SIGKILL, a sentence; empty: we did not
	killer    string // who else may have, a sentence; empty: nobody has looked
	starved   bool   // that was the kernel, for memory
	guilty    *Job   // the request it was killed for
	failure   Failure
	dumping   bool
	curious   []chan string // who asked for its stacks, see Pool.Stacks
	pinged    bool          // it has not answered yet
	aborted   bool          // it was sent SIGABRT
	dismissed bool          // we told it to leave
	sudden    bool          // it is dead and had not begun to leave
	before    workerState   // when it died
	age       time.Duration // how long it had been ready by then
	poisoned  bool          // it died of a request, and others it had answered
	bootError *BootError
	status    *syscall.WaitStatus // from the zygote
	drained   bool                // its streams have ended
	proven    bool                // it has served for provenAfter
	deadline  time.Time           // when retiring or booting must be over; zero: never
	broken    atomic.Bool         // it broke the protocol
	useful    atomic.Bool         // it has answered a request
	pidNow    atomic.Int64        // pid, for the goroutines
}

// BootError says why the application could not be loaded.
type BootError struct {
	Code int    // exit code for the master: 3 the application failed, 4 it was not found
	PID  int    // process that tried
	Text string // one sentence, then the traceback when there is one
	Told bool   // Config.Log has had it already
}

// Error returns the text.
func (e *BootError) Error() string { return e.Text }

// signal sends a signal to exactly this process.
func (w *worker) signal(sig unix.Signal) {
	if w.pidfd != nil && w.state != dead {
		_ = w.pidfdControl(func(fd int) { _ = unix.PidfdSendSignal(fd, sig, nil, 0) })
	}
}

func (w *worker) pidfdControl(f func(fd int)) error {
	raw, err := w.pidfd.SyscallConn()
	if err != nil {
		return err
	}
	return raw.Control(func(fd uintptr) { f(int(fd)) })
}

// awaitExit blocks until the process is dead.
func awaitExit(pidfd *os.File) error {
	raw, err := pidfd.SyscallConn()
	if err != nil {
		return err
	}
	return raw.Read(func(fd uintptr) bool {
		poll := []unix.PollFd{{Fd: int32(fd), Events: unix.POLLIN}}
		n, err := unix.Poll(poll, 0)
		return n > 0 || (err != nil && err != unix.EINTR)
	})
}

// threads is how many it has.
func (w *worker) threads() int { return w.computing + w.spare }

// readStream passes the frames of one serving thread on to the jobs they belong to, until the stream ends. joined is called when the
// thread says HELLO; it may be nil.
func (w *worker) readStream(d *dispatcher, s *wire.Stream, joined func()) {
	defer s.Close()
	loan := &Loan{w: w, s: s}
	owed := false // a job ended and nothing was sent in its place yet
	for {
		if owed && !s.Buffered() {
			d.next()
			owed = false
		}
		h, payload, file, err := s.Next()
		if err != nil {
			if !hasGone(err) {
				w.breakOff(d, err)
			}
			return
		}
		if h.Kind == wire.KindHello {
			if h.Aux != wire.Version {
				w.breakOff(d, fmt.Errorf("worker speaks protocol %d, master %d", h.Aux, wire.Version))
				return
			}
			if joined != nil {
				joined()
			}
			continue
		}
		j := d.job(h.A, h.B)
		if j == nil || !w.runs(d, j) || !j.take(h.A, h.B, w.id) {
			if file != nil {
				_ = file.Close()
			}
			w.breakOff(d, fmt.Errorf("%w: %v for slot %d, generation %d, which this worker does not run", wire.ErrProtocol, h.Kind, h.A, h.B))
			return
		}
		more := s.Buffered()
		if err := w.deliver(d, j, loan, h, payload, file, more); err != nil {
			if !hasGone(err) {
				w.breakOff(d, err)
			}
			return
		}
		owed = owed || more
	}
}

// hasGone reports whether an error of a stream says no more than that the worker has gone.
func hasGone(err error) bool {
	return errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, unix.EPIPE) || errors.Is(err, unix.ECONNRESET)
}

// runs checks with the scoreboard that the job is this worker's, so that a frame can never reach another request.
func (w *worker) runs(d *dispatcher, j *Job) bool {
	word := d.board.Load(j.slot)
	return word.Worker() == w.id && word.Generation() == j.generation
}

func (w *worker) deliver(d *dispatcher, j *Job, loan *Loan, h wire.Header, payload []byte, file *os.File, more bool) error {
	sink, body := j.Sink, []byte(nil)
	if h.Flags&wire.FlagTray != 0 {
		var place int
		var err error
		if payload, body, place, err = w.tray.Body(payload); err != nil {
			return err
		}
		defer w.tray.Free(place)
	}
	borrows := h.Kind == wire.KindHead && h.Flags&wire.FlagLoan != 0
	if last := h.End() || h.Kind == wire.KindAbort; last {
		if !w.useful.Load() {
			w.useful.Store(true)
		}
		if borrows {
			return w.grant(d, j, loan, h, payload, more)
		}
		d.over(j, h.Kind != wire.KindAbort, more) // first, so that the next request starts while this response is written
		return sink.Frame(h, payload, body, file)
	}
	if borrows {
		return fmt.Errorf("%w: a loan for a part of a body", wire.ErrProtocol)
	}
	j.answered.Store(true)
	j.activity.Store(d.now())
	if err := sink.Frame(h, payload, body, file); err != nil {
		return err
	}
	j.stalled.Store(true)
	sink.Room(w.gone)
	j.activity.Store(d.now())
	j.stalled.Store(false)
	return nil
}

// breakOff ends a worker that does not follow the protocol: its streams can no longer be trusted.
func (w *worker) breakOff(d *dispatcher, err error) {
	if !w.broken.Swap(true) {
		d.cfg.error(int(w.pidNow.Load()), fmt.Sprintf("worker broke the protocol and is killed: %v", err))
	}
	select {
	case <-w.gone:
	default:
		if pid := int(w.pidNow.Load()); pid > 0 {
			_ = w.pidfdControl(func(fd int) { _ = unix.PidfdSendSignal(fd, unix.SIGKILL, nil, 0) })
		}
	}
}

// pump passes on what a worker prints, whole lines at a time, until every holder of the pipe closed it.
func pump(r *os.File, emit func([]byte)) {
	defer r.Close()
	const most = 64 << 10 // a longer line is cut
	buf := make([]byte, 0, 4096)
	for {
		if len(buf) == cap(buf) {
			if len(buf) >= most {
				emit(append(buf, '\n'))
				buf = buf[:0]
			} else {
				buf = append(make([]byte, 0, 2*cap(buf)), buf...)
			}
		}
		n, err := r.Read(buf[len(buf):cap(buf)])
		buf = buf[:len(buf)+n]
		if i := bytes.LastIndexByte(buf, '\n'); i >= 0 {
			emit(buf[:i+1])
			buf = append(buf[:0], buf[i+1:]...)
		}
		if err != nil {
			if len(buf) > 0 {
				emit(append(buf, '\n'))
			}
			return
		}
	}
}
