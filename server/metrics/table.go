package metrics

// Type is Prometheus's type of a metric.
type Type string

// The types.
const (
	Counter   Type = "counter"
	Gauge     Type = "gauge"
	Histogram Type = "histogram"
)

// Label is one dimension of a metric.
type Label struct {
	Name   string
	Values []string // all there are, or nil if Help tells what they are
	Help   string
}

// Metric is one row of the table.
type Metric struct {
	Name   string
	Type   Type
	Unit   string // "", "seconds" or "bytes"
	Labels []Label
	Help   string
}

// The names, each once; the rest of the package uses the constants.
const (
	nameRequests    = "gounicorn_requests_total"
	nameQueueTime   = "gounicorn_request_queue_duration_seconds"
	nameRunTime     = "gounicorn_request_run_duration_seconds"
	nameInFlight    = "gounicorn_requests_in_flight"
	nameQueueLength = "gounicorn_queue_length"
	nameRefused     = "gounicorn_requests_refused_total"
	nameSoft        = "gounicorn_soft_timeouts_total"
	nameRetried     = "gounicorn_requests_retried_total"
	nameClientsGone = "gounicorn_clients_gone_total"
	nameBadRequests = "gounicorn_bad_requests_total"
	nameCache       = "gounicorn_cache_requests_total"
	nameAnswered    = "gounicorn_answers_total"
	nameRules       = "gounicorn_edge_rules_total"
	nameConnections = "gounicorn_connections"
	nameAccepted    = "gounicorn_connections_accepted_total"
	nameHandshakes  = "gounicorn_tls_handshakes_total"
	nameExpiry      = "gounicorn_tls_certificate_expiry_timestamp_seconds"
	nameReceived    = "gounicorn_received_bytes_total"
	nameSent        = "gounicorn_sent_bytes_total"
	nameLent        = "gounicorn_lent_bytes_total"
	nameSpool       = "gounicorn_spool_bytes"
	nameHeld        = "gounicorn_static_held_seconds_total"
	nameWorkers     = "gounicorn_workers"
	nameOverflow    = "gounicorn_workers_overflow"
	nameThreads     = "gounicorn_threads"
	nameRestarts    = "gounicorn_worker_restarts_total"
	nameLogDropped  = "gounicorn_log_records_dropped_total"
	nameOOMKills    = "gounicorn_oom_kills_total"
	nameCompanions  = "gounicorn_companion_processes"
	nameCompStarts  = "gounicorn_companion_restarts_total"
	nameCompMemory  = "gounicorn_companion_memory_bytes"
	nameBuild       = "gounicorn_build_info"
)

var laneLabel = Label{Name: "lane", Help: "`fast`, `new`, `slow`, the names given with `--lane`, or `none` if it was answered before it had one"}

var programLabel = Label{Name: "program", Help: "name of the companion in the configuration"}

