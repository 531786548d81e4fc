package http1

import (
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

// The sockets are non-blocking, so their system calls are made without telling the scheduler: they return at once, and a scheduler
// that is told of each one spends more on watching them (entersyscall, and a monitor thread that wakes every 20 µs) than they cost.

// recvfrom and sendto, which go to the socket directly, cost a tenth less than read and write of so few bytes, which pass the layer
// of files first.

// readFD reads once, without waiting; unix.EAGAIN means that there is nothing.
func readFD(fd uintptr, p []byte) (int, error) {
	for {
		n, _, errno := unix.RawSyscall6(unix.SYS_RECVFROM, fd, uintptr(unsafe.Pointer(unsafe.SliceData(p))), uintptr(len(p)),
			unix.MSG_DONTWAIT, 0, 0)
		switch errno {
		case 0:
			return int(n), nil
		case unix.EINTR:
			continue
		}
		return 0, errnoError(errno)
	}
}

// writeFD writes a once, without waiting. more says that something follows at once, which it may share a packet with.
func writeFD(fd uintptr, a []byte, more bool) (int, error) {
	flags := uintptr(unix.MSG_DONTWAIT | unix.MSG_NOSIGNAL)
	if more {
		flags |= unix.MSG_MORE
	}
	n, _, errno := unix.RawSyscall6(unix.SYS_SENDTO, fd, uintptr(unsafe.Pointer(unsafe.SliceData(a))), uintptr(len(a)), flags, 0, 0)
	if errno != 0 {
		return 0, errnoError(errno)
	}
	return int(n), nil
}

// writeBoth writes a and behind it b, neither of them empty, once and without waiting.
func writeBoth(fd uintptr, a, b []byte) (int, error) {
	parts := [2]unix.Iovec{{Base: unsafe.SliceData(a)}, {Base: unsafe.SliceData(b)}}
	parts[0].SetLen(len(a))
	parts[1].SetLen(len(b))
	message := unix.Msghdr{Iov: &parts[0]}
	message.SetIovlen(len(parts))
	n, _, errno := unix.RawSyscall(unix.SYS_SENDMSG, fd, uintptr(unsafe.Pointer(&message)), unix.MSG_DONTWAIT|unix.MSG_NOSIGNAL)
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
