package dashboard

import (
	"net"
	"net/http"
	"net/netip"
	"slices"
	"strings"
	"time"
)

// marker is a header that a page of another origin cannot send without being asked for it first, which nobody answers (CORS).
const marker = "X-Gounicorn-Dashboard"

// policy lets the page load and ask for what is its own, and nothing be written into it as HTML: whatever a client sends as a path stays text.
const policy = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; form-action 'none'; base-uri 'none'; " +
	"frame-ancestors 'none'; require-trusted-types-for 'script'; trusted-types 'none'"

// headers are those of every answer.
var headers = [][2]string{
	{"Cache-Control", "no-store"},
	{"Content-Security-Policy", policy},
	{"Cross-Origin-Opener-Policy", "same-origin"},
	{"Cross-Origin-Resource-Policy", "same-origin"},
	{"Referrer-Policy", "no-referrer"},
	{"X-Content-Type-Options", "nosniff"},
	{"X-Frame-Options", "DENY"},
}

// guard is what every request passes first.
func (d *Dashboard) guard(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		for _, h := range headers {
			w.Header().Set(h[0], h[1])
		}
		if !d.named(r.Host) {
			refuse(w, http.StatusForbidden, "this server is not asked by that name; if it should be, add the name to --dashboard-hosts")
			return
		}
		next.ServeHTTP(w, r)
	})
}

// named reports whether a Host is one of ours. An address is: only a name can be made to point to us by somebody else (DNS rebinding).
func (d *Dashboard) named(host string) bool {
	name := host
	if h, _, err := net.SplitHostPort(host); err == nil {
		name = h
	}
	name = strings.ToLower(strings.TrimSuffix(strings.TrimSuffix(strings.TrimPrefix(name, "["), "]"), "."))
	if _, err := netip.ParseAddr(name); err == nil {
		return true
	}
	return name == "localhost" || strings.HasSuffix(name, ".localhost") || slices.Contains(d.hosts, name)
}

// known is a handler for those who have a session or send the token.
func (d *Dashboard) known(next func(w http.ResponseWriter, r *http.Request, until time.Time)) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		if token, ok := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer "); ok {
			if d.try(w, r, token) {
				next(w, r, time.Now().Add(sessionTime))
			}
			return
		}
		for _, c := range r.CookiesNamed(cookieName(r)) {
			if end, ok := d.sessions.until(c.Value, time.Now()); ok {
				next(w, r, end)
				return
			}
		}
		w.Header().Set("WWW-Authenticate", "Bearer")
		refuse(w, http.StatusUnauthorized, "log in with the token first")
	}
}

// act is a handler for what changes something: only the page itself may ask for it, or a program that sends the header marker.
func (d *Dashboard) act(next http.HandlerFunc) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		if err := d.origin.Check(r); err != nil || r.Header.Get(marker) == "" {
			refuse(w, http.StatusForbidden, "only the dashboard's own page may do this; a program sends the header "+marker+": 1")
			return
		}
		next(w, r)
	}
}

// try checks a token, and answers when it is wrong or its client has tried too many.
func (d *Dashboard) try(w http.ResponseWriter, r *http.Request, token string) bool {
	client, now := clientOf(r.RemoteAddr), time.Now()
	if wait := d.attempts.wait(client, now); wait > 0 {
		w.Header().Set("Retry-After", seconds(wait))
		refuse(w, http.StatusTooManyRequests, "too many wrong tokens; wait "+seconds(wait)+" seconds")
		return false
	}
	if !same(token, d.token) {
		d.attempts.failed(client, now)
		d.log("a wrong token from " + who(r))
		refuse(w, http.StatusUnauthorized, "that is not the token of this server")
		return false
	}
	return true
}

// who is the other end of a request, for the log.
func who(r *http.Request) string {
	if host, _, err := net.SplitHostPort(r.RemoteAddr); err == nil {
		return host
	}
	return "a unix socket"
}
