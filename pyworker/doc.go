// Package pyworker is a worker process: CPython and the application inside a Go program. It is the only package with cgo.
//
// Before the Go runtime starts, a C constructor (gp_zygote.c, switched on by GOUNICORN_ZYGOTE) initialises CPython and serves fork
// requests from the master. In a forked child the constructor returns, Go starts, and Main takes over:
//
//   - The goroutine of Main stays on the process's main thread, which is Python's main thread and holds the GIL. It loads the
//     application through cpy3, serves in C (module _gounicorn), and runs the exit functions.
//   - One goroutine reads the control socket. It never takes the GIL, so it answers when Python is stuck.
//   - Signals belong to Python again once Go has started; see gp_signals.c.
//
// Definitions of the protocol are in prefork/wire. The package must not import server, prefork or wsgi.
package pyworker
