package accesslog

import (
	"bytes"
	"encoding/base64"
	"time"
	"unicode/utf8"
)

// Entry is what there is to say about one request. A nil slice is a missing
// value and logged as "-"; an empty one is present and empty.
type Entry struct {
	RemoteAddr  []byte        // address of the client without port
	User        []byte        // see BasicUser
	Time        time.Time     // when the line is written, as gunicorn has it
	Duration    time.Duration // from the last byte of the request's head to the end of the response
	RequestLine []byte        // nil: made of Method, Target and Proto
	Client      []byte        // address of whom the request is from, behind the proxies that are trusted
	Host        []byte
	Method      []byte
	Target      []byte // as the client sent it
	Path        []byte // decoded
	Query       []byte
	Proto       []byte // e.g. HTTP/1.1
	Status      int
	BytesSent   int64 // of the body
	Referer     []byte
	UserAgent   []byte
	Pid         int    // of the process that answered; the worker's, else the master's
	Worker      int    // pid of the worker, 0 if none was involved
	Answered    bool   // by a worker to the end, be it that the application raised
	By          string // who answered: "app", "static", "edge", "server" and the like; "": not known
	RequestID   []byte
	TraceID     []byte        // of the trace it belongs to; nil: as Fields has it
	Receive     time.Duration // reading the body
	Queue       time.Duration // waiting for a worker
	Run         time.Duration // in a worker
	Lane        []byte
	Route       []byte
	Fields      Fields // for {name}i, {name}o and {name}e; nil has none
}

// Clone returns a copy of e that may be kept, without its Fields.
func (e *Entry) Clone() *Entry {
	kept := *e
	kept.TraceID, kept.Fields = e.trace(), nil
	for _, text := range []*[]byte{
		&kept.RemoteAddr, &kept.User, &kept.RequestLine, &kept.Method, &kept.Target, &kept.Path, &kept.Query, &kept.Proto, &kept.Referer,
		&kept.UserAgent, &kept.Lane, &kept.Route, &kept.Client, &kept.Host, &kept.RequestID, &kept.TraceID,
	} {
		*text = bytes.Clone(*text)
	}
	return &kept
}

// Fields looks up what only some formats ask for. Names are in lower case, as
// compared without regard to case; of several fields with one name gunicorn
// logs the last.
type Fields interface {
	RequestHeader(name string) (value []byte, ok bool)
	ResponseHeader(name string) (value []byte, ok bool)
	Environ(name string) (value []byte, ok bool)
}

// BasicUser appends the user's name from the value of an Authorization header
// of the scheme Basic to dst. ok is false, and dst as it was, for anything else.
// As in gunicorn, characters that are not of base64 do not count.
func BasicUser(dst, authorization []byte) (_ []byte, ok bool) {
	scheme, rest, found := bytes.Cut(authorization, []byte(" "))
	if !found || !bytes.EqualFold(scheme, []byte("basic")) {
		return dst, false
	}
	start := len(dst)
	out, err := base64.StdEncoding.AppendDecode(dst, bytes.TrimSpace(rest))
	if err != nil {
		out, err = base64.StdEncoding.AppendDecode(dst, bytes.Map(onlyBase64, rest))
	}
	if err != nil {
		return dst, false
	}
	if i := bytes.IndexByte(out[start:], ':'); i >= 0 {
		out = out[:start+i]
	}
	if len(out) == start || !utf8.Valid(out[start:]) {
		return dst, false // gunicorn too writes "-" then
	}
	return out, true
}

func onlyBase64(r rune) rune {
	switch {
	case r >= 'A' && r <= 'Z', r >= 'a' && r <= 'z', r >= '0' && r <= '9', r == '+', r == '/', r == '=':
		return r
	}
	return -1
}
