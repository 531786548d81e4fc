// Package metrics counts what the server does, for Prometheus.
//
// All is the table of metrics: METRICS.md is generated from it and [New]
// builds the registry from it, so a name, a label or a help text stands in one
// place. Each [Metrics] has its own registry; there is no global one.
//
// Two kinds of figures:
//
//   - What happens (a request has ended, a worker was restarted) is counted as
//     it happens. The children of the labels are resolved when the Metrics is
//     made, so that counting a request takes no lock and no memory.
//   - What is (connections open, requests in the queue) is asked from its
//     owners when somebody scrapes, through the functions given to
//     [Metrics.AddSource]. So the serving side pays nothing for it, and a figure
//     cannot drift from the state it tells.
//
// The master counts for all workers together, so no aggregation across
// processes is needed. The package knows nothing of HTTP/1, workers or
// settings; [Metrics.Handler] is for a private listener of its own.
package metrics
