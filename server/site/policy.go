package site

import (
	"fmt"
	"regexp"
	"strings"
	"unicode/utf8"

	"github.com/gounicorn/gounicorn/server/exchange"
	"github.com/gounicorn/gounicorn/server/hosts"
	"github.com/gounicorn/gounicorn/server/static"
)

// Policy is what Django's SecurityMiddleware would do to a request for a file. The zero Policy is none. It does not change.
type Policy struct {
	headers       []static.Header // for every answer
	hsts          string          // for https
	field, value  string          // SECURE_PROXY_SSL_HEADER, the name in lower case; empty: not set
	redirect      bool            // to https
	host          string          // SECURE_SSL_HOST
	exempt        []*regexp.Regexp
	hosts         hosts.Patterns // ALLOWED_HOSTS
	forwardedHost bool
	script        string // FORCE_SCRIPT_NAME without a slash at its end
	mount         string // --script-name, which the application does not see in the path when script is set
}

// newPolicy reads the policy of an application; warn is told what of it cannot be kept.
func newPolicy(d *Document, o Options, warn func(string)) Policy {
	s := d.Security
	if s == nil || !o.Django {
		return Policy{}
	}
	p := Policy{
		hsts: s.hsts(), redirect: s.SSLRedirect, host: s.SSLHost, hosts: hosts.New(d.allowedHosts()), forwardedHost: d.ForwardedHost,
		script: strings.TrimRight(d.ForceScriptName, "/"), mount: strings.TrimRight(o.ScriptName, "/"),
	}
	for _, h := range []static.Header{{Name: "Referrer-Policy", Value: s.ReferrerPolicy}, {Name: "Cross-Origin-Opener-Policy", Value: s.OpenerPolicy}} {
		if h.Value != "" {
			p.headers = append(p.headers, h)
		}
	}
	if name, ok := strings.CutPrefix(at(d.ProxySSLHeader, 0), "HTTP_"); ok && len(d.ProxySSLHeader) == 2 {
		p.field, p.value = strings.ToLower(strings.ReplaceAll(name, "_", "-")), d.ProxySSLHeader[1]
		if o.DropClaims && strings.HasPrefix(p.field, "x-forwarded-") {
			p.field = "" // what a believed peer says is the scheme of the request already
		}
	}
	for _, text := range s.RedirectExempt {
		re, err := regexp.Compile(text)
		if err != nil {
			warn(fmt.Sprintf("Static files: %q of SECURE_REDIRECT_EXEMPT is not understood outside Python, so it exempts no static file: %v", text, err))
			continue
		}
		p.exempt = append(p.exempt, re)
	}
	return p
}

func at(list []string, i int) string {
	if i < len(list) {
		return list[i]
	}
	return ""
}

// Secure is Django's request.is_secure().
func (p *Policy) Secure(r *exchange.Request) bool {
	if p.field != "" {
		if value := r.Get(p.field); value != nil {
			first, _, _ := strings.Cut(string(value), ",")
			return strings.TrimSpace(first) == p.value
		}
	}
	return r.Scheme == "https"
}

// redirection is what SecurityMiddleware does with a request.
type redirection uint8

const (
	stays redirection = iota
	moves             // to https
	asks              // the application is to say it: a host that is missing or not allowed
)

// Redirect tells where a request has to go first: nowhere, or to a location with https.
func (p *Policy) Redirect(r *exchange.Request) (location string, what redirection) {
	if !p.redirect || p.Secure(r) {
		return "", stays
	}
	full := string(r.Path)
	if p.script != "" {
		full = p.script + "/" + strings.TrimLeft(strings.TrimPrefix(full, p.mount), "/")
	}
	for _, re := range p.exempt {
		if re.MatchString(strings.TrimLeft(full, "/")) {
			return "", stays
		}
	}
	host := p.host
	if host == "" {
		host = string(r.Host)
		if forwarded := r.Get("x-forwarded-host"); p.forwardedHost && forwarded != nil {
			host = string(forwarded)
		}
		if _, ok := hosts.Name(host); !ok || !p.hosts.Allow(host) {
			return "", asks
		}
	}
	if !utf8.ValidString(full) {
		return "", asks
	}
	location = "https://" + host + quote(full, "/:@&+$,-_.!~*'()")
	if len(r.RawQuery) > 0 {
		location += "?" + quote(string(r.RawQuery), "/#%[]=:;$&()+,!?*@'~")
	}
	return location, moves
}

// quote is Python's urllib.parse.quote.
func quote(text, safe string) string {
	var b strings.Builder
	for _, c := range []byte(text) {
		switch {
		case c >= 'a' && c <= 'z', c >= 'A' && c <= 'Z', c >= '0' && c <= '9', strings.IndexByte("_.-~", c) >= 0, strings.IndexByte(safe, c) >= 0:
			b.WriteByte(c)
		default:
			fmt.Fprintf(&b, "%%%02X", c)
		}
	}
	return b.String()
}
