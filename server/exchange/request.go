package exchange

import (
	"net/netip"
	"time"
)

// Field is one field line: the name as it was sent (HTTP/2: in lower case) and the value without the white space around it. Both are
// valid until the exchange has ended and the handler has returned.
type Field struct {
	Name, Value []byte
}

// Request is what a client asks. Its byte slices are valid until the exchange has ended.
type Request struct {
	Method        []byte
	Target        []byte    // as sent; HTTP/2: ":path"
	Path          []byte    // percent-decoded once
	RawPath       []byte    // as sent; empty if the target has none
	RawQuery      []byte    // behind the "?", as sent
	Host          []byte    // authority of the target or value of Host, nil if neither
	Line          []byte    // the request line without its line end; HTTP/2: what it would be in HTTP/1
	Major, Minor  int       // 1, 1 for HTTP/1.1; 2, 0 for HTTP/2
	Fields        []Field   // in order
	Dropped       int       // fields dropped by rule ("_" in names, Proxy)
	ContentLength int64     // -1 if the length of the body is not known, 0 if there is none
	KeepAlive     bool      // the client wants to keep the connection
	Received      time.Time // when the head was complete

	// What the server made of the connection and of the fields of those whom it believes, before it asks a Responder.

	Scheme string     // "http" or "https"
	Client netip.Addr // who asks: the peer, or whom a believed proxy names; not valid on a Unix socket
	Pages  PageSource // for answers of our own; nil: there are none but ours
	HSTS   string     // the value of Strict-Transport-Security in an answer of our own; empty: none

	// What a Responder that does not answer may note for those behind it.

	User      string // whose password was right; empty: none was asked
	BodyLimit int64  // bytes of the largest body for this path; 0: the engine's limit alone
}

// Get returns the value of the first field with the name, which must be in lower case, or nil.
func (r *Request) Get(lower string) []byte {
	for i := range r.Fields {
		if Is(r.Fields[i].Name, lower) {
			return r.Fields[i].Value
		}
	}
	return nil
}

// Is compares a name without regard to the case of ASCII letters; lower must have no capitals.
func Is(name []byte, lower string) bool {
	if len(name) != len(lower) {
		return false
	}
	for i, c := range name {
		if c >= 'A' && c <= 'Z' {
			c |= 0x20
		}
		if c != lower[i] {
			return false
		}
	}
	return true
}
