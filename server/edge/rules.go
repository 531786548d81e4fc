package edge

import (
	"fmt"
	"math"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"

	"github.com/gounicorn/gounicorn/server/exchange"
	"github.com/gounicorn/gounicorn/server/hosts"
)

// Config is a set of rules. The zero Config has none.
type Config struct {
	Hosts []string // names that requests may be for, as in Django's ALLOWED_HOSTS; nil: any
	// SiteHosts asks for those that the application gave with SetSiteHosts, in place of Hosts.
	SiteHosts bool
	Redirects []Redirect // the first that fits counts
	// Of what follows the longest prefix that a path has counts, and all values with that prefix.
	Allow, Deny []Addresses // with both, Deny goes first
	Rates       []Rate
	DryRun      bool // rates are counted and logged, and refuse nobody
	Auth        []Auth
	Bodies      []Body
}

// Auth is a path for which, and for all below, a password is asked.
type Auth struct {
	prefix Prefix
	users  *Passwords // nil: none is asked
}

// Body is the largest body of a request for a path and all below it.
type Body struct {
	prefix Prefix
	limit  int64 // bytes, 0: no limit
}

// ParseAuth reads PREFIX=FILE, and the file; or PREFIX=off for a path that is taken out.
func ParseAuth(text string) (Auth, error) {
	prefix, file, err := parsePrefix(text, "PREFIX=FILE, such as /admin/=/etc/site.htpasswd")
	if err != nil || file == "off" {
		return Auth{prefix: prefix}, err
	}
	users, err := loadPasswords(file)
	return Auth{prefix, users}, err
}

// ParseBody reads PREFIX=SIZE; size reads a number of bytes.
func ParseBody(text string, size func(string) (int64, error)) (Body, error) {
	prefix, value, err := parsePrefix(text, "PREFIX=SIZE, such as /upload/=2G")
	if err != nil {
		return Body{}, err
	}
	limit, err := size(value)
	if err == nil && limit < 0 {
		err = fmt.Errorf("%d is less than 0, which means no limit", limit)
	}
	return Body{prefix, limit}, err
}

// UsualBody is the limit for paths of which no other Body says anything, 0 for none.
func UsualBody(limit int64) Body { return Body{limit: limit} }

// LargestBody returns the largest body, in bytes, that a request may have for any path, the usual limit included; 0 is no limit.
func LargestBody(usual int64, bodies []Body) int64 {
	for _, b := range bodies {
		if usual == 0 || b.limit == 0 {
			return 0
		}
		usual = max(usual, b.limit)
	}
	return usual
}

// Rule names what was done to a request or a connection.
type Rule string

// The rules that are counted.
const (
	RuleRedirect   Rule = "redirect"
	RuleHost       Rule = "host"
	RuleAddress    Rule = "address"
	RuleRate       Rule = "rate"
	RuleRateDryRun Rule = "rate_dry_run"
	RulePassword   Rule = "password"
	RuleConnection Rule = "connection"
)

// RuleNames are all of them.
var RuleNames = []Rule{RuleRedirect, RuleHost, RuleAddress, RuleRate, RuleRateDryRun, RulePassword, RuleConnection}

// Rules applies a Config. Names is the Responder to ask first, for redirects and hosts; Rules is the one for the rest. Whatever sends
// clients to https belongs between the two, so that nobody is asked for a password before. Its methods may be called concurrently.
type Rules struct {
	count func(Rule)
	warnf func(format string, args ...any)
	said  throttle
	state atomic.Pointer[state] // nil: no rules

	mu     sync.Mutex // guards what follows
	config Config
	site   []string
	meter  *Meter
	check  *verifier
}

// state is a Config as requests use it.
type state struct {
	hosts       hosts.Patterns // nil: any
	redirects   []Redirect
	allow, deny table[Addresses]
	rates       table[[]limit]
	dryRun      bool
	auth        table[Auth]
	bodies      table[int64]
	meter       *Meter
	check       *verifier
}

