package companion

import (
	"bytes"
	"crypto/rand"
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// mark makes the value of markVariable for one run.
func mark() string { return rand.Text() }

// relative is one process of /proc.
type relative struct {
	pid, parent, group int
	dead               bool // a zombie
}

// processes are all of the machine that can be seen.
func processes() (all []relative) {
	dir, err := os.Open("/proc")
	if err != nil {
		return nil
	}
	defer dir.Close()
	names, _ := dir.Readdirnames(-1) // what was read before an error counts
	for _, name := range names {
		pid, err := strconv.Atoi(name)
		if err != nil {
			continue
		}
		text, err := os.ReadFile("/proc/" + name + "/stat")
		if err != nil {
			continue // has gone
		}
		_, fields, _ := bytes.Cut(text[max(bytes.LastIndexByte(text, ')'), 0):], []byte(" ")) // the name before it may be anything
		r := relative{pid: pid}
		var state string
		if _, err := fmt.Sscan(string(fields), &state, &r.parent, &r.group); err != nil {
			continue
		}
		r.dead = state == "Z" || state == "X"
		all = append(all, r)
	}
	return all
}

// groupLives reports whether any process of a group is alive. A zombie is not.
func groupLives(pgid int) bool {
	if errors.Is(unix.Kill(-pgid, 0), unix.ESRCH) {
		return false
	}
	for _, r := range processes() {
		if r.group == pgid && !r.dead {
			return true
		}
	}
	return false
}

// groupMemory is what the processes of a group use in bytes, of shared pages each its share (PSS).
func groupMemory(pgid int) (sum int64) {
	for _, r := range processes() {
		if r.group == pgid && !r.dead {
			sum += memoryOf(r.pid)
		}
	}
	return sum
}

// Memory is what the processes of each program use in bytes, of shared pages each its share (PSS). It reads /proc, a file for each process
// of the machine, and takes the longer the more memory they have.
func (m *Manager) Memory() map[string]int64 {
	used, of := map[string]int64{}, map[int]string{}
	for _, s := range m.Status() {
		used[s.Program] += 0
		if s.PID != 0 {
			of[s.PID] = s.Program
		}
	}
	if len(of) == 0 {
		return used
	}
	for _, r := range processes() {
		if name, ours := of[r.group]; ours && !r.dead {
			used[name] += memoryOf(r.pid)
		}
	}
	return used
}

func memoryOf(pid int) int64 {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/smaps_rollup", pid))
	if err != nil {
		return 0 // has gone, or is another user's
	}
	for line := range strings.Lines(string(text)) {
		if value, ok := strings.CutPrefix(line, "Pss:"); ok {
			n, _ := strconv.ParseInt(strings.TrimSuffix(strings.TrimSpace(value), " kB"), 10, 64)
			return n << 10
		}
	}
	return 0
}

// strayRounds bounds the search for strays: one that the kernel holds on to must not keep us.
const strayRounds = 50

// killStrays kills what a run left behind outside of its group, until there is none: while one is being killed it may fork another.
func killStrays(mark string) {
	for range strayRounds {
		doomed := strays(mark)
		if len(doomed) == 0 {
			return
		}
		for pid := range doomed {
			_ = unix.Kill(pid, unix.SIGKILL) // ESRCH: it has gone by itself
		}
		time.Sleep(time.Millisecond)
	}
}

// strays are the processes that carry a mark and have become our children, because their parents are dead, and what is below them.
func strays(mark string) map[int]bool {
	wanted := []byte(markVariable + "=" + mark + "\x00")
	all := processes()
	doomed := map[int]bool{}
	for _, r := range all {
		if r.parent != os.Getpid() || r.dead {
			continue
		}
		if text, err := os.ReadFile(fmt.Sprintf("/proc/%d/environ", r.pid)); err == nil && bytes.Contains(text, wanted) {
			doomed[r.pid] = true
		}
	}
	for again := len(doomed) > 0; again; {
		again = false
		for _, r := range all {
			if doomed[r.parent] && !doomed[r.pid] && !r.dead {
				doomed[r.pid], again = true, true
			}
		}
	}
	return doomed
}
