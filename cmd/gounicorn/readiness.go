package main

import (
	"errors"
	"fmt"
	"net/url"
	"os"
	"strings"
	"sync"
	"time"

	"github.com/gounicorn/gounicorn/prefork"
	"github.com/gounicorn/gounicorn/prefork/wire"
	"github.com/gounicorn/gounicorn/server"
	"github.com/gounicorn/gounicorn/server/hosts"
	"github.com/gounicorn/gounicorn/server/http1"
	"github.com/gounicorn/gounicorn/server/settings"
	"github.com/gounicorn/gounicorn/wsgi"
)

// checkKept is for how long the answer of a check counts: however many ask, the application is asked once in that time.
const checkKept = time.Second

// usualHost is the Host of a check where no host is known that the application answers for.
const usualHost = "localhost"

// readiness asks the application whether it can serve (--ready-check), with a request of our own, run by a worker like every other. There is
// one at a time. Its methods may be called concurrently.
type readiness struct {
	pool *prefork.Pool
	logf func(failed bool, format string, args ...any)

	mu      sync.Mutex // guards what follows
	request checkRequest
	wait    time.Duration // for an answer
	site    string        // a host of the application's; empty: not known
	running *check        // nil: none
	ok      bool          // of the last that ended
	reason  string
	ended   time.Time
	failing bool // it was logged
}

// checkRequest is what the application is asked; the zero checkRequest is nothing.
type checkRequest struct {
	target, path, query string // as sent, the path of it as the application sees it, what follows the question mark
	script              string
	host                string // empty: that of the site
}

// parseCheck reads --ready-check.
func parseCheck(v *settings.Values) (r checkRequest, err error) {
	if v.ReadyCheck == "" {
		return r, nil
	}
	if v.ReadyCheckTimeout <= 0 {
		return r, badSetting(v, "ready_check_timeout", v.Text("ready_check_timeout"), errors.New("no application answers in no time; take 0.9, or more where probes wait for longer"))
	}
	if _, err := server.RouteKey("GET", v.ReadyCheck); err != nil || !strings.HasPrefix(v.ReadyCheck, "/") {
		return r, badSetting(v, "ready_check", v.ReadyCheck, errors.New("it is a path of the application such as /ready/, perhaps with a query"))
	}
	path, query, _ := strings.Cut(v.ReadyCheck, "?")
	decoded, _ := http1.DecodePath([]byte("GET"), []byte(path)) // it was looked at above
	r = checkRequest{target: v.ScriptName + v.ReadyCheck, path: string(decoded), query: query, script: v.ScriptName}
	if script, err := url.PathUnescape(v.ScriptName); err == nil {
		r.script = script
	}
	return r, nil
}

// update applies the settings, which parseCheck has looked at.
func (p *readiness) update(v *settings.Values, names []string) {
	request, _ := parseCheck(v)
	request.host = hosts.New(names).Example("")
	p.mu.Lock()
	defer p.mu.Unlock()
	p.request, p.wait, p.ended = request, v.ReadyCheckTimeout, time.Time{}
}

// setHost names a host that the application answers for.
func (p *readiness) setHost(host string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.site = host
}

// ask tells whether the application can serve, and if not why. It waits for a check to end, for as long as one may take at most.
func (p *readiness) ask() (ok bool, reason string) {
	p.mu.Lock()
	switch {
	case p.request.path == "":
		p.mu.Unlock()
		return true, ""
	case p.running == nil && time.Since(p.ended) < checkKept:
		defer p.mu.Unlock()
		return p.ok, p.reason
	case p.running == nil:
		p.begin()
	}
	c, left := p.running, time.Until(p.running.begun.Add(p.running.wait))
	p.mu.Unlock()
	select {
	case <-c.done:
		p.mu.Lock()
		defer p.mu.Unlock()
		return p.ok, p.reason
	case <-time.After(left):
		return false, c.late()
	}
}

