package wire

import (
	"encoding/hex"
	"errors"
	"io"
	"os"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// TestSpecificationMatchesTheCode reads every table of PROTOCOL.md that carries numbers and compares it with the Go tables, both ways.
func TestSpecificationMatchesTheCode(t *testing.T) {
	text, err := os.ReadFile("PROTOCOL.md")
	if err != nil {
		t.Fatal(err)
	}
	var kindRows []named
	for _, k := range kinds {
		kindRows = append(kindRows, named{k.name, int(k.kind)})
	}
	for _, c := range []struct {
		header string
		number int // column of the number
		rows   []named
	}{
		{"| kind | number |", 1, kindRows},
		{"| limit | value |", 1, limits},
		{"| flag | bit |", 1, flags},
		{"| abort cause |", 1, aborts},
		{"| retire cause |", 1, retires},
		{"| exit cause |", 1, exits},
		{"| event | number |", 1, events},
		{"| notice | bit |", 1, notices},
		{"| level | number |", 1, levels},
		{"| state | number |", 1, states},
		{"| fork | bit |", 1, forks},
		{"| tray | bytes |", 1, tray},
	} {
		got := markdownTable(t, string(text), c.header, c.number)
		if len(got) != len(c.rows) {
			t.Errorf("%s: %d rows in PROTOCOL.md, %d in the code", c.header, len(got), len(c.rows))
		}
		for _, r := range c.rows {
			if v, ok := got[r.name]; !ok || v != r.value {
				t.Errorf("%s %s: PROTOCOL.md says %d, the code %d", c.header, r.name, v, r.value)
			}
		}
	}
	if !strings.Contains(string(text), "version "+strconv.Itoa(Version)) {
		t.Errorf("PROTOCOL.md does not name version %d", Version)
	}
}

func markdownTable(t *testing.T, text, header string, column int) map[string]int {
	t.Helper()
	_, rest, ok := strings.Cut(text, "\n"+header)
	if !ok {
		t.Fatalf("no table %q in PROTOCOL.md", header)
	}
	rows := map[string]int{}
	for i, line := range strings.Split(rest, "\n") {
		if i < 2 { // rest of the header line and the rule
			continue
		}
		if !strings.HasPrefix(line, "|") {
			break
		}
		cells := strings.Split(strings.Trim(line, "| "), "|")
		n, err := strconv.Atoi(strings.TrimSpace(cells[column]))
		if err != nil {
			t.Fatalf("%s: %q: %v", header, line, err)
		}
		rows[strings.TrimSpace(cells[0])] = n
	}
	return rows
}

func TestWorkedExampleParses(t *testing.T) {
	text, err := os.ReadFile("PROTOCOL.md")
	if err != nil {
		t.Fatal(err)
	}
	_, example, _ := strings.Cut(string(text), "## Worked example")
	var digits strings.Builder
	for _, line := range strings.Split(example, "\n") {
		if m := regexp.MustCompile(`^((?:[0-9a-f]+ )*[0-9a-f]+)  +`).FindStringSubmatch(line); m != nil {
			digits.WriteString(strings.ReplaceAll(m[1], " ", ""))
		}
	}
	packet, err := hex.DecodeString(digits.String())
	if err != nil {
		t.Fatal(err)
	}
	h, payload, err := ParsePacket(packet)
	if err != nil {
		t.Fatal(err)
	}
	want := Header{Length: uint32(len(payload)), Kind: KindRequest, Aux: 2, A: 7, B: 42}
	if h != want {
		t.Errorf("header = %+v, want %+v", h, want)
	}
}

func TestPacketsCarryDescriptors(t *testing.T) {
	local, remote, err := SocketPair(unix.SOCK_SEQPACKET, "test")
	if err != nil {
		t.Fatal(err)
	}
	a, b := NewPackets(local), NewPackets(remote)
	defer a.Close()
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	if err := a.Send(Header{Kind: KindFork, Aux: 4, A: 9}, []byte("payload"), int(w.Fd())); err != nil {
		t.Fatal(err)
	}
	w.Close()
	h, payload, files, err := b.Receive()
	if err != nil {
		t.Fatal(err)
	}
	if h.Kind != KindFork || h.Aux != 4 || h.A != 9 || string(payload) != "payload" || len(files) != 1 {
		t.Fatalf("got %+v %q and %d files", h, payload, len(files))
	}
	if flags, err := unix.FcntlInt(files[0].Fd(), unix.F_GETFD, 0); err != nil || flags&unix.FD_CLOEXEC == 0 {
		t.Errorf("received descriptor is not CLOEXEC (%v)", err)
	}
	io.WriteString(files[0], "x")
	files[0].Close()
	if got, _ := io.ReadAll(r); string(got) != "x" {
		t.Errorf("the pipe gave %q", got)
	}
	b.Close()
	if _, _, _, err := a.Receive(); !errors.Is(err, io.EOF) {
		t.Errorf("after the peer closed: %v, want io.EOF", err)
	}
}

func TestStreamReturnsFramesHoweverTheyAreCut(t *testing.T) {
	var bytes []byte
	add := func(k Kind, size int) {
		bytes = AppendHeader(bytes, Header{Kind: k, Length: uint32(size), A: uint32(size)})
		bytes = append(bytes, make([]byte, size)...)
	}
	sizes := []int{0, 1, 100, streamBuffer - HeaderSize, streamBuffer, 3 * streamBuffer, 5}
	for _, n := range sizes {
		add(KindBody, n)
	}
	for _, cut := range []int{1, 7, 16, 17, 65536, len(bytes)} {
		if cut < 16 && testing.Short() {
			continue
		}
		local, remote, err := SocketPair(unix.SOCK_STREAM, "test")
		if err != nil {
			t.Fatal(err)
		}
		s, err := NewStream(local)
		if err != nil {
			t.Fatal(err)
		}
		go func() {
			defer remote.Close()
			for rest := bytes; len(rest) > 0; {
				n := min(cut, len(rest))
				if _, err := remote.Write(rest[:n]); err != nil {
					return
				}
				rest = rest[n:]
			}
		}()
		for _, n := range sizes {
			h, payload, _, err := s.Next()
			if err != nil || int(h.A) != n || len(payload) != n {
				t.Fatalf("cut %d: frame of %d: got %+v, %d bytes, %v", cut, n, h, len(payload), err)
			}
		}
		if _, _, _, err := s.Next(); !errors.Is(err, io.EOF) {
			t.Errorf("cut %d: at the end: %v", cut, err)
		}
		s.Close()
	}
}

func TestStreamRefusesWhatBreaksTheProtocol(t *testing.T) {
	for name, frame := range map[string][]byte{
		"too long":                AppendHeader(nil, Header{Kind: KindBody, Length: MaxFrame + 1}),
		"kind of another channel": AppendHeader(nil, Header{Kind: KindFork}),
		"unknown kind":            AppendHeader(nil, Header{Kind: 200}),
		"file without descriptor": append(AppendHeader(nil, Header{Kind: KindFile, Length: 16}), make([]byte, 16)...),
		"printed text":            []byte("hello, this is print() on the wrong descriptor"),
	} {
		local, remote, err := SocketPair(unix.SOCK_STREAM, "test")
		if err != nil {
			t.Fatal(err)
		}
		s, _ := NewStream(local)
		remote.Write(frame)
		if _, _, _, err := s.Next(); !errors.Is(err, ErrProtocol) {
			t.Errorf("%s: %v, want ErrProtocol", name, err)
		}
		remote.Close()
		s.Close()
	}
}

// TestDrainEndsAStreamSomebodyHoldsOpen is the case of a worker that died and left a forked child with its descriptors (row 54).
func TestDrainEndsAStreamSomebodyHoldsOpen(t *testing.T) {
	local, remote, err := SocketPair(unix.SOCK_STREAM, "test")
	if err != nil {
		t.Fatal(err)
	}
	defer remote.Close()
	s, _ := NewStream(local)
	defer s.Close()
	remote.Write(append(AppendHeader(nil, Header{Kind: KindBody, Length: 4}), "last"...))
	s.Drain()
	if _, payload, _, err := s.Next(); err != nil || string(payload) != "last" {
		t.Fatalf("what the dead worker had written: %q, %v", payload, err)
	}
	if _, _, _, err := s.Next(); !errors.Is(err, io.EOF) {
		t.Errorf("then %v, want io.EOF", err)
	}
}

func TestSlotStartsAtMostOnce(t *testing.T) {
	s, err := NewScoreboard(4)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	s.Queue(2, 7)
	start := func(worker uint32) bool {
		return s.CompareAndSwap(2, MakeWord(7, SlotQueued, 0), MakeWord(7, SlotRunning, worker))
	}
	if !start(11) || start(12) {
		t.Error("a packet sent twice must start once")
	}
	if w := s.Load(2); w.Worker() != 11 || w.State() != SlotRunning || w.Generation() != 7 {
		t.Errorf("word = %x", w)
	}
	s.Free(2, 7)
	s.Queue(2, 8)
	if start(13) {
		t.Error("a packet of an older generation started")
	}
}

func FuzzPacket(f *testing.F) {
	f.Add(AppendHeader(nil, Header{Kind: KindStop}))
	f.Add(append(AppendHeader(nil, Header{Kind: KindRequest, Length: 3}), 1, 2, 3))
	f.Fuzz(func(t *testing.T, p []byte) {
		h, payload, err := ParsePacket(p)
		if err != nil {
			return
		}
		again := append(AppendHeader(nil, h), payload...)
		if string(again) != string(p) {
			t.Fatalf("%x parsed to %+v and back to %x", p, h, again)
		}
	})
}

func FuzzStream(f *testing.F) {
	f.Add(append(AppendHeader(nil, Header{Kind: KindHead, Length: 3}), 1, 2, 3))
	f.Fuzz(func(t *testing.T, p []byte) {
		local, remote, err := SocketPair(unix.SOCK_STREAM, "fuzz")
		if err != nil {
			t.Fatal(err)
		}
		s, _ := NewStream(local)
		go func() { remote.Write(p); remote.Close() }()
		total := 0
		for {
			_, payload, _, err := s.Next()
			if err != nil {
				break
			}
			if total += HeaderSize + len(payload); total > len(p) {
				t.Fatal("read more than was written")
			}
		}
		remote.Close()
		s.Close()
	})
}
