package http2

import (
	"net/http"
	"slices"

	"github.com/gounicorn/gounicorn/server/http1"
)

// version is how the request line ends while the rules of HTTP/1.1 are applied to it.
const version = " HTTP/1.1"

// load writes the head as HTTP/1.1 has it, and has it judged. net/http has seen to names in lower case that are tokens, values without
// control characters, pseudo-fields, fields of the connection, and the join of cookies (RFC 9113 8.2, 8.3, row 36).
func (x *Exchange) load() http1.Cause {
	hr := x.hr
	if uri := hr.RequestURI; hr.Method != http.MethodConnect && uri != "*" && (uri == "" || uri[0] != '/') {
		return http1.CauseTargetForm // what is a target in HTTP/1 is no ":path" (RFC 9113 8.3.1)
	}
	b := append(append(append(x.arena[:0], hr.Method...), ' '), hr.RequestURI...)
	line := len(b) + len(version)
	b = append(b, version...)
	b = append(b, '\r', '\n')
	lines := 0
	if hr.Host != "" {
		b = appendField(b, "host", hr.Host)
		lines++
	}
	x.names = x.names[:0]
	for name := range hr.Header {
		x.names = append(x.names, name)
	}
	slices.Sort(x.names) // net/http does not tell in which order they came
	for _, name := range x.names {
		for _, value := range hr.Header[name] {
			if name == "Host" && value == hr.Host {
				continue // ":authority" again, or in its place; another one is a second Host (RFC 9113 8.3.1)
			}
			b = appendField(b, name, value)
			lines++
		}
	}
	if len(hr.Header["Host"]) > 1 {
		b = appendField(b, "host", hr.Host)
		lines++
	}
	b = append(b, '\r', '\n')
	x.arena = b
	if n := int64(streamMemory + headMemory*len(b)); x.conn.cfg.Room.Take(n) {
		x.room = n
	} else {
		return http1.CauseRoom
	}
	cause := x.conn.cfg.Rules.Read(&x.head, b, x.conn, &x.req)
	switch {
	case cause != http1.CauseNone:
		return cause
	case len(x.req.Fields)+x.req.Dropped != lines: // a line end within a value: net/http would have let it through
		return http1.CauseFieldValue
	}
	copy(b[line-3:line], "2.0")
	return x.frame(hr)
}

// frame finds out how long the body is.
func (x *Exchange) frame(hr *http.Request) http1.Cause {
	r := &x.req
	r.KeepAlive = true
	switch {
	case hr.ContentLength < 0:
		r.ContentLength = -1
	case r.ContentLength > 0 && hr.ContentLength == 0: // the stream ended with the head
		return http1.CauseIncompleteBody
	}
	return http1.CauseNone
}

// appendField writes a field line, with the name in lower case, as it was sent.
func appendField(b []byte, name, value string) []byte {
	for i := range len(name) {
		c := name[i]
		if c >= 'A' && c <= 'Z' {
			c |= 0x20
		}
		b = append(b, c)
	}
	b = append(b, ':', ' ')
	b = append(b, value...)
	return append(b, '\r', '\n')
}
