// Package prefork runs requests in worker processes that are forked ahead of time. It owns the processes (one zygote per generation,
// its workers, how they start, stop, die and are replaced) and the queue of requests. It knows nothing of HTTP or Python:
// a request is a Job with an opaque payload, a response is the frames of prefork/wire.
//
// Who owns what:
//
//   - Pool (pool.go) is the one exported door. Its supervisor goroutine (supervisor.go) owns generations and workers: nobody else
//     touches those structs; everything reaches it as a message.
//   - The dispatcher (dispatcher.go) owns the slots and the packets, behind one mutex, because every request passes it twice and a
//     hand-over to another goroutine would cost more than the work. What goes when, and what waits, is decided by package lane, which
//     the same mutex guards.
//   - Each response stream has one goroutine (stream.go) that reads frames and calls the Sink of the job they belong to. While a
//     job runs, only that goroutine calls its Sink; the supervisor fails the jobs of a dead worker after its streams have ended.
//
// A start has three steps, between which the master does its own: Configure (a zygote says what it has read, and Config.Decide makes
// a Plan of that), Load, Start. A reload takes them in one go; its plan counts from the time when its generation serves. At the end the
// zygote of the current generation is told last, when the end of every worker has been logged.
//
// A worker is:
//
//	booting ──READY──► ready ──RETIRING or STOP──► retiring ──► dead
//	   └───────────────────┴──────────── exit, kill ───────────┘
//
// A job is queued in the master, then sent (its packet is in the kernel's queue, slot QUEUED), then running (slot RUNNING), then over:
// either its Sink got the frame with END or ABORT, or Failed was called; never both, never twice.
package prefork
