package prefork

import (
	"fmt"
	"os"
	"unsafe"

	"github.com/gounicorn/gounicorn/prefork/wire"
	"golang.org/x/sys/unix"
)

// requestQueue is the socket pair that carries REQUEST packets. The master keeps both ends: the one to write, and the one to read,
// which it hands to each zygote. The dispatcher's mutex guards the sends.
type requestQueue struct {
	local, remote *os.File
	fd            int // of local
}

func newRequestQueue() (*requestQueue, error) {
	local, remote, err := wire.SocketPair(unix.SOCK_SEQPACKET, "request queue")
	if err != nil {
		return nil, err
	}
	q := &requestQueue{local: local, remote: remote}
	raw, err := local.SyscallConn()
	if err != nil {
		return nil, err
	}
	_ = raw.Control(func(fd uintptr) {
		q.fd = int(fd)
		if unix.SetsockoptInt(q.fd, unix.SOL_SOCKET, unix.SO_SNDBUFFORCE, sendBuffer) != nil {
			_ = unix.SetsockoptInt(q.fd, unix.SOL_SOCKET, unix.SO_SNDBUF, sendBuffer)
		}
	})
	return q, nil
}

// send writes one packet without waiting; a full socket is an error.
func (q *requestQueue) send(packet []byte) error {
	for {
		// The socket does not block, so the scheduler need not be told of the call.
		_, _, errno := unix.RawSyscall6(unix.SYS_SENDTO, uintptr(q.fd), uintptr(unsafe.Pointer(unsafe.SliceData(packet))), uintptr(len(packet)),
			unix.MSG_DONTWAIT|unix.MSG_NOSIGNAL, 0, 0)
		switch errno {
		case 0:
			return nil
		case unix.EINTR:
			continue
		}
		return errno
	}
}

// sendFDs is send with descriptors.
func (q *requestQueue) sendFDs(packet []byte, fds ...int) error {
	oob := unix.UnixRights(fds...)
	for {
		err := unix.Sendmsg(q.fd, packet, oob, nil, unix.MSG_DONTWAIT|unix.MSG_NOSIGNAL)
		if err != unix.EINTR {
			return err
		}
	}
}

func (q *requestQueue) close() {
	_ = q.local.Close()
	_ = q.remote.Close()
}

// memfd returns an anonymous file that holds data, its offset at 0.
func memfd(name string, data []byte) (*os.File, error) {
	fd, err := unix.MemfdCreate(name, unix.MFD_CLOEXEC)
	if err != nil {
		return nil, fmt.Errorf("memfd_create: %w", err)
	}
	f := os.NewFile(uintptr(fd), name)
	if _, err := f.WriteAt(data, 0); err != nil {
		_ = f.Close()
		return nil, fmt.Errorf("write memfd: %w", err)
	}
	return f, nil
}
