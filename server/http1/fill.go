package http1

import (
	"errors"
	"io"
	"os"
	"time"

	"golang.org/x/sys/unix"
)

// fill waits for bytes and appends them to the buffer or, if dst is given,
// stores them there. It returns io.EOF, errWoken or what the socket reports.
func (c *Conn) fill(dst []byte) (int, error) {
	if c.raw == nil {
		return c.fillPlain(dst)
	}
	c.readDst, c.readN, c.readErr = dst, 0, nil
	err := c.raw.Read(c.readFn)
	c.readDst = nil
	if err != nil {
		return 0, c.woken(err)
	}
	return c.readN, c.readErr
}

// woken tells an interruption from a failure and makes reading possible again.
func (c *Conn) woken(err error) error {
	if !errors.Is(err, os.ErrDeadlineExceeded) {
		return err
	}
	if err := c.nc.SetReadDeadline(time.Time{}); err != nil {
		return err
	}
	return errWoken
}

// readReady is called by the poller whenever the socket may have bytes, and
// first of all without waiting. A false result waits.
func (c *Conn) readReady(fd uintptr) bool {
	if c.readDst != nil {
		n, err := readFD(fd, c.readDst)
		if errors.Is(err, unix.EAGAIN) {
			return false
		}
		c.setRead(n, err)
		return true
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.overWithMore() {
		c.readErr = errWoken
		return true
	}
	c.parked = false
	c.room()
	n, err := readFD(fd, c.buf.b[c.w:])
	if n == 0 && err == nil && c.eof {
		err = resetBehindEnd(fd)
	}
	if errors.Is(err, unix.EAGAIN) {
		c.park()
		return false
	}
	if n > 0 {
		c.w += n
	}
	c.setRead(n, err)
	return true
}

// resetBehindEnd tells why the poller woke us although the client had ended
// its side: a reset, which reading does not report any more, or nothing.
func resetBehindEnd(fd uintptr) error {
	code, err := unix.GetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_ERROR)
	switch {
	case err != nil:
		return err
	case code != 0:
		return unix.Errno(code)
	}
	return unix.EAGAIN
}

func (c *Conn) setRead(n int, err error) {
	switch {
	case err != nil:
		c.readErr = err
	case n == 0:
		c.readErr = io.EOF
	default:
		c.readN = n
	}
}

// overWithMore reports whether the exchange that is being watched ended while
// there is something else to do than wait. The caller holds mu.
func (c *Conn) overWithMore() bool {
	return c.mode == readingNone && !c.outstanding && (c.closing || c.eof || c.r < c.w)
}

// park prepares for a wait of unknown length. The caller holds mu.
func (c *Conn) park() {
	switch {
	case c.mode == readingNone && c.outstanding:
		c.parked = true
	case c.mode == readingNone, c.mode == readingHead && c.r == c.w:
		c.rest()
	case c.mode == readingAway:
		c.releaseBuffers()
	}
}

// fillPlain is fill for connections that are not sockets of ours. Waiting
// while idle uses one byte, so that no buffer is held.
func (c *Conn) fillPlain(dst []byte) (int, error) {
	if dst != nil {
		n, err := c.nc.Read(dst)
		return n, c.plainErr(n, err)
	}
	c.mu.Lock()
	if c.overWithMore() {
		c.mu.Unlock()
		return 0, errWoken
	}
	if c.mode == readingBody || c.mode == readingAway || c.mode == readingHead && c.r < c.w {
		c.room()
		c.mu.Unlock()
		n, err := c.nc.Read(c.buf.b[c.w:])
		c.w += n
		return n, c.plainErr(n, err)
	}
	c.park()
	c.mu.Unlock()
	n, err := c.nc.Read(c.probe[:])
	c.mu.Lock()
	defer c.mu.Unlock()
	c.parked = false
	if n == 1 {
		c.room()
		c.buf.b[c.w] = c.probe[0]
		c.w++
	}
	return n, c.plainErr(n, err)
}

func (c *Conn) plainErr(n int, err error) error {
	if err == nil || n > 0 {
		return nil
	}
	return c.woken(err)
}

// minRoom is the free space below which reading a body takes a new buffer.
const minRoom = 1 << 10

// room makes sure that the buffer exists and has space behind w. Bytes before
// base stay where they are. The caller holds mu.
func (c *Conn) room() {
	if c.buf == nil {
		c.buf = c.srv.pool.get(smallBuffer)
		c.r, c.w, c.base = 0, 0, 0
		return
	}
	if c.r == c.w {
		c.r, c.w = c.base, c.base
	}
	free := len(c.buf.b) - c.w
	if c.mode == readingBody && free < minRoom && c.base > 0 {
		c.grow()
		return
	}
	if free > 0 {
		return
	}
	if c.r > c.base {
		c.w = c.base + copy(c.buf.b[c.base:], c.buf.b[c.r:c.w])
		c.r = c.base
		return
	}
	c.grow()
}

// grow moves the unread bytes into a fresh buffer: a larger one for a head
// that does not fit, or one without the head, which stays where it is.
func (c *Conn) grow() {
	old, unread := c.buf, c.buf.b[c.r:c.w]
	if c.base > 0 {
		c.buf = c.srv.pool.get(max(smallBuffer, len(unread)+minRoom))
		c.headBuf = old
	} else {
		c.buf = c.srv.pool.get(len(old.b) * 4)
	}
	c.w = copy(c.buf.b, unread)
	c.r = 0
	if c.base == 0 {
		c.srv.pool.put(old)
	}
	c.base = 0
}
