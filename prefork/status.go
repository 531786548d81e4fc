package prefork

import (
	"cmp"
	"slices"
	"time"

	"github.com/gounicorn/gounicorn/prefork/lane"
)

// Status is a snapshot of a pool in the public format. Times are seconds.
type Status struct {
	Generation int            `json:"generation"` // that gets requests now; 0: none yet
	Workers    []WorkerStatus `json:"workers"`    // by pid
	Reload     ReloadStatus   `json:"reload"`     // the last one
	lane.Status
}

// WorkerStatus is one worker.
type WorkerStatus struct {
	PID        int             `json:"pid"`
	State      string          `json:"state"` // booting, ready, retiring or dead
	Generation int             `json:"generation"`
	Overflow   bool            `json:"overflow"`
	Threads    int             `json:"threads"`
	Age        float64         `json:"age_seconds"`
	Requests   []RequestStatus `json:"requests"` // longest first
	ID         int             `json:"-"`        // which one it is since the start: 1, 2, …
	Aborted    bool            `json:"-"`        // it was sent SIGABRT
}

// RequestStatus is one request that runs.
type RequestStatus struct {
	Request string  `json:"request"` // method and path
	Lane    string  `json:"lane"`
	Class   string  `json:"class"`
	Seconds float64 `json:"seconds"`
}

var stateNames = [...]string{booting: "booting", ready: "ready", retiring: "retiring", dead: "dead"}

// Status returns a snapshot; the zero value when the pool has ended.
func (p *Pool) Status() Status {
	found := make(chan Status, 1)
	p.do(func() { found <- p.status(time.Now()) })
	select {
	case s := <-found:
		return s
	case <-p.ended:
		return Status{}
	}
}

// Explain says what would happen to a request of a route key and a client, 0 when that is unknown, that came now, and why.
func (p *Pool) Explain(key []byte, client uint64) lane.Explanation { return p.d.explain(key, client) }

func (p *Pool) status(now time.Time) Status {
	s := Status{Workers: []WorkerStatus{}, Reload: p.reloaded(now), Status: p.d.status()}
	if p.current != nil {
		s.Generation = p.current.number
	}
	requests := p.d.requests()
	for _, g := range p.generations {
		for _, w := range g.workers {
			if w.pid == 0 {
				continue // the zygote has not forked it yet
			}
			rs := requests[w.id]
			if rs == nil {
				rs = []RequestStatus{}
			}
			slices.SortFunc(rs, func(a, b RequestStatus) int { return cmp.Compare(b.Seconds, a.Seconds) })
			s.Workers = append(s.Workers, WorkerStatus{
				PID: w.pid, State: stateNames[w.state], Generation: g.number, Overflow: w.overflow, Threads: w.threads(), Age: now.Sub(w.started).Seconds(), Requests: rs,
				ID: int(w.id), Aborted: w.aborted,
			})
		}
	}
	slices.SortFunc(s.Workers, func(a, b WorkerStatus) int { return cmp.Compare(a.PID, b.PID) })
	return s
}

// requests returns what runs, by worker.
func (d *dispatcher) requests() map[uint32][]RequestStatus {
	d.mu.Lock()
	defer d.mu.Unlock()
	found := map[uint32][]RequestStatus{}
	for slot := range d.jobs {
		j := d.jobs[slot].Load()
		if j == nil {
			continue
		}
		if w := d.board.Load(j.slot).Worker(); w != 0 {
			found[w] = append(found[w], RequestStatus{
				Request: j.Sink.String(), Lane: j.item.Lane(), Class: j.item.Class().String(), Seconds: d.running(j).Seconds(),
			})
		}
	}
	return found
}
