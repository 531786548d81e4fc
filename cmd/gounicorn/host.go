package main

import (
	"os"
	"runtime"
	"strconv"

	"golang.org/x/sys/unix"
)

// firstInherited is the first descriptor that systemd passes on (sd_listen_fds).
const firstInherited = 3

// inheritedSockets returns the descriptors of socket activation, when they are meant for this process.
func inheritedSockets(env func(string) (string, bool), pid int) []int {
	text, _ := env("LISTEN_PID")
	if text != strconv.Itoa(pid) {
		return nil
	}
	text, _ = env("LISTEN_FDS")
	n, err := strconv.Atoi(text)
	if err != nil || n < 1 || n > maxInherited {
		return nil
	}
	var fds []int
	for fd := firstInherited; fd < firstInherited+n; fd++ {
		unix.CloseOnExec(fd)
		fds = append(fds, fd)
	}
	_ = os.Unsetenv("LISTEN_PID")
	_ = os.Unsetenv("LISTEN_FDS")
	_ = os.Unsetenv("LISTEN_FDNAMES")
	return fds
}

// processors is how many CPUs this process may run on.
func processors() int { return runtime.NumCPU() }

func goVersion() string { return runtime.Version() }
