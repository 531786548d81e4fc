package statsd

import (
	"bytes"
	"io"
	"log/slog"
	"strconv"
	"strings"
	"sync"
	"time"
	"unicode/utf8"

	"github.com/gounicorn/gounicorn/server/accesslog"
	"github.com/gounicorn/gounicorn/server/errorlog"
)

// Config says what a Client puts around a metric.
type Config struct {
	Writer io.Writer // gets one Write for each packet; required
	Prefix string    // statsd_prefix as it was set
	Tags   string    // dogstatsd_tags: a list with commas, sent as it is
}

// Client sends metrics. It is safe for concurrent use if its writer is.
type Client struct {
	w      io.Writer
	prefix string
	tags   string
	bufs   sync.Pool
}

// New returns a Client.
func New(c Config) *Client {
	client := &Client{w: c.Writer, prefix: prefix(c.Prefix)}
	if c.Tags != "" {
		client.tags = "|#" + c.Tags
	}
	client.bufs.New = func() any { b := make([]byte, 0, 128); return &b }
	return client
}

// prefix ends a prefix with one dot. gunicorn does so from two characters on, and so do we: the names are in dashboards.
func prefix(p string) string {
	if trimmed := strings.TrimRight(p, "."); utf8.RuneCountInString(trimmed) > 1 {
		return trimmed + "."
	}
	return p
}

// send makes a packet of a name, a value and what follows it.
func (c *Client) send(name string, value func([]byte) []byte, kind string) {
	buf := c.bufs.Get().(*[]byte)
	b := append(append((*buf)[:0], c.prefix...), name...)
	b = append(value(append(b, ':')), kind...)
	*buf = append(b, c.tags...)
	_, _ = c.w.Write(*buf) // the writer counts what is lost
	c.bufs.Put(buf)
}

// Gauge sets a value that goes up and down.
func (c *Client) Gauge(name string, n int) { c.send(name, integer(n), "|g") }

// Increment adds to a counter.
func (c *Client) Increment(name string, n int) { c.send(name, integer(n), "|c|@1.0") }

// Histogram adds to a distribution.
func (c *Client) Histogram(name string, n int) { c.send(name, integer(n), "|h") }

// Timing adds a duration, sent in milliseconds with the microseconds as decimals.
func (c *Client) Timing(name string, d time.Duration) {
	c.send(name, func(b []byte) []byte { return appendMillis(b, d) }, "|ms")
}

func integer(n int) func([]byte) []byte {
	return func(b []byte) []byte { return strconv.AppendInt(b, int64(n), 10) }
}

// appendMillis writes as Python does: the shortest decimals, at least one.
func appendMillis(b []byte, d time.Duration) []byte {
	micros := max(d.Microseconds(), 0)
	start := len(b)
	b = strconv.AppendFloat(b, float64(micros/1e6*1000)+float64(micros%1e6)/1000, 'f', -1, 64)
	if bytes.IndexByte(b[start:], '.') < 0 {
		b = append(b, ".0"...)
	}
	return b
}

// Log implements accesslog.Output: the three metrics of a request.
func (c *Client) Log(e *accesslog.Entry) {
	c.Timing("gunicorn.request.duration", e.Duration)
	c.Increment("gunicorn.requests", 1)
	c.send("gunicorn.request.status.", func(b []byte) []byte {
		return append(strconv.AppendInt(b[:len(b)-1], int64(e.Status), 10), ":1"...)
	}, "|c|@1.0")
}

// Count counts a record of the error log; an ERROR with a traceback is an exception. Those below WARNING are not counted.
func (c *Client) Count(level slog.Level, traceback bool) {
	switch {
	case level >= errorlog.LevelCritical:
		c.Increment("gunicorn.log.critical", 1)
	case level >= errorlog.LevelError && traceback:
		c.Increment("gunicorn.log.exception", 1)
	case level >= errorlog.LevelError:
		c.Increment("gunicorn.log.error", 1)
	case level >= errorlog.LevelWarning:
		c.Increment("gunicorn.log.warning", 1)
	}
}
