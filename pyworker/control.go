//go:build cgo

package pyworker

// #include "gp_worker.h"
// #include "gounicorn_py.h"
import "C"

import (
	"errors"
	"io"
	"os"
	"strings"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"

	"github.com/gounicorn/gounicorn/prefork/wire"
)

const (
	firstPoke = 5 * time.Millisecond // a thread may miss a wake while it is going to wait
	lastPoke  = 250 * time.Millisecond
	gilWait   = 250 * time.Millisecond // for the stacks of a moving process; one that is stuck is looked at as it is
)

// control is the worker's end of its control socket. Its methods may be called from any goroutine.
type control struct {
	packets *wire.Packets
	worker  uint32
	grace   time.Duration
	stopped atomic.Bool   // STOP came, or the master has gone
	edited  atomic.Bool   // STOP came since a developer has changed a file
	served  chan struct{} // closed when the serve loop may have threads
}

func newControl(packets *wire.Packets, id identity) *control {
	return &control{packets: packets, worker: id.worker, served: make(chan struct{})}
}

// run answers the master until it closes the socket; then it ends the process, at the latest after the grace. It needs no GIL.
func (c *control) run() {
	for {
		h, _, files, err := c.packets.Receive()
		if h.Kind == wire.KindThread && len(files) == 1 {
			go c.addThread(h.A, files[0])
			continue
		}
		for _, f := range files {
			_ = f.Close() // no other packet to a worker carries any
		}
		switch {
		case errors.Is(err, io.EOF):
			go c.stop()
			time.AfterFunc(c.grace, func() { os.Exit(exitOK) })
			return
		case err != nil:
			os.Exit(exitFailed) // the application broke descriptor 3, or the master its protocol
		case h.Kind == wire.KindStop:
			c.edited.Store(h.Aux == wire.StopEdited)
			go c.stop()
		case h.Kind == wire.KindInterrupt:
			go c.interrupt(h.A, h.B)
		case h.Kind == wire.KindPing:
			c.send(wire.KindPong, 0, 0, nil)
		case h.Kind == wire.KindDump:
			c.send(wire.KindStacks, 0, 0, []byte(stacks()))
		}
	}
}

// stop makes the serving threads leave after what they run, and returns when all have left. RETIRING is sent by the last of them.
func (c *control) stop() {
	c.stopped.Store(true)
	pause := firstPoke
	for left := C.gp_stop(); left != 0; left = C.gp_stop_poke() {
		time.Sleep(pause)
		pause = min(2*pause, lastPoke)
	}
}

// interrupt raises SoftTimeout in the thread that runs this request, if one does. It waits for the GIL.
func (c *control) interrupt(slot, generation uint32) {
	pause := firstPoke
	for C.gp_interrupt(C.uint32_t(slot), C.uint32_t(generation)) != 0 {
		time.Sleep(pause)
		pause = min(2*pause, lastPoke)
	}
}

// configured is called between configure, which forgets an earlier gp_stop, and serve.
func (c *control) configured() {
	if c.stopped.Load() {
		C.gp_stop()
	}
}

// stacks returns the Python stacks of all threads. While Python code runs, the GIL keeps the stacks still; when a thread does not
// give it up, nothing moves, and they are read without it.
func stacks() string {
	done := make(chan C.int, 1)
	go func() { done <- C.gp_stacks_dump(true) }()
	var result C.int
	select {
	case result = <-done:
	case <-time.After(gilWait):
		result = C.gp_stacks_dump(false)
	}
	if result != 0 {
		return "no stacks: the application took the signal that writes them\n"
	}
	text := make([]byte, wire.MaxPacket-wire.HeaderSize)
	n, err := unix.Pread(int(C.gp_stacks_fd()), text, 0)
	if err != nil {
		return "no stacks: " + err.Error() + "\n"
	}
	return withoutEmpty(string(text[:n]))
}

// withoutEmpty removes the threads that run no Python: those of Go that asked.
func withoutEmpty(text string) string {
	var kept []string
	for _, block := range strings.Split(text, "\n\n") {
		if !strings.HasSuffix(strings.TrimSpace(block), "<no Python frame>") {
			kept = append(kept, block)
		}
	}
	return strings.Join(kept, "\n\n")
}

// finishing bounds the rest of the process's life.
func (c *control) finishing(bound time.Duration, code int) {
	time.AfterFunc(bound, func() {
		c.log(wire.LevelWarning, "exit functions or threads of the application still run after "+bound.String()+": ended")
		os.Exit(code)
	})
}

// ready is called once, before serve.
func (c *control) ready(gil bool) {
	var noGIL uint16
	if !gil {
		noGIL = 1
	}
	close(c.served)
	c.send(wire.KindReady, noGIL, uint32(os.Getpid()), nil)
}

// addThread makes one more thread serve, on the stream which it takes over. It waits for the GIL.
func (c *control) addThread(index uint32, stream *os.File) {
	<-c.served
	fd, err := unix.FcntlInt(stream.Fd(), unix.F_DUPFD_CLOEXEC, 0)
	_ = stream.Close() // os.File would close it when it is collected
	if err != nil {
		c.log(wire.LevelError, "no more descriptors for a spare thread: "+err.Error())
		return
	}
	if C.gp_add_thread(C.uint32_t(index), C.int(fd)) != 0 {
		_ = unix.Close(fd)
		c.log(wire.LevelError, "a spare thread cannot be started")
	}
}

func (c *control) bootFailed(code int, text string) {
	c.send(wire.KindBootFailed, uint16(code), 0, []byte(text))
}

func (c *control) log(level uint16, text string) {
	c.send(wire.KindLog, level, 0, []byte(text))
}

// send sends one packet, its text cut to what fits. That the master has gone is noticed by run, not here.
func (c *control) send(kind wire.Kind, aux uint16, b uint32, text []byte) {
	if room := wire.MaxPacket - wire.HeaderSize; len(text) > room {
		text = text[:room]
	}
	_ = c.packets.Send(wire.Header{Kind: kind, Aux: aux, A: c.worker, B: b}, text)
}
