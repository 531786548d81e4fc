package edge

import (
	"encoding/json"
	"sync/atomic"

	"github.com/gounicorn/gounicorn/server/exchange"
)

// Health answers the probes of orchestrators and load balancers, without a worker and before every other rule: whether the master lives, and
// whether requests should be sent here. Its methods may be called concurrently.
type Health struct {
	// Ready reports whether requests can be served, and if not why, in a few words. It is required, and called for each probe of
	// the ready path, which lasts as long as it does.
	Ready func() (ok bool, reason string)

	paths atomic.Pointer[healthPaths]
}

// healthPaths are the paths, decoded; empty: not answered.
type healthPaths struct{ live, ready string }

// Update sets the paths of the two probes; an empty one is left to the application.
func (h *Health) Update(live, ready string) { h.paths.Store(&healthPaths{live, ready}) }

// Name implements exchange.Responder.
func (h *Health) Name() string { return "health" }

// Silent says that there is no line in the access log for what is answered here.
func (h *Health) Silent() bool { return true }

// Respond implements exchange.Responder.
func (h *Health) Respond(x exchange.Exchange) bool {
	paths, q := h.paths.Load(), x.Request()
	if paths == nil || len(q.Path) == 0 {
		return false
	}
	ok, reason := true, "alive"
	switch string(q.Path) {
	case paths.live:
	case paths.ready:
		if ok, reason = h.Ready(); ok {
			reason = "ready"
		}
	default:
		return false
	}
	if m := string(q.Method); m != "GET" && m != "HEAD" {
		refuse(x, 405, "This path answers GET and HEAD.", field{"Allow", "GET, HEAD"})
		return true
	}
	word, status := "ok", 200
	if !ok {
		word, status = "unavailable", 503
	}
	body, _ := json.Marshal(struct { // strings cannot fail
		Status string `json:"status"`
		Reason string `json:"reason"`
	}{word, reason})
	answer(x, status, "application/json", append(body, '\n'))
	return true
}
