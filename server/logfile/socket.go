package logfile

import (
	"context"
	"errors"
	"net"
	"os"
	"syscall"
	"time"
)

const (
	sendTimeout  = 5 * time.Second // of one record, and of one connection attempt
	redialPause  = time.Second
	sendAttempts = 2
)

// socket is the connection to the receiver of a log.
type socket struct {
	conn    net.Conn
	refused error     // why the last connection attempt failed
	tried   time.Time // when that was
}

func (s *socket) close() error {
	if s.conn == nil {
		return nil
	}
	conn := s.conn
	s.conn = nil
	return conn.Close()
}

// connect makes the connection if there is none, at most once in a pause.
func (s *socket) connect(dial Dialer) error {
	if s.conn != nil {
		return nil
	}
	if s.refused != nil && time.Since(s.tried) < redialPause {
		return s.refused
	}
	ctx, cancel := context.WithTimeout(context.Background(), sendTimeout)
	defer cancel()
	s.conn, s.refused = dial(ctx)
	s.tried = time.Now()
	return s.refused
}

// send sends one record. A datagram gets a second attempt, since an error may be that of the one before; with Hold the attempts end
// with the Writer.
func (w *Writer) send(p []byte) error {
	for try := 1; ; try++ {
		err := w.attempt(p)
		switch {
		case err == nil || errors.Is(err, syscall.EMSGSIZE):
			return err
		case !w.c.Hold && try >= sendAttempts:
			return err
		case !w.c.Hold:
			continue
		}
		w.complain(err)
		select {
		case <-time.After(redialPause):
		case <-w.stop:
			if try >= sendAttempts {
				return err
			}
		}
	}
}

func (w *Writer) attempt(p []byte) error {
	s := &w.socket
	if err := s.connect(w.c.Dial); err != nil {
		return err
	}
	if err := s.conn.SetWriteDeadline(time.Now().Add(sendTimeout)); err != nil {
		return errors.Join(err, s.close())
	}
	_, err := s.conn.Write(p)
	// Nobody at a UDP port is told by the next write; the socket stays good.
	udp := s.conn.RemoteAddr() != nil && s.conn.RemoteAddr().Network() == "udp"
	if err != nil && !errors.Is(err, syscall.EMSGSIZE) && !(udp && errors.Is(err, syscall.ECONNREFUSED)) {
		_ = s.close()
	}
	return err
}

// redirect makes the descriptor of to another name of what from is.
func redirect(to, from *os.File) error {
	raw, err := from.SyscallConn()
	if err != nil {
		return err
	}
	target := int(to.Fd())
	var failed error
	if err := raw.Control(func(fd uintptr) { failed = syscall.Dup3(int(fd), target, 0) }); err != nil {
		return err
	}
	return failed
}
