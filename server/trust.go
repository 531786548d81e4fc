package server

import (
	"net/netip"

	"github.com/gounicorn/gounicorn/server/http1"
)

// trusted reports whether a peer may say who the client is and which scheme it used: this host, and whoever can open a unix socket
// (gunicorn's default of forwarded_allow_ips).
func trusted(peer netip.AddrPort) bool {
	return !peer.IsValid() || peer.Addr().Unmap().IsLoopback()
}

// forwarded reports whether a field is one that a proxy adds about its client. From a stranger it is a claim that applications tend
// to believe, so it is dropped (hostile input 30).
func forwarded(name []byte) bool {
	switch name[0] {
	case 'f', 'F':
		return equalFold(name, "forwarded")
	case 'x', 'X':
		return hasPrefixFold(name, "x-forwarded-") || equalFold(name, "x-real-ip") || equalFold(name, "x-client-ip")
	}
	return false
}

// schemeOf returns the URL scheme that a trusted proxy reports, and ok false when two of its fields disagree. The fields and the exact
// spelling of their values are gunicorn's default secure_scheme_headers.
func schemeOf(fields []http1.Field) (_ string, ok bool) {
	seen, secure := false, false
	for i := range fields {
		var want string
		switch name := fields[i].Name; {
		case equalFold(name, "x-forwarded-proto"):
			want = "https"
		case equalFold(name, "x-forwarded-protocol"):
			want = "ssl"
		case equalFold(name, "x-forwarded-ssl"):
			want = "on"
		default:
			continue
		}
		is := string(fields[i].Value) == want
		if seen && is != secure {
			return "", false
		}
		seen, secure = true, is
	}
	if secure {
		return "https", true
	}
	return "http", true
}

func equalFold(name []byte, lower string) bool {
	return len(name) == len(lower) && hasPrefixFold(name, lower)
}

func hasPrefixFold(name []byte, lower string) bool {
	if len(name) < len(lower) {
		return false
	}
	for i := range len(lower) {
		c := name[i]
		if c >= 'A' && c <= 'Z' {
			c += 'a' - 'A'
		}
		if c != lower[i] {
			return false
		}
	}
	return true
}
