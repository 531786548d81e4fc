package wire

import (
	"errors"
	"fmt"
	"io"
	"os"
	"sync"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

// Sizes of read buffers, in bytes: one read of the small kind takes many small responses. The large kind is borrowed for the time of a
// large response; it holds a whole frame as workers write them, with the head of the next.
const (
	streamBuffer = 64 << 10
	largeBuffer  = HeaderSize + MaxFrame + HeaderSize
)

var largeBuffers = sync.Pool{New: func() any { return new([largeBuffer]byte) }}

// Stream reads the frames that one worker thread writes. One goroutine calls Next; Drain and Close may be called from another.
type Stream struct {
	file  *os.File
	raw   syscall.RawConn
	buf   []byte // small or large
	small []byte
	large *[largeBuffer]byte // borrowed, or nil
	end   bool               // the last frame that Next returned ended a response
	lent  bool               // only RETURN may come
	r, w  int                // unread bytes are buf[r:w]
	oob   []byte
	files []*os.File // received, not yet claimed by a FILE frame

	// recv is made once so that reading allocates nothing; it leaves its results here.
	recv         func(fd uintptr) bool
	n, oobn, flg int
	err          error
	iov          unix.Iovec
	msg          unix.Msghdr
}

// NewStream takes over a SOCK_STREAM socket.
func NewStream(file *os.File) (*Stream, error) {
	raw, err := file.SyscallConn()
	if err != nil {
		return nil, fmt.Errorf("response stream: %w", err)
	}
	small := make([]byte, streamBuffer)
	s := &Stream{file: file, raw: raw, buf: small, small: small, oob: make([]byte, unix.CmsgSpace(4*8))}
	s.recv = s.receive
	return s, nil
}

// receive makes one attempt to read and reports whether waiting would be pointless. The socket does not block, so the scheduler need
// not be told of the call.
func (s *Stream) receive(fd uintptr) bool {
	free := s.buf[s.w:]
	s.iov.Base = unsafe.SliceData(free)
	s.iov.SetLen(len(free))
	s.msg = unix.Msghdr{Iov: &s.iov, Iovlen: 1, Control: unsafe.SliceData(s.oob)}
	s.msg.SetControllen(len(s.oob))
	n, _, errno := unix.RawSyscall(unix.SYS_RECVMSG, fd, uintptr(unsafe.Pointer(&s.msg)), unix.MSG_CMSG_CLOEXEC)
	if errno == unix.ECONNRESET { // said once, before what a peer that died had still sent
		n, _, errno = unix.RawSyscall(unix.SYS_RECVMSG, fd, uintptr(unsafe.Pointer(&s.msg)), unix.MSG_CMSG_CLOEXEC)
	}
	s.n, s.oobn, s.flg, s.err = int(n), int(s.msg.Controllen), int(s.msg.Flags), nil
	if errno != 0 {
		s.n, s.oobn, s.flg, s.err = 0, 0, 0, errno
	}
	return errno != unix.EAGAIN && errno != unix.EINTR
}

// Next returns the next frame. The payload is valid until the following call; file is not nil exactly for FILE frames and is the
// caller's. io.EOF means that the worker closed the stream or died between two frames, io.ErrUnexpectedEOF within one. Any other
// error means that the stream must be destroyed with its worker.
func (s *Stream) Next() (h Header, payload []byte, file *os.File, err error) {
	for {
		h, ok := ParseHeader(s.buf[s.r:s.w])
		if ok {
			if h.Length > MaxFrame || !h.Kind.Stream() || (h.Kind == KindReturn) != s.lent {
				return h, nil, nil, fmt.Errorf("%w: %v of %d bytes on a response stream", ErrProtocol, h.Kind, h.Length)
			}
			size := HeaderSize + int(h.Length)
			if s.w-s.r >= size {
				payload = s.buf[s.r+HeaderSize : s.r+size]
				s.r += size
				s.end = h.End() || h.Kind == KindAbort
				if h.Kind == KindFile {
					if len(s.files) == 0 {
						return h, nil, nil, fmt.Errorf("%w: FILE without a descriptor", ErrProtocol)
					}
					file, s.files = s.files[0], s.files[1:]
				}
				return h, payload, file, nil
			}
			s.room(size)
		} else {
			s.room(HeaderSize)
		}
		if err := s.fill(); err != nil {
			return Header{}, nil, nil, err
		}
	}
}

// Buffered reports whether Next can return another frame without reading.
func (s *Stream) Buffered() bool {
	h, ok := ParseHeader(s.buf[s.r:s.w])
	return ok && s.w-s.r >= HeaderSize+int(h.Length)
}

// room makes sure that size bytes fit from s.r on.
func (s *Stream) room(size int) {
	if s.r == s.w {
		s.r, s.w = 0, 0
		if s.end && size <= streamBuffer {
			s.giveBack()
		}
	}
	switch {
	case s.r+size <= len(s.buf):
		return
	case size <= len(s.buf):
		s.w = copy(s.buf, s.buf[s.r:s.w])
	default:
		s.large = largeBuffers.Get().(*[largeBuffer]byte)
		s.w = copy(s.large[:], s.buf[s.r:s.w])
		s.buf = s.large[:]
	}
	s.r = 0
}

// giveBack returns to the small buffer; nothing is unread, or it has been copied.
func (s *Stream) giveBack() {
	s.buf = s.small
	if s.large != nil {
		largeBuffers.Put(s.large)
		s.large = nil
	}
}

func (s *Stream) fill() error {
	if err := s.raw.Read(s.recv); err != nil {
		if errors.Is(err, os.ErrClosed) {
			return io.EOF
		}
		return fmt.Errorf("read response stream: %w", err)
	}
	if s.oobn > 0 {
		files, err := rights(s.oob[:s.oobn])
		if err != nil {
			return err
		}
		s.files = append(s.files, files...)
	}
	switch {
	case errors.Is(s.err, unix.ECONNRESET), s.err == nil && s.n == 0:
		if s.r != s.w {
			return io.ErrUnexpectedEOF
		}
		return io.EOF
	case s.err != nil:
		return fmt.Errorf("read response stream: %w", s.err)
	case s.flg&unix.MSG_CTRUNC != 0:
		return fmt.Errorf("%w: truncated control message", ErrProtocol)
	}
	s.w += s.n
	return nil
}

// Drain makes Next return what the socket still holds and then io.EOF, although a process may hold the other end open: for a
// worker that is known to be dead.
func (s *Stream) Drain() {
	_ = s.raw.Control(func(fd uintptr) { _ = unix.Shutdown(int(fd), unix.SHUT_RDWR) })
}

// Close closes the socket and the descriptors nobody claimed. Next must not be running.
func (s *Stream) Close() error {
	closeAll(s.files)
	s.files = nil
	s.giveBack()
	return s.file.Close()
}
