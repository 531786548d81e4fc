package main

import (
	"fmt"
	"net"
	"os"
	"strings"

	"golang.org/x/sys/unix"
)

// notifier tells the service manager about our state (sd_notify). The zero notifier tells nobody.
type notifier struct{ address string }

// newNotifier reads NOTIFY_SOCKET and takes it out of the environment, so that no worker speaks in our name.
func newNotifier(env func(string) (string, bool)) notifier {
	address, _ := env("NOTIFY_SOCKET")
	_ = os.Unsetenv("NOTIFY_SOCKET")
	return notifier{address}
}

// States of the service, each a message of sd_notify(3).
func stateReady(status string) string { return "READY=1\nSTATUS=" + status }

const stateStopping = "STOPPING=1"

// stateReloading must carry the time at which the reload began, by the clock that systemd compares it with.
func stateReloading() string {
	var now unix.Timespec
	_ = unix.ClockGettime(unix.CLOCK_MONOTONIC, &now)
	return fmt.Sprintf("RELOADING=1\nMONOTONIC_USEC=%d", now.Nano()/1000)
}

// stateMain names the process that is the service from now on.
func stateMain(pid int) string { return fmt.Sprintf("MAINPID=%d", pid) }

// tell sends one message.
func (n notifier) tell(state string) error {
	if n.address == "" {
		return nil
	}
	name := n.address
	if rest, ok := strings.CutPrefix(name, "@"); ok {
		name = "\x00" + rest
	}
	c, err := net.DialUnix("unixgram", nil, &net.UnixAddr{Name: name, Net: "unixgram"})
	if err != nil {
		return fmt.Errorf("NOTIFY_SOCKET: %w", err)
	}
	defer c.Close()
	if _, err := c.Write([]byte(state)); err != nil {
		return fmt.Errorf("NOTIFY_SOCKET: %w", err)
	}
	return nil
}
