package prefork

import (
	"bytes"
	"encoding/binary"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/gounicorn/gounicorn/prefork/wire"
	"golang.org/x/sys/unix"
)

// borrower lends conn, or nothing, and keeps what it is told.
type borrower struct {
	t *testing.T
	sink
	conn  *os.File
	asks  bool // for the loan at all
	sent  int
	rest  []byte
	err   error
	loans int
}

func (b *borrower) Loan(_ wire.Header, payload []byte, loan *Loan) error {
	if string(payload) != "head" {
		b.t.Errorf("the head is %q", payload)
	}
	b.loans++
	if !b.asks {
		return nil
	}
	fd := -1
	if b.conn != nil {
		fd = int(b.conn.Fd())
	}
	if b.err = loan.Lend(fd); b.err != nil {
		return nil
	}
	sent, rest, err := loan.Back()
	b.sent, b.rest, b.err = sent, bytes.Clone(rest), err
	return nil
}

// lent is a worker thread that the test plays: it has sent a HEAD with LOAN.
type lent struct {
	t      *testing.T
	stream *os.File
	d      *dispatcher
	w      *worker
	tray   *wire.Tray
	job    *Job
	logged []string
}

// TestLoan plays a worker for each way in which a loan may go.
func TestLoan(t *testing.T) {
	const size = 300_000
	body := bytes.Repeat([]byte("z"), size)
	mark := func(l *lent, piece []byte) []byte {
		m, ok := l.tray.Put(piece)
		if !ok {
			l.t.Fatal("no place is free")
		}
		return m
	}
	for name, c := range map[string]struct {
		answer func(l *lent, fd int) // after LEND
		sent   int
		rest   []byte
		fails  string // what is logged of the worker, which is killed; empty: nothing
		lost   bool
	}{
		"all taken": {sent: size, answer: func(l *lent, fd int) { l.write(fd, body); l.back(0, size, nil) }},
		"nothing":   {rest: body, answer: func(l *lent, _ int) { l.back(wire.FlagTray, 0, mark(l, body)) }},
		"a part": {sent: 1000, rest: body[1000:], answer: func(l *lent, fd int) {
			l.write(fd, body[:1000])
			l.back(wire.FlagTray, 1000, mark(l, body[1000:]))
		}},
		"a part by the stream": {sent: size - 5, rest: body[:5], answer: func(l *lent, fd int) {
			l.write(fd, body[5:])
			l.back(0, size-5, body[:5])
		}},
		"it dies": {lost: true, answer: func(l *lent, _ int) { _ = l.stream.Close() }},
		"it dies in the middle": {lost: true, answer: func(l *lent, _ int) {
			l.frame(wire.Header{Kind: wire.KindReturn}, []byte("ab"), 10)
			_ = l.stream.Close()
		}},
		"too little": {lost: true, fails: "1 sent and 2 left", answer: func(l *lent, _ int) { l.back(0, 1, body[:2]) }},
		"too much":   {lost: true, fails: "300001 sent", answer: func(l *lent, _ int) { l.back(0, size+1, nil) }},
		"a place that does not exist": {lost: true, fails: "on place 9", answer: func(l *lent, _ int) {
			l.back(wire.FlagTray, 0, []byte("\x09\x00\x00\x00\xe0\x93\x04\x00"))
		}},
		"another slot":   {lost: true, fails: "in place of", answer: func(l *lent, _ int) { l.frame(wire.Header{Kind: wire.KindReturn, A: 77}, make([]byte, 4), 4) }},
		"another answer": {lost: true, fails: "BODY of 4 bytes", answer: func(l *lent, _ int) { l.frame(wire.Header{Kind: wire.KindBody}, make([]byte, 4), 4) }},
		"an empty one":   {lost: true, fails: "RETURN of 0 bytes", answer: func(l *lent, _ int) { l.frame(wire.Header{Kind: wire.KindReturn}, nil, 0) }},
	} {
		t.Run(name, func(t *testing.T) {
			near, far, err := wire.SocketPair(unix.SOCK_STREAM, "client")
			if err != nil {
				t.Fatal(err)
			}
			defer near.Close()
			defer far.Close()
			_ = unix.SetsockoptInt(int(near.Fd()), unix.SOL_SOCKET, unix.SO_SNDBUF, 4<<20)
			to := &borrower{conn: near, asks: true}
			l, over := borrow(t, to, size)
			fd := l.lend()
			if fd < 0 {
				t.Fatal("no connection came")
			}
			c.answer(l, fd)
			_ = unix.Close(fd)
			over()
			if l.d.job(l.job.slot, l.job.generation) != nil {
				t.Error("the request is not over")
			}
			if (to.err != nil) != c.lost || (!c.lost && (to.sent != c.sent || !bytes.Equal(to.rest, c.rest))) {
				t.Errorf("%d sent, %d left, %v", to.sent, len(to.rest), to.err)
			}
			l.wantLogged(c.fails)
			for range wire.TrayPlaces {
				if _, ok := l.tray.Put(body); !ok && !c.lost {
					t.Error("a place was not given back")
				}
			}
		})
	}
}

