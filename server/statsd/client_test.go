package statsd_test

import (
	"slices"
	"testing"
	"time"

	"github.com/gounicorn/gounicorn/server/accesslog"
	"github.com/gounicorn/gounicorn/server/errorlog"
	"github.com/gounicorn/gounicorn/server/statsd"
)

type packets []string

func (p *packets) Write(b []byte) (int, error) { *p = append(*p, string(b)); return len(b), nil }

// The packets that gunicorn 27.0.1 sends; the differential test of tests/e2e compares them with a live one.
func TestPackets(t *testing.T) {
	var got packets
	c := statsd.New(statsd.Config{Writer: &got, Prefix: "shop..", Tags: "env:prod,a"})
	c.Log(&accesslog.Entry{Status: 404, Duration: 1234567 * time.Microsecond})
	c.Log(&accesslog.Entry{Status: 200, Duration: 2 * time.Millisecond})
	c.Gauge("gunicorn.workers", 3)
	c.Histogram("gunicorn.backlog", 0)
	c.Count(errorlog.LevelInfo, false)
	c.Count(errorlog.LevelWarning, false)
	c.Count(errorlog.LevelError, false)
	c.Count(errorlog.LevelError, true)
	c.Count(errorlog.LevelCritical, false)
	want := []string{
		"shop.gunicorn.request.duration:1234.567|ms|#env:prod,a", "shop.gunicorn.requests:1|c|@1.0|#env:prod,a",
		"shop.gunicorn.request.status.404:1|c|@1.0|#env:prod,a",
		"shop.gunicorn.request.duration:2.0|ms|#env:prod,a", "shop.gunicorn.requests:1|c|@1.0|#env:prod,a",
		"shop.gunicorn.request.status.200:1|c|@1.0|#env:prod,a",
		"shop.gunicorn.workers:3|g|#env:prod,a", "shop.gunicorn.backlog:0|h|#env:prod,a",
		"shop.gunicorn.log.warning:1|c|@1.0|#env:prod,a", "shop.gunicorn.log.error:1|c|@1.0|#env:prod,a",
		"shop.gunicorn.log.exception:1|c|@1.0|#env:prod,a", "shop.gunicorn.log.critical:1|c|@1.0|#env:prod,a",
	}
	if !slices.Equal(got, want) {
		t.Errorf("got\n%q, want\n%q", got, want)
	}
}

func TestPrefix(t *testing.T) {
	for prefix, want := range map[string]string{
		"": "x:1|g", "a": "ax:1|g", "a.": "a.x:1|g", "ab": "ab.x:1|g", "ab...": "ab.x:1|g", "a.b.": "a.b.x:1|g",
	} {
		var got packets
		statsd.New(statsd.Config{Writer: &got, Prefix: prefix}).Gauge("x", 1)
		if got[0] != want {
			t.Errorf("prefix %q: got %s, want %s", prefix, got[0], want)
		}
	}
}
