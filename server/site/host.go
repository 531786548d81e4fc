package site

import "strings"

// hostAllowed reports whether Django takes a value of Host: it is well formed, and ALLOWED_HOSTS has it. A pattern with a dot in front is
// a domain with all below it, "*" is any.
func hostAllowed(host string, allowed []string) bool {
	name, ok := domain(strings.ToLower(host))
	if !ok {
		return false
	}
	for _, pattern := range allowed {
		pattern = strings.ToLower(pattern)
		if pattern == "*" || pattern != "" && pattern == name {
			return true
		}
		if strings.HasPrefix(pattern, ".") && (strings.HasSuffix(name, pattern) || name == pattern[1:]) {
			return true
		}
	}
	return false
}

// domain cuts the port off a host in lower case, as Django does: letters, digits, dots and hyphens, or an IPv6 address in brackets, then a
// number if there is a colon.
func domain(host string) (name string, ok bool) {
	port, ported := "", false
	if strings.HasPrefix(host, "[") {
		end := strings.IndexByte(host, ']')
		if end < 0 || !strings.Contains(host[1:end], ":") || strings.Trim(host[1:end], "0123456789abcdef.:") != "" {
			return "", false
		}
		name = host[:end+1]
		if host = host[end+1:]; host != "" {
			if port, ported = strings.CutPrefix(host, ":"); !ported {
				return "", false
			}
		}
	} else {
		name, port, ported = strings.Cut(host, ":")
		if name == "" || strings.Trim(name, "abcdefghijklmnopqrstuvwxyz0123456789.-") != "" {
			return "", false
		}
	}
	if ported && (port == "" || strings.Trim(port, "0123456789") != "") {
		return "", false
	}
	name = strings.TrimSuffix(name, ".")
	return name, name != ""
}