// All is the table of metrics, in the order of METRICS.md.
var All = []Metric{
	{nameRequests, Counter, "", []Label{{"code", nil, "status code of the response, 499 if the client left before it"}, laneLabel},
		"Requests that have ended, by status code and lane."},
	{nameQueueTime, Histogram, "seconds", []Label{laneLabel},
		"Time requests waited for a free worker."},
	{nameRunTime, Histogram, "seconds", []Label{laneLabel},
		"Time workers spent on requests, without the time in the queue."},
	{nameInFlight, Gauge, "", nil,
		"Requests that workers are running now."},
	{nameQueueLength, Gauge, "", []Label{laneLabel},
		"Requests that wait for a free worker now."},
	{nameRefused, Counter, "", []Label{laneLabel, {"cause", refusalNames[1:], "why nothing was started"}},
		"Requests refused with 503 before a worker had them, by lane and cause."},
	{nameSoft, Counter, "", nil,
		"Requests in which SoftTimeout was raised (--soft-timeout)."},
	{nameRetried, Counter, "", nil,
		"Requests given to another worker because the first died while it ran them; only GET and HEAD, and only before any answer."},
	{nameClientsGone, Counter, "", []Label{{"stage", stageNames[:], "how far the request had come"}},
		"Requests whose client left before the end of the response."},
	{nameBadRequests, Counter, "", []Label{{"cause", nil, "the rule that was broken, as in the error log"}},
		"Requests refused by the HTTP side, by cause."},
	{nameCache, Counter, "", []Label{{"result", cacheNames[:], ""}},
		"Requests below a path of `--cache`: answered from what is kept, with an old answer, with that of an equal request that was waited for, or run to be kept."},
	{nameAnswered, Counter, "", []Label{{"by", answerers, "app: the application; server: gounicorn itself, with an error; the others are parts of it that answer without a worker"}},
		"Requests that have ended, by who answered them."},
	{nameRules, Counter, "", []Label{{"rule", edgeRules, "the kind of rule; rate_dry_run: a rate that would have refused it"}},
		"Requests, and for `connection` connections, that an edge rule ended."},
	{nameConnections, Gauge, "", []Label{{"state", connNames[:], "idle between two requests, or active"}},
		"Client connections open now, by state."},
	{nameAccepted, Counter, "", nil,
		"Client connections accepted."},
	{nameHandshakes, Counter, "", []Label{{"result", handshakeNames[:], "timeout: too slow, or given up for others; plain: the client spoke HTTP"}},
		"Handshakes of TLS that have ended."},
	{nameExpiry, Gauge, "seconds", nil,
		"When the certificate in a file that ends first will end, as seconds since 1970; 0 without any. Those of an ACME authority do not count."},
	{nameReceived, Counter, "bytes", nil,
		"Bytes of request bodies that arrived whole, without heads and framing."},
	{nameSent, Counter, "bytes", nil,
		"Bytes of response bodies handed to the kernel, without heads and framing."},
	{nameLent, Counter, "bytes", nil,
		"Bytes of them that workers wrote to the client's connection themselves: large answers over plain HTTP, not compressed or cached."},
	{nameHeld, Counter, "seconds", nil,
		"Time for which answers with files were held back in favour of requests that waited for a processor."},
	{nameSpool, Gauge, "bytes", []Label{{"medium", mediumNames[:], "where they are kept"}},
		"Bytes of request and response bodies buffered now, by medium."},
	{nameWorkers, Gauge, "", []Label{{"state", workerNames[:], "what the worker is doing"}},
		"Worker processes now, by state."},
	{nameOverflow, Gauge, "", nil,
		"Worker processes beyond --workers now; gounicorn_workers has them too."},
	{nameThreads, Gauge, "", []Label{{"kind", threadKindNames[:], "computing ones serve everything, spare ones what waits rather than computes"}, {"state", threadStateNames[:], "whether a request runs there"}},
		"Threads of workers that serve requests now, by kind and state."},
	{nameRestarts, Counter, "", []Label{{"cause", restartNames[:], "why the worker was replaced"}},
		"Worker processes replaced, by cause."},
	{nameLogDropped, Counter, "", []Label{{"log", logNames[:], "which log"}},
		"Log records and statsd packets dropped because their reader was too slow, or away, or the disk was full."},
	{nameOOMKills, Counter, "", nil,
		"Processes of our cgroup, or of the machine where cgroups do not count, that the kernel has killed because memory was short."},
	{nameCompanions, Gauge, "", []Label{programLabel, {"state", CompanionStates[:], "as the companions' states, in small letters"}},
		"Processes of companions now, by program and state."},
	{nameCompStarts, Counter, "", []Label{programLabel},
		"Starts of companions beyond the first, by program; it begins anew when the program is changed."},
	{nameCompMemory, Gauge, "bytes", []Label{programLabel},
		"Memory of the processes of a companion now; each shared page is divided by the number of processes that share it (PSS)."},
	{nameBuild, Gauge, "", []Label{{"version", nil, "of gounicorn"}, {"goversion", nil, "that compiled it"}, {"python", nil, "that runs the application"}},
		"The value is always 1; the labels tell what is running."},
}

// buckets divide the times of requests in seconds, from a cached page to a
// long report.
var buckets = []float64{0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60}