// begin runs a check. The caller holds mu.
func (p *readiness) begin() {
	r := &p.request
	c := &check{readiness: p, target: r.target, begun: time.Now(), wait: p.wait, done: make(chan struct{})}
	p.running = c
	c.job.Payload, c.job.Pairs = r.payload(&c.environ, p.site)
	c.job.Key, _ = server.RouteKey("GET", r.target)
	c.job.Idempotent, c.job.Sink = true, c
	time.AfterFunc(c.wait, c.tooLate)
	p.pool.Submit(&c.job)
}

// payload is the request as a worker gets it: from ourselves, over https, so that no redirect is in the way.
func (r *checkRequest) payload(e *wsgi.Environ, site string) (payload []byte, pairs int) {
	host := r.host
	if host == "" {
		host = site
	}
	if host == "" {
		host = usualHost
	}
	e.Reset()
	for _, entry := range []struct {
		key   wsgi.Key
		value string
	}{
		{wsgi.KeyRequestMethod, "GET"}, {wsgi.KeyRawURI, r.target}, {wsgi.KeyPathInfo, r.path}, {wsgi.KeyScriptName, r.script}, {wsgi.KeyQueryString, r.query},
		{wsgi.KeyServerProtocol, "HTTP/1.1"}, {wsgi.KeyURLScheme, "https"}, {wsgi.KeyServerName, host}, {wsgi.KeyServerPort, "443"}, {wsgi.KeyRemoteAddr, "127.0.0.1"},
	} {
		if entry.value != "" || entry.key != wsgi.KeyScriptName {
			e.SetString(entry.key, entry.value)
		}
	}
	e.Field([]byte("Host"), []byte(host))
	e.Field([]byte("User-Agent"), []byte("gounicorn/"+version+" (ready check)"))
	e.Field([]byte("Accept"), []byte("*/*"))
	return e.Payload(0, nil), e.Pairs()
}

// end takes the outcome of a check; an empty reason is that it succeeded.
func (p *readiness) end(c *check, reason string) {
	if took := time.Since(c.begun); reason == "" && took > c.wait {
		reason = c.late()
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.running != c {
		return
	}
	p.running, p.ended, p.ok, p.reason = nil, time.Now(), reason == "", reason
	close(c.done)
	if p.failing == p.ok {
		p.failing = !p.ok
		if p.failing {
			p.logf(true, "Not ready: %s (--ready-check)", reason)
		} else {
			p.logf(false, "Ready again: the application's check GET %s succeeds (--ready-check)", c.target)
		}
	}
}

// check is one request of ours on its way through the pool; it implements prefork.Sink.
type check struct {
	readiness *readiness
	job       prefork.Job
	environ   wsgi.Environ
	target    string
	begun     time.Time
	wait      time.Duration
	done      chan struct{} // closed at the end
	status    int           // of the answer; 0: none yet
}

// String implements prefork.Sink.
func (c *check) String() string { return "GET " + c.target + " (ready check)" }

func (c *check) late() string {
	return fmt.Sprintf("the application's check GET %s has not answered within %v", c.target, c.wait)
}

// tooLate gives up a check that has not ended.
func (c *check) tooLate() {
	select {
	case <-c.done:
		return
	default:
	}
	if c.readiness.pool.Withdraw(&c.job) {
		c.readiness.end(c, c.late())
		return
	}
	c.readiness.pool.Abandon(&c.job)
}

// Frame implements prefork.Sink.
func (c *check) Frame(h wire.Header, _, _ []byte, file *os.File) error {
	if file != nil {
		_ = file.Close() // nobody reads it
	}
	switch {
	case h.Kind == wire.KindHead:
		c.status = int(h.Aux)
	case h.Kind == wire.KindAbort && h.Aux != wire.AbortGone:
		c.status = 500
	}
	if h.End() || h.Kind == wire.KindAbort {
		reason := ""
		if c.status/100 != 2 {
			reason = fmt.Sprintf("the application's check GET %s answered %d, and only 200 to 299 means that it is ready", c.target, c.status)
		}
		c.readiness.end(c, reason)
	}
	return nil
}

// Room implements prefork.Sink.
func (c *check) Room(<-chan struct{}) {}

// Failed implements prefork.Sink.
func (c *check) Failed(why prefork.Failure) {
	c.readiness.end(c, fmt.Sprintf("the application's check GET %s was not answered: %s", c.target, why))
}
