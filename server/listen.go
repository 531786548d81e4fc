package server

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"syscall"

	"golang.org/x/sys/unix"
)

// Address is a place to listen.
type Address struct {
	Network string // "tcp", "tcp4", "tcp6", "unix" or "fd"
	Address string // host:port, or a path
	FD      int    // of an inherited listening socket, when Network is "fd"
}

// ErrInUse means that somebody else listens at an address.
var ErrInUse = errors.New("address in use")

// Socket says how listening sockets are made. The zero value of each field is the system's default, but of Umask: 0 opens a unix socket
// to all, as gunicorn does.
type Socket struct {
	Backlog   int         // connections that wait to be accepted
	ReusePort bool        // SO_REUSEPORT: others may listen on the port too
	Umask     os.FileMode // permissions that a unix socket does not get of 0777
	Owner     *Owner      // of a unix socket; nil: who makes it
}

// Owner is the user and group of a file; -1 leaves one as it is.
type Owner struct{ UID, GID int }

// Listen opens an address. A unix socket that nobody listens on any more is replaced; one that is in use is ErrInUse, like a port.
func Listen(a Address, s Socket) (*Listener, error) {
	var ln net.Listener
	var err error
	switch a.Network {
	case "fd":
		ln, err = inherited(a.FD)
	case "unix":
		if ln, err = ListenUnix(a.Address, s); err != nil {
			ln = nil // and no interface around a nil pointer
		}
	default:
		config := net.ListenConfig{KeepAlive: -1, Control: func(_, _ string, c syscall.RawConn) error { return prepare(c, s.ReusePort) }}
		ln, err = config.Listen(context.Background(), a.Network, a.Address)
	}
	if err != nil {
		if errors.Is(err, syscall.EADDRINUSE) {
			err = fmt.Errorf("%w: %w", ErrInUse, err)
		}
		return nil, err
	}
	l, err := newListener(ln, a.Network != "fd")
	if err != nil {
		_ = ln.Close()
		return nil, err
	}
	if s.Backlog > 0 {
		_ = l.control(func(fd int) error { return unix.Listen(fd, s.Backlog) }) // a queue of another length, which Linux allows at any time
	}
	return l, nil
}

// Backlog is the number of connections that nobody has accepted yet; ok is false if the listener cannot tell, as that of a unix socket.
func (l *Listener) Backlog() (n int, ok bool) {
	_ = l.control(func(fd int) error {
		info, err := unix.GetsockoptTCPInfo(fd, unix.IPPROTO_TCP, unix.TCP_INFO)
		if err == nil {
			n, ok = int(info.Unacked), true // tcpi_unacked of a listening socket, see tcp_get_info in Linux
		}
		return err
	})
	return n, ok
}

// Probes of silent connections: the first after so many seconds, then so many more in such intervals, as net has it.
const (
	probeIdle     = 15
	probeInterval = 15
	probeCount    = 9
)

// prepare asks for probes on the listener, from which Linux hands it on to every connection; net would ask for each connection, with
// four system calls.
func prepare(c syscall.RawConn, reusePort bool) error {
	var failed error
	share := 0
	if reusePort {
		share = 1
	}
	err := c.Control(func(fd uintptr) {
		for _, o := range [...]struct{ level, name, value int }{
			{unix.SOL_SOCKET, unix.SO_REUSEPORT, share},
			{unix.SOL_SOCKET, unix.SO_KEEPALIVE, 1},
			{unix.IPPROTO_TCP, unix.TCP_KEEPIDLE, probeIdle},
			{unix.IPPROTO_TCP, unix.TCP_KEEPINTVL, probeInterval},
			{unix.IPPROTO_TCP, unix.TCP_KEEPCNT, probeCount},
		} {
			if e := unix.SetsockoptInt(int(fd), o.level, o.name, o.value); e != nil && failed == nil {
				failed = fmt.Errorf("socket options: %w", e)
			}
		}
	})
	return errors.Join(err, failed)
}

func inherited(fd int) (net.Listener, error) {
	f := os.NewFile(uintptr(fd), "inherited")
	if f == nil {
		return nil, fmt.Errorf("descriptor %d is not open", fd)
	}
	defer f.Close()
	ln, err := net.FileListener(f)
	if err != nil {
		return nil, fmt.Errorf("descriptor %d is not a listening socket: %w", fd, err)
	}
	return ln, nil
}

// secure gives a unix socket its owner, nil for whom it has, and its mode, of which the umask of the process may have taken something.
// It goes by a descriptor: whoever may write to the folder could put a link in the place of the socket, and we may be root.
func secure(path string, owner *Owner, mode os.FileMode) error {
	fd, err := unix.Open(path, unix.O_PATH|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0)
	if err != nil {
		return fmt.Errorf("open the socket %s: %w", path, err)
	}
	defer func() { _ = unix.Close(fd) }()
	var st unix.Stat_t
	if err := unix.Fstat(fd, &st); err != nil || st.Mode&unix.S_IFMT != unix.S_IFSOCK {
		return fmt.Errorf("%s has been replaced while it was opened: %w", path, errors.Join(err, unix.ENOTSOCK))
	}
	if owner != nil {
		if err := unix.Fchownat(fd, "", owner.UID, owner.GID, unix.AT_EMPTY_PATH); err != nil {
			return fmt.Errorf("owner of the socket: %w", err)
		}
	}
	if err := os.Chmod(fmt.Sprintf("/proc/self/fd/%d", fd), mode); err != nil {
		return fmt.Errorf("socket mode: %w", err)
	}
	return nil
}

// ListenUnix opens a unix socket as Listen does, for those who accept by themselves. Closing it leaves the file.
func ListenUnix(path string, s Socket) (*net.UnixListener, error) {
	if st, err := os.Lstat(path); err == nil {
		if st.Mode()&os.ModeSocket == 0 {
			return nil, fmt.Errorf("%s exists and is not a socket", path)
		}
		if c, err := net.Dial("unix", path); err == nil {
			_ = c.Close()
			return nil, fmt.Errorf("%w: somebody listens on %s", ErrInUse, path)
		}
		if err := os.Remove(path); err != nil {
			return nil, fmt.Errorf("stale socket: %w", err)
		}
	}
	mode := 0o777 &^ s.Umask.Perm()
	// The file takes the mode that the socket has before it is bound, so it is never more open than it shall be.
	config := net.ListenConfig{Control: func(_, _ string, c syscall.RawConn) error {
		var failed error
		err := c.Control(func(fd uintptr) { failed = unix.Fchmod(int(fd), uint32(mode)) })
		return errors.Join(err, failed)
	}}
	l, err := config.Listen(context.Background(), "unix", path)
	if err != nil {
		return nil, err
	}
	ln := l.(*net.UnixListener)
	ln.SetUnlinkOnClose(false) // Listener.Remove knows whether the file is still ours
	err = secure(path, s.Owner, mode)
	if err != nil {
		_ = ln.Close()
		_ = os.Remove(path)
		return nil, err
	}
	return ln, nil
}
