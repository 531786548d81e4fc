package accel

import (
	"strconv"
	"strings"

	"github.com/gounicorn/gounicorn/server/exchange"
)

// Order is a field of an answer that speaks to the server in front of the application. None is meant for a client.
type Order uint8

// The orders; nginx has all but Sendfile.
const (
	None      Order = iota
	Redirect        // X-Accel-Redirect: send the file behind this URI
	Sendfile        // X-Sendfile, X-Lighttpd-Send-File: send the file with this path
	Buffering       // X-Accel-Buffering: "no": the body is a stream
	LimitRate       // X-Accel-Limit-Rate: bytes in a second
	Expires         // X-Accel-Expires: how long caches of servers may keep it
	Unknown         // other X-Accel fields, such as X-Accel-Charset
)

// Is tells which order a field is.
func Is(name []byte) Order {
	if len(name) < len("x-accel-") || name[0]|0x20 != 'x' || name[1] != '-' {
		return None
	}
	switch name[2] | 0x20 {
	case 's':
		if exchange.Is(name, "x-sendfile") {
			return Sendfile
		}
	case 'l':
		if exchange.Is(name, "x-lighttpd-send-file") {
			return Sendfile
		}
	case 'a':
		const begin = "x-accel-"
		if !exchange.Is(name[:len(begin)], begin) {
			return None
		}
		switch rest := name[len(begin):]; {
		case exchange.Is(rest, "redirect"):
			return Redirect
		case exchange.Is(rest, "buffering"):
			return Buffering
		case exchange.Is(rest, "limit-rate"):
			return LimitRate
		case exchange.Is(rest, "expires"):
			return Expires
		}
		return Unknown
	}
	return None
}

// Rate reads the value of X-Accel-Limit-Rate: bytes in a second, 0 for no limit, "off" too.
func Rate(value []byte) int64 {
	n, err := strconv.ParseInt(strings.TrimSpace(string(value)), 10, 64)
	if err != nil || n < 0 {
		return 0
	}
	return n
}

// kept are the fields of an answer that stay when the application names a file in its place: those that nginx keeps, and those by which the
// application protects its answers, which nobody else here would add. Everything else is the file's.
var kept = map[string]bool{
	"content-type": true, "content-disposition": true, "set-cookie": true, "cache-control": true, "expires": true, "accept-ranges": true,

	"vary": true, "content-language": true, "link": true, "x-robots-tag": true,
	"strict-transport-security": true, "content-security-policy": true, "content-security-policy-report-only": true, "referrer-policy": true,
	"permissions-policy": true, "x-frame-options": true, "x-content-type-options": true, "x-xss-protection": true,
	"cross-origin-opener-policy": true, "cross-origin-embedder-policy": true, "cross-origin-resource-policy": true,
	"access-control-allow-origin": true, "access-control-allow-credentials": true, "access-control-expose-headers": true, "timing-allow-origin": true,
}

// Kept reports whether a field stays when a file takes the place of the answer.
func Kept(name []byte) bool { return kept[strings.ToLower(string(name))] }
