// Package console is what the program does besides serving: gounicornc, and the verbs that are the first word of the command line. One
// table has them all; none needs more than a Program, so that each can be tried without a process.
//
//	program.go     Program, the table of verbs, and which one a command line names
//	gounicornc.go  the client of the control socket with gunicorn's commands; show.go writes its answers
//	ctl.go         gounicorn ctl: a running server, by words
//	ctl_*.go       its commands: what shows, what acts, logs and stacks; completion.go the words for bash
//	top.go         gounicorn top: the same at a terminal
//	explain.go     gounicorn explain: what would become of a request
//	compress.go    gounicorn compress: small siblings of static files
//	import.go      gounicorn import: the configuration of other process managers
package console
