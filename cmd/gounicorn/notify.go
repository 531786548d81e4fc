package main

import (
	"fmt"
	"os"
	"strconv"
	"time"

	"golang.org/x/sys/unix"
)

// notifier tells the service manager about our state (sd_notify). The zero notifier tells nobody.
type notifier struct {
	address string
	every   time.Duration // how often it wants to hear that we live (WATCHDOG_USEC); 0: it does not
}

// newNotifier reads NOTIFY_SOCKET and takes it out of the environment, so that no worker speaks in our name.
func newNotifier(env func(string) (string, bool)) notifier {
	address, _ := env("NOTIFY_SOCKET")
	text, _ := env("WATCHDOG_USEC")
	pid, named := env("WATCHDOG_PID")
	for _, name := range []string{"NOTIFY_SOCKET", "WATCHDOG_USEC", "WATCHDOG_PID"} {
		_ = os.Unsetenv(name)
	}
	n := notifier{address: address}
	if usec, err := strconv.ParseUint(text, 10, 48); err == nil && (!named || pid == strconv.Itoa(os.Getpid())) {
		n.every = time.Duration(usec) * time.Microsecond
	}
	return n
}

const minWatchdog = 10 * time.Millisecond // what is less would keep us busy

// States of the service, each a message of sd_notify(3).
func stateReady(status string) string { return "READY=1\n" + stateStatus(status) }

const (
	stateStopping = "STOPPING=1"
	stateAlive    = "WATCHDOG=1"
)

// stateReloading must carry the time at which the reload began, by the clock that systemd compares it with.
func stateReloading() string {
	var now unix.Timespec
	_ = unix.ClockGettime(unix.CLOCK_MONOTONIC, &now)
	return fmt.Sprintf("RELOADING=1\nMONOTONIC_USEC=%d", now.Nano()/1000)
}

// stateMain names the process that is the service from now on.
func stateMain(pid int) string { return fmt.Sprintf("MAINPID=%d", pid) }

// stateStatus is a line for people.
func stateStatus(text string) string { return "STATUS=" + text }

// stateKeep goes with a descriptor that the service manager is to keep under a name, stateForget ends that.
func stateKeep(name string) string   { return "FDSTORE=1\nFDNAME=" + name }
func stateForget(name string) string { return "FDSTOREREMOVE=1\nFDNAME=" + name }

// stateExtend asks for more time for what is under way, from now on.
func stateExtend(d time.Duration) string {
	return fmt.Sprintf("EXTEND_TIMEOUT_USEC=%d", d.Microseconds())
}

// tellTime bounds the wait for a service manager that does not read.
const tellTime = time.Second

// tell sends one message, with descriptors if there are any.
func (n notifier) tell(state string, fds ...int) error {
	if n.address == "" {
		return nil
	}
	fd, err := unix.Socket(unix.AF_UNIX, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return fmt.Errorf("NOTIFY_SOCKET: %w", err)
	}
	defer func() { _ = unix.Close(fd) }()
	wait := unix.NsecToTimeval(tellTime.Nanoseconds())
	_ = unix.SetsockoptTimeval(fd, unix.SOL_SOCKET, unix.SO_SNDTIMEO, &wait) // at worst there is no bound
	var rights []byte
	if len(fds) > 0 {
		rights = unix.UnixRights(fds...)
	}
	to := &unix.SockaddrUnix{Name: n.address} // @ is the abstract name space
	if err := unix.Sendmsg(fd, []byte(state), rights, to, unix.MSG_NOSIGNAL); err != nil {
		return fmt.Errorf("NOTIFY_SOCKET: %w", err)
	}
	return nil
}
