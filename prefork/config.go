package prefork

import (
	"io/fs"
	"os"
	"time"

	"github.com/gounicorn/gounicorn/prefork/lane"
	"github.com/gounicorn/gounicorn/prefork/wire"
)

// Config says what a pool runs. The zero value of a limit means what its comment says.
type Config struct {
	Worker  string   // path of the gounicorn-worker binary
	Env     []string // environment of zygote and workers
	Boot    []byte   // boot document, passed on unread
	Dir     string   // working directory of the zygote; empty: that of the master
	Workers int      // processes
	Threads int      // serving threads in each

	MaxWorkers   int           // processes while slow requests hold all others; 0: Workers + SlowReserve
	OverflowIdle time.Duration // how long those and threads beyond Threads stay without need; 0: 10 s
	MaxThreads   int           // threads in each while requests wait that only wait; 0: Threads

	MaxRequests       int // requests after which a worker is replaced; 0: never
	MaxRequestsJitter int // up to that many more, at random

	Timeout         time.Duration // longest silence of a running request; 0: none
	RequestTimeout  time.Duration // longest run of a request in all; 0: none
	SoftTimeout     time.Duration // run without an answer after which SoftTimeout is raised in the application, once; 0: never
	QueueTimeout    time.Duration // longest wait for a worker; 0: none
	GracefulTimeout time.Duration // how long a retiring worker may finish what it runs; 0: not at all
	BootTimeout     time.Duration // how long a worker may take to load the application; 0: for ever
	MaxQueue        int           // jobs that may wait; 0: 16384

	Lanes       []lane.Rule   // which requests go to which lane whatever they need; the first that matches counts
	QueueTarget time.Duration // wait that is normal under load; while requests wait for longer, some are refused; 0: none is
	SlowReserve int           // slots that requests known to be slow never take
	SlowAfter   time.Duration // a request that runs longer is slow; 0: 100 ms
	SlowNice    int           // by how much the priority of a request is lowered that turns out slow, 0 to 19; 0: not at all

	Stdout, Stderr func(pid int, text []byte)           // what workers print: whole lines, valid during the call
	Log            func(level int, pid int, msg string) // level is a wire.Level…; pid 0 means the master
	Replaced       func(Cause)                          // a worker was replaced, for metrics; called by the supervisor

	os osSeam
}

// Cause is why a worker was replaced.
type Cause uint8

// Causes of a restart.
const (
	causeUnknown     Cause = iota
	CauseExit              // it ended by itself
	CauseSignal            // a signal that we did not send
	CauseTimeout           // a request was silent or took too long
	CauseBoot              // it did not load the application
	CauseMaxRequests       // it had served its share
	CauseReload            // a new generation took over
	CauseProtocol          // it broke the protocol
	causeIdle              // an overflow worker that was not needed any more; no restart
)

// osSeam is what the pool asks of the operating system and of chance, so that a test can replace it.
type osSeam struct {
	rand func(n int) int
	root fs.FS // the machine's file system, for what it tells about memory
}

func (c *Config) defaults() {
	if c.Workers < 1 {
		c.Workers = 1
	}
	if c.Threads < 1 {
		c.Threads = 1
	}
	if c.MaxWorkers == 0 {
		c.MaxWorkers = c.Workers + c.SlowReserve
	}
	c.MaxWorkers = max(c.MaxWorkers, c.Workers)
	c.MaxThreads = max(c.MaxThreads, c.Threads)
	if c.OverflowIdle <= 0 {
		c.OverflowIdle = 10 * time.Second
	}
	if c.MaxQueue <= 0 {
		c.MaxQueue = 16384
	}
	if c.SlowAfter <= 0 {
		c.SlowAfter = 100 * time.Millisecond
	}
	if c.Env == nil {
		c.Env = os.Environ()
	}
	if c.Log == nil {
		c.Log = func(int, int, string) {}
	}
	if c.Replaced == nil {
		c.Replaced = func(Cause) {}
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
