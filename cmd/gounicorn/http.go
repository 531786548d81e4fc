package main

import (
	"io"
	"os"
	"time"

	"github.com/gounicorn/gounicorn/server"
	"github.com/gounicorn/gounicorn/server/accesslog"
	"github.com/gounicorn/gounicorn/server/http1"
)

// serverConfig turns the settings into what the HTTP side needs.
func (m *master) serverConfig() server.Config {
	v := &m.v
	never := func(d time.Duration) time.Duration {
		if d == 0 {
			return -1
		}
		return d
	}
	cfg := server.Config{
		App: &dispatch{m.pool},
		Limits: http1.Limits{
			RequestLine: v.LimitRequestLine, Fields: v.LimitRequestFields, FieldSize: v.LimitRequestFieldSize, Body: v.LimitRequestBody,
		},
		Timeouts: http1.Timeouts{
			Header: never(v.HeaderTimeout), Body: never(v.BodyTimeout), Send: never(v.SendTimeout), Idle: never(v.KeepAlive),
		},
		MaxConnections: v.ConnectionLimit(m.workers), ServerName: "gounicorn",
		SpoolMemory: v.SpoolMemory, SpoolDisk: v.SpoolDisk, SpoolDir: v.SpoolDir,
		PID: os.Getpid(), Metrics: m.metrics, Debugf: m.log.Debugf, Warnf: m.log.Warningf, Errorf: m.log.Errorf,
	}
	if v.KeepAlive == 0 {
		cfg.MaxKeepAliveRequests = 1
	}
	if m.records != nil {
		var out io.Writer
		if m.accessFile != nil {
			out = m.accessFile
		}
		cfg.AccessLog = m.records.accessLog(m.accessFormat, out)
	} else if m.accessFile != nil {
		cfg.AccessLog = accesslog.New(m.accessFormat, m.accessFile)
	}
	return cfg
}
