package main

import (
	"cmp"
	"math"
	"os"
	"time"

	"github.com/gounicorn/gounicorn/server"
	"github.com/gounicorn/gounicorn/server/edge"
	"github.com/gounicorn/gounicorn/server/http1"
	"github.com/gounicorn/gounicorn/server/settings"
)

const usualHead = 64 << 10 // bytes of a whole head, unless its fields may be larger

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
			RequestLine: v.LimitRequestLine, Fields: cmp.Or(v.LimitRequestFields, math.MaxInt), FieldSize: v.LimitRequestFieldSize, Body: edge.LargestBody(v.LimitRequestBody, m.rules.Bodies),
			HeadBytes: max(usualHead, 2*v.LimitRequestFieldSize),
		},
		Timeouts: http1.Timeouts{
			Header: never(v.HeaderTimeout), Body: never(v.BodyTimeout), Send: never(v.SendTimeout), Idle: never(v.KeepAlive),
			MinBodyRate: v.MinBodyRate,
		},
		Trust: trust(v), AnyMethod: v.PermitUnconventionalHTTPMethod, CasefoldMethod: v.CasefoldHTTPMethod,
		MaxConnections: v.ConnectionLimit(m.workers), ServerName: "gounicorn",
		HTTP2: server.HTTP2{
			Streams: v.HTTP2MaxConcurrentStreams, Window: v.HTTP2InitialWindowSize, FrameSize: v.HTTP2MaxFrameSize, HeaderList: v.HTTP2MaxHeaderListSize,
		},
		RequestMemory: v.RequestMemory, SpoolMemory: v.SpoolMemory, SpoolDisk: v.SpoolDisk, SpoolDir: cmp.Or(v.SpoolDir, v.TmpUploadDir),
		PID: os.Getpid(), Metrics: m.metrics, History: m.history, Debugf: m.log.Debugf, Warnf: m.log.Warningf, Errorf: m.log.Errorf,
	}
	cfg.Responders = m.responders()
	cfg.Courtesy = m.site.Courtesy
	if v.ConnectionsPerClient > 0 {
		cfg.Gate = &m.front.gate
	}
	cfg.MaxKeepAliveRequests, cfg.MaxKeepAliveTime = v.KeepAliveRequests, v.KeepAliveTime
	if v.KeepAlive == 0 {
		cfg.MaxKeepAliveRequests = 1
	}
	cfg.AccessLog = m.access
	cfg.Answers = m.answers.Answers
	cfg.Cache = m.cache
	python := map[bool]string{false: "False", true: "True"}
	cfg.Environ = map[string]string{
		"server_software": "gounicorn/" + version, "wsgi.version": "(1, 0)", "wsgi.run_once": python[false], "wsgi.input_terminated": python[true],
		"wsgi.multithread": python[max(v.Threads, v.MaxThreads) > 1], "wsgi.multiprocess": python[m.workers > 1],
	}
	m.secure(&cfg)
	return cfg
}

// trust turns the settings into whom the HTTP side believes.
func trust(v *settings.Values) server.Trust {
	t := server.Trust{
		Forwarded: server.AllowList(v.ForwardedAllowIPs), ForwarderHeaders: v.ForwarderHeaders, HeaderMap: headerMaps[v.HeaderMap], ScriptName: v.ScriptName,
		Proxy: proxyModes[v.ProxyProtocol], ProxyAllow: server.AllowList(v.ProxyAllowIPs),
		Hops: v.ProxyHops, HopField: v.ProxyHopsHeader, DropClaims: v.DropForwarded,
	}
	for name, value := range v.SecureSchemeHeaders {
		t.SchemeFields = append(t.SchemeFields, server.SchemeField{Name: name, Value: value})
	}
	return t
}

var headerMaps = map[string]http1.Underscores{"drop": http1.UnderscoreDrop, "refuse": http1.UnderscoreRefuse, "dangerous": http1.UnderscorePass}

var proxyModes = map[string]http1.ProxyMode{"off": http1.ProxyOff, "v1": http1.ProxyV1, "v2": http1.ProxyV2, "auto": http1.ProxyAuto}
