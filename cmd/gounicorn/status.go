package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/netip"
	"net/url"
	"os"
	"time"

	"github.com/gounicorn/gounicorn/cmd/gounicorn/insight"
	"github.com/gounicorn/gounicorn/prefork"
	"github.com/gounicorn/gounicorn/prefork/lane"
	"github.com/gounicorn/gounicorn/server"
	"github.com/gounicorn/gounicorn/server/control"
	"github.com/gounicorn/gounicorn/server/errorlog"
	"github.com/gounicorn/gounicorn/server/history"
	"github.com/gounicorn/gounicorn/server/settings"
)

// advisor is what says what would become of a request.
type advisor interface {
	Explain(key []byte, client uint64) lane.Explanation
}

// look makes the document of what this server is and does. It may be called concurrently; the error says that the server leaves.
func (g *governor) look() (d insight.Document, err error) {
	err = g.do(func(m *master) {
		d = insight.Document{
			Version: version, Python: m.interpreter.version, App: m.v.WSGIApp, PID: os.Getpid(), State: m.state(), Time: time.Now(),
			Uptime: time.Since(m.started).Seconds(), Reloads: m.reloads, Wanted: m.pool.Size(), Successor: m.other.child, Listeners: []string{},
		}
		for _, s := range m.sockets {
			d.Listeners = append(d.Listeners, m.socketText(s))
		}
	})
	if err != nil {
		return d, err
	}
	d.Status, d.Record = g.pool.Status(), g.history.Record()
	if d.Companions, err = g.Companions(); err != nil {
		return d, err
	}
	if d.Companions == nil {
		d.Companions = []control.Companion{}
	}
	pids := []int{d.PID}
	for i := range d.Workers {
		pids = append(pids, d.Workers[i].PID)
	}
	d.Processes = g.census.Of(pids...)
	d.Master = d.Processes[d.PID]
	delete(d.Processes, d.PID)
	d.Host.CPUs, d.Host.MemoryLimit = settings.Machine(g.root, processors())
	d.Host.Load, d.Host.MemoryUnused = insight.LoadAverage(), prefork.MemoryLeft(g.root)
	return d, nil
}

// Status implements control.Master.
func (g *governor) Status() (any, error) { return g.look() }

// state is that of an insight.Document. Only the goroutine of serve calls it.
func (m *master) state() string {
	switch {
	case m.draining.Load():
		return insight.StateDraining
	case m.resting != nil:
		return insight.StateResting
	}
	return insight.StateServing
}

// remember adds a second to the history. memory is what the processes had when it was last measured.
func (m *master) remember() {
	s := m.pool.Stats()
	waiting := 0
	for _, l := range s.Lanes {
		waiting += l.Waiting
	}
	m.history.Turn(time.Now(), history.Gauges{
		Running: int32(s.Busy), Waiting: int32(waiting), Workers: int32(s.Booting + s.Ready + s.Retiring), Memory: m.memory.Load(),
	})
}

// weighEvery is how often the memory of all processes is measured for the history.
const weighEvery = 10 * time.Second

// weigh measures the memory of master and workers until done is closed.
func (m *master) weigh(done <-chan struct{}) {
	ticks := time.NewTicker(weighEvery)
	defer ticks.Stop()
	for {
		pids := []int{os.Getpid()}
		for _, w := range m.pool.Status().Workers {
			pids = append(pids, w.PID)
		}
		var all int64
		for _, p := range m.census.Of(pids...) {
			all += p.PSS
		}
		m.memory.Store(all)
		select {
		case <-ticks.C:
		case <-done:
			return
		}
	}
}

// noted is a sink of the error log that remembers its last lines, and what went wrong as events.
func (m *master) noted(r *errorlog.Record) {
	m.journal.Add(history.Line{
		Time: float64(r.Time.UnixMicro()) / 1e6, Level: errorlog.LevelName(r.Level), PID: r.PID, Message: r.Message, Traceback: r.Traceback, Logger: r.Logger,
	})
	kind := history.KindWarning
	switch {
	case r.Level < errorlog.LevelWarning:
		return
	case r.Level >= errorlog.LevelError:
		kind = history.KindError
	}
	text := r.Message
	if r.Traceback != "" {
		text += "\n" + r.Traceback
	}
	pid := r.PID
	if pid == os.Getpid() {
		pid = 0
	}
	m.history.Event(history.Event{Kind: kind, PID: pid, Text: text})
}

// observer serves the private listener: what metrics does, and in JSON what look says and what the pool would do with a request.
func observer(metrics http.Handler, look func() (insight.Document, error), pool advisor) http.Handler {
	mux := http.NewServeMux()
	mux.Handle("/", metrics)
	mux.HandleFunc("GET /status", func(w http.ResponseWriter, _ *http.Request) {
		document, err := look()
		if err != nil {
			writeJSON(w, http.StatusServiceUnavailable, refusal{err.Error()})
			return
		}
		writeJSON(w, http.StatusOK, document)
	})
	mux.HandleFunc("GET /explain", func(w http.ResponseWriter, r *http.Request) {
		key, client, err := asked(r.URL.RawQuery)
		if err != nil {
			writeJSON(w, http.StatusBadRequest, refusal{err.Error()})
			return
		}
		writeJSON(w, http.StatusOK, pool.Explain(key, client))
	})
	return mux
}

// refusal is the answer to a question that cannot be answered.
type refusal struct {
	Error string `json:"error"`
}

// asked reads the query of GET /explain: target, method (GET if there is none) and client, an IP address.
func asked(query string) (key []byte, client uint64, err error) {
	q, err := url.ParseQuery(query)
	if err != nil {
		return nil, 0, fmt.Errorf("query: %w", err)
	}
	for name := range q {
		if name != "target" && name != "method" && name != "client" {
			return nil, 0, fmt.Errorf("there is no parameter %q: want target, and perhaps method and client", name)
		}
	}
	target, method := q.Get("target"), q.Get("method")
	if target == "" {
		return nil, 0, errors.New("name the request as target, for example /explain?target=/contract/7&method=GET")
	}
	if method == "" {
		method = http.MethodGet
	}
	if text := q.Get("client"); text != "" {
		address, err := netip.ParseAddr(text)
		if err != nil {
			return nil, 0, fmt.Errorf("client %q is no IP address", text)
		}
		client = server.ClientOf(address.AppendTo(nil))
	}
	key, err = server.RouteKey(method, target)
	return key, client, err
}

func writeJSON(w http.ResponseWriter, status int, v any) {
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(status)
	e := json.NewEncoder(w)
	e.SetIndent("", "  ")
	e.SetEscapeHTML(false)
	_ = e.Encode(v) // fails when the reader has gone
}
