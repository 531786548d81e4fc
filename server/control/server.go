// Package control speaks gunicorn's control socket protocol (since 25.1), as server and as client: a unix stream socket, four bytes of
// length and JSON in each direction, {id, command, args} answered by {id, status, data or error}. What the commands do is up to a Master.
package control

import (
	"errors"
	"fmt"
	"net"
	"os"
	"sync"
	"time"

	"golang.org/x/sys/unix"
)

const (
	maxConnections = 16
	idleTime       = 5 * time.Minute // gunicorn's
	writeTime      = 30 * time.Second
	closeTime      = time.Second // for answers that are on their way
)

// Server answers the commands of the connections of one listener.
type Server struct {
	ln     *net.UnixListener
	master Master
	closed bool // to all but our user and root
	log    func(text string)

	mu     sync.Mutex
	conns  map[*net.UnixConn]bool // guarded by mu; nil: Close was called
	active sync.WaitGroup
}

// NewServer makes a server for a listener, which Close closes. If private is true it answers only its own user and root, whatever the
// permissions of the socket are; otherwise these decide. log gets what went wrong with a connection.
func NewServer(ln *net.UnixListener, master Master, private bool, log func(text string)) *Server {
	return &Server{ln: ln, master: master, closed: private, log: log, conns: map[*net.UnixConn]bool{}}
}

// Serve accepts connections until Close is called.
func (s *Server) Serve() {
	for {
		c, err := s.ln.AcceptUnix()
		if errors.Is(err, net.ErrClosed) {
			return
		}
		if err != nil {
			s.log(err.Error())
			time.Sleep(100 * time.Millisecond) // out of descriptors: some will be free again
			continue
		}
		if refusal := s.admit(c); refusal != "" {
			_ = c.SetWriteDeadline(time.Now().Add(closeTime))
			_ = writeFrame(c, encode(response{Status: statusError, Error: refusal})) // who is turned away may have left
			_ = c.Close()
			continue
		}
		go s.converse(c)
	}
}

// admit enters a connection, or says why not.
func (s *Server) admit(c *net.UnixConn) (refusal string) {
	if s.closed {
		uid, err := peer(c)
		if err != nil {
			return err.Error()
		}
		if uid != 0 && uid != os.Geteuid() {
			return fmt.Sprintf("user %d may not control a server of user %d: run this as that user or root, or open the socket with --control-socket-mode", uid, os.Geteuid())
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case s.conns == nil:
		return "the server is shutting down"
	case len(s.conns) >= maxConnections:
		return fmt.Sprintf("there are %d control connections already: close one", maxConnections)
	}
	s.conns[c] = true
	s.active.Add(1)
	return ""
}

// peer returns the user at the other end.
func peer(c *net.UnixConn) (uid int, err error) {
	raw, err := c.SyscallConn()
	if err != nil {
		return 0, err
	}
	var cred *unix.Ucred
	var failed error
	if err := raw.Control(func(fd uintptr) { cred, failed = unix.GetsockoptUcred(int(fd), unix.SOL_SOCKET, unix.SO_PEERCRED) }); err != nil {
		return 0, err
	}
	if failed != nil {
		return 0, fmt.Errorf("who connects: %w", failed)
	}
	return int(cred.Uid), nil
}

// converse answers one connection until it ends, is silent for too long or breaks the protocol.
func (s *Server) converse(c *net.UnixConn) {
	defer s.active.Done()
	defer func() {
		s.mu.Lock()
		delete(s.conns, c) // of no map when we close
		s.mu.Unlock()
		_ = c.Close()
	}()
	for {
		if !s.await(c) {
			return
		}
		payload, err := readFrame(c, MaxRequest)
		answer := response{Status: statusError}
		switch {
		case errors.Is(err, ErrFrame):
			answer.Error = err.Error()
		case err != nil:
			return // gone, or idle
		default:
			answer = s.answer(payload)
		}
		_ = c.SetWriteDeadline(time.Now().Add(writeTime))
		if werr := writeFrame(c, encode(answer)); werr != nil {
			s.log(werr.Error())
			return
		}
		if err != nil {
			return // where the next message begins nobody knows
		}
	}
}

// await gives a connection its time for the next request, false when we close.
func (s *Server) await(c *net.UnixConn) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.conns != nil && c.SetReadDeadline(time.Now().Add(idleTime)) == nil
}

func (s *Server) answer(payload []byte) response {
	id, words, err := parseRequest(payload)
	var data any
	if err == nil {
		data, err = dispatch(s.master, words)
	}
	if err != nil {
		return response{ID: id, Status: statusError, Error: err.Error()}
	}
	return response{ID: id, Status: statusOK, Data: data}
}

// Close ends the server; what is being answered has a moment.
func (s *Server) Close() {
	_ = s.ln.Close()
	s.mu.Lock()
	conns := s.conns
	s.conns = nil
	for c := range conns {
		_ = c.SetReadDeadline(time.Now())
	}
	s.mu.Unlock()
	done := make(chan struct{})
	go func() { s.active.Wait(); close(done) }()
	select {
	case <-done:
	case <-time.After(closeTime):
		for c := range conns {
			_ = c.Close()
		}
	}
}
