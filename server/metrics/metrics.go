package metrics

import (
	"slices"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
)

// The status codes that have a child of their own; others count as maxStatus.
const (
	minStatus = 100
	maxStatus = 599
)

// Build is what gounicorn_build_info tells.
type Build struct {
	Version   string
	GoVersion string
	Python    string
}

// Metrics is the server's figures. All methods are safe for concurrent use;
// the counting ones take no lock once they have seen their labels.
type Metrics struct {
	registry *prometheus.Registry

	requests    *prometheus.CounterVec
	laneNames   []string         // in the order of New, NoLane last
	lanes       map[string]*lane // not changed after New
	retried     prometheus.Counter
	clientsGone [numStages]prometheus.Counter
	badRequests *prometheus.CounterVec
	cached      [numCached]prometheus.Counter
	answered    map[string]prometheus.Counter // not changed after New
	rules       map[string]prometheus.Counter // likewise
	restarts    [numRestarts]prometheus.Counter
	accepted    prometheus.Counter
	handshakes  [numHandshakes]prometheus.Counter
	received    atomic.Uint64
	sent        atomic.Uint64
	lent        atomic.Uint64

	state *stateCollector
}

// lane is what is counted for the requests of one lane.
type lane struct {
	name      string
	byStatus  [maxStatus - minStatus + 1]atomic.Pointer[prometheus.Counter]
	queueTime prometheus.Observer
	runTime   prometheus.Observer
	refused   [numRefusals]prometheus.Counter
}

