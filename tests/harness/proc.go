package harness

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"
)

// markerName is the environment variable by which the descendants of one server are found.
const markerName = "GOUNICORN_TEST_ID"

// pollInterval is how often a condition without an event of its own is looked at.
const pollInterval = 5 * time.Millisecond

// Poll looks at cond until it holds or d has passed, and returns whether it held.
func Poll(d time.Duration, cond func() bool) bool {
	if cond() {
		return true
	}
	ticker := time.NewTicker(pollInterval)
	defer ticker.Stop()
	deadline := time.NewTimer(d)
	defer deadline.Stop()
	for {
		select {
		case <-ticker.C:
			if cond() {
				return true
			}
		case <-deadline.C:
			return cond()
		}
	}
}

// Eventually fails the test unless cond comes to hold within d.
func Eventually(tb testing.TB, d time.Duration, what string, cond func() bool) {
	tb.Helper()
	if !Poll(d, cond) {
		tb.Fatalf("not within %v: %s", d, what)
	}
}

// EventuallyEvery is Eventually for a condition that costs something to look at: it is asked once in each pace.
func EventuallyEvery(tb testing.TB, pace, d time.Duration, what string, cond func() bool) {
	tb.Helper()
	next := time.Time{}
	Eventually(tb, d, what, func() bool {
		if time.Now().Before(next) {
			return false
		}
		defer func() { next = time.Now().Add(pace) }()
		return cond()
	})
}

// Alive reports whether the process exists and is not a zombie.
func Alive(pid int) bool {
	state, _, err := stat(pid)
	return err == nil && state != "Z" && state != "X"
}

// Parent returns the parent of a process, 0 if it is gone.
func Parent(pid int) int {
	_, parent, err := stat(pid)
	if err != nil {
		return 0
	}
	return parent
}

// Children returns the living direct children of a process.
func Children(pid int) []int {
	var children []int
	for _, child := range pids() {
		if Parent(child) == pid && Alive(child) {
			children = append(children, child)
		}
	}
	return children
}

// Descriptors returns what each open descriptor of a process refers to.
func Descriptors(tb testing.TB, pid int) map[int]string {
	tb.Helper()
	dir := fmt.Sprintf("/proc/%d/fd", pid)
	entries, err := os.ReadDir(dir)
	if err != nil {
		tb.Fatalf("descriptors of %d: %v", pid, err)
	}
	open := make(map[int]string, len(entries))
	for _, entry := range entries {
		target, err := os.Readlink(filepath.Join(dir, entry.Name()))
		if err != nil {
			continue // closed since
		}
		fd, _ := strconv.Atoi(entry.Name())
		open[fd] = target
	}
	return open
}

// MemoryKB returns one figure of /proc/PID/smaps_rollup, such as "Pss" or "Private_Dirty", in kB.
func MemoryKB(tb testing.TB, pid int, figure string) int {
	tb.Helper()
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/smaps_rollup", pid))
	if err != nil {
		tb.Fatalf("memory of %d: %v", pid, err)
	}
	for line := range strings.Lines(string(text)) {
		if rest, ok := strings.CutPrefix(line, figure+":"); ok {
			kb, err := strconv.Atoi(strings.TrimSpace(strings.TrimSuffix(strings.TrimSpace(rest), "kB")))
			if err != nil {
				tb.Fatalf("memory of %d: %q", pid, line)
			}
			return kb
		}
	}
	tb.Fatalf("memory of %d: no figure %q", pid, figure)
	return 0
}

// Marked returns the living processes that carry the marker in their environment.
func marked(id string) []int {
	want := []byte(markerName + "=" + id + "\x00")
	var found []int
	for _, pid := range pids() {
		environ, err := os.ReadFile(fmt.Sprintf("/proc/%d/environ", pid))
		if err == nil && bytes.Contains(environ, want) && Alive(pid) {
			found = append(found, pid)
		}
	}
	return found
}

