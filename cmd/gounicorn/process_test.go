package main

import (
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

func FuzzPIDFile(f *testing.F) {
	for _, text := range []string{"", "1\n", " 42 ", "-1", "0", "x", "999999999999999999999", strings.Repeat("1", 100), "1\x00"} {
		f.Add([]byte(text))
	}
	path := filepath.Join(f.TempDir(), "pid")
	f.Fuzz(func(t *testing.T, text []byte) {
		if err := os.WriteFile(path, text, 0o600); err != nil {
			t.Fatal(err)
		}
		pid := readPIDFile(path)
		if want, err := strconv.Atoi(strings.TrimSpace(string(text))); pid < 0 || pid != 0 && (err != nil || pid != want) && len(text) <= maxPIDFile {
			t.Errorf("%q reads as %d", text, pid)
		}
	})
}

func TestPIDFileMovesAndKeepsOneName(t *testing.T) {
	dir := t.TempDir()
	p, err := createPIDFile(filepath.Join(dir, "a.2"), nil)
	if err != nil {
		t.Fatal(err)
	}
	if err := p.move(filepath.Join(dir, "a")); err != nil {
		t.Fatal(err)
	}
	if left, _ := filepath.Glob(filepath.Join(dir, "*")); len(left) != 1 || readPIDFile(left[0]) != os.Getpid() {
		t.Errorf("the folder holds %q", left)
	}
	if err := p.move(filepath.Join(dir, "none", "a")); err == nil || readPIDFile(p.path) != os.Getpid() {
		t.Errorf("a move that failed: %v, %s", err, p.path)
	}
}

func TestNobodyTellsTheWrongProcessWhichSocketsItHas(t *testing.T) {
	for name, env := range map[string]map[string]string{
		"no sockets":       {parentVariable: "1"},
		"no number":        {parentVariable: "1", socketsVariable: "three"},
		"standard output":  {parentVariable: "1", socketsVariable: "1"},
		"not open":         {parentVariable: "1", socketsVariable: "999"},
		"no parent":        {socketsVariable: "3"},
		"nothing at all":   {},
		"too many to hold": {parentVariable: "1", socketsVariable: strings.Repeat("3,", maxInherited) + "3"},
	} {
		fds, parent, lent := takeOver(func(name string) (string, bool) { v, ok := env[name]; return v, ok }, 1)
		if parent != 0 || fds != nil || lent {
			t.Errorf("%s: %d %v %v", name, parent, fds, lent)
		}
	}
}

func TestUserIsANameOrANumber(t *testing.T) {
	me, group := strconv.Itoa(os.Geteuid()), strconv.Itoa(os.Getegid())
	for _, names := range [][2]string{{"", ""}, {me, ""}, {"", group}, {me, group}} {
		if o, err := resolveOwnership(names[0], names[1], true); err != nil || o.changes() {
			t.Errorf("%q: %+v, %v", names, o, err)
		}
	}
	for _, names := range [][2]string{{"no-such-user", ""}, {"", "no-such-group"}, {"-1", ""}, {"", "99999999999"}} {
		if _, err := resolveOwnership(names[0], names[1], false); err == nil || !strings.Contains(err.Error(), "no such") {
			t.Errorf("%q: %v", names, err)
		}
	}
}

// systemd compares the time with its own clock and takes a reload that seems to lie before the last one for the last one.
func TestReloadingCarriesTheMonotonicClock(t *testing.T) {
	var now unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_MONOTONIC, &now); err != nil {
		t.Fatal(err)
	}
	state, stamp, _ := strings.Cut(stateReloading(), "\nMONOTONIC_USEC=")
	usec, err := strconv.ParseInt(stamp, 10, 64)
	if state != "RELOADING=1" || err != nil || usec < now.Nano()/1000 || usec > now.Nano()/1000+time.Hour.Microseconds() {
		t.Errorf("%q, now is %d", stateReloading(), now.Nano()/1000)
	}
}
