package http1

import (
	"errors"
	"io"
	"os"
	"syscall"

	"golang.org/x/sys/unix"

	"github.com/gounicorn/gounicorn/server/exchange"
)

// pieceBytes is the largest piece that is written between two looks of the
// sweeper at the send timeout.
const pieceBytes = 64 << 10

// sendfileBytes is the largest piece for sendfile, which returns when the socket
// takes no more, and so gives the sweeper its sign of life by itself.
const sendfileBytes = 2 << 20

// tryWrite makes one attempt to write a and b that never blocks, and returns
// how many bytes were taken: by the kernel, or with TLS perhaps by what holds
// runs over, see Conn.holds. The caller holds x.wmu. Connections that are not
// sockets of ours take nothing.
func (c *Conn) tryWrite(a, b []byte) (int, error) {
	if c.under != nil {
		return c.tryTLS(a, b)
	}
	if c.raw == nil {
		return 0, nil
	}
	c.writeA, c.writeB, c.writeN, c.writeErr = a, b, 0, nil
	err := c.raw.Write(c.writeFn)
	c.writeA, c.writeB = nil, nil
	if err == nil {
		err = c.writeErr
	}
	return c.writeN, err
}

// writeReady is called by tryWrite with the descriptor; it never waits.
func (c *Conn) writeReady(fd uintptr) bool {
	for {
		var n int
		var err error
		if len(c.writeB) == 0 {
			n, err = writeFD(fd, c.writeA, false)
		} else {
			n, err = writeBoth(fd, c.writeA, c.writeB)
		}
		switch {
		case errors.Is(err, unix.EINTR):
			continue
		case errors.Is(err, unix.EAGAIN):
		case err != nil:
			c.writeErr = err
		default:
			c.writeN = n
		}
		return true
	}
}

// lend makes one attempt to write head, and lends the connection for what
// follows if all of it was taken. It never waits, and returns how many bytes
// were taken.
func (c *Conn) lend(head []byte, loan exchange.Loan) (n int) {
	asked := false
	_ = c.raw.Control(func(fd uintptr) { // fails when it is closed
		asked = true
		var err error
		if n, err = writeFD(fd, head, true); err != nil || n < len(head) {
			fd = ^uintptr(0)
		}
		_ = loan.Lend(int(fd)) // Back finds the error again
	})
	if !asked {
		_ = loan.Lend(-1)
	}
	return n
}

// write writes all of p and blocks for it.
func (c *Conn) write(p []byte) error {
	_, err := c.writeAll(p)
	return err
}

// writeAll writes p; the send timeout counts from the last bytes that the kernel took. A socket of ours is offered all of it at once:
// the kernel wakes the client for every write, so that a MiB in 64 KiB pieces costs more than twice as much as in one.
func (c *Conn) writeAll(p []byte) (int, error) {
	if c.raw != nil {
		return c.writeSocket(p)
	}
	if c.under != nil {
		return c.writeTLS(p)
	}
	total := 0
	for len(p) > 0 {
		k := min(len(p), pieceBytes)
		c.sending.Store(c.srv.clock.Load())
		n, err := c.nc.Write(p[:k])
		c.sending.Store(0)
		total += n
		if err != nil {
			return total, err
		}
		p = p[k:]
	}
	return total, nil
}

// holds reports whether something that was taken waits for the kernel, which
// the next write or writeAll of nothing sends.
func (c *Conn) holds() bool { return c.under != nil && c.under.holds() }

// writeSocket is writeAll for a socket of ours.
func (c *Conn) writeSocket(p []byte) (int, error) {
	total := 0
	var failure error
	defer c.sending.Store(0)
	c.sending.Store(c.srv.clock.Load())
	err := c.raw.Write(func(fd uintptr) bool {
		for total < len(p) && failure == nil {
			n, err := writeFD(fd, p[total:], false)
			switch {
			case errors.Is(err, unix.EINTR):
			case errors.Is(err, unix.EAGAIN):
				return false
			case err != nil:
				failure = err
			default:
				total += n
				c.sending.Store(c.srv.clock.Load())
			}
		}
		return true
	})
	if err == nil {
		err = failure
	}
	return total, err
}

// sendPart sends n bytes of f from off, by sendfile where the connection is a
// socket of ours, and returns how many were sent. The file's offset is not
// used. A file that ends early is io.ErrUnexpectedEOF.
func (c *Conn) sendPart(f *os.File, off, n int64) (int64, error) {
	if c.raw == nil {
		return c.copyFile(f, off, n)
	}
	rc, err := f.SyscallConn()
	if err != nil {
		return 0, err
	}
	var sent int64
	var failure error
	err = rc.Control(func(in uintptr) {
		for sent < n && failure == nil {
			var k int
			k, failure = c.sendfile(int(in), off+sent, int(min(n-sent, sendfileBytes)))
			if k == 0 && failure == nil {
				failure = io.ErrUnexpectedEOF
			}
			sent += int64(k)
		}
	})
	switch {
	case err != nil:
		return sent, err
	case sent == 0 && (errors.Is(failure, unix.EINVAL) || errors.Is(failure, unix.ENOSYS)):
		return c.copyFile(f, off, n) // the file system has no sendfile
	}
	return sent, failure
}

// tryFile is how much of a file is offered to the socket at once, on the
// goroutine of whoever answers.
const tryFile = 512 << 10

// trySendfile makes one attempt to write head and then the file, that never
// waits for the client, and returns how many bytes of each were taken. The
// caller holds x.wmu.
func (c *Conn) trySendfile(head []byte, f *exchange.File) (n int, sent int64) {
	c.writeA, c.writeFile, c.writeN, c.fileN = head, f, 0, 0
	_ = c.raw.Write(c.fileFn) // who goes on finds the error
	c.writeA, c.writeFile = nil, nil
	return c.writeN, c.fileN
}

// fileReady is called by trySendfile with the descriptor; it never waits. The
// head is held back for the first bytes of the file, to go with them.
func (c *Conn) fileReady(fd uintptr) bool {
	n, err := writeFD(fd, c.writeA, true)
	if err != nil {
		return true
	}
	if c.writeN = n; n < len(c.writeA) {
		return true
	}
	at := c.writeFile.Off
	k, err := unix.Sendfile(int(fd), int(c.writeFile.File.Fd()), &at, int(min(c.writeFile.N, tryFile)))
	if err == nil && k > 0 {
		c.fileN = int64(k)
	}
	return true
}

// sendfile sends one piece and blocks for it.
func (c *Conn) sendfile(in int, off int64, n int) (sent int, failure error) {
	c.sending.Store(c.srv.clock.Load())
	defer c.sending.Store(0)
	err := c.raw.Write(func(out uintptr) bool {
		for {
			at := off
			sent, failure = syscall.Sendfile(int(out), in, &at, n)
			switch failure {
			case syscall.EINTR:
				continue
			case syscall.EAGAIN:
				return false
			}
			return true
		}
	})
	if err != nil {
		return 0, err
	}
	return max(sent, 0), failure
}

// copyFile is sendPart by reading.
func (c *Conn) copyFile(f *os.File, off, n int64) (int64, error) {
	b := c.srv.pool.get(sealBytes)
	defer c.srv.pool.put(b)
	var sent int64
	for sent < n {
		k, err := f.ReadAt(b.b[:min(n-sent, sealBytes)], off+sent)
		if k == 0 {
			if errors.Is(err, io.EOF) || err == nil {
				err = io.ErrUnexpectedEOF
			}
			return sent, err
		}
		w, err := c.writeAll(b.b[:k])
		sent += int64(w)
		if err != nil {
			return sent, err
		}
	}
	return sent, nil
}
