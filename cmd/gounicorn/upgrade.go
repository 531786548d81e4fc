package main

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"
)

// Replacing the program while it serves (USR2), with gunicorn's variables: the running master starts a second one as its child, which
// gets the listening sockets. Both serve until one of them is told to go.
const (
	parentVariable  = "GUNICORN_PID"       // the first master
	socketsVariable = "GUNICORN_FD"        // its listening sockets, as N,N,…
	lentVariable    = "GOUNICORN_LENT_FD"  // is set when they are the service manager's
	namesVariable   = "GOUNICORN_FD_NAMES" // its names for them, as NAME:NAME:…
)

const maxInherited = 128 // sockets from another master or the service manager

// takeOver reads what another master left for us. parent is 0 when it has gone already, or when there was none.
func takeOver(env func(string) (string, bool), ppid int) (all []given, parent int, lent bool) {
	pid, _ := env(parentVariable)
	sockets, _ := env(socketsVariable)
	text, _ := env(namesVariable)
	_, lent = env(lentVariable)
	for _, name := range []string{parentVariable, socketsVariable, lentVariable, namesVariable} {
		_ = os.Unsetenv(name)
	}
	parent, err := strconv.Atoi(pid)
	if err != nil || sockets == "" {
		return nil, 0, false
	}
	names := strings.Split(text, ":")
	for i, text := range strings.Split(sockets, ",") {
		fd, err := strconv.Atoi(text)
		var st unix.Stat_t
		if err != nil || fd < firstInherited || len(all) == maxInherited || unix.Fstat(fd, &st) != nil || st.Mode&unix.S_IFMT != unix.S_IFSOCK {
			return nil, 0, false // a variable that an application's program inherited, long after
		}
		g := given{fd: fd}
		if i < len(names) {
			g.name = names[i]
		}
		all = append(all, g)
	}
	for _, g := range all {
		unix.CloseOnExec(g.fd)
	}
	if parent != ppid {
		parent = 0
	}
	return all, parent, lent
}

// upgrade is the other master, if there is one. Owned by the goroutine that handles signals.
type upgrade struct {
	parent, child         int
	parentGone, childGone <-chan struct{} // closed when they are dead; nil: there is none
}

// follow watches the master that we shall replace.
func (u *upgrade) follow(parent int) error {
	if parent == 0 {
		return nil
	}
	pidfd, err := unix.PidfdOpen(parent, unix.PIDFD_NONBLOCK)
	if errors.Is(err, unix.ESRCH) || err == nil && os.Getppid() != parent {
		pidfd, err = -1, nil
	}
	if err != nil {
		return fmt.Errorf("watch the old master: %w", err)
	}
	u.parent, u.parentGone = parent, awaitDeath(pidfd)
	return nil
}

// launch starts the second master with our sockets. When its start fails, report is called with the reason, from another goroutine. In
// the background nobody else would hear it.
func (u *upgrade) launch(p *process, sockets []socket, report func(string)) error {
	files := []uintptr{0, 1, 2}
	var numbers, names []string
	defer func() {
		for _, fd := range files[3:] {
			_ = unix.Close(int(fd))
		}
	}()
	for i, s := range sockets {
		fd, err := s.Duplicate()
		if err != nil {
			return fmt.Errorf("hand over %s: %w", s.Addr(), err)
		}
		files, numbers, names = append(files, uintptr(fd)), append(numbers, strconv.Itoa(firstInherited+i)), append(names, s.name)
	}
	with := []string{
		fmt.Sprintf("%s=%d", parentVariable, os.Getpid()), socketsVariable + "=" + strings.Join(numbers, ","),
		namesVariable + "=" + strings.Join(names, ":"),
	}
	if p.lent {
		with = append(with, lentVariable+"=1")
	}
	// WATCHDOG_PID would name us; the second master tells the watchdog for itself.
	without := []string{parentVariable, socketsVariable, lentVariable, namesVariable, daemonVariable, "LISTEN_PID", "LISTEN_FDS", "LISTEN_FDNAMES", "WATCHDOG_PID"}
	var status, said [2]int
	if err := errors.Join(unix.Pipe2(status[:], unix.O_CLOEXEC), unix.Pipe2(said[:], unix.O_CLOEXEC)); err != nil {
		return fmt.Errorf("pipe: %w", err)
	}
	statusR, saidR := os.NewFile(uintptr(status[0]), "status"), os.NewFile(uintptr(said[0]), "complaints")
	suffix := ""
	if p.daemon != nil && p.daemon.quiet { // a second master is one too, and keeps its standard error
		files[2], suffix = uintptr(said[1]), ":q"
	}
	files = append(files, uintptr(status[1])) // closed by the deferred function, as are the sockets
	with = append(with, fmt.Sprintf("%s=4:%d%s", daemonVariable, len(files)-1, suffix))
	pidfd := -1
	pid, err := syscall.ForkExec(p.exe, p.args, &syscall.ProcAttr{
		Dir: p.dir, Env: p.environment(without, with...), Files: files, Sys: &syscall.SysProcAttr{PidFD: &pidfd},
	})
	_ = unix.Close(said[1])
	if err != nil {
		_ = statusR.Close()
		_ = saidR.Close()
		return fmt.Errorf("start %s: %w", p.exe, err)
	}
	go func() { // ends when the second master serves or has ended
		defer statusR.Close()
		defer saidR.Close()
		if code, complaint := await(statusR, saidR); code != exitOK {
			report(strings.TrimSpace(fmt.Sprintf("The second master (pid:%d) did not start (exit code %d). %s", pid, code, bytes.TrimSpace(complaint))))
		}
	}()
	if pidfd < 0 {
		if pidfd, err = unix.PidfdOpen(pid, 0); err != nil {
			return fmt.Errorf("watch the new master (pid:%d): %w", pid, err)
		}
	}
	_ = unix.SetNonblock(pidfd, true)
	u.child, u.childGone = pid, awaitDeath(pidfd)
	return nil
}

// alone reports whether nobody else has our sockets because of an upgrade.
func (u *upgrade) alone() bool { return u.parent == 0 && u.child == 0 }

// awaitDeath returns a channel that is closed when the process is dead; -1 is one that is. The pool reaps what are our children.
func awaitDeath(pidfd int) <-chan struct{} {
	gone := make(chan struct{})
	if pidfd < 0 {
		close(gone)
		return gone
	}
	f := os.NewFile(uintptr(pidfd), "pidfd")
	go func() { // ends with the process that is watched, or with ours
		defer close(gone)
		defer f.Close()
		raw, err := f.SyscallConn()
		if err != nil {
			return
		}
		_ = raw.Read(func(fd uintptr) bool {
			poll := []unix.PollFd{{Fd: int32(fd), Events: unix.POLLIN}}
			n, err := unix.Poll(poll, 0)
			return n > 0 || err != nil && !errors.Is(err, unix.EINTR)
		})
	}()
	return gone
}
