package edge

import "strings"

// longestHost bounds what of a Host is looked at, in bytes: a name has 253 at most (RFC 1035 2.3.4), the rest is for brackets and port.
const longestHost = 300

// hosts are patterns as in Django's ALLOWED_HOSTS: a name, a domain with a dot in front for it and all below it, or "*" for any. Letters
// are in lower case.
type hosts []string

func newHosts(patterns []string) hosts {
	h := make(hosts, 0, len(patterns))
	for _, p := range patterns {
		if p = strings.ToLower(strings.TrimSpace(p)); p != "" {
			h = append(h, p)
		}
	}
	return h
}

// any reports whether every host is allowed.
func (h hosts) any() bool {
	for _, p := range h {
		if p == "*" {
			return true
		}
	}
	return false
}

// allow reports whether the value of a Host is allowed. A request that names no host is not, unless all are.
func (h hosts) allow(host []byte) bool {
	if len(host) > longestHost {
		return false
	}
	name, ok := hostName(strings.ToLower(string(host)))
	for _, p := range h {
		switch {
		case p == "*":
			return true
		case !ok:
		case p == name, p[0] == '.' && (strings.HasSuffix(name, p) || name == p[1:]):
			return true
		}
	}
	return false
}

// hostName cuts the port off a host in lower case. What Django does not take for a host is none: other characters than letters, digits, dots,
// hyphens and, in brackets, those of an IPv6 address. One dot at the end does not count.
func hostName(host string) (string, bool) {
	name, port := host, ""
	if strings.HasPrefix(host, "[") {
		end := strings.IndexByte(host, ']')
		if end < 0 || !strings.Contains(host[:end], ":") || strings.Trim(host[1:end], "0123456789abcdef.:") != "" {
			return "", false
		}
		name, port = host[:end+1], host[end+1:]
	} else {
		if i := strings.IndexByte(host, ':'); i >= 0 {
			name, port = host[:i], host[i:]
		}
		if strings.Trim(name, "abcdefghijklmnopqrstuvwxyz0123456789.-") != "" {
			return "", false
		}
		name = strings.TrimSuffix(name, ".")
	}
	if port != "" && (len(port) < 2 || port[0] != ':' || strings.Trim(port[1:], "0123456789") != "") {
		return "", false
	}
	return name, name != ""
}
