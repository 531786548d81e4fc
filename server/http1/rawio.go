package http1

import (
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

// The sockets are non-blocking, so their system calls are made without telling the scheduler: they return at once, and a scheduler
// that is told of each one spends more on watching them (entersyscall, and a monitor thread that wakes every 20 µs) than they cost.

// readFD reads once, without waiting; unix.EAGAIN means that there is nothing.
func readFD(fd uintptr, p []byte) (int, error) {
	for {
		n, _, errno := unix.RawSyscall(unix.SYS_READ, fd, uintptr(unsafe.Pointer(unsafe.SliceData(p))), uintptr(len(p)))
		switch errno {
		case 0:
			return int(n), nil
		case unix.EINTR:
			continue
		}
		return 0, errnoError(errno)
	}
}

// writeFD writes a once, without waiting.
func writeFD(fd uintptr, a []byte) (int, error) {
	n, _, errno := unix.RawSyscall(unix.SYS_WRITE, fd, uintptr(unsafe.Pointer(unsafe.SliceData(a))), uintptr(len(a)))
	if errno != 0 {
		return 0, errnoError(errno)
	}
	return int(n), nil
}

// errnoError returns the common errors without allocating.
func errnoError(e syscall.Errno) error {
	switch e {
	case unix.EAGAIN:
		return errAgain
	case unix.EINTR:
		return errInterrupted
	}
	return e
}

var (
	errAgain       error = unix.EAGAIN
	errInterrupted error = unix.EINTR
)
