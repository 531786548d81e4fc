package cache

import (
	"bytes"
	"slices"
	"strings"

	"github.com/gounicorn/gounicorn/server/exchange"
)

// bypass are the fields of requests that are not answered from the cache, nor give it anything: parts of an answer, and preconditions that
// are not about a copy that the client has.
var bypass = []string{"range", "if-range", "if-match", "if-unmodified-since", "expect", "upgrade"}

// credentials are parts of names of fields that say who asks: Authorization, X-API-Key, X-Auth-Token, X-Forwarded-User and X-SSL-Client-Cert of
// proxies, Cf-Access-Jwt-Assertion. impersonal are names that only sound so.
var (
	credentials = []string{"auth", "user", "token", "key", "jwt", "cert", "session", "identity", "principal", "email", "secret", "password", "signature"}
	impersonal  = []string{"user-agent", "sec-fetch-user", "x-device-user-agent", "x-original-user-agent"}
)

// personal reports whether a field says who asks.
func personal(name []byte) bool {
	lower := strings.ToLower(string(name))
	return !slices.Contains(impersonal, lower) && slices.ContainsFunc(credentials, func(part string) bool { return strings.Contains(lower, part) })
}

// keyed are fields that applications build links or decisions from although answers do not name them in Vary. Their values are a part of the
// key, so that nobody can leave an answer to a forged one for others.
var keyed = []string{
	"x-forwarded-host", "x-forwarded-proto", "x-forwarded-protocol", "x-forwarded-scheme", "x-forwarded-ssl", "x-forwarded-port", "x-forwarded-prefix",
	"x-forwarded-server", "x-host", "x-script-name", "script_name", "path_info", "x-original-url", "x-rewrite-url", "x-url-scheme",
	"x-http-method", "x-http-method-override", "x-method-override", "front-end-https",
	"x-requested-with", "x-pjax", "hx-request", "hx-boosted", "hx-target", "turbo-frame", // parts of pages
	"cf-ipcountry", "cloudfront-viewer-country", "x-country-code",
}

// anonymous reports whether r may share its answer with others.
func (c *config) anonymous(r *exchange.Request) bool {
	if m := string(r.Method); (m != "GET" && m != "HEAD") || r.ContentLength != 0 || len(r.Host) == 0 {
		return false
	}
	for i := range r.Fields {
		f := &r.Fields[i]
		if personal(f.Name) {
			return false
		}
		for _, name := range bypass {
			if exchange.Is(f.Name, name) {
				return false
			}
		}
		switch {
		case exchange.Is(f.Name, "cookie") && !c.ignorable(f.Value):
			return false
		case exchange.Is(f.Name, "cache-control") && bytes.Contains(bytes.ToLower(f.Value), []byte("no-store")):
			return false
		}
	}
	return true
}

// ignorable reports whether all cookies in a Cookie field are ones that the application does not look at.
func (c *config) ignorable(value []byte) bool {
	for pair := range bytes.SplitSeq(value, []byte(";")) {
		name, _, _ := bytes.Cut(bytes.TrimSpace(pair), []byte("="))
		if len(name) > 0 && !c.ignored(string(bytes.TrimSpace(name))) {
			return false
		}
	}
	return true
}

func (c *config) ignored(name string) bool {
	for _, pattern := range c.IgnoreCookies {
		if begin, open := strings.CutSuffix(pattern, "*"); name == pattern || (open && strings.HasPrefix(name, begin)) {
			return true
		}
	}
	return false
}

// key is what requests for the same thing have in common, whatever Vary says.
func key(r *exchange.Request) string {
	k := make([]byte, 0, len(r.Scheme)+len(r.Host)+len(r.Target)+2)
	k = append(append(k, r.Scheme...), 0)
	k = append(append(k, bytes.ToLower(r.Host)...), 0)
	k = append(k, r.Target...)
	for i := range r.Fields {
		f := &r.Fields[i]
		for _, name := range keyed {
			if exchange.Is(f.Name, name) {
				k = append(append(append(append(k, 0), name...), 0), f.Value...)
			}
		}
	}
	return string(k)
}

// values are what r has in the fields with the names, in lower case: what an answer with these names in Vary depends on. Cookie counts as
// absent: whoever sent one that matters did not get here.
func values(r *exchange.Request, names []string) string {
	var v []byte
	for _, name := range names {
		v = append(v, 0)
		if name == "cookie" {
			continue
		}
		for i := range r.Fields {
			if f := &r.Fields[i]; exchange.Is(f.Name, name) {
				v = append(append(v, f.Value...), ',')
			}
		}
	}
	return string(v)
}
