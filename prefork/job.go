package prefork

import (
	"os"
	"sync/atomic"
	"time"

	"github.com/gounicorn/gounicorn/prefork/lane"
	"github.com/gounicorn/gounicorn/prefork/wire"
)

// Job is one request. The caller fills the exported fields, calls Pool.Submit, and must not touch the job again until its Sink was
// told that it is over; then the job may be reset and used again.
type Job struct {
	Payload    []byte   // payload of the REQUEST packet
	Pairs      int      // number of environ entries in Payload
	Body       *os.File // the request body when it is not in Payload; stays the caller's
	Key        []byte   // route key, to learn how long such requests take; may be empty
	Client     uint64   // hash of who asks, for fairness between clients; 0: not known
	Idempotent bool     // may be tried once more when its worker died before it answered
	Loan       bool     // Sink is a Borrower, and its client's connection may be lent to the worker
	Sink       Sink

	// Set before the Sink is told that the job is over.
	Queued  time.Duration // from Submit until a worker started it
	Run     time.Duration // from there to the end
	Waited  time.Duration // of Run, for a processor; Unmeasured when that is not known, as of short requests
	CPU     time.Duration // CPU time of the serving thread
	PID     int           // worker's process, 0 when it never started
	Slow    bool          // was counted as slow
	Retried bool          // was started a second time
	Lane    string        // its lane, see package lane

	RetryAfter time.Duration // when it may be worth another try, when it failed with QueueFull, QueueTimeout or Overloaded

	item       lane.Item
	failure    Failure       // why the sweep ended it
	submitted  time.Duration // since the pool's epoch
	slot       uint32
	generation uint32    // of the slot
	packed     time.Time // when it was sent in a packet with others; zero: alone
	soft       bool      // SoftTimeout was asked for
	owner      *generation
	where      place
	seat       *seat         // the worker on whose own queue it was sent; nil: the generation's queue
	heavy      bool          // in dispatcher.heavy
	doneSince  time.Time     // when the sweep first saw its slot DONE; zero: not yet. Guarded by the dispatcher's mutex
	claim      atomic.Uint64 // which use of which slot this is, and the worker that answers it; see claim.go
	seen       look          // what its thread had spent when the sweep last looked; guarded by the dispatcher's mutex
	activity   atomic.Int64  // last sign of life, nanoseconds since the pool's epoch
	answered   atomic.Bool   // a frame has been passed on: it can no longer be tried again
	stalled    atomic.Bool   // the reader waits for the client, not for the worker
	cancelled  atomic.Bool   // the client left
}

// Unmeasured is the Waited of a Job of which it is not known.
const Unmeasured time.Duration = -1

// Reset prepares a job for its next request and keeps nothing of the last one.
func (j *Job) Reset() {
	j.Payload, j.Pairs, j.Body, j.Key, j.Client, j.Idempotent, j.Loan, j.Sink = nil, 0, nil, nil, 0, false, false, nil
	j.Queued, j.Run, j.Waited, j.CPU, j.PID, j.Slow, j.Retried, j.Lane, j.RetryAfter = 0, 0, Unmeasured, 0, 0, false, false, "", 0
	j.owner, j.where, j.seat, j.heavy = nil, nowhere, nil, false
	j.item = lane.Item{}
	j.claim.Store(0)
	j.answered.Store(false)
	j.stalled.Store(false)
	j.cancelled.Store(false)
}

type place uint8

const (
	nowhere place = iota
	waiting       // in the master's queue
	sent          // on the workers' queue or running
)

// Sink takes the response of one job. Its methods are called by one goroutine at a time.
type Sink interface {
	// Frame takes HEAD, BODY, FILE, INTERIM or ABORT. payload and body, what a worker has laid on its tray and is behind the payload, are
	// valid during the call; file belongs to the sink. It must not block. When the frame has END, or is ABORT, the job is over and the sink will not be called again.
	Frame(h wire.Header, payload, body []byte, file *os.File) error
	// Room is called after each frame that is not the last one; it blocks while the response cannot be buffered, until there
	// is room or stop is closed.
	Room(stop <-chan struct{})
	// String describes the request for the log, such as "GET /contract/7/download".
	String() string
	// Failed ends the job without (the rest of) a response.
	Failed(f Failure)
}

// Failure says why a job got no response.
type Failure uint8

// Reasons for a Failure.
const (
	WorkerDied   Failure = iota + 1 // its worker died while it ran
	Collateral                      // its worker was killed because of another request
	TimedOut                        // silent for longer than Config.Timeout, or longer in all than Config.RequestTimeout
	QueueTimeout                    // no worker was free within Config.QueueTimeout
	QueueFull                       // too many jobs are waiting
	Overloaded                      // too many jobs wait for too long; those of its lane that waited longest are refused
	Stopping                        // the pool is stopping
	Broken                          // the worker broke the protocol
)

var failureNames = [...]string{
	"", "worker died", "collateral", "timed out", "queue timeout", "queue full", "overloaded", "stopping", "protocol broken",
}

// String names the failure for logs.
func (f Failure) String() string { return failureNames[f] }
