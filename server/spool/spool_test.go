package spool

import (
	"bytes"
	"errors"
	"io"
	"math/rand/v2"
	"os"
	"strings"
	"testing"
	"testing/iotest"

	"golang.org/x/sys/unix"
)

func budget(t *testing.T, memory, disk int64) *Budget {
	b := &Budget{Dir: t.TempDir(), Memory: memory, Disk: disk}
	t.Cleanup(func() {
		if m, d := b.Used(); m != 0 || d != 0 {
			t.Errorf("%d bytes of memory and %d of disk were not given back", m, d)
		}
		if left, _ := os.ReadDir(b.Dir); len(left) > 0 {
			t.Errorf("files left behind: %v", left)
		}
	})
	return b
}

func random(n int) []byte {
	p := make([]byte, n)
	r := rand.NewChaCha8([32]byte{1})
	_, _ = r.Read(p)
	return p
}

func contents(t *testing.T, b *Body) []byte {
	t.Helper()
	if b.File() == nil {
		return b.Bytes()
	}
	p, err := io.ReadAll(io.NewSectionReader(b.File(), 0, b.Size()))
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func TestBodyKeepsEveryByteAtEverySize(t *testing.T) {
	for _, size := range []int{0, 1, InlineBody - 1, InlineBody, InlineBody + 1, memoryBody - 1, memoryBody, memoryBody + 1, 3*memoryBody + 7} {
		for _, announced := range []int64{int64(size), -1} {
			bud := budget(t, 64<<20, 64<<20)
			b := Body{Budget: bud}
			want := random(size)
			for range 2 { // again after Release
				if err := b.Fill(iotest.HalfReader(bytes.NewReader(want)), announced); err != nil {
					t.Fatalf("%d bytes, announced %d: %v", size, announced, err)
				}
				if got := contents(t, &b); !bytes.Equal(got, want) || b.Size() != int64(size) {
					t.Errorf("%d bytes, announced %d: got %d (Size %d)", size, announced, len(got), b.Size())
				}
				if inline := b.File() == nil; inline != (size <= InlineBody) {
					t.Errorf("%d bytes, announced %d: inline = %v", size, announced, inline)
				}
				b.Release()
			}
		}
	}
}

func TestBodyGoesToDiskWhenMemoryIsTaken(t *testing.T) {
	bud := budget(t, 40<<10, 1<<20)
	b := Body{Budget: bud}
	defer b.Release()
	want := random(300 << 10)
	if err := b.Fill(bytes.NewReader(want), -1); err != nil {
		t.Fatal(err)
	}
	if m, d := bud.Used(); m != 0 || d != int64(len(want)) {
		t.Errorf("uses %d of memory, %d of disk", m, d)
	}
	if !bytes.Equal(contents(t, &b), want) {
		t.Error("contents differ")
	}
}

func TestBodyIsRefusedWhenNothingIsLeft(t *testing.T) {
	b := Body{Budget: budget(t, 1, 100<<10)}
	if err := b.Fill(bytes.NewReader(random(200<<10)), -1); !errors.Is(err, ErrFull) {
		t.Errorf("err = %v, want ErrFull", err)
	}
	b.Release()
	missing := Body{Budget: &Budget{Dir: t.TempDir() + "/none", Memory: 0, Disk: 1 << 30}}
	if err := missing.Fill(bytes.NewReader(random(17<<20)), 17<<20); err == nil || !strings.Contains(err.Error(), "none") {
		t.Errorf("missing directory: %v", err)
	}
	missing.Release()
}

func take1(t *testing.T, b *Buffer) []byte {
	t.Helper()
	p, f, off, n, err := b.Next()
	if err != nil {
		t.Fatal(err)
	}
	if f == nil {
		return p
	}
	got, err := io.ReadAll(io.NewSectionReader(f, off, n))
	if err != nil {
		t.Fatal(err)
	}
	return got
}

func TestBufferGivesPiecesInOrderThroughMemoryAndFile(t *testing.T) {
	b := NewBuffer(budget(t, 8<<20, 64<<20))
	want := random(5 << 20)
	extra, err := os.CreateTemp(t.TempDir(), "")
	if err != nil {
		t.Fatal(err)
	}
	extra.WriteString("0123456789")
	go func() {
		r := rand.New(rand.NewPCG(1, 2))
		for rest := want; len(rest) > 0; {
			n := min(1+r.IntN(100<<10), len(rest))
			b.Append(rest[:n])
			b.Room(nil)
			rest = rest[n:]
		}
		b.AppendFile(extra, 3, 4)
		b.Append([]byte("end"))
		b.End(io.EOF)
	}()
	var got []byte
	for {
		p, f, off, n, err := b.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		if f != nil {
			p, _ = io.ReadAll(io.NewSectionReader(f, off, n))
		}
		got = append(got, p...)
	}
	if !bytes.Equal(got, append(append([]byte{}, want...), "3456end"...)) {
		t.Errorf("got %d bytes, want %d", len(got), len(want)+7)
	}
	b.Close()
}

func TestBufferMakesTheWorkerWaitWhenNothingIsLeft(t *testing.T) {
	b := NewBuffer(budget(t, 1, 100<<10))
	b.Append(random(60 << 10)) // disk
	b.Append(random(60 << 10)) // neither: the last one
	full := make(chan struct{})
	go func() { b.Room(nil); close(full) }()
	select {
	case <-full:
		t.Fatal("Room returned although memory and disk are full")
	default:
	}
	if n := len(take1(t, b)); n != 60<<10 {
		t.Errorf("first piece has %d bytes", n)
	}
	if n := len(take1(t, b)); n != 60<<10 {
		t.Errorf("second piece has %d bytes", n)
	}
	b.End(io.EOF)
	if _, _, _, _, err := b.Next(); !errors.Is(err, io.EOF) {
		t.Errorf("end: %v", err)
	}
	<-full
	b.Close()
}

func TestBufferLetsTheWorkerGoWhenTheClientLeft(t *testing.T) {
	b := NewBuffer(budget(t, 1, 1))
	b.Append([]byte("xy"))
	released := make(chan struct{})
	go func() { b.Room(nil); close(released) }()
	b.Close()
	<-released
	b.Append([]byte("dropped"))
	b.End(errors.New("cut"))
	if stop := make(chan struct{}); true {
		close(stop)
		NewBuffer(budget(t, 1, 1)).Room(stop)
	}
}

func TestBudgetOfZeroIsNoLimit(t *testing.T) {
	for _, announced := range []int64{600 << 10, 17 << 20} { // in memory, in a file
		b := Body{Budget: budget(t, 0, 0)}
		if err := b.Fill(io.LimitReader(zeros{}, announced), announced); err != nil {
			t.Errorf("%d bytes: %v", announced, err)
		}
		if memory, disk := b.Budget.Used(); memory+disk != announced || (memory > 0) != (announced < memoryBody) {
			t.Errorf("%d bytes: %d in memory, %d on disk", announced, memory, disk)
		}
		b.Release()
	}
}

type zeros struct{}

func (zeros) Read(p []byte) (int, error) {
	clear(p)
	return len(p), nil
}

// A body's memory must not become another body's while anybody can still read it.
func TestRegionIsNotUsedAgainWhileItIsRead(t *testing.T) {
	bud := budget(t, 64<<20, 0)
	first, second, third := random(100<<10), bytes.Repeat([]byte("2"), 90<<10), bytes.Repeat([]byte("3"), 80<<10)
	b := Body{Budget: bud}
	if err := b.Fill(bytes.NewReader(first), int64(len(first))); err != nil {
		t.Fatal(err)
	}
	held, err := unix.Dup(int(b.File().Fd())) // what a worker has after the descriptor was passed to it
	if err != nil {
		t.Fatal(err)
	}
	region := b.region
	b.Release()
	if err := b.Fill(bytes.NewReader(second), -1); err != nil {
		t.Fatal(err)
	}
	if b.region == region {
		t.Error("the region was used again although a descriptor of it is open")
	}
	got := make([]byte, len(first))
	if n, err := unix.Pread(held, got, 0); err != nil || !bytes.Equal(got[:n], first) {
		t.Errorf("the first body changed: %d bytes, %v", n, err)
	}
	if _, err := unix.Pwrite(held, []byte("x"), 0); err == nil {
		t.Error("a worker can write into the body")
	}
	if err := unix.Ftruncate(held, 0); err == nil {
		t.Error("a worker can take the body's memory away")
	}
	unix.Close(held)
	b.Release()
	again := Body{Budget: bud}
	defer again.Release()
	if err := b.Fill(bytes.NewReader(third), -1); err != nil {
		t.Fatal(err)
	}
	defer b.Release()
	if err := again.Fill(bytes.NewReader(third), -1); err != nil {
		t.Fatal(err)
	}
	if b.region != region && again.region != region {
		t.Error("the region was not used again although nobody reads it")
	}
	if !bytes.Equal(contents(t, &b), third) || !bytes.Equal(contents(t, &again), third) {
		t.Error("contents differ")
	}
}

func TestIdleRegionsGiveWayToBodies(t *testing.T) {
	bud := budget(t, 8<<20, 0)
	for _, size := range []int{2 << 20, 1 << 20} {
		b := Body{Budget: bud}
		if err := b.Fill(bytes.NewReader(random(size)), int64(size)); err != nil {
			t.Fatal(err)
		}
		b.Release()
		if idle := bud.regions.bytes.Load(); idle != 2<<20 {
			t.Errorf("after %d bytes: %d bytes idle", size, idle)
		}
	}
	buffer := NewBuffer(bud)
	defer buffer.Close()
	for range 4 {
		buffer.Append(random(500 << 10))
	}
	other := NewBuffer(bud)
	defer other.Close()
	bud.memory.Add(5 << 20)
	other.Append(random(100 << 10))
	bud.memory.Add(-5 << 20)
	if idle := bud.regions.bytes.Load(); idle != 0 {
		t.Errorf("%d bytes idle although the budget is used up", idle)
	}
}