// limit is a Rate and its number in the Meter.
type limit struct {
	Rate
	rule uint64
}

// New returns Rules without any. count, if not nil, is called for each time that a rule was applied; warnf gets lines for the log, in the
// manner of Printf, and a bounded number of them.
func New(count func(Rule), warnf func(format string, args ...any)) *Rules {
	if count == nil {
		count = func(Rule) {}
	}
	return &Rules{count: count, warnf: warnf}
}

// Update applies other rules to the requests from now on.
func (r *Rules) Update(c Config) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.config = c
	r.apply()
}

// SetSiteHosts tells which hosts the application allows; nil: it is not known.
func (r *Rules) SetSiteHosts(patterns []string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.site = patterns
	r.apply()
}

// apply makes a state of what is configured. The caller holds mu.
func (r *Rules) apply() {
	c, s := &r.config, &state{redirects: r.config.Redirects, dryRun: r.config.DryRun}
	patterns := c.Hosts
	if c.SiteHosts {
		patterns = r.site
	}
	if patterns != nil {
		if h := hosts.New(patterns); !h.Any() {
			s.hosts = h
		}
	}
	if len(c.Rates)+len(c.Auth) > 0 && r.meter == nil {
		r.meter = NewMeter()
		r.check = newVerifier(r.meter)
	}
	s.meter, s.check = r.meter, r.check
	for i := range c.Allow {
		s.allow.add(c.Allow[i].prefix, func(a Addresses) Addresses { return a.merge(&c.Allow[i]) })
	}
	for i := range c.Deny {
		s.deny.add(c.Deny[i].prefix, func(a Addresses) Addresses { return a.merge(&c.Deny[i]) })
	}
	for _, rate := range c.Rates {
		s.rates.add(rate.prefix, func(all []limit) []limit {
			if rate.off {
				return all
			}
			return append(all, limit{rate, r.meter.rule(rate.text)})
		})
	}
	for _, a := range c.Auth {
		s.auth.add(a.prefix, func(Auth) Auth { return a })
	}
	for _, b := range c.Bodies {
		limit := b.limit
		if limit == 0 {
			limit = math.MaxInt64
		}
		s.bodies.add(b.prefix, func(int64) int64 { return limit })
	}
	if s.hosts == nil && len(s.redirects)+len(s.allow)+len(s.deny)+len(s.rates)+len(s.auth)+len(s.bodies) == 0 {
		s = nil
	}
	r.state.Store(s)
}

// Names is the Responder for where a request is meant to go.
func (r *Rules) Names() exchange.Responder { return names{r} }

type names struct{ *Rules }

// Respond implements exchange.Responder.
func (n names) Respond(x exchange.Exchange) bool {
	s := n.state.Load()
	if s == nil {
		return false
	}
	q := x.Request()
	if s.redirect(x, q) {
		n.count(RuleRedirect)
		return true
	}
	if s.hosts != nil && !s.hosts.Allow(string(q.Host)) {
		n.count(RuleHost)
		refuse(x, 400, "The host of this address is not served here.")
		return true
	}
	return false
}

// Name implements exchange.Responder.
func (r *Rules) Name() string { return "edge" }

// Respond implements exchange.Responder. It also notes in the request whose password was right and how large the body may be.
func (r *Rules) Respond(x exchange.Exchange) bool {
	s := r.state.Load()
	if s == nil {
		return false
	}
	q := x.Request()
	asIs, clean := forms(q.Path)
	for _, path := range [2][]byte{asIs, clean} {
		if path != nil && (s.shutsOut(path, q.Client)) {
			r.count(RuleAddress)
			refuse(x, 403, "This address may not be asked from where you are.")
			return true
		}
	}
	if r.limits(s, x, asIs) || clean != nil && r.limits(s, x, clean) {
		return true
	}
	if r.asks(s, x, asIs) || clean != nil && r.asks(s, x, clean) {
		return true
	}
	if limit := s.bodies.find(asIs); limit != nil {
		q.BodyLimit = *limit
	}
	return false
}

