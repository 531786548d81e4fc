package main

import (
	"os"
	"os/signal"

	"golang.org/x/sys/unix"
)

// action is what the master does on a signal.
type action uint8

const (
	actGraceful action = iota // stop: what has begun ends, within the graceful timeout
	actQuick                  // stop at once
	actReload                 // new generation with the application's code as it is now
	actReopen                 // reopen the log files
	actMore                   // one worker more
	actFewer                  // one worker less
	actRest                   // send the workers away, in the background only
	actUpgrade                // start a second master
	actNothing
)

// signals is the one table of signals; the meanings are gunicorn's.
var signals = []struct {
	signal os.Signal
	action action
	name   string // as gunicorn logs it
}{
	{unix.SIGTERM, actGraceful, "term"},
	{unix.SIGINT, actQuick, "int"},
	{unix.SIGQUIT, actQuick, "quit"},
	{unix.SIGHUP, actReload, "hup"},
	{unix.SIGUSR1, actReopen, "usr1"},
	{unix.SIGTTIN, actMore, "ttin"},
	{unix.SIGTTOU, actFewer, "ttou"},
	{unix.SIGWINCH, actRest, "winch"},
	{unix.SIGUSR2, actUpgrade, "usr2"},
	// A reader of our output that went away must not end the server, as the runtime would have it for descriptors 1 and 2.
	{unix.SIGPIPE, actNothing, "pipe"},
}

// received delivers the signals of the table from now on.
func received() <-chan os.Signal {
	c := make(chan os.Signal, 16)
	for _, s := range signals {
		signal.Notify(c, s.signal)
	}
	return c
}

func actionOf(sig os.Signal) (action, string) {
	for _, s := range signals {
		if s.signal == sig {
			return s.action, s.name
		}
	}
	return actNothing, ""
}