// New returns a Metrics with every figure at zero, for requests of the lanes
// with these names. They come from the configuration, so that their number is
// bounded.
func New(b Build, lanes ...string) *Metrics {
	m := &Metrics{registry: prometheus.NewRegistry(), lanes: map[string]*lane{}}
	m.requests = m.counters(nameRequests)
	queueTime, runTime, refused := m.histograms(nameQueueTime), m.histograms(nameRunTime), m.counters(nameRefused)
	for _, name := range append(slices.Clone(lanes), NoLane) {
		if m.lanes[name] != nil {
			continue
		}
		l := &lane{name: name, queueTime: queueTime.WithLabelValues(name), runTime: runTime.WithLabelValues(name)}
		for r := NotRefused + 1; r < numRefusals; r++ {
			l.refused[r] = refused.WithLabelValues(name, refusalNames[r])
		}
		m.lanes[name], m.laneNames = l, append(m.laneNames, name)
	}
	m.retried = m.counters(nameRetried).WithLabelValues()
	m.accepted = m.counters(nameAccepted).WithLabelValues()
	shaken := m.counters(nameHandshakes)
	for h := range numHandshakes {
		m.handshakes[h] = shaken.WithLabelValues(handshakeNames[h])
	}
	gone := m.counters(nameClientsGone)
	for s := range numStages {
		m.clientsGone[s] = gone.WithLabelValues(stageNames[s])
	}
	m.badRequests = m.counters(nameBadRequests)
	cached := m.counters(nameCache)
	for r := range numCached {
		m.cached[r] = cached.WithLabelValues(cacheNames[r])
	}
	m.answered = children(m.counters(nameAnswered), answerers)
	m.rules = children(m.counters(nameRules), edgeRules)
	restarts := m.counters(nameRestarts)
	for r := range numRestarts {
		m.restarts[r] = restarts.WithLabelValues(restartNames[r])
	}
	build := prometheus.NewGaugeVec(prometheus.GaugeOpts{Name: nameBuild, Help: row(nameBuild).Help}, labelNames(nameBuild))
	build.WithLabelValues(b.Version, b.GoVersion, b.Python).Set(1)
	m.state = newStateCollector(m)
	m.registry.MustRegister(build, m.state, collectors.NewGoCollector(),
		collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	return m
}

// row returns the row of the table with that name.
func row(name string) *Metric {
	for i := range All {
		if All[i].Name == name {
			return &All[i]
		}
	}
	return &Metric{}
}

// labelNames returns the names of the labels of a metric.
func labelNames(name string) []string {
	labels := row(name).Labels
	names := make([]string, len(labels))
	for i, l := range labels {
		names[i] = l.Name
	}
	return names
}

func (m *Metrics) counters(name string) *prometheus.CounterVec {
	v := prometheus.NewCounterVec(prometheus.CounterOpts{Name: name, Help: row(name).Help}, labelNames(name))
	m.registry.MustRegister(v)
	return v
}

// children resolves a label beforehand.
func children(v *prometheus.CounterVec, values []string) map[string]prometheus.Counter {
	made := make(map[string]prometheus.Counter, len(values))
	for _, value := range values {
		made[value] = v.WithLabelValues(value)
	}
	return made
}

func (m *Metrics) histograms(name string) *prometheus.HistogramVec {
	v := prometheus.NewHistogramVec(prometheus.HistogramOpts{Name: name, Help: row(name).Help, Buckets: buckets}, labelNames(name))
	m.registry.MustRegister(v)
	return v
}

// Gatherer returns the source of the figures, for tests and other exporters.
func (m *Metrics) Gatherer() prometheus.Gatherer { return m.registry }

// lane returns the lane of that name.
func (m *Metrics) lane(name string) *lane {
	if l := m.lanes[name]; l != nil {
		return l
	}
	return m.lanes[NoLane]
}

// Request counts a request that has ended, whoever answered it. A status
// outside 100 to 599 counts as 599.
func (m *Metrics) Request(lane string, status int) {
	if status < minStatus || status > maxStatus {
		status = maxStatus
	}
	l := m.lane(lane)
	slot := &l.byStatus[status-minStatus]
	c := slot.Load()
	if c == nil {
		counter := m.requests.WithLabelValues(strconv.Itoa(status), l.name)
		c = &counter
		slot.Store(c)
	}
	(*c).Inc()
}

// Queued records how long a request waited until a worker took it.
func (m *Metrics) Queued(lane string, d time.Duration) { m.lane(lane).queueTime.Observe(d.Seconds()) }

// Ran records how long a worker spent on a request.
func (m *Metrics) Ran(lane string, d time.Duration) { m.lane(lane).runTime.Observe(d.Seconds()) }

// Refused counts a request that no worker was given.
func (m *Metrics) Refused(lane string, why Refusal) {
	if why != NotRefused {
		m.lane(lane).refused[min(why, numRefusals-1)].Inc()
	}
}

// Retried counts a request that was given to another worker.
func (m *Metrics) Retried() { m.retried.Inc() }

// ClientGone counts a request whose client left.
func (m *Metrics) ClientGone(at Stage) { m.clientsGone[min(at, numStages-1)].Inc() }

// Cached counts a request that the cache answered or began to collect.
func (m *Metrics) Cached(how Cached) { m.cached[min(how, numCached-1)].Inc() }

// BadRequest counts a request that the HTTP side refused. The causes come from
// a fixed table of the caller, never from a client.
func (m *Metrics) BadRequest(cause string) { m.badRequests.WithLabelValues(cause).Inc() }

// Answered counts who answered a request.
func (m *Metrics) Answered(by string) {
	c := m.answered[by]
	if c == nil {
		c = m.answered[otherAnswerer]
	}
	c.Inc()
}

// Applied counts a rule of server/edge that ended a request or a connection, or would have. An unknown name counts nothing.
func (m *Metrics) Applied(rule string) {
	if c := m.rules[rule]; c != nil {
		c.Inc()
	}
}

// Restarted counts a worker that was replaced.
func (m *Metrics) Restarted(cause Restart) { m.restarts[min(cause, numRestarts-1)].Inc() }

// Accepted counts a client connection.
func (m *Metrics) Accepted() { m.accepted.Inc() }

// Handshake counts a handshake of TLS.
func (m *Metrics) Handshake(h Handshake) { m.handshakes[min(h, numHandshakes-1)].Inc() }

// Received adds to the bytes of request bodies.
func (m *Metrics) Received(n int) { m.received.Add(uint64(max(n, 0))) }

// Sent adds to the bytes of response bodies.
func (m *Metrics) Sent(n int) { m.sent.Add(uint64(max(n, 0))) }

// Lent adds to those of them that a worker has written itself.
func (m *Metrics) Lent(n int) { m.lent.Add(uint64(max(n, 0))) }

// AddSource adds a function that tells the present state of one part of the
// server. It is called at every scrape, must be quick and safe for concurrent
// use, and adds to the fields it knows.
func (m *Metrics) AddSource(f func(*State)) {
	m.state.mu.Lock()
	defer m.state.mu.Unlock()
	m.state.sources = append(m.state.sources, f)
}

// State is what is, as opposed to what has happened. The sources fill it.
type State struct {
	InFlight    int
	QueueLength map[string]int // by lane
	Connections [numConnStates]int
	Spool       [numMedia]int64
	Workers     [numWorkerStates]int
	Overflow    int // of the workers
	Threads     [numThreadKinds][numThreadStates]int
	SoftTimeout uint64
	Held        time.Duration // of answers with files
	LogDropped  [numLogs]uint64
	Expiry      int64 // of the certificate that ends first, in seconds since 1970
	OOMKills    int64
	Companions  []Companion
}

// Companion is what is of one program beside the workers.
type Companion struct {
	Program   string
	Processes map[string]int // by state, one of CompanionStates
	Restarts  int
	Memory    int64 // bytes
}

// stateCollector is the Prometheus side of the sources.
type stateCollector struct {
	m       *Metrics
	descs   map[string]*prometheus.Desc
	mu      sync.Mutex // guards sources
	sources []func(*State)
}

// stateNames are the metrics that the collector makes.
var stateNames = []string{
	nameInFlight, nameQueueLength, nameConnections, nameSpool, nameWorkers, nameOverflow, nameThreads,
	nameSoft, nameHeld, nameLogDropped, nameExpiry, nameReceived, nameSent, nameLent, nameOOMKills, nameCompanions, nameCompStarts, nameCompMemory,
}

func newStateCollector(m *Metrics) *stateCollector {
	c := &stateCollector{m: m, descs: make(map[string]*prometheus.Desc)}
	for _, name := range stateNames {
		c.descs[name] = prometheus.NewDesc(name, row(name).Help, labelNames(name), nil)
	}
	return c
}

// Describe implements prometheus.Collector.
func (c *stateCollector) Describe(ch chan<- *prometheus.Desc) {
	for _, name := range stateNames {
		ch <- c.descs[name]
	}
}

// Collect implements prometheus.Collector.
func (c *stateCollector) Collect(ch chan<- prometheus.Metric) {
	c.mu.Lock()
	sources := c.sources
	c.mu.Unlock()
	s := State{QueueLength: make(map[string]int)}
	for _, f := range sources {
		f(&s)
	}
	put := func(name string, t prometheus.ValueType, value float64, labels ...string) {
		ch <- prometheus.MustNewConstMetric(c.descs[name], t, value, labels...)
	}
	put(nameInFlight, prometheus.GaugeValue, float64(s.InFlight))
	for _, name := range c.m.laneNames {
		if name != NoLane {
			put(nameQueueLength, prometheus.GaugeValue, float64(s.QueueLength[name]), name)
		}
	}
	for i, n := range s.Connections {
		put(nameConnections, prometheus.GaugeValue, float64(n), connNames[i])
	}
	for i, n := range s.Spool {
		put(nameSpool, prometheus.GaugeValue, float64(n), mediumNames[i])
	}
	for i, n := range s.Workers {
		put(nameWorkers, prometheus.GaugeValue, float64(n), workerNames[i])
	}
	put(nameOverflow, prometheus.GaugeValue, float64(s.Overflow))
	for kind, states := range s.Threads {
		for state, n := range states {
			put(nameThreads, prometheus.GaugeValue, float64(n), threadKindNames[kind], threadStateNames[state])
		}
	}
	put(nameSoft, prometheus.CounterValue, float64(s.SoftTimeout))
	put(nameHeld, prometheus.CounterValue, s.Held.Seconds())
	for i, n := range s.LogDropped {
		put(nameLogDropped, prometheus.CounterValue, float64(n), logNames[i])
	}
	put(nameExpiry, prometheus.GaugeValue, float64(s.Expiry))
	put(nameOOMKills, prometheus.CounterValue, float64(s.OOMKills))
	for _, p := range s.Companions {
		for _, state := range CompanionStates {
			put(nameCompanions, prometheus.GaugeValue, float64(p.Processes[state]), p.Program, state)
		}
		put(nameCompStarts, prometheus.CounterValue, float64(p.Restarts), p.Program)
		put(nameCompMemory, prometheus.GaugeValue, float64(p.Memory), p.Program)
	}
	put(nameReceived, prometheus.CounterValue, float64(c.m.received.Load()))
	put(nameSent, prometheus.CounterValue, float64(c.m.sent.Load()))
	put(nameLent, prometheus.CounterValue, float64(c.m.lent.Load()))
}
