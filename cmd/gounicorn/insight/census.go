package insight

import (
	"sync"
	"time"

	"github.com/prometheus/procfs"
)

const (
	countEvery = time.Second      // how old the figures of a process may be
	shareEvery = 10 * time.Second // and its PSS, for which the kernel walks all its pages
)

// Census measures processes, none more often than is sensible however many ask. Its methods may be called concurrently.
type Census struct {
	mu    sync.Mutex
	known map[int]*measured // guarded by mu
}

type measured struct {
	Process
	counted, shared time.Time
	started         uint64 // to tell a process from the next one with its pid
}

// Of returns the figures of the processes that live.
func (c *Census) Of(pids ...int) map[int]Process {
	c.mu.Lock()
	defer c.mu.Unlock()
	now := time.Now()
	found, known := make(map[int]Process, len(pids)), make(map[int]*measured, len(pids))
	for _, pid := range pids {
		m := c.known[pid]
		if m == nil {
			m = &measured{}
		}
		if now.Sub(m.counted) >= countEvery && !m.measure(pid, now) {
			continue
		}
		found[pid], known[pid] = m.Process, m
	}
	c.known = known
	return found
}

// measure reads the figures; ok is false when the process has gone.
func (m *measured) measure(pid int, now time.Time) (ok bool) {
	proc, err := procfs.NewProc(pid)
	if err != nil {
		return false
	}
	stat, err := proc.Stat()
	if err != nil {
		return false
	}
	if stat.Starttime != m.started {
		*m = measured{started: stat.Starttime}
	}
	m.counted = now
	m.RSS, m.CPU = int64(stat.ResidentMemory()), stat.CPUTime()
	m.Descriptors, _ = proc.FileDescriptorsLen() // 0: we may not look
	if now.Sub(m.shared) >= shareEvery {
		m.shared = now
		if rollup, err := proc.ProcSMapsRollup(); err == nil {
			m.PSS = int64(rollup.Pss)
		}
	}
	return true
}

// LoadAverage is that of one minute; 0 when it cannot be read.
func LoadAverage() float64 {
	fs, err := procfs.NewDefaultFS()
	if err != nil {
		return 0
	}
	load, err := fs.LoadAvg()
	if err != nil {
		return 0
	}
	return load.Load1
}
