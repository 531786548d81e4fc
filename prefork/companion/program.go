package companion

import (
	"fmt"
	"syscall"
	"time"
)

// Program is what a companion is and how it is run. Parse makes complete ones; two that are deeply equal run the same.
type Program struct {
	Name        string
	Args        []string // the first is looked up in the PATH of Env
	Env         []string // the whole environment, without what is added for each process
	Directory   string
	Owner       *Owner         // who runs it; nil: who we are
	Umask       int            // -1: ours
	Limits      []Limit        // of resources
	Count       int            // processes
	Autostart   bool           // it runs without being asked for
	Restart     Restart        // what follows an end
	ExitCodes   []int          // that are expected
	StartTime   time.Duration  // for which it must live to count as started
	Retries     int            // starts in a row that may fail beyond the first; -1: any number
	Stop        []StopStep     // how it is asked to end; KILL follows the last
	Essential   bool           // when it is given up, Config.GaveUp is called
	ExitCode    int            // for GaveUp; 0: the default
	After       []string       // programs that must be ready before
	Ready       *Check         // nil: it is ready after StartTime
	Singleton   bool           // never two at once
	Lock        string         // file that is locked while it runs; "": none
	Timer       *Timer         // nil: it is to run all the time
	MaxMemory   int64          // bytes of all its processes (PSS), beyond which it is restarted; 0: any
	MaxAge      time.Duration  // after which it is restarted; 0: never
	MaxAgeExtra time.Duration  // random addition to MaxAge
	LogFile     string         // where its lines go; "": to the log
	LogSize     int64          // bytes of LogFile, before which it is begun anew; 0: no limit
	LogBackups  int            // files that are kept of it then
	Health      *Health        // nil: nobody looks whether it does its work
	OOMScore    *int           // how readily the kernel kills it when memory is short (oom_score_adj); nil: as readily as us
	OnReload    ReloadAction   // what a reload does when nothing has changed
	ReloadWith  syscall.Signal // for ReloadSignal
}

// Restart says what follows the end of a program that had started.
type Restart string

// The policies, with supervisord's names.
const (
	Always     Restart = "always"
	Unexpected Restart = "unexpected" // not after an exit code of ExitCodes
	Never      Restart = "never"
)

// ReloadAction says what a reload does with a program that has not changed.
type ReloadAction string

// The actions.
const (
	ReloadKeep    ReloadAction = "keep"
	ReloadRestart ReloadAction = "restart"
	ReloadSignal  ReloadAction = "signal"
)

// StopStep is one signal and how long it may take.
type StopStep struct {
	Signal syscall.Signal
	Wait   time.Duration
}

// Limit is a limit of resources (setrlimit).
type Limit struct {
	Resource   int
	Soft, Hard uint64
}

// Check finds out whether a process can do its work. Of the kinds one is set.
type Check struct {
	Command []string // exits with 0
	TCP     string   // host:port that accepts
	Unix    string   // socket that accepts
	HTTP    string   // URL that is answered with 2xx or 3xx
	Notify  bool     // it says so itself: READY=1 to NOTIFY_SOCKET
	Every   time.Duration
	Timeout time.Duration // after which the start has failed
}

// Health is a check that goes on while a program runs: after so many failures in a row it is started again. It is no Notify; Every is the
// time from one to the next, Timeout that of one.
type Health struct {
	Check
	Failures int
}

// Timer says when a program runs that is not to run all the time. One of Every and Cron is set.
type Timer struct {
	Every   time.Duration // from start to start
	Cron    string        // five fields of crontab(5), or @daily and the like
	Jitter  time.Duration // random addition
	Timeout time.Duration // after which a run is stopped; 0: never
}

// Owner is who runs a program.
type Owner struct {
	UID, GID uint32
	Groups   []uint32
}

// stopTime is how long the stop steps take together.
func (p *Program) stopTime() (sum time.Duration) {
	for _, s := range p.Stop {
		sum += s.Wait
	}
	return sum
}

// process is the name of one of the processes.
func (p *Program) process(index int) string {
	if p.Count == 1 {
		return p.Name
	}
	return fmt.Sprintf("%s:%d", p.Name, index)
}
