// Package soak runs a server for minutes while everything that happens to servers happens to this one: make soak MINUTES=30.
//
// Workers are killed at random, the application is reloaded, the master replaced by another one; workers hang, clients are slow or leave, bodies
// come in all sizes, over HTTP/1.1 with and without keep-alive and over HTTP/2. Every few seconds a line of progress is printed, at the end what
// became of the requests and what the server holds. Mix-ups, repetitions, losses that nothing explains, and leaks fail the run.
package soak
