// Package hosts knows the names that a site answers for, in the words of Django's ALLOWED_HOSTS, and what of a Host field is a name. It
// imports nothing of ours.
package hosts

import "strings"

// longest bounds what of a Host is looked at, in bytes: a name has 253 at most (RFC 1035 2.3.4), the rest is for brackets and port.
const longest = 300

// Patterns are those of ALLOWED_HOSTS: a name, a domain with a dot in front for it and all below it, or "*" for any. They do not change.
type Patterns []string

// New returns patterns as Django goes by them: letters are made small, space around and empty ones are left out. None allow no host.
func New(texts []string) Patterns {
	p := make(Patterns, 0, len(texts))
	for _, text := range texts {
		if text = strings.ToLower(strings.TrimSpace(text)); text != "" {
			p = append(p, text)
		}
	}
	return p
}

// Any reports whether every host is allowed, and whatever is in its place.
func (p Patterns) Any() bool {
	for _, pattern := range p {
		if pattern == "*" {
			return true
		}
	}
	return false
}

// Allow reports whether the value of a Host is allowed. What is no host is not, unless all are.
func (p Patterns) Allow(host string) bool {
	name, ok := Name(host)
	for _, pattern := range p {
		switch {
		case pattern == "*":
			return true
		case !ok:
		case pattern == name, pattern[0] == '.' && (strings.HasSuffix(name, pattern) || name == pattern[1:]):
			return true
		}
	}
	return false
}

// Example is a host that is allowed, the first that a pattern names; fallback if they name none.
func (p Patterns) Example(fallback string) string {
	for _, pattern := range p {
		if name, ok := Name(strings.TrimPrefix(pattern, ".")); ok {
			return name
		}
	}
	return fallback
}

// Name cuts the port off the value of a Host and makes its letters small. What Django's split_domain_port does not take for a host is none:
// other characters than letters, digits, dots, hyphens and, in brackets, those of an IPv6 address. One dot at the end does not count.
func Name(host string) (name string, ok bool) {
	if len(host) > longest {
		return "", false
	}
	for i := range len(host) {
		if host[i] >= 0x80 { // ToLower makes ASCII of some, as of the Kelvin sign
			return "", false
		}
	}
	host = strings.ToLower(host)
	port := ""
	if strings.HasPrefix(host, "[") {
		end := strings.IndexByte(host, ']')
		if end < 0 || !bracketed(host[1:end]) {
			return "", false
		}
		name, port = host[:end+1], host[end+1:]
	} else {
		name = host
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

// bracketed reports whether text can be the address in brackets, as Django's host_validation_re has it.
func bracketed(text string) bool {
	first, rest, colon := strings.Cut(text, ":")
	return colon && rest != "" && strings.Trim(first, "0123456789abcdef") == "" && strings.Trim(rest, "0123456789abcdef.:") == ""
}
