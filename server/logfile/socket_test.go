package logfile_test

import (
	"context"
	"errors"
	"net"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/gounicorn/gounicorn/server/logfile"
)

func dialer(network, address string) logfile.Dialer {
	return func(ctx context.Context) (net.Conn, error) { return new(net.Dialer).DialContext(ctx, network, address) }
}

func receive(t *testing.T, c net.Conn) string {
	t.Helper()
	_ = c.SetReadDeadline(time.Now().Add(10 * time.Second))
	b := make([]byte, 1000)
	n, err := c.Read(b)
	if err != nil {
		t.Fatal(err)
	}
	return string(b[:n])
}

func TestEachRecordIsOneDatagram(t *testing.T) {
	path := filepath.Join(t.TempDir(), "log")
	in, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: path, Net: "unixgram"})
	if err != nil {
		t.Fatal(err)
	}
	defer in.Close()
	w := open(t, logfile.Config{Path: path, Dial: dialer("unixgram", path)})
	write(t, w, "one")
	write(t, w, "two")
	if got := receive(t, in) + "," + receive(t, in); got != "one,two" {
		t.Errorf("got %s", got)
	}
}

// A receiver of datagrams that is away costs the records of that time and no waiting; its successor gets the next one.
func TestDatagramsWithoutAReceiverAreCounted(t *testing.T) {
	var complaints []error
	path := filepath.Join(t.TempDir(), "log")
	w := open(t, logfile.Config{Path: path, Dial: dialer("unixgram", path), OnError: func(err error) { complaints = append(complaints, err) }})
	write(t, w, "lost")
	write(t, w, "lost")
	flush(t, w)
	if w.Failed() != 2 || len(complaints) != 1 || !strings.Contains(complaints[0].Error(), path) {
		t.Fatalf("%d failed, complaints %v", w.Failed(), complaints)
	}
	in, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: path, Net: "unixgram"})
	if err != nil {
		t.Fatal(err)
	}
	defer in.Close()
	for failed := w.Failed() - 1; failed != w.Failed(); { // for a second nothing is tried
		failed = w.Failed()
		write(t, w, "found")
		flush(t, w)
	}
	if got := receive(t, in); got != "found" {
		t.Errorf("got %s", got)
	}
}

// With Hold nothing is lost while the receiver of a stream starts, or starts again.
func TestHeldRecordsWaitForTheReceiver(t *testing.T) {
	path := filepath.Join(t.TempDir(), "log")
	w := open(t, logfile.Config{Path: path, Dial: dialer("unix", path), Hold: true})
	write(t, w, "early")
	in, err := net.Listen("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	defer in.Close()
	c, err := in.Accept()
	if err != nil {
		t.Fatal(err)
	}
	if got := receive(t, c); got != "early" {
		t.Errorf("got %s", got)
	}
	_ = c.Close()
	write(t, w, "again")
	if c, err = in.Accept(); err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if got := receive(t, c); got != "again" {
		t.Errorf("got %s", got)
	}
}

func TestCloseGivesUpOnAReceiverThatIsAway(t *testing.T) {
	w, err := logfile.Open(logfile.Config{Path: "nowhere", Dial: dialer("unix", filepath.Join(t.TempDir(), "x")), Hold: true})
	if err != nil {
		t.Fatal(err)
	}
	write(t, w, "lost")
	if err := w.Close(); err != nil {
		t.Error(err)
	}
	if w.Failed() != 1 {
		t.Errorf("%d failed, want 1", w.Failed())
	}
}

// Captured descriptors follow the file through a rotation.
func TestCapture(t *testing.T) {
	dir := t.TempDir()
	std, err := os.CreateTemp(dir, "std")
	if err != nil {
		t.Fatal(err)
	}
	defer std.Close()
	path := filepath.Join(dir, "log")
	w := open(t, logfile.Config{Path: path, Capture: []*os.File{std}})
	_, _ = std.WriteString("printed\n")
	if err := os.Rename(path, path+".1"); err != nil {
		t.Fatal(err)
	}
	if err := w.Reopen(); err != nil {
		t.Fatal(err)
	}
	_, _ = std.WriteString("after\n")
	if old, now := read(t, path+".1"), read(t, path); old != "printed\n" || now != "after\n" {
		t.Errorf("old %q, new %q", old, now)
	}
}

func TestChownHoldsForLaterFiles(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Log("only root can give files away: our own user stands for another")
	}
	uid, gid := os.Geteuid(), os.Getegid()
	if uid == 0 {
		uid, gid = 65534, 65534
	}
	path := filepath.Join(t.TempDir(), "log")
	w := open(t, logfile.Config{Path: path})
	if err := w.Chown(uid, gid); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		info, err := os.Stat(path)
		if err != nil {
			t.Fatal(err)
		}
		if s := info.Sys().(*syscall.Stat_t); int(s.Uid) != uid || int(s.Gid) != gid {
			t.Fatalf("owner %d:%d, want %d:%d", s.Uid, s.Gid, uid, gid)
		}
		_ = os.Remove(path)
		if err := w.Reopen(); err != nil {
			t.Fatal(err)
		}
	}
}

func TestAnErrorNamesTheFix(t *testing.T) {
	_, err := logfile.Open(logfile.Config{Path: "/nonexistent/folder/x.log"})
	if !errors.Is(err, os.ErrNotExist) || !strings.Contains(err.Error(), "'/nonexistent/folder/x.log' isn't writable") ||
		!strings.Contains(err.Error(), "create the directory /nonexistent/folder") {
		t.Errorf("got %v", err)
	}
}
