package server

import (
	"bytes"
	"iter"
	"strconv"
	"time"

	"github.com/gounicorn/gounicorn/server/cache"
	"github.com/gounicorn/gounicorn/server/exchange"
	"github.com/gounicorn/gounicorn/server/metrics"
	"github.com/gounicorn/gounicorn/wsgi"
)

// askCache answers x from the cache and reports true, or leaves it to the application, perhaps with a ticket.
func (c *Call) askCache(x exchange.Exchange) bool {
	if s := c.conn.TLS(); s != nil && len(s.PeerCertificates) > 0 {
		return false // we know who asks
	}
	hit, ticket := c.h.cfg.Cache.Ask(c.req)
	if hit.Entry == nil {
		if c.ticket = ticket; ticket != nil {
			c.h.s.cfg.Metrics.Cached(metrics.CacheMiss)
		}
		return false
	}
	c.h.s.cfg.Metrics.Cached(counted[hit.Kind])
	c.by = "cache"
	c.h.finish(x, kept(hit.Entry, c.req, hit.Kind))
	return true
}

var counted = [...]metrics.Cached{cache.Fresh: metrics.CacheHit, cache.Stale: metrics.CacheStale, cache.Collapsed: metrics.CacheCollapsed}

// kept is the answer that was kept, or 304 if the client has it.
func kept(e *cache.Entry, r *exchange.Request, kind cache.Kind) *reply {
	now := time.Now()
	mark := "gounicorn; hit; ttl=" + strconv.FormatInt(e.TTL(now), 10)
	if kind == cache.Collapsed {
		mark = "gounicorn; fwd=miss; collapsed"
	}
	out := &reply{status: e.Status, reason: e.Reason, fields: e.Fields, body: e.Body, extra: []exchange.Field{
		{Name: []byte("Age"), Value: strconv.AppendInt(nil, e.Age(now), 10)},
		cacheStatus(mark),
	}}
	if e.NotModified(r) {
		out.status, out.reason, out.body, out.fields = 304, nil, nil, withoutContent(e.Fields)
	}
	return out
}

func cacheStatus(mark string) exchange.Field {
	return exchange.Field{Name: []byte("Cache-Status"), Value: []byte(mark)} // RFC 9211
}

// withoutContent leaves out what describes a body, for 304.
func withoutContent(fields iter.Seq2[[]byte, []byte]) iter.Seq2[[]byte, []byte] {
	return func(yield func(name, value []byte) bool) {
		for name, value := range fields {
			lower := bytes.ToLower(name)
			if bytes.HasPrefix(lower, []byte("content-")) && string(lower) != "content-location" && !bytes.HasPrefix(lower, []byte("content-security-policy")) {
				continue
			}
			if !yield(name, value) {
				return
			}
		}
	}
}

// collect gives the answer of a run that others may wait for to the cache. It reports true when the exchange has been answered.
func (c *Call) collect(head *wsgi.Head, r *reply, end bool) bool {
	t := c.ticket
	keep := t.Head(head.Status, head.Reason, head.Fields) && t.Body(head.Body)
	if head.Status >= 500 {
		if old := t.Stale(); old != nil {
			c.settle(end, func(x exchange.Exchange) { c.h.finish(x, kept(old, c.req, cache.Stale)) })
			return true
		}
	}
	mark := "gounicorn; fwd=miss"
	if keep && end {
		if e := t.Store(); e != nil {
			mark += "; stored"
			if e.NotModified(c.req) {
				r.status, r.reason, r.body, r.fields = 304, nil, nil, withoutContent(r.fields)
			}
		}
	}
	r.extra = append(r.extra, cacheStatus(mark))
	return false
}
