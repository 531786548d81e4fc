package server

import (
	"bytes"
	"net/netip"
	"strings"

	"github.com/gounicorn/gounicorn/server/exchange"
	"github.com/gounicorn/gounicorn/server/http1"
)

// Trust says whom the server believes, and what. The zero Trust believes those that come over a unix socket, and nothing of what they
// say. The lists must not be changed after New.
type Trust struct {
	Forwarded        AllowList         // whose fields are believed (forwarded_allow_ips); a unix socket's always are
	SchemeFields     []SchemeField     // secure_scheme_headers
	ForwarderHeaders []string          // names with "_" that those may send, in any case, or "*" (forwarder_headers)
	HeaderMap        http1.Underscores // what becomes of other names with "_" (header_map)
	ScriptName       string            // the path at which the site is mounted, unless SCRIPT_NAME is sent; as in an URL, encoded
	Proxy            http1.ProxyMode   // proxy_protocol
	ProxyAllow       AllowList         // who may use it (proxy_allow_ips); a unix socket may always
	Hops             int               // the client's address is that many entries from the end of HopField; 0: the connection's
	HopField         string            // the field that each proxy adds to: a list of addresses, or "Forwarded" (RFC 7239)
	DropClaims       bool              // fields about the client from whom we do not believe are dropped
}

// AllowList is a set of IP addresses.
type AllowList struct {
	All      bool
	Prefixes []netip.Prefix
}

// Has reports whether an address is in the set. No address is a unix socket's, which is in every set: who can open it is a matter of
// the file system.
func (l *AllowList) Has(a netip.Addr) bool {
	if l.All || !a.IsValid() {
		return true
	}
	a = a.Unmap().WithZone("")
	for _, p := range l.Prefixes {
		if p.Contains(a) {
			return true
		}
	}
	return false
}

// SchemeField is a field that says by its presence which scheme the client used: https if it has this very value, http otherwise.
type SchemeField struct{ Name, Value string }

// normal returns t with names in lower case, so that they can be compared with folded bytes.
func (t Trust) normal() Trust {
	fields := make([]SchemeField, len(t.SchemeFields))
	for i, f := range t.SchemeFields {
		fields[i] = SchemeField{strings.ToLower(f.Name), f.Value}
	}
	names := make([]string, len(t.ForwarderHeaders))
	for i, name := range t.ForwarderHeaders {
		names[i] = strings.ToLower(name)
	}
	t.SchemeFields, t.ForwarderHeaders, t.HopField = fields, names, strings.ToLower(t.HopField)
	return t
}

// forwarder implements http1.Config.Forwarder.
func (t *Trust) forwarder(c exchange.Conn, name []byte) bool {
	if !t.Forwarded.Has(c.PeerAddr().Addr()) {
		return false
	}
	for _, known := range t.ForwarderHeaders {
		if known == "*" || equalFold(name, known) {
			return true
		}
	}
	return false
}

// scheme reports whether a believed peer says which URL scheme the client used, and whether that is https; ok is false when two of its
// fields disagree.
func (t *Trust) scheme(fields []exchange.Field) (seen, secure, ok bool) {
	for i := range fields {
		for j := range t.SchemeFields {
			if !equalFold(fields[i].Name, t.SchemeFields[j].Name) {
				continue
			}
			is := string(fields[i].Value) == t.SchemeFields[j].Value
			if seen && is != secure {
				return false, false, false
			}
			seen, secure = true, is
		}
	}
	return seen, secure, true
}

// claims reports whether a field is one that a proxy adds about its client. From anybody else it is a claim that applications tend to
// believe (hostile input 30).
func claims(name []byte) bool {
	switch name[0] {
	case 'f', 'F':
		return equalFold(name, "forwarded")
	case 'x', 'X':
		return hasPrefixFold(name, "x-forwarded-") || equalFold(name, "x-real-ip") || equalFold(name, "x-client-ip")
	}
	return false
}

