package server

import (
	"time"

	"github.com/gounicorn/gounicorn/server/accesslog"
	"github.com/gounicorn/gounicorn/server/exchange"
	"github.com/gounicorn/gounicorn/server/metrics"
)

// done is called by the engine when the exchange has ended.
func (c *Call) done(x exchange.Exchange, r exchange.Result) {
	s := c.h.s
	c.open = false
	if r.Err != nil && c.refs.Load() > 1 {
		c.h.app.Abandon(c)
	}
	status := r.Status
	if r.Err != nil && (c.gone.Load() || status == 0) && c.failed.Status == 0 {
		status = 499
		s.cfg.Metrics.ClientGone(c.stage())
	} else if status == 0 {
		status = c.failed.Status
	}
	lane := c.Report.Lane
	s.cfg.Metrics.Request(lane, status)
	s.cfg.Metrics.Answered(c.answeredBy())
	s.cfg.Metrics.Refused(lane, c.failed.Refused)
	s.cfg.Metrics.Sent(int(r.Sent))
	if c.Report.PID != 0 {
		s.cfg.Metrics.Queued(lane, c.Report.Queued)
		s.cfg.Metrics.Ran(lane, c.Report.Run)
	}
	if c.Report.Retried {
		s.cfg.Metrics.Retried()
	}
	if h := s.cfg.History; h != nil {
		h.Request(status, lane, c.Report.Queued, c.Report.Run, time.Since(c.req.Received))
	}
	if s.cfg.AccessLog.Enabled() && !c.silent {
		c.log(status, r.Sent)
	}
	c.release()
}

// Who answers besides the Responders: the application, and the server itself when it refuses or fails.
const (
	byApp    = "app"
	byServer = "server"
)

// answeredBy says who gave the answer, for the access log and the metrics.
func (c *Call) answeredBy() string {
	switch {
	case c.by != "":
		return c.by
	case c.Report.PID != 0 && (c.failed.Status == 0 || c.failed.Status == 500):
		return byApp
	}
	return byServer
}

func (c *Call) stage() metrics.Stage {
	switch {
	case c.Report.PID != 0 && c.buffer == nil:
		return metrics.StageSending
	case c.buffer != nil:
		return metrics.StageSending
	}
	return metrics.StageQueued
}

func (c *Call) log(status int, sent int64) {
	r := c.req
	now := time.Now()
	e := &c.entry
	*e = accesslog.Entry{
		RemoteAddr: c.remote, Client: c.origin, Host: r.Host, Time: now, Duration: now.Sub(r.Received), RequestLine: r.Line, Method: r.Method,
		Target: r.Target, Path: r.Path, Query: r.RawQuery, Proto: protocol(r), Status: status, BytesSent: sent,
		Referer: r.Get("referer"), UserAgent: r.Get("user-agent"), Pid: c.Report.PID, Worker: c.Report.PID, Receive: c.receive,
		Queue: c.Report.Queued, Run: c.Report.Run, Route: c.Key, Fields: (*fields)(c),
		Answered: c.Report.PID != 0 && (c.failed.Status == 0 || c.failed.Status == 500),
	}
	if e.RemoteAddr == nil {
		e.RemoteAddr = noAddress // as gunicorn on a unix socket
	}
	if e.Query == nil {
		e.Query = noAddress
	}
	e.By = c.answeredBy()
	if len(c.requestID) > 0 {
		e.RequestID = c.requestID
	}
	if auth := r.Get("authorization"); auth != nil {
		if user, ok := accesslog.BasicUser(c.user[:0], auth); ok {
			c.user, e.User = user, user
		}
	}
	if c.Report.Lane != "" {
		c.lane = append(c.lane[:0], c.Report.Lane...)
		e.Lane = c.lane
	}
	if e.Pid == 0 {
		e.Pid = c.h.s.cfg.PID
	}
	c.h.s.cfg.AccessLog.Log(e)
}

var noAddress = []byte{}

// protocol is protocolName as bytes.
func protocol(r *exchange.Request) []byte {
	switch {
	case r.Major == 2:
		return protocols[2]
	case r.Minor == 0:
		return protocols[0]
	}
	return protocols[1]
}

var protocols = [3][]byte{[]byte("HTTP/1.0"), []byte("HTTP/1.1"), []byte("HTTP/2.0")}
