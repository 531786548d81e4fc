package edge

import (
	"bytes"
	"errors"
	"fmt"
	"net/url"
	"strconv"
	"strings"

	"github.com/gounicorn/gounicorn/server/hosts"
)

// Redirect sends the requests for a host, or for a path and all below it, elsewhere. What follows in the path, and the query, is kept.
// The host of the new place is always the configured one, or none.
type Redirect struct {
	host   string // in lower case, without port; empty: every host
	prefix Prefix
	to     string // without a slash at its end
	status int
}

// ParseRedirect reads FROM=TO[ STATUS]. FROM is a host or a path; TO is a path, or an URL that begins with http:// or https://. STATUS is
// 301 (the default), 302, 307 or 308.
func ParseRedirect(text string) (Redirect, error) {
	r := Redirect{status: 301}
	from, rest, found := strings.Cut(strings.TrimSpace(text), "=")
	words := strings.Fields(rest)
	if !found || from == "" || len(words) == 0 || len(words) > 2 {
		return r, errors.New("write FROM=TO or 'FROM=TO STATUS', such as www.example.com=https://example.com or '/old/=/new/ 302'")
	}
	if len(words) == 2 {
		n, err := strconv.Atoi(words[1])
		if err != nil || n != 301 && n != 302 && n != 307 && n != 308 {
			return r, fmt.Errorf("the status %q is none of 301, 302, 307 and 308", words[1])
		}
		r.status = n
	}
	if strings.HasPrefix(from, "/") {
		prefix, _, err := parsePrefix(from+"=x", "FROM=TO")
		if err != nil {
			return r, err
		}
		r.prefix = prefix
	} else {
		name, ok := hosts.Name(from)
		if !ok || strings.ContainsAny(from, "/*") {
			return r, fmt.Errorf("FROM %q is neither a path that begins with / nor a host name", from)
		}
		r.host = name
	}
	return r, r.target(words[0])
}

// target checks TO.
func (r *Redirect) target(to string) error {
	u, err := url.Parse(to)
	absolute := err == nil && (u.Scheme == "http" || u.Scheme == "https") && u.Host != "" && u.User == nil
	local := err == nil && u.Scheme == "" && u.Host == "" && strings.HasPrefix(to, "/") && !strings.HasPrefix(to, "//")
	switch {
	case !absolute && !local:
		return fmt.Errorf("TO %q is neither a path that begins with one / nor an URL such as https://example.com", to)
	case u.RawQuery != "" || u.ForceQuery || u.Fragment != "" || strings.ContainsAny(to, "\\\"<>^`{|}") || !printable(to):
		return fmt.Errorf("TO %q may have no query, no fragment and no characters that an URL must escape: the query of the request is kept", to)
	case r.host != "" && local:
		return fmt.Errorf("from a host it must go to another one: write an URL, such as https://example.com%s", to)
	case r.host != "" && strings.EqualFold(u.Hostname(), r.host), r.host == "" && local && r.prefix.has([]byte(u.Path)):
		return fmt.Errorf("%q would be sent to itself, for ever", to)
	}
	r.to = strings.TrimSuffix(to, "/")
	return nil
}

func printable(s string) bool {
	for i := range len(s) {
		if s[i] <= ' ' || s[i] > '~' {
			return false
		}
	}
	return true
}

// location returns where a request is sent, nil if it is none of this Redirect's. What is taken from the request follows the path of the
// target, with exactly one slash between, so it cannot become a host.
func (r *Redirect) location(host string, rawPath, target []byte) []byte {
	if r.host != "" && r.host != host || !r.prefix.has(rawPath) {
		return nil
	}
	rest := bytes.TrimLeft(rawPath[len(r.prefix):], `/\`)
	to := make([]byte, 0, len(r.to)+len(target)+2)
	to = append(to, r.to...)
	if len(rest) > 0 || len(rawPath) != len(r.prefix) || len(to) == 0 {
		to = append(append(to, '/'), rest...)
	}
	if i := bytes.IndexByte(target, '?'); i >= 0 {
		to = append(to, target[i:]...)
	}
	return to
}
