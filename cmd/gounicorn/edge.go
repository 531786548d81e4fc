package main

import (
	"fmt"
	"net/netip"
	"path"
	"slices"
	"strings"

	"github.com/gounicorn/gounicorn/server"
	"github.com/gounicorn/gounicorn/server/edge"
	"github.com/gounicorn/gounicorn/server/exchange"
	"github.com/gounicorn/gounicorn/server/settings"
)

// front is what answers or refuses requests before anything else does. It is ready after open.
type front struct {
	health    edge.Health
	rules     *edge.Rules
	gate      edge.Gate
	readiness readiness
}

// open makes the front of a master whose logs are open.
func (f *front) open(m *master) {
	f.health.Ready = m.ready
	f.readiness.pool = m.pool
	f.readiness.logf = func(failed bool, format string, args ...any) {
		if failed {
			m.log.Warningf(format, args...)
		} else {
			m.log.Infof(format, args...)
		}
	}
	f.rules = edge.New(func(r edge.Rule) { m.metrics.Applied(string(r)) }, m.log.Warningf)
	f.gate.Refused = func() { m.metrics.Applied(string(edge.RuleConnection)) }
}

// update applies the settings.
func (f *front) update(v *settings.Values, rules edge.Config) {
	f.health.Update(v.HealthPath, v.ReadyPath)
	f.readiness.update(v, rules.Hosts)
	f.rules.Update(rules)
	forwarded, proxies := server.AllowList(v.ForwardedAllowIPs), server.AllowList(v.ProxyAllowIPs)
	f.gate.Update(v.ConnectionsPerClient, func(a netip.Addr) bool {
		return forwarded.Has(a) || v.ProxyProtocol != "off" && proxies.Has(a)
	})
}

// edgeRules are the rules of the settings.
func edgeRules(v *settings.Values) (c edge.Config, err error) {
	for name, where := range map[string]string{"health_path": v.HealthPath, "ready_path": v.ReadyPath} {
		if where != "" && (!strings.HasPrefix(where, "/") || path.Clean(where) != where || where == "/") {
			return c, badSetting(v, name, where, fmt.Errorf("it is a path such as %s, or empty", settings.Lookup(name).Default))
		}
	}
	if v.HealthPath != "" && v.HealthPath == v.ReadyPath {
		return c, badSetting(v, "ready_path", v.ReadyPath, fmt.Errorf("it is the --health-path too; a server that is not ready would be restarted for it"))
	}
	if _, err := parseCheck(v); err != nil {
		return c, err
	}
	c.DryRun = v.RateLimitDryRun
	hosts := strings.FieldsFunc(strings.Join(v.AllowedHosts, ","), func(r rune) bool { return r == ',' || r == ' ' })
	switch {
	case slices.Equal(hosts, []string{"auto"}):
		c.SiteHosts = true
	case slices.Equal(hosts, []string{"app"}):
	case slices.Contains(hosts, "auto"), slices.Contains(hosts, "app"):
		return c, badSetting(v, "allowed_hosts", v.Text("allowed_hosts"), fmt.Errorf("auto and app stand alone"))
	case len(hosts) > 0:
		c.Hosts = hosts
	}
	err = firstError(
		parseRules(v, "redirects", v.Redirects, edge.ParseRedirect, &c.Redirects),
		parseRules(v, "allow", v.Allow, edge.ParseAllow, &c.Allow),
		parseRules(v, "deny", v.Deny, edge.ParseDeny, &c.Deny),
		parseRules(v, "rate_limits", v.RateLimits, edge.ParseRate, &c.Rates),
		parseRules(v, "basic_auth", v.BasicAuth, edge.ParseAuth, &c.Auth),
		parseRules(v, "limit_request_body_at", v.LimitRequestBodyAt, func(text string) (edge.Body, error) { return edge.ParseBody(text, settings.ParseBytes) }, &c.Bodies),
	)
	if len(c.Bodies) > 0 { // the engine then has the largest of them as its limit
		c.Bodies = append([]edge.Body{edge.UsualBody(v.LimitRequestBody)}, c.Bodies...)
	}
	return c, err
}

// parseRules parses the items of a setting.
func parseRules[T any](v *settings.Values, name string, texts []string, parse func(string) (T, error), to *[]T) error {
	for _, text := range texts {
		rule, err := parse(text)
		if err != nil {
			return badSetting(v, name, text, err)
		}
		*to = append(*to, rule)
	}
	return nil
}

func firstError(all ...error) error {
	for _, err := range all {
		if err != nil {
			return err
		}
	}
	return nil
}

// responders are those that answer before the application, in order: probes, the challenges of a certificate authority, which comes under
// any name and without a password, where a request is to go, whether it may, and files.
func (m *master) responders() []exchange.Responder {
	all := []exchange.Responder{&m.front.health}
	if m.secrets.issuer != nil {
		all = append(all, m.secrets.issuer)
	}
	all = append(all, m.front.rules.Names())
	if m.v.TLSRedirect {
		all = append(all, m.secrets.redirect)
	}
	return append(all, m.front.rules, &m.site)
}

// ready tells load balancers whether to send requests here.
func (m *master) ready() (ok bool, reason string) {
	switch {
	case m.draining.Load():
		return false, "the server stops"
	case m.pool.Stats().Ready == 0:
		return false, "no worker is ready"
	}
	return m.front.readiness.ask()
}
