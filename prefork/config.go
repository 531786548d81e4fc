package prefork

import (
	"io/fs"
	"os"
	"time"

	"github.com/gounicorn/gounicorn/prefork/lane"
	"github.com/gounicorn/gounicorn/prefork/wire"
)

// Config says what a pool runs.
type Config struct {
	Worker    string   // path of the gounicorn-worker binary
	Env       []string // environment of zygote and workers
	Dir       string   // working directory of the zygote; empty: that of the master
	Configure []byte   // what a zygote is to read before anything else, passed on unread

	// Decide makes the plan of a generation from what its zygote answered to Configure; an error ends the generation. It is called
	// on a goroutine of its own, for one generation at a time. Nil: each generation has the plan that is here.
	Decide func(generation int, answer []byte) (Plan, error)
	Plan   // of the current generation, from the time when it serves

	Owns           func(pid int) bool                    // whether a child is somebody else's to reap; nil: none is
	Stdout, Stderr func(pid int, text []byte)            // what workers print: whole lines, valid during the call
	Log            func(level int, pid int, msg string)  // level is a wire.Level…; pid 0 means the master
	AccessLog      func(line string)                     // a line that the application itself wrote to the access log; may be nil
	Files          func(names []string)                  // files that the application is made of, a worker says; may be nil. Called by the supervisor
	Site           func(generation int, document []byte) // what a generation says of its application (SITE), once, before it serves; may be nil. Called by the supervisor
	Replaced       func(pid int, why Cause)              // a worker was replaced, for metrics; called by the supervisor
	Kept           func()                                // a reload has failed, and the old generation goes on. Called by the supervisor
	Stopped        func()                                // Shutdown has seen the last worker go; only zygotes are left. Called by the supervisor

	os osSeam
}

// Plan says what one generation runs. The zero value of a limit means what its comment says.
type Plan struct {
	Boot    []byte // boot document, passed on unread
	Workers int    // processes
	Threads int    // serving threads in each

	MaxWorkers   int           // processes while slow requests hold all others, or requests wait; 0: Workers + SlowReserve
	ScaleWait    time.Duration // wait from which on another worker is wanted for that alone; 0: it never is
	OverflowIdle time.Duration // how long those and threads beyond Threads stay without need; 0: 10 s
	MaxThreads   int           // threads in each while requests wait that only wait; 0: Threads

	MaxRequests       int // requests after which a worker is replaced; 0: never
	MaxRequestsJitter int // up to that many more, at random

	MaxAge       time.Duration // after which a worker is replaced; 0: never
	MaxAgeJitter time.Duration // up to that much more, at random
	MaxMemory    int64         // bytes (PSS) from which on a worker is replaced; 0: never
	OneByOne     bool          // a generation replaces the workers of the one before it one by one, as it does when memory is short

	Timeout         time.Duration // longest silence of a running request; 0: none
	RequestTimeout  time.Duration // longest run of a request in all; 0: none
	SoftTimeout     time.Duration // run without an answer after which SoftTimeout is raised in the application, once; 0: never
	QueueTimeout    time.Duration // longest wait for a worker; 0: none
	GracefulTimeout time.Duration // how long a retiring worker may finish what it runs; 0: not at all
	BootTimeout     time.Duration // how long a worker may take to load the application; 0: for ever
	Abort           bool          // a worker that is killed for its request is sent SIGABRT first
	Serving         func()        // requests go to this generation from now on; may be nil. Called by the supervisor

	// These are the pool's; those of the first generation count.
	MaxQueue    int           // jobs that may wait; 0: 16384
	Lanes       []lane.Rule   // which requests go to which lane whatever they need; the first that matches counts
	QueueTarget time.Duration // wait that is normal under load; while requests wait for longer, some are refused; 0: none is
	SlowReserve int           // slots that requests known to be slow never take
	SlowAfter   time.Duration // a request that runs longer is slow; 0: 100 ms
	SlowNice    int           // by how much the priority of a request is lowered that turns out slow, 0 to 19; 0: not at all
}

// Cause is why a worker was replaced.
type Cause uint8

// Causes of a restart.
const (
	causeUnknown     Cause = iota
	CauseExit              // it ended by itself
	CauseSignal            // a signal that we did not send
	CauseOOM               // the kernel killed it because memory was short
	CauseTimeout           // a request was silent or took too long
	CauseBoot              // it did not load the application
	CauseMaxRequests       // it had served its share
	CauseReload            // a new generation took over
	CauseProtocol          // it broke the protocol
	CauseAge               // it was as old as may be
	CauseMemory            // it used as much memory as it may
	causeIdle              // an overflow worker that was not needed any more; no restart
)

// osSeam is what the pool asks of the operating system and of chance, so that a test can replace it.
type osSeam struct {
	rand func(n int) int // 0 to n-1
	root fs.FS           // the machine's file system, for what it tells about memory
}

func (l *Plan) defaults() {
	if l.Workers < 1 {
		l.Workers = 1
	}
	if l.Threads < 1 {
		l.Threads = 1
	}
	if l.MaxWorkers == 0 {
		l.MaxWorkers = l.Workers + l.SlowReserve
	}
	l.MaxWorkers = max(l.MaxWorkers, l.Workers)
	l.MaxThreads = max(l.MaxThreads, l.Threads)
	if l.OverflowIdle <= 0 {
		l.OverflowIdle = 10 * time.Second
	}
	if l.MaxQueue <= 0 {
		l.MaxQueue = 16384
	}
	if l.SlowAfter <= 0 {
		l.SlowAfter = 100 * time.Millisecond
	}
	if l.Serving == nil {
		l.Serving = func() {}
	}
}

func (c *Config) defaults() {
	c.Plan.defaults()
	if c.Kept == nil {
		c.Kept = func() {}
	}
	if c.Site == nil {
		c.Site = func(int, []byte) {}
	}
	if c.Stopped == nil {
		c.Stopped = func() {}
	}
	if c.Env == nil {
		c.Env = os.Environ()
	}
	if c.Owns == nil {
		c.Owns = func(int) bool { return false }
	}
	if c.Log == nil {
		c.Log = func(int, int, string) {}
	}
	if c.Replaced == nil {
		c.Replaced = func(int, Cause) {}
	}
	if c.Stdout == nil {
		c.Stdout = func(int, []byte) {}
	}
	if c.Stderr == nil {
		c.Stderr = func(int, []byte) {}
	}
}

func (c *Config) info(pid int, msg string)    { c.Log(wire.LevelInfo, pid, msg) }
func (c *Config) warning(pid int, msg string) { c.Log(wire.LevelWarning, pid, msg) }
func (c *Config) error(pid int, msg string)   { c.Log(wire.LevelError, pid, msg) }
