package logfile_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/gounicorn/gounicorn/server/logfile"
)

// open opens a log that is closed at the end of the test.
func open(t testing.TB, c logfile.Config) *logfile.Writer {
	t.Helper()
	w, err := logfile.Open(c)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = w.Close() })
	return w
}

func write(t testing.TB, w *logfile.Writer, s string) {
	t.Helper()
	if _, err := io.WriteString(w, s); err != nil {
		t.Fatal(err)
	}
}

func flush(t testing.TB, w *logfile.Writer) {
	t.Helper()
	if err := w.Flush(t.Context()); err != nil {
		t.Fatal(err)
	}
}

func read(t testing.TB, path string) string {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}

func TestRecordsOfManyWritersStayWholeAndInOrder(t *testing.T) {
	for _, batch := range []bool{false, true} {
		t.Run(fmt.Sprint("batch ", batch), func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "log")
			w := open(t, logfile.Config{Path: path, Batch: batch, Delay: time.Millisecond})
			var wg sync.WaitGroup
			for g := range 8 {
				wg.Go(func() {
					for i := range 100 {
						write(t, w, fmt.Sprintf("%d %d end\n", g, i))
					}
				})
			}
			wg.Wait()
			if err := w.Close(); err != nil {
				t.Fatal(err)
			}
			var next [8]int
			for line := range strings.SplitSeq(strings.TrimSuffix(read(t, path), "\n"), "\n") {
				var g, i int
				if n, err := fmt.Sscanf(line, "%d %d end", &g, &i); n != 2 || err != nil {
					t.Fatalf("broken record %q", line)
				}
				if i != next[g] {
					t.Fatalf("writer %d: record %d, want %d", g, i, next[g])
				}
				next[g]++
			}
			for g, n := range next {
				if n != 100 {
					t.Errorf("writer %d: %d records, want 100", g, n)
				}
			}
		})
	}
}

func TestReopenFollowsARotation(t *testing.T) {
	path := filepath.Join(t.TempDir(), "log")
	w := open(t, logfile.Config{Path: path})
	write(t, w, "one\n")
	flush(t, w)
	if err := os.Rename(path, path+".1"); err != nil {
		t.Fatal(err)
	}
	write(t, w, "two\n")
	flush(t, w)
	if err := w.Reopen(); err != nil {
		t.Fatal(err)
	}
	write(t, w, "three\n")
	flush(t, w)
	if got := read(t, path+".1"); got != "one\ntwo\n" {
		t.Errorf("old file has %q", got)
	}
	if got := read(t, path); got != "three\n" {
		t.Errorf("new file has %q", got)
	}
}

func TestReopenLosesNoRecord(t *testing.T) {
	path := filepath.Join(t.TempDir(), "log")
	w := open(t, logfile.Config{Path: path})
	done := make(chan struct{})
	go func() {
		defer close(done)
		for i := range 500 {
			write(t, w, fmt.Sprintf("%d\n", i))
		}
	}()
	for range 50 {
		if err := w.Reopen(); err != nil {
			t.Error(err)
		}
	}
	<-done
	flush(t, w)
	if got := strings.Count(read(t, path), "\n"); got != 500 || w.Failed() != 0 {
		t.Errorf("%d records, %d failed, want 500", got, w.Failed())
	}
}

func TestFailedReopenKeepsTheOldFile(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "logs")
	if err := os.Mkdir(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	w := open(t, logfile.Config{Path: filepath.Join(dir, "log")})
	if err := os.Rename(dir, dir+".moved"); err != nil {
		t.Fatal(err)
	}
	if err := w.Reopen(); err == nil {
		t.Error("reopening in a missing folder succeeds")
	}
	write(t, w, "kept\n")
	flush(t, w)
	if got := read(t, filepath.Join(dir+".moved", "log")); got != "kept\n" {
		t.Errorf("old file has %q", got)
	}
}

// stuckPipe returns a log whose reader does not read, with one record of the
// pipe's whole size on its way, so that the goroutine is blocked in write(2).
func stuckPipe(t *testing.T, buffer int) (*logfile.Writer, *os.File) {
	t.Helper()
	r, out, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = r.Close(); _ = out.Close() })
	w := open(t, logfile.Config{Path: "-", Std: out, Buffer: buffer, Batch: true})
	write(t, w, strings.Repeat("x", buffer-1)+"\n")
	return w, r
}