func describe(pids []int) string {
	var b strings.Builder
	for _, pid := range pids {
		cmdline, _ := os.ReadFile(fmt.Sprintf("/proc/%d/cmdline", pid))
		state, parent, _ := stat(pid)
		fmt.Fprintf(&b, "\n  pid %d parent %d state %s: %s", pid, parent, state,
			bytes.TrimSpace(bytes.ReplaceAll(cmdline, []byte{0}, []byte{' '})))
	}
	return b.String()
}

func pids() []int {
	entries, err := os.ReadDir("/proc")
	if err != nil {
		return nil
	}
	var all []int
	for _, entry := range entries {
		if pid, err := strconv.Atoi(entry.Name()); err == nil {
			all = append(all, pid)
		}
	}
	slices.Sort(all)
	return all
}

// stat returns state and parent of a process from /proc/PID/stat.
func stat(pid int) (state string, parent int, err error) {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return "", 0, err
	}
	// The name in parentheses may contain anything, so fields are counted from its end.
	_, rest, found := bytes.Cut(text[max(0, bytes.LastIndexByte(text, ')')):], []byte(") "))
	fields := strings.Fields(string(rest))
	if !found || len(fields) < 2 {
		return "", 0, fmt.Errorf("strange stat line %q", text)
	}
	parent, err = strconv.Atoi(fields[1])
	return fields[0], parent, err
}

// UnreadBytes is what the kernel holds for a server on addr (host:port): bytes that clients have sent and the
// server has not read, and connections that it has not accepted.
func UnreadBytes(tb testing.TB, addr string) int {
	tb.Helper()
	_, portText, found := strings.Cut(addr, ":")
	port, err := strconv.Atoi(portText)
	if !found || err != nil {
		tb.Fatalf("no port in %q", addr)
	}
	text, err := os.ReadFile("/proc/net/tcp")
	if err != nil {
		tb.Fatalf("sockets: %v", err)
	}
	local := fmt.Sprintf(":%04X", port)
	sum := 0
	for line := range strings.Lines(string(text)) {
		// sl local_address rem_address st tx_queue:rx_queue ...
		fields := strings.Fields(line)
		if len(fields) < 5 || !strings.HasSuffix(fields[1], local) {
			continue
		}
		_, received, _ := strings.Cut(fields[4], ":")
		waiting, err := strconv.ParseInt(received, 16, 64)
		if err != nil {
			tb.Fatalf("sockets: %q", line)
		}
		sum += int(waiting)
	}
	return sum
}

// A tcpSocket is one line of /proc/net/tcp or tcp6.
type tcpSocket struct {
	localPort int
	state     string // 01 is established, 0A listening
	inode     string
}

func tcpSockets(tb testing.TB) []tcpSocket {
	tb.Helper()
	var all []tcpSocket
	for _, name := range []string{"tcp", "tcp6"} {
		text, err := os.ReadFile("/proc/net/" + name)
		if err != nil {
			continue // no IPv6
		}
		for line := range strings.Lines(string(text)) {
			fields := strings.Fields(line)
			if len(fields) < 10 || fields[0] == "sl" {
				continue
			}
			_, hex, _ := strings.Cut(fields[1], ":")
			port, err := strconv.ParseInt(hex, 16, 32)
			if err != nil {
				tb.Fatalf("sockets: %q", line)
			}
			all = append(all, tcpSocket{int(port), fields[3], fields[9]})
		}
	}
	return all
}

// TCPSockets returns every TCP socket of the machine as /proc/PID/fd names it: "socket:[INODE]".
func TCPSockets(tb testing.TB) []string {
	tb.Helper()
	var names []string
	for _, socket := range tcpSockets(tb) {
		names = append(names, "socket:["+socket.inode+"]")
	}
	return names
}

// Established counts the server's end of the connections to addr (host:port) that are open.
func Established(tb testing.TB, addr string) int {
	tb.Helper()
	n := 0
	for _, socket := range tcpSockets(tb) {
		if strings.HasSuffix(addr, ":"+strconv.Itoa(socket.localPort)) && socket.state == "01" {
			n++
		}
	}
	return n
}