// client returns the address that stands Hops entries from the end of HopField, all fields of that name together. It is not valid when
// there are fewer entries, or no address stands there: then the request did not come through all those proxies.
func (t *Trust) client(fields []exchange.Field) netip.AddrPort {
	left, cut := t.Hops, cutLast
	if t.HopField == "forwarded" {
		cut = cutLastElement
	}
	for i := len(fields) - 1; i >= 0; i-- {
		if !equalFold(fields[i].Name, t.HopField) {
			continue
		}
		for list, more := fields[i].Value, true; more; {
			var item []byte
			list, item, more = cut(list)
			if left--; left == 0 {
				if t.HopField == "forwarded" {
					item = forParameter(item)
				}
				return parseNode(item)
			}
		}
	}
	return netip.AddrPort{}
}

// cutLast cuts the last item off a list. Quotes mean nothing in it, so that nobody can hide a proxy's entry by opening one.
func cutLast(list []byte) (rest, item []byte, more bool) {
	at := bytes.LastIndexByte(list, ',')
	if at < 0 {
		return nil, list, false
	}
	return list[:at], list[at+1:], true
}

// cutLastElement cuts the last element off a Forwarded field, where a comma inside quotes does not separate. A quote that is not closed
// leaves one element, which names nobody.
func cutLastElement(list []byte) (rest, item []byte, more bool) {
	at, quoted := -1, false
	for i := 0; i < len(list); i++ {
		switch c := list[i]; {
		case quoted && c == '\\':
			i++
		case c == '"':
			quoted = !quoted
		case c == ',' && !quoted:
			at = i
		}
	}
	if at < 0 || quoted {
		return nil, list, false
	}
	return list[:at], list[at+1:], true
}

// forParameter returns the value of "for" in an element of Forwarded (RFC 7239 4), nil if it is not there exactly once.
func forParameter(element []byte) []byte {
	var value []byte
	for more := true; more; {
		var pair []byte
		pair, element, more = cutPair(element)
		name, v, ok := strings.Cut(string(trimSpace(pair)), "=")
		if !ok || !strings.EqualFold(name, "for") {
			continue
		}
		if value != nil {
			return nil
		}
		value = []byte(v)
		if n := len(value); n >= 2 && value[0] == '"' && value[n-1] == '"' {
			value = value[1 : n-1]
		}
	}
	return value
}

// cutPair cuts the first parameter off an element of Forwarded.
func cutPair(element []byte) (pair, rest []byte, more bool) {
	quoted := false
	for i := 0; i < len(element); i++ {
		switch c := element[i]; {
		case quoted && c == '\\':
			i++
		case c == '"':
			quoted = !quoted
		case c == ';' && !quoted:
			return element[:i], element[i+1:], true
		}
	}
	return element, nil, false
}

// parseNode reads an address as proxies write it: 192.0.2.1, 192.0.2.1:80, 2001:db8::1, [2001:db8::1], [2001:db8::1]:80. Without a
// port the port is 0. "unknown" and names are none.
func parseNode(b []byte) netip.AddrPort {
	text := string(trimSpace(b))
	if len(text) > 2 && text[0] == '[' && text[len(text)-1] == ']' {
		if text = text[1 : len(text)-1]; !strings.Contains(text, ":") {
			return netip.AddrPort{}
		}
	}
	if a, err := netip.ParseAddr(text); err == nil && a.Zone() == "" {
		return netip.AddrPortFrom(a.Unmap(), 0)
	}
	ap, err := netip.ParseAddrPort(text)
	if err != nil || ap.Addr().Zone() != "" {
		return netip.AddrPort{}
	}
	return netip.AddrPortFrom(ap.Addr().Unmap(), ap.Port())
}

func trimSpace(b []byte) []byte {
	for len(b) > 0 && (b[0] == ' ' || b[0] == '\t') {
		b = b[1:]
	}
	for len(b) > 0 && (b[len(b)-1] == ' ' || b[len(b)-1] == '\t') {
		b = b[:len(b)-1]
	}
	return b
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