func TestLoanNobodyWantsIsSettled(t *testing.T) {
	to := &borrower{}
	l, over := borrow(t, to, 5)
	if fd := l.lend(); fd >= 0 {
		t.Error("a connection came")
	}
	l.back(0, 0, []byte("abcde"))
	l.stream.Close()
	over()
	l.wantLogged("")
	if to.loans != 1 {
		t.Errorf("told %d times", to.loans)
	}
}

func TestLoanWithoutLeaveBreaksTheProtocol(t *testing.T) {
	for name, c := range map[string]struct {
		flags   uint8
		may     bool
		payload string
		fails   string
	}{
		"no leave":       {wire.FlagLoan | wire.FlagEnd, false, "\x05\x00\x00\x00", "none to give"},
		"of a part":      {wire.FlagLoan, true, "\x05\x00\x00\x00", "a part of a body"},
		"no length":      {wire.FlagLoan | wire.FlagEnd, true, "\x05\x00", "payload of 2 bytes"},
		"more than most": {wire.FlagLoan | wire.FlagEnd, true, "\x01\x00\x10\x00", "1048577 bytes"},
		"never asked":    {0, true, "", "RETURN"},
	} {
		t.Run(name, func(t *testing.T) {
			to := &borrower{}
			l, over := play(t, to, c.may)
			kind := wire.KindHead
			if c.flags == 0 {
				kind = wire.KindReturn
			}
			l.frame(wire.Header{Kind: kind, Flags: c.flags}, []byte(c.payload), len(c.payload))
			over()
			l.wantLogged(c.fails)
			if to.loans != 0 {
				t.Error("the sink was told")
			}
		})
	}
}

// A worker that is stopped while it has a connection is found as one that never says END.
func TestLoanThatIsNotGivenBackEndsTheWorker(t *testing.T) {
	to := &borrower{asks: true}
	l, over := borrow(t, to, 5)
	l.lend()
	d := l.d
	d.board.CompareAndSwap(l.job.slot, d.board.Load(l.job.slot), wire.MakeWord(l.job.generation, wire.SlotDone, 1))
	now := time.Now()
	if strays := d.sweep(now).strays; len(strays) != 0 {
		t.Fatalf("%+v at once", strays)
	}
	if strays := d.sweep(now.Add(doneWait + time.Second)).strays; len(strays) != 1 || strays[0].ended || strays[0].worker != 1 {
		t.Errorf("%+v, want the worker to be ended, and the request to end with it", strays)
	}
	_ = l.stream.Close()
	over()
	if to.err == nil {
		t.Error("the body is not lost")
	}
	if d.job(l.job.slot, l.job.generation) != nil {
		t.Error("the request is not over")
	}
}

// borrow is play with a HEAD that keeps size bytes back.
func borrow(t *testing.T, to *borrower, size uint32) (*lent, func()) {
	t.Helper()
	l, over := play(t, to, true)
	payload := binary.LittleEndian.AppendUint32([]byte("head"), size)
	l.frame(wire.Header{Kind: wire.KindHead, Flags: wire.FlagEnd | wire.FlagLoan, Aux: 200}, payload, len(payload))
	return l, over
}

