package history

// Record is a copy of what is remembered. Times of day are seconds since 1970, durations are seconds.
type Record struct {
	Series  Series   `json:"series"`
	Lanes   []Window `json:"last_minute"` // times of the requests that workers ran, by lane; lanes without any are there, too
	Events  []Event  `json:"events"`      // oldest first
	Dropped uint64   `json:"events_dropped"`
}

// Series has one value a second in each of its lists, oldest first, which are all of the same length; the last second is the last whole one.
type Series struct {
	End          int64        `json:"end"` // the second of the last value
	Requests     []uint32     `json:"requests"`
	App          []uint32     `json:"app"`           // of these, those that a worker ran
	ClientErrors []uint32     `json:"client_errors"` // 4xx
	ServerErrors []uint32     `json:"server_errors"` // 5xx
	Running      []int32      `json:"running"`       // at the end of the second, as are the next ones
	Waiting      []int32      `json:"waiting"`
	Workers      []int32      `json:"workers"`
	Memory       []int64      `json:"memory"` // bytes, PSS of master and workers; 0: not measured yet
	Lanes        []LaneSeries `json:"lanes"`
}

// LaneSeries is the part of one lane. A second without requests has times of 0.
type LaneSeries struct {
	Name     string    `json:"name"`
	Requests []uint32  `json:"requests"`
	P50      []float32 `json:"p50"` // from the end of the head to the end of the answer
	P99      []float32 `json:"p99"`
	Queue99  []float32 `json:"queue_p99"`
}

// Window sums up the last minute of one lane.
type Window struct {
	Name     string `json:"name"`
	Requests uint64 `json:"requests"`
	Total    Times  `json:"total"` // from the end of the head to the end of the answer
	Queue    Times  `json:"queue"` // waiting for a worker
	Run      Times  `json:"run"`   // in the worker
}

// Times are quantiles.
type Times struct {
	P50 float64 `json:"p50"`
	P90 float64 `json:"p90"`
	P99 float64 `json:"p99"`
	Max float64 `json:"max"`
}

func timesOf(c *counts) Times {
	q := c.quantiles(0.5, 0.9, 0.99, 1)
	return Times{q[0], q[1], q[2], q[3]}
}

// Mark is a moment in a Record. The zero value is before all.
type Mark struct {
	second int64
	events uint64 // that there had been
}

// Mark is the end of r.
func (r *Record) Mark() Mark { return Mark{r.Series.End, r.Dropped + uint64(len(r.Events))} }

// After cuts off what r had at a mark of the same Recorder: seconds of the series, and events, which then count as dropped. A clock that was
// set back makes seconds new again.
func (r *Record) After(m Mark) {
	s := &r.Series
	if n := len(s.Requests); m.second > s.End-int64(n) && m.second <= s.End {
		s.cut(n - int(s.End-m.second))
	}
	if known := min(m.events-min(m.events, r.Dropped), uint64(len(r.Events))); known > 0 {
		r.Events, r.Dropped = r.Events[known:], r.Dropped+known
	}
}

// cut removes the first n seconds.
func (s *Series) cut(n int) {
	s.Requests, s.App, s.ClientErrors, s.ServerErrors = s.Requests[n:], s.App[n:], s.ClientErrors[n:], s.ServerErrors[n:]
	s.Running, s.Waiting, s.Workers, s.Memory = s.Running[n:], s.Waiting[n:], s.Workers[n:], s.Memory[n:]
	for i := range s.Lanes {
		l := &s.Lanes[i]
		l.Requests, l.P50, l.P99, l.Queue99 = l.Requests[n:], l.P50[n:], l.P99[n:], l.Queue99[n:]
	}
}
