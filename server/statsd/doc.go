// Package statsd sends gunicorn's metrics to a statsd or dogstatsd server: the packets of gunicorn's settings statsd_host,
// statsd_prefix and dogstatsd_tags, byte for byte, one metric a packet.
//
// A [Client] makes one Write for each packet and owns no goroutine; that the writing does not block is a matter of the writer
// (package logfile has one for sockets). Client libraries were looked at: they join packets, take samples or write 1 where gunicorn
// writes 1.0, and dashboards are made of what gunicorn sends.
package statsd