// play begins a request with a worker thread that the test plays. over waits until the master has read all that the thread sends, or has left it.
func play(t *testing.T, to *borrower, may bool) (*lent, func()) {
	t.Helper()
	l := &lent{t: t}
	b := newBench(t, 1, func(cfg *Config) {
		cfg.Log = func(_, _ int, text string) { l.logged = append(l.logged, text) }
	})
	to.t = t
	l.job = &Job{Payload: make([]byte, 8), Sink: to, Loan: may}
	b.d.submit(l.job)
	h, _, _, err := b.in.Receive()
	if err != nil || !b.d.board.CompareAndSwap(h.A, wire.MakeWord(h.B, wire.SlotQueued, 0), wire.MakeWord(h.B, wire.SlotRunning, 1)) {
		t.Fatal("did not start", err)
	}
	if told := h.Flags&wire.FlagLoan != 0; told != may {
		t.Errorf("the worker is told that it may borrow: %v, want %v", told, may)
	}
	local, remote, err := wire.SocketPair(unix.SOCK_STREAM, "stream")
	if err != nil {
		t.Fatal(err)
	}
	s, err := wire.NewStream(local)
	if err != nil {
		t.Fatal(err)
	}
	tray, shared, err := wire.NewTray()
	if err != nil {
		t.Fatal(err)
	}
	_ = shared.Close()
	l.stream, l.tray, l.d = remote, tray, b.d
	l.w = &worker{id: 1, g: b.g, tray: tray, gone: make(chan struct{})}
	done := make(chan struct{})
	go func() {
		defer close(done)
		l.w.readStream(b.d, s, nil)
	}()
	t.Cleanup(func() { _ = remote.Close(); <-done; tray.Close() })
	return l, func() {
		_ = unix.Shutdown(int(remote.Fd()), unix.SHUT_WR)
		<-done
	}
}

// frame sends a frame of the request's, whose length may be a lie.
func (l *lent) frame(h wire.Header, payload []byte, length int) {
	l.t.Helper()
	if h.A == 0 {
		h.A = l.job.slot
	}
	h.B, h.Length = l.job.generation, uint32(length)
	if _, err := l.stream.Write(append(wire.AppendHeader(nil, h), payload...)); err != nil {
		l.t.Fatal(err)
	}
}

// back sends RETURN.
func (l *lent) back(flags uint8, sent int, rest []byte) {
	l.t.Helper()
	payload := append(binary.LittleEndian.AppendUint32(nil, uint32(sent)), rest...)
	l.frame(wire.Header{Kind: wire.KindReturn, Flags: flags}, payload, len(payload))
}

// lend takes LEND and returns the connection, or -1.
func (l *lent) lend() int {
	l.t.Helper()
	frame, control := make([]byte, 100), make([]byte, 100)
	_ = unix.SetNonblock(int(l.stream.Fd()), false)
	n, controls, _, _, err := unix.Recvmsg(int(l.stream.Fd()), frame, control, unix.MSG_CMSG_CLOEXEC)
	h, ok := wire.ParseHeader(frame[:max(n, 0)])
	if err != nil || !ok || n != wire.HeaderSize || h != (wire.Header{Kind: wire.KindLend, A: l.job.slot, B: l.job.generation}) {
		l.t.Fatalf("got %d bytes, %+v, %v", n, h, err)
	}
	messages, _ := unix.ParseSocketControlMessage(control[:controls])
	if len(messages) == 0 {
		return -1
	}
	fds, err := unix.ParseUnixRights(&messages[0])
	if err != nil || len(fds) != 1 {
		l.t.Fatal(fds, err)
	}
	return fds[0]
}

func (l *lent) write(fd int, p []byte) {
	l.t.Helper()
	if n, err := unix.Write(fd, p); err != nil || n != len(p) {
		l.t.Fatalf("wrote %d of %d, %v", n, len(p), err)
	}
}

// wantLogged checks what is said of the worker: one line with the text, or nothing.
func (l *lent) wantLogged(text string) {
	l.t.Helper()
	if text == "" && len(l.logged) > 0 || text != "" && (len(l.logged) != 1 || !strings.Contains(l.logged[0], text)) {
		l.t.Errorf("logged %q, want %q", l.logged, text)
	}
}
