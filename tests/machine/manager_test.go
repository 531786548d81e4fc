package machine

import (
	"fmt"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/gounicorn/gounicorn/tests/harness"
	"golang.org/x/sys/unix"
)

// manager is a service manager: it listens at NOTIFY_SOCKET and keeps descriptors. Its methods are safe for concurrent use.
type manager struct {
	tb   testing.TB
	path string
	conn *net.UnixConn

	mu    sync.Mutex
	told  []string         // every message
	beats int              // how many of them were WATCHDOG=1
	store map[string][]int // descriptors by FDNAME
}

func newManager(tb testing.TB) *manager {
	tb.Helper()
	m := &manager{tb: tb, path: filepath.Join(tb.TempDir(), "notify"), store: map[string][]int{}}
	var err error
	if m.conn, err = net.ListenUnixgram("unixgram", &net.UnixAddr{Name: m.path, Net: "unixgram"}); err != nil {
		tb.Fatal(err)
	}
	var reads sync.WaitGroup
	reads.Go(m.listen)
	tb.Cleanup(func() {
		m.conn.Close()
		reads.Wait()
		for name := range m.store {
			m.forget(name)
		}
	})
	return m
}

func (m *manager) listen() {
	buf, oob := make([]byte, 4096), make([]byte, 4096)
	for {
		n, oobn, _, _, err := m.conn.ReadMsgUnix(buf, oob)
		if err != nil {
			return
		}
		var fds []int
		if messages, err := unix.ParseSocketControlMessage(oob[:oobn]); err == nil {
			for _, c := range messages {
				rights, _ := unix.ParseUnixRights(&c)
				fds = append(fds, rights...)
			}
		}
		m.take(string(buf[:n]), fds)
	}
}

func (m *manager) take(text string, fds []int) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.told = append(m.told, text)
	if text == "WATCHDOG=1" {
		m.beats++
	}
	what, name, _ := strings.Cut(text, "\nFDNAME=")
	switch what {
	case "FDSTORE=1":
		for _, fd := range fds {
			if slices.ContainsFunc(m.store[name], func(other int) bool { return inode(other) == inode(fd) }) { // as systemd does
				_ = unix.Close(fd)
				continue
			}
			m.store[name] = append(m.store[name], fd)
		}
	case "FDSTOREREMOVE=1":
		m.forget(name)
	default:
		for _, fd := range fds {
			_ = unix.Close(fd)
			m.tb.Errorf("a descriptor came with %q", text)
		}
	}
}

func inode(fd int) uint64 {
	var st unix.Stat_t
	_ = unix.Fstat(fd, &st)
	return st.Ino
}

// forget closes what is kept under a name. The caller holds mu, or is alone.
func (m *manager) forget(name string) {
	for _, fd := range m.store[name] {
		_ = unix.Close(fd)
	}
	delete(m.store, name)
}

// kept returns the names of what is kept, sorted, and copies of the descriptors.
func (m *manager) kept() (names []string, files []*os.File) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for name, fds := range m.store {
		for range fds {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	for _, name := range slices.Compact(slices.Clone(names)) {
		for _, fd := range m.store[name] {
			own, err := unix.FcntlInt(uintptr(fd), unix.F_DUPFD_CLOEXEC, 0)
			if err != nil {
				m.tb.Error(err)
			}
			files = append(files, os.NewFile(uintptr(own), name))
		}
	}
	return names, files
}

// transcript is every message so far but those of the watchdog, in turn, each kind of what is repeated once.
func (m *manager) transcript() (all []string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, text := range m.told {
		if text != "WATCHDOG=1" && (len(all) == 0 || all[len(all)-1] != text) {
			all = append(all, text)
		}
	}
	return all
}

// count is how many messages contain text.
func (m *manager) count(text string) (n int) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, told := range m.told {
		if strings.Contains(told, text) {
			n++
		}
	}
	return n
}

// wait waits until n messages contain text.
func (m *manager) wait(text string, n int) {
	m.tb.Helper()
	if !harness.Poll(harness.StartBudget, func() bool { return m.count(text) >= n }) {
		m.tb.Fatalf("the service manager is not told %q %d times; it was told %q", text, n, m.transcript())
	}
}

func (m *manager) beatsSoFar() int {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.beats
}

// launcher writes a program that runs these lines of sh and then becomes gounicorn, perhaps by way of another program.
func launcher(tb testing.TB, lines string, by ...string) string {
	tb.Helper()
	path := filepath.Join(tb.TempDir(), "launch")
	script := fmt.Sprintf("#!/bin/sh\n%s\nexec %s '%s' \"$@\"\n", lines, strings.Join(by, " "), harness.Binary(tb))
	if err := os.WriteFile(path, []byte(script), 0o700); err != nil {
		tb.Fatal(err)
	}
	return path
}

// activation are the lines that hand on sockets as systemd does: from descriptor 3, with names.
func activation(names []string) string {
	return fmt.Sprintf("export LISTEN_PID=$$ LISTEN_FDS=%d LISTEN_FDNAMES='%s'", len(names), strings.Join(names, ":"))
}
