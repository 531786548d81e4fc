package metrics

// NoLane is the lane of requests that were answered before they had one, and of lanes that New was not told of.
const NoLane = "none"

// Refusal is why a request was refused before a worker had it. The zero Refusal means that it was not.
type Refusal uint8

// The refusals.
const (
	NotRefused      Refusal = iota
	RefusedFull             // as many wait as may
	RefusedTimeout          // it waited for as long as it may
	RefusedOverload         // its lane has been waiting for too long
	RefusedStopping         // the server stops
	numRefusals
)

var refusalNames = [numRefusals]string{
	RefusedFull: "full", RefusedTimeout: "timeout", RefusedOverload: "overload", RefusedStopping: "stopping",
}

// answerers are those who may answer a request: the application, the server itself when it refuses or fails, and the Responders. Another
// name counts as otherAnswerer.
var answerers = []string{"app", "server", "static", "cache", "health", "edge", "redirect", otherAnswerer}

const otherAnswerer = "other"

// edgeRules are the rules of server/edge that are counted.
var edgeRules = []string{"redirect", "host", "address", "rate", "rate_dry_run", "password", "connection"}

// ThreadKind is what a thread of a worker is for.
type ThreadKind uint8

// The kinds of threads.
const (
	Computing ThreadKind = iota // for every request
	Spare                       // for requests that wait rather than compute
	numThreadKinds
)

var threadKindNames = [numThreadKinds]string{Computing: "computing", Spare: "spare"}

// ThreadState is what a thread of a worker is doing.
type ThreadState uint8

// The states of a thread.
const (
	ThreadIdle ThreadState = iota
	ThreadBusy
	numThreadStates
)

var threadStateNames = [numThreadStates]string{ThreadIdle: "idle", ThreadBusy: "busy"}

// Handshake is how a handshake of TLS ended.
type Handshake uint8

// The ends of a handshake.
const (
	HandshakeDone Handshake = iota
	HandshakeFailed
	HandshakeTimeout // too slow, or given up for others
	HandshakePlain   // the client spoke HTTP
	numHandshakes
)

var handshakeNames = [numHandshakes]string{HandshakeDone: "done", HandshakeFailed: "failed", HandshakeTimeout: "timeout", HandshakePlain: "plain"}

// Stage is how far a request had come when its client left.
type Stage uint8

// The stages.
const (
	StageReceiving Stage = iota
	StageQueued
	StageRunning
	StageSending
	numStages
)

var stageNames = [numStages]string{
	StageReceiving: "receiving", StageQueued: "queued", StageRunning: "running", StageSending: "sending",
}

// Cached is what the cache made of a request.
type Cached uint8

// What the cache makes of requests that are its matter.
const (
	CacheHit       Cached = iota // answered from what is kept
	CacheStale                   // likewise, past its time
	CacheCollapsed               // answered as an equal request
	CacheMiss                    // run, for others too
	numCached
)

var cacheNames = [numCached]string{CacheHit: "hit", CacheStale: "stale", CacheCollapsed: "collapsed", CacheMiss: "miss"}

// ConnState is what a client connection is doing.
type ConnState uint8

// The states of a connection.
const (
	ConnIdle ConnState = iota
	ConnActive
	numConnStates
)

var connNames = [numConnStates]string{ConnIdle: "idle", ConnActive: "active"}

// Medium is where buffered bytes are.
type Medium uint8

// The media.
const (
	Memory Medium = iota
	Disk
	numMedia
)

var mediumNames = [numMedia]string{Memory: "memory", Disk: "disk"}

// WorkerState is what a worker process is doing.
type WorkerState uint8

// The states of a worker.
const (
	WorkerBooting WorkerState = iota
	WorkerIdle
	WorkerBusy
	WorkerRetiring // finishes its requests and ends
	numWorkerStates
)

var workerNames = [numWorkerStates]string{
	WorkerBooting: "booting", WorkerIdle: "idle", WorkerBusy: "busy", WorkerRetiring: "retiring",
}

// Restart is why a worker was replaced.
type Restart uint8

// The causes of a restart.
const (
	RestartExit        Restart = iota // it ended by itself
	RestartSignal                     // a signal that we did not send
	RestartMemory                     // the system ran out of memory
	RestartTimeout                    // a request was silent or took too long
	RestartBoot                       // it failed to load the application
	RestartMaxRequests                // it had served its number of requests
	RestartReload                     // a new generation took over
	RestartProtocol                   // it broke the protocol with the master
	RestartMaxAge                     // it was as old as may be
	RestartMaxMemory                  // it had as much memory as it may
	numRestarts
)

var restartNames = [numRestarts]string{
	RestartExit: "exit", RestartSignal: "signal", RestartMemory: "out_of_memory", RestartTimeout: "timeout",
	RestartBoot: "boot_failure", RestartMaxRequests: "max_requests", RestartReload: "reload", RestartProtocol: "protocol",
	RestartMaxAge: "max_age", RestartMaxMemory: "max_memory",
}

// String returns the value of the label.
func (r Restart) String() string { return restartNames[min(r, numRestarts-1)] }

// Log is one of the server's logs.
type Log uint8

// The logs.
const (
	AccessLog Log = iota
	ErrorLog
	Syslog
	Statsd
	numLogs
)

var logNames = [numLogs]string{AccessLog: "access", ErrorLog: "error", Syslog: "syslog", Statsd: "statsd"}

// CompanionStates are the states of companions.
var CompanionStates = [...]string{"stopped", "starting", "running", "backoff", "stopping", "exited", "fatal"}
