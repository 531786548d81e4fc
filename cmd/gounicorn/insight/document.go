// Package insight says what a running gounicorn tells of itself: one document in JSON, which `gounicorn ctl`, `gounicorn top`, the
// dashboard and GET /status on the metrics listener read. Keys are added, not renamed.
package insight

import (
	"time"

	"github.com/gounicorn/gounicorn/prefork"
	"github.com/gounicorn/gounicorn/server/control"
	"github.com/gounicorn/gounicorn/server/history"
)

// The states of a server.
const (
	StateServing  = "serving"
	StateResting  = "resting"  // without workers until somebody asks for something (WINCH)
	StateDraining = "draining" // it is about to stop, or to be replaced, and sends clients away
)

// Document is what a server is and does at one moment. Durations are seconds, memory is bytes.
type Document struct {
	Version   string    `json:"version"`
	Python    string    `json:"python"`
	App       string    `json:"app"` // MODULE:NAME
	PID       int       `json:"pid"` // of the master
	State     string    `json:"state"`
	Time      time.Time `json:"time"` // when the document was made
	Uptime    float64   `json:"uptime_seconds"`
	Reloads   int       `json:"reloads"`        // that succeeded
	Wanted    int       `json:"workers_wanted"` // as set by --workers, signals and commands; overflow workers not counted
	Successor int       `json:"successor_pid"`  // the second master of an upgrade, while both serve; 0: there is none
	Listeners []string  `json:"listeners"`      // addresses, as in the log

	prefork.Status

	Master     Process             `json:"master"`
	Processes  map[int]Process     `json:"processes"` // of the workers, by pid
	Host       Host                `json:"host"`
	Companions []control.Companion `json:"companions"`

	history.Record
}

// Process is what the kernel knows of a process; what it does not tell is 0.
type Process struct {
	RSS         int64   `json:"rss_bytes"` // resident, shared pages included
	PSS         int64   `json:"pss_bytes"` // resident, each shared page divided by the number of processes that share it
	CPU         float64 `json:"cpu_seconds"`
	Descriptors int     `json:"descriptors"`
}

// Host is what the machine, or the container, gives.
type Host struct {
	CPUs         float64 `json:"cpus"`              // that may be used; a quota makes it a fraction
	Load         float64 `json:"load"`              // average of one minute, of the machine
	MemoryLimit  int64   `json:"memory_bytes"`      // of the container, else of the machine
	MemoryUnused int64   `json:"memory_left_bytes"` // that can be had
}