func TestStuckReaderBlocksNobody(t *testing.T) {
	const buffer = 1 << 20 // more than a pipe holds
	w, r := stuckPipe(t, buffer)
	one := make([]byte, 1)
	if _, err := io.ReadFull(r, one); err != nil { // the goroutine is in write(2) now and cannot finish it
		t.Fatal(err)
	}
	record := strings.Repeat("y", 1000) + "\n"
	accepted := 0
	for w.Dropped() == 0 {
		if _, err := io.WriteString(w, record); err == nil {
			accepted++
		} else if !errors.Is(err, logfile.ErrDropped) {
			t.Fatal(err)
		}
	}
	if want := buffer / len(record); accepted != want {
		t.Errorf("%d records accepted, want %d", accepted, want)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := w.Flush(ctx); !errors.Is(err, context.Canceled) {
		t.Errorf("Flush of a stuck log: %v, want %v", err, context.Canceled)
	}
	read := make(chan int64)
	go func() {
		n, _ := io.Copy(io.Discard, io.LimitReader(r, int64(buffer-1+accepted*len(record))))
		read <- n
	}()
	if n := <-read; n != int64(buffer-1+accepted*len(record)) {
		t.Errorf("%d bytes arrived", n)
	}
	if err := w.Close(); err != nil {
		t.Errorf("Close: %v", err)
	}
}

func TestCloseDoesNotWaitForAStuckReaderForever(t *testing.T) {
	t.Parallel() // it takes the whole of the grace
	w, _ := stuckPipe(t, 1<<20)
	if err := w.Close(); err == nil {
		t.Error("Close of a stuck log succeeds")
	}
}

func TestWritingFailsOnceLoudly(t *testing.T) {
	r, out, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	failures := make(chan error, 10)
	w := open(t, logfile.Config{Path: "-", Std: out, OnError: func(err error) { failures <- err }})
	if err := r.Close(); err != nil {
		t.Fatal(err)
	}
	for range 3 {
		write(t, w, "lost\n")
		flush(t, w)
	}
	if len(failures) != 1 || w.Failed() != 3 {
		t.Errorf("%d reports and %d failures, want 1 and 3", len(failures), w.Failed())
	}
}

func TestClosedLog(t *testing.T) {
	path := filepath.Join(t.TempDir(), "log")
	w := open(t, logfile.Config{Path: path, Batch: true, Delay: time.Hour})
	write(t, w, "waits for company\n")
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	if got := read(t, path); got != "waits for company\n" {
		t.Errorf("file has %q", got)
	}
	if _, err := w.Write([]byte("x\n")); !errors.Is(err, logfile.ErrClosed) {
		t.Errorf("Write: %v", err)
	}
	if err := w.Reopen(); !errors.Is(err, logfile.ErrClosed) {
		t.Errorf("Reopen: %v", err)
	}
	if err := w.Close(); err != nil {
		t.Errorf("second Close: %v", err)
	}
}

func TestOpenErrors(t *testing.T) {
	if _, err := logfile.Open(logfile.Config{Path: filepath.Join(t.TempDir(), "no", "log")}); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("missing folder: %v", err)
	}
	if _, err := logfile.Open(logfile.Config{Path: "-"}); err == nil {
		t.Error("no standard stream: no error")
	}
}

func TestStandardStreamStaysOpen(t *testing.T) {
	r, out, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = r.Close() }()
	w := open(t, logfile.Config{Path: "-", Std: out})
	write(t, w, "one\n")
	if err := errors.Join(w.Reopen(), w.Close()); err != nil {
		t.Fatal(err)
	}
	if _, err := out.WriteString("two\n"); err != nil {
		t.Fatal(err)
	}
	if err := out.Close(); err != nil {
		t.Fatal(err)
	}
	if got, err := io.ReadAll(r); string(got) != "one\ntwo\n" || err != nil {
		t.Errorf("read %q, %v", got, err)
	}
}

func BenchmarkWrite(b *testing.B) {
	w := open(b, logfile.Config{Path: os.DevNull, Batch: true, Delay: 20 * time.Millisecond})
	line := []byte(strings.Repeat("x", 180) + "\n")
	b.ReportAllocs()
	for b.Loop() {
		_, _ = w.Write(line)
	}
}
