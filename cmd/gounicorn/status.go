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

	"github.com/gounicorn/gounicorn/prefork"
	"github.com/gounicorn/gounicorn/prefork/lane"
	"github.com/gounicorn/gounicorn/server"
)

// insight is what the pool tells about itself.
type insight interface {
	Status() prefork.Status
	Explain(key []byte, client uint64) lane.Explanation
}

// statusDocument is the answer of GET /status.
type statusDocument struct {
	Version string  `json:"version"`
	PID     int     `json:"pid"` // of the master
	Uptime  float64 `json:"uptime_seconds"`
	prefork.Status
}

// observer serves the private listener: what metrics does, and in JSON the state of the pool and what it would do with a request.
func observer(metrics http.Handler, pool insight, started time.Time) http.Handler {
	mux := http.NewServeMux()
	mux.Handle("/", metrics)
	mux.HandleFunc("GET /status", func(w http.ResponseWriter, _ *http.Request) {
		writeJSON(w, http.StatusOK, statusDocument{
			Version: version, PID: os.Getpid(), Uptime: time.Since(started).Seconds(), Status: pool.Status(),
		})
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
