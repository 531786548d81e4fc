// Package wire is the protocol between the master, the zygote and the workers: frames, their kinds and limits, the slots of the
// scoreboard, and the sockets that carry them. PROTOCOL.md is the specification; a test compares it with this code, and the C
// header of the worker is generated from the tables here (see CHeader).
//
// The package knows nothing of HTTP or Python: payloads are opaque bytes. It imports the standard library and golang.org/x/sys only.
package wire
