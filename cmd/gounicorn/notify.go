package main

import (
	"fmt"
	"net"
	"os"
	"strconv"
	"strings"
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

// watchdog returns a ticker for stateAlive, twice as often as it is asked for, and its channel; nil when nobody asks.
func (n notifier) watchdog() (*time.Ticker, <-chan time.Time) {
	if n.every < minWatchdog {
		t := time.NewTicker(time.Hour)
		t.Stop()
		return t, nil
	}
	t := time.NewTicker(n.every / 2)
	return t, t.C
}

const minWatchdog = 10 * time.Millisecond // what is less would keep us busy

// States of the service, each a message of sd_notify(3).
func stateReady(status string) string { return "READY=1\nSTATUS=" + status }

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

// stateExtend asks for more time, for the companions.
func stateExtend(d time.Duration) string {
	return fmt.Sprintf("EXTEND_TIMEOUT_USEC=%d", d.Microseconds())
}

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
