package main

import (
	"io"
	"os"
	"unsafe"

	"github.com/gounicorn/gounicorn/prefork/wire"
	"golang.org/x/sys/unix"
)

// oneRead reads a stream with one system call for each wake-up, where wire.Stream needs a second one that finds nothing: a read that
// does not fill the buffer has emptied the socket. It works only inside one call of RawConn.Read, because each call begins by forgetting
// that the socket became readable.
func oneRead(file *os.File, answered func(h wire.Header, payload []byte, more bool) error) (err error) {
	raw, err := file.SyscallConn()
	if err != nil {
		return err
	}
	buf, unread := make([]byte, 64<<10), 0
	failed := raw.Read(func(fd uintptr) bool {
		for {
			free := buf[unread:]
			n, _, errno := unix.RawSyscall6(unix.SYS_RECVFROM, fd, uintptr(unsafe.Pointer(unsafe.SliceData(free))), uintptr(len(free)), 0, 0, 0)
			switch {
			case errno == unix.EAGAIN:
				return false
			case errno == unix.EINTR:
				continue
			case errno != 0:
				err = errno
				return true
			case n == 0:
				err = io.EOF
				return true
			}
			emptied := int(n) < len(free)
			rest := buf[:unread+int(n)]
			for h, size := next(rest); size > 0; {
				payload := rest[wire.HeaderSize:size]
				rest = rest[size:]
				following, more := next(rest)
				if err = answered(h, payload, more > 0); err != nil {
					return true
				}
				h, size = following, more
			}
			unread = copy(buf, rest)
			if emptied {
				return false
			}
		}
	})
	if err == nil {
		err = failed
	}
	return err
}

// next is the header and the size of the frame at the beginning of b, 0 when it is not complete.
func next(b []byte) (h wire.Header, size int) {
	h, ok := wire.ParseHeader(b)
	if !ok || len(b) < wire.HeaderSize+int(h.Length) {
		return h, 0
	}
	return h, wire.HeaderSize + int(h.Length)
}
