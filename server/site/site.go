package site

import (
	"path"
	"slices"
	"strings"
	"sync"
	"sync/atomic"

	"github.com/gounicorn/gounicorn/server/courtesy"
	"github.com/gounicorn/gounicorn/server/exchange"
	"github.com/gounicorn/gounicorn/server/static"
)

// Site answers requests for the files of the site; it is an exchange.Responder. The zero Site answers none. Its methods may be called
// concurrently.
type Site struct {
	Courtesy *courtesy.Gate // that its answers pass; nil: none. Set before the first Apply.

	mu      sync.Mutex // one Apply at a time
	serving atomic.Pointer[serving]
}

// serving is a decision that is followed.
type serving struct {
	files    *static.Files
	policy   Policy
	hsts     []byte
	prefixes []string // URLs of the roots but "/"
}

// Name says who answers, for the log and the metrics.
func (s *Site) Name() string { return "static" }

// Apply follows a decision from now on; warnf logs what goes wrong with its files later. An error leaves everything as it was.
func (s *Site) Apply(d *Decision, warnf func(format string, args ...any)) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	cfg := d.Files
	cfg.Warnf, cfg.Courtesy = warnf, s.Courtesy
	next := &serving{policy: d.Policy, hsts: []byte(d.Policy.hsts)}
	for i := range cfg.Roots {
		if url := cfg.Roots[i].URL; url != "/" {
			next.prefixes = append(next.prefixes, url)
		}
	}
	var err error
	if was := s.serving.Load(); was != nil {
		next.files = was.files
		err = next.files.Update(cfg)
	} else {
		next.files, err = static.New(cfg)
	}
	if err == nil {
		s.serving.Store(next)
	}
	return err
}

// Respond implements exchange.Responder.
func (s *Site) Respond(x exchange.Exchange) bool {
	now := s.serving.Load()
	if now == nil {
		return false
	}
	if now.policy.redirect {
		switch location, what := now.policy.Redirect(x.Request()); {
		case what == asks || what == moves && !now.has(x.Request()):
			return false // for the application, whose middleware says the same
		case what == moves:
			now.move(x, location)
			return true
		}
	}
	if len(now.hsts) > 0 && now.policy.Secure(x.Request()) {
		x = &strict{x, now.hsts}
	}
	return now.files.Respond(x)
}

// has reports whether a request is for a root other than "/".
func (s *serving) has(r *exchange.Request) bool {
	clean := path.Clean("/" + string(r.Path))
	return slices.ContainsFunc(s.prefixes, func(prefix string) bool { return strings.HasPrefix(clean, prefix) })
}

// move answers with a redirect as Django's.
func (s *serving) move(x exchange.Exchange, location string) {
	err := x.Start(301, nil)
	for _, h := range append([]static.Header{
		{Name: "Content-Type", Value: "text/html; charset=utf-8"}, {Name: "Location", Value: location}, {Name: "X-Content-Type-Options", Value: "nosniff"},
	}, s.policy.headers...) {
		if err == nil {
			err = x.Field([]byte(h.Name), []byte(h.Value))
		}
	}
	if err != nil { // a setting with a control character in it
		x.Error(500, 0)
	} else if x.Finish(nil) != nil {
		x.Abort()
	}
}

// strict is an exchange whose answer has Strict-Transport-Security.
type strict struct {
	exchange.Exchange
	hsts []byte
}

var hstsName = []byte("Strict-Transport-Security")

// Start implements exchange.Exchange.
func (x *strict) Start(status int, reason []byte) error {
	if err := x.Exchange.Start(status, reason); err != nil {
		return err
	}
	return x.Field(hstsName, x.hsts)
}
