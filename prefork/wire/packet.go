package wire

import (
	"errors"
	"fmt"
	"io"
	"os"

	"golang.org/x/sys/unix"
)

// Packets is one end of a SOCK_SEQPACKET pair. Send may be called concurrently; Receive by one goroutine at a time.
type Packets struct {
	file *os.File
}

// SocketPair makes a connected pair of unix sockets of the given type (unix.SOCK_SEQPACKET or unix.SOCK_STREAM), both CLOEXEC and
// non-blocking on this side only: local is for this process, remote is for a child and blocks.
func SocketPair(typ int, name string) (local, remote *os.File, err error) {
	fds, err := unix.Socketpair(unix.AF_UNIX, typ|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return nil, nil, fmt.Errorf("socketpair for %s: %w", name, err)
	}
	if err := unix.SetNonblock(fds[0], true); err != nil {
		unix.Close(fds[0])
		unix.Close(fds[1])
		return nil, nil, fmt.Errorf("socketpair for %s: %w", name, err)
	}
	return os.NewFile(uintptr(fds[0]), name), os.NewFile(uintptr(fds[1]), name+" (remote)"), nil
}

// NewPackets takes over a SEQPACKET socket.
func NewPackets(file *os.File) *Packets { return &Packets{file: file} }

// Close closes the socket; a blocked Receive returns.
func (c *Packets) Close() error { return c.file.Close() }

// Drain makes Receive return what the socket still holds and then io.EOF, although a process may hold the other end open.
func (c *Packets) Drain() {
	if raw, err := c.file.SyscallConn(); err == nil {
		_ = raw.Control(func(fd uintptr) { _ = unix.Shutdown(int(fd), unix.SHUT_RDWR) })
	}
}

// Send sends one frame, with descriptors, waiting while the socket is full. h.Length is set here. The descriptors stay the caller's.
func (c *Packets) Send(h Header, payload []byte, fds ...int) error {
	if HeaderSize+len(payload) > MaxPacket || len(fds) > MaxFDs {
		return fmt.Errorf("send %v: %d bytes and %d descriptors do not fit a packet", h.Kind, len(payload), len(fds))
	}
	if h.Flags&FlagPayloadFD == 0 {
		h.Length = uint32(len(payload))
	}
	packet := append(AppendHeader(make([]byte, 0, HeaderSize+len(payload)), h), payload...)
	var oob []byte
	if len(fds) > 0 {
		oob = unix.UnixRights(fds...)
	}
	raw, err := c.file.SyscallConn()
	if err != nil {
		return fmt.Errorf("send %v: %w", h.Kind, err)
	}
	var sendErr error
	if err := raw.Write(func(fd uintptr) bool {
		sendErr = unix.Sendmsg(int(fd), packet, oob, nil, unix.MSG_NOSIGNAL)
		return sendErr != unix.EAGAIN
	}); err != nil {
		return fmt.Errorf("send %v: %w", h.Kind, err)
	}
	if sendErr != nil {
		return fmt.Errorf("send %v: %w", h.Kind, sendErr)
	}
	return nil
}

// Receive waits for one frame. The payload is the caller's; the descriptors are CLOEXEC and the caller closes them. At the end of the
// stream, or when the peer died, the error is io.EOF. A truncated packet is ErrProtocol.
func (c *Packets) Receive() (Header, []byte, []*os.File, error) {
	raw, err := c.file.SyscallConn()
	if err != nil {
		return Header{}, nil, nil, fmt.Errorf("receive: %w", err)
	}
	buf := make([]byte, MaxPacket)
	oob := make([]byte, unix.CmsgSpace(4*MaxFDs))
	var n, oobn, flags int
	var recvErr error
	if err := raw.Read(func(fd uintptr) bool {
		n, oobn, flags, _, recvErr = unix.Recvmsg(int(fd), buf, oob, unix.MSG_CMSG_CLOEXEC)
		if recvErr == unix.ECONNRESET { // said once, before what a peer that died had still sent
			n, oobn, flags, _, recvErr = unix.Recvmsg(int(fd), buf, oob, unix.MSG_CMSG_CLOEXEC)
		}
		return recvErr != unix.EAGAIN && recvErr != unix.EINTR
	}); err != nil {
		if errors.Is(err, os.ErrClosed) {
			return Header{}, nil, nil, io.EOF
		}
		return Header{}, nil, nil, fmt.Errorf("receive: %w", err)
	}
	if recvErr == unix.ECONNRESET {
		return Header{}, nil, nil, io.EOF
	}
	if recvErr != nil {
		return Header{}, nil, nil, fmt.Errorf("receive: %w", recvErr)
	}
	files, err := rights(oob[:oobn])
	if err != nil {
		return Header{}, nil, nil, err
	}
	if n == 0 {
		closeAll(files)
		return Header{}, nil, nil, io.EOF
	}
	if flags&(unix.MSG_TRUNC|unix.MSG_CTRUNC) != 0 {
		closeAll(files)
		return Header{}, nil, nil, fmt.Errorf("%w: truncated packet", ErrProtocol)
	}
	h, payload, err := ParsePacket(buf[:n])
	if err != nil {
		closeAll(files)
		return h, nil, nil, err
	}
	return h, payload, files, nil
}

func rights(oob []byte) ([]*os.File, error) {
	if len(oob) == 0 {
		return nil, nil
	}
	messages, err := unix.ParseSocketControlMessage(oob)
	if err != nil {
		return nil, fmt.Errorf("%w: control message: %w", ErrProtocol, err)
	}
	var files []*os.File
	for i := range messages {
		fds, err := unix.ParseUnixRights(&messages[i])
		if err != nil {
			continue // another kind of control message carries no descriptor
		}
		for _, fd := range fds {
			files = append(files, os.NewFile(uintptr(fd), "received"))
		}
	}
	return files, nil
}

func closeAll(files []*os.File) {
	for _, f := range files {
		_ = f.Close()
	}
}
