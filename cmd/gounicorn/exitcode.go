package main

// Exit codes, as gunicorn means them.
const (
	exitOK     = 0   // stopped by a signal, --help, --version, --check-config without a problem
	exitError  = 1   // a setting, an address, the worker binary or --check-config failed, or the application with --preload
	exitUsage  = 2   // unknown or malformed flag
	exitBoot   = 3   // the application failed to load
	exitAppErr = 4   // the application was not found or is not callable
	exitGaveUp = 5   // an essential companion does not come up any more; its exit_code takes the place of this
	exitStep   = 6   // a command of prestart failed
	exitCut    = 7   // stopped by a signal, and a companion had to be killed; its exit_code takes the place of this
	exitPanic  = 255 // an error of ours in the main loop
)