// redirect answers a request that is to go elsewhere.
func (s *state) redirect(x exchange.Exchange, q *exchange.Request) bool {
	if len(s.redirects) == 0 {
		return false
	}
	host, _ := hosts.Name(string(q.Host))
	for i := range s.redirects {
		if to := s.redirects[i].location(host, q.RawPath, q.Target); to != nil {
			refuse(x, s.redirects[i].status, "It is elsewhere now.", field{"Location", string(to)})
			return true
		}
	}
	return false
}

// shutsOut reports whether a client may not ask for a path. One without an address came over a unix socket, which is a matter of the file system.
func (s *state) shutsOut(path []byte, client netip.Addr) bool {
	if !client.IsValid() {
		return false
	}
	client = client.Unmap().WithZone("")
	if list := s.deny.find(path); list != nil && list.has(client) {
		return true
	}
	list := s.allow.find(path)
	return list != nil && !list.has(client)
}

// limits answers a client that asks too often.
func (r *Rules) limits(s *state, x exchange.Exchange, path []byte) bool {
	limits, q := s.rates.find(path), x.Request()
	if limits == nil || !q.Client.IsValid() {
		return false
	}
	for _, l := range *limits {
		wait := s.meter.take(l.rule, line(q.Client), q.Received, l.every, l.burst)
		if wait <= 0 {
			continue
		}
		if s.dryRun {
			r.count(RuleRateDryRun)
			r.say("rate limit %q would have refused %s for %s", l.text, q.Client, wait.Round(time.Millisecond))
			continue
		}
		r.count(RuleRate)
		r.say("rate limit %q refuses %s for %s", l.text, q.Client, wait.Round(time.Millisecond))
		refuse(x, 429, "You have asked too often. Please wait a moment.", retryAfter(seconds(wait)))
		return true
	}
	return false
}

// asks answers a client that has to give a password and did not, or not a right one.
func (r *Rules) asks(s *state, x exchange.Exchange, path []byte) bool {
	auth, q := s.auth.find(path), x.Request()
	if auth == nil || auth.users == nil {
		return false
	}
	found := wrong
	var wait time.Duration
	user, password, given := credentials(q.Get("authorization"))
	if given {
		found, wait = s.check.check(auth.users, user, password, q.Client, q.Received)
	}
	if found == right {
		q.User = user
		return false
	}
	r.count(RulePassword)
	switch found {
	case tooOften:
		refuse(x, 429, "Too many passwords were tried. Please wait a moment.", retryAfter(seconds(wait)))
	case tooMany:
		refuse(x, 503, "Too many passwords are being checked. Please wait a moment.", retryAfter(1))
	default:
		refuse(x, 401, "A user name and a password are needed.", field{"WWW-Authenticate", `Basic realm="` + auth.prefix.String() + `", charset="UTF-8"`})
	}
	return true
}

// seconds are whole ones, rounded up.
func seconds(d time.Duration) int64 { return int64((d + time.Second - 1) / time.Second) }

// say logs something that clients can make happen at will.
func (r *Rules) say(format string, args ...any) {
	if more, ok := r.said.pass(time.Now()); ok {
		if more > 0 {
			format, args = format+" (and %d more like this)", append(args, more)
		}
		r.warnf(format, args...)
	}
}

// throttle lets one line pass in a second, and counts the others.
type throttle struct {
	mu   sync.Mutex // guards the rest
	last time.Time
	kept int
}

func (t *throttle) pass(now time.Time) (more int, ok bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if now.Sub(t.last) < time.Second {
		t.kept++
		return 0, false
	}
	more, t.last, t.kept = t.kept, now, 0
	return more, true
}
