package wire

import (
	"encoding/binary"
	"fmt"
	"unsafe"

	"golang.org/x/sys/unix"
)

// LoanFrom is how many bytes a body must have for its worker to ask for the client's connection: to ask costs a wake-up on either side, to
// copy a body of this size to the master as much.
const LoanFrom = 192 << 10

// LoanSize returns the length in bytes of the body that the worker keeps back, by the payload of a HEAD with FlagLoan, and what is before it.
func LoanSize(payload []byte) (rest []byte, size int, err error) {
	at := len(payload) - 4
	if at < 0 {
		return nil, 0, fmt.Errorf("%w: a loan with a payload of %d bytes", ErrProtocol, len(payload))
	}
	if size = int(binary.LittleEndian.Uint32(payload[at:])); size > TrayPlaceSize {
		return nil, 0, fmt.Errorf("%w: a loan for %d bytes", ErrProtocol, size)
	}
	return payload[:at], size, nil
}

// Lend answers h, a HEAD with FlagLoan, with a descriptor of the client's connection, to which nobody else writes until Return has said what
// became of it; fd -1 lends none. It does not wait, and keeps nothing of the descriptor.
func (s *Stream) Lend(h Header, fd int) error {
	var frame [HeaderSize]byte
	var control [24]byte // room for one descriptor: unix.CmsgSpace(4)
	PutHeader(frame[:], Header{Kind: KindLend, A: h.A, B: h.B})
	part := unix.Iovec{Base: &frame[0]}
	part.SetLen(len(frame))
	message := unix.Msghdr{Iov: &part, Iovlen: 1}
	if fd >= 0 {
		c := (*unix.Cmsghdr)(unsafe.Pointer(&control[0]))
		c.Level, c.Type = unix.SOL_SOCKET, unix.SCM_RIGHTS
		c.SetLen(unix.CmsgLen(4))
		*(*int32)(unsafe.Pointer(&control[unix.CmsgLen(0)])) = int32(fd)
		message.Control = &control[0]
		message.SetControllen(len(control))
	}
	s.lent = true
	var errno unix.Errno
	err := s.raw.Control(func(stream uintptr) {
		for { // nothing else is ever written to the stream: there is room
			_, _, errno = unix.RawSyscall(unix.SYS_SENDMSG, stream, uintptr(unsafe.Pointer(&message)), unix.MSG_DONTWAIT|unix.MSG_NOSIGNAL)
			if errno != unix.EINTR {
				return
			}
		}
	})
	if err == nil && errno != 0 {
		err = errno
	}
	if err != nil {
		return fmt.Errorf("lend a connection: %w", err)
	}
	return nil
}

// Return waits for the worker's answer to Lend: how many bytes of the body the client's connection took, and in payload the rest of it, or
// with FlagTray the mark of the place where that lies. The payload is valid until the following call of Next. The errors are those of Next.
func (s *Stream) Return(h Header) (sent int, flags uint8, payload []byte, err error) {
	r, payload, _, err := s.Next()
	s.lent = false
	if err != nil {
		return 0, 0, nil, err
	}
	if r.A != h.A || r.B != h.B || len(payload) < 4 {
		return 0, 0, nil, fmt.Errorf("%w: a RETURN of %d bytes for slot %d, generation %d, in place of %d, %d", ErrProtocol, len(payload), r.A, r.B, h.A, h.B)
	}
	return int(binary.LittleEndian.Uint32(payload)), r.Flags, payload[4:], nil
}
