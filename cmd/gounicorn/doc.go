// Command gounicorn is the master: it reads the settings, binds the listeners, starts the workers and serves. It is pure Go and starts
// even where no libpython can be loaded, so that it can say so.
//
//	main.go         run: arguments to exit code
//	exitcode.go     the exit codes
//	master.go       settings to server.Config and prefork.Config, start and stop
//	process.go      how this process was started, and how to start it again
//	signals.go      what each signal does
//	listen.go       opens, hands over and closes the sockets
//	life.go         name, pid file, user, other masters, rest and wake
//	daemon.go       into the background
//	upgrade.go      a second master (USR2)
//	pidfile.go, privilege.go, notify.go, title.go: one noun each
//	dispatch.go     joins server.App and prefork.Pool
//	interpreter.go  which Python, and the worker binary built for it
//	boot.go         the boot document for the zygote
//	status.go       GET /status and GET /explain on the private listener
//	explain.go      gounicorn explain: asks a running server about a request
package main
