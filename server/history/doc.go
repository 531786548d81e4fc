// Package history remembers the last minutes of a server: what was asked and answered each second, how long requests of each lane took in
// the last minute, and what happened (restarts, reloads, errors). It is for people who look at a running server, not for accounting: that
// is what the metrics are for.
//
//	recorder.go   Recorder: counting, which costs a few atomic additions a request, and the turn of a second
//	scale.go      the logarithmic scale on which times are counted
//	record.go     Record: what a reader gets
//	events.go     what happened
//	journal.go    Journal: the last lines of a log
package history
