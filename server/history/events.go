package history

import "time"

// keptEvents is how many events are remembered.
const keptEvents = 200

// keptText is how much of an event's text is remembered, in bytes.
const keptText = 8 << 10

// Kind is what an event is about.
type Kind string

// The kinds of events.
const (
	KindRestart   Kind = "restart"   // a worker was replaced; Cause says why
	KindReload    Kind = "reload"    // a reload began, was done or failed
	KindScale     Kind = "scale"     // there are more or fewer workers
	KindError     Kind = "error"     // a line of the error log, at ERROR or above
	KindWarning   Kind = "warning"   // one at WARNING
	KindCompanion Kind = "companion" // a companion ended or was started
	KindServer    Kind = "server"    // the server started, stops, was upgraded
)

// Event is one thing that happened.
type Event struct {
	Time  float64 `json:"time"` // seconds since 1970
	Kind  Kind    `json:"kind"`
	Cause string  `json:"cause,omitempty"` // of a restart, as in the metrics
	PID   int     `json:"pid,omitempty"`   // of the process it is about; 0: the master
	Text  string  `json:"text"`
}

// Event remembers what happened, now unless e has a time. The oldest events are forgotten. It may be called concurrently.
func (r *Recorder) Event(e Event) {
	if e.Time == 0 {
		e.Time = float64(time.Now().UnixMilli()) / 1000
	}
	if len(e.Text) > keptText {
		e.Text = e.Text[:keptText] + "…"
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(r.events) == keptEvents {
		copy(r.events, r.events[1:])
		r.events = r.events[:keptEvents-1]
		r.forgotten++
	}
	r.events = append(r.events, e)
}
