package http1

import (
	"math"

	"github.com/gounicorn/gounicorn/server/exchange"
)

// Rules are what a Config says of requests. An engine for another version of HTTP writes the head of a request in the syntax of
// HTTP/1.1 and has it judged here, so that nothing reaches an application by one version that another refuses. Safe for concurrent use.
type Rules struct{ rules }

// NewRules takes the limits of c and what it says of methods, hosts, fields and pages.
func NewRules(c Config) *Rules { return &Rules{newRules(&c)} }

// BodyLimit is Limits.Body: the largest body in bytes, 0 for any.
func (r *Rules) BodyLimit() int64 { return r.body }

// Head is a request head that Rules have read. It may be used again.
type Head struct {
	head   head
	fields []exchange.Field
	path   []byte
}

// Asterisk reports whether the target is "*".
func (h *Head) Asterisk() bool { return h.head.parsed.form == formAsterisk }

// Expects reports whether the client waits for 100 (Continue).
func (h *Head) Expects() bool { return h.head.expects }

// Read judges a complete head, up to and with its empty line, and fills in the request, whose slices alias b and h. After a Cause the
// request has the method and the Accept field, if that much was understood, and nothing else. conn is whom Config.Forwarder is asked about.
func (r *Rules) Read(h *Head, b []byte, conn exchange.Conn, req *exchange.Request) Cause {
	h.head.reset()
	h.head.conn = conn
	n, cause := h.head.feed(b, &r.rules)
	var f framing
	switch {
	case cause != CauseNone:
	case n != len(b): // a line end inside of what should have been a value, or none at the end
		cause = CauseFieldValue
	default:
		f, cause = h.head.frame(b, &r.rules)
	}
	if h.head.method.end > 0 {
		req.Method = h.head.method.of(b)
	}
	if cause != CauseNone {
		h.fields = h.head.accepts(b, h.fields)
		req.Fields = h.fields
		return cause
	}
	h.fields, h.path = h.head.request(b, f, req, h.fields, h.path)
	return cause
}

// request fills in what a complete head says. fields and path are memory to use again.
func (h *head) request(b []byte, f framing, req *exchange.Request, fields []exchange.Field, path []byte) ([]exchange.Field, []byte) {
	req.Method = h.method.of(b)
	req.Line = h.reqline.of(b)
	req.Target = h.target.of(b)
	req.Host = h.effectiveHost(b)
	req.Dropped = h.dropped
	req.KeepAlive = f.keep
	req.RawQuery = h.parsed.query.of(req.Target)
	req.RawPath = h.parsed.path.of(req.Target)
	req.Path, path = h.parsed.decoded(req.Target, path)
	fields = fields[:0]
	for _, s := range h.fields {
		v := s.value.of(b)
		if s.value == h.host && h.hosts == 1 {
			v = req.Host // an absolute-form target rewrites Host
		}
		fields = append(fields, exchange.Field{Name: s.name.of(b), Value: v})
	}
	req.Fields = fields
	switch f.body {
	case bodyLength:
		req.ContentLength = f.length
	case bodyChunked:
		req.ContentLength = -1
	}
	return fields, path
}

// Effective returns the timeouts with their defaults, and 0 for those that are off.
func (t Timeouts) Effective() Timeouts {
	e := newTiming(t)
	return Timeouts{Header: e.header, Body: e.body, Send: e.send, Idle: e.idle, MinBodyRate: e.rate}
}

// RateGrace is how long a body may arrive before Timeouts.MinBodyRate counts.
const RateGrace = rateGrace

// FieldKind says what a field of an answer means to an engine.
type FieldKind uint8

// The kinds of fields of answers.
const (
	OtherField  = FieldKind(fieldOther)
	HopByHop    = FieldKind(fieldHopByHop) // belongs to the connection (RFC 9110 7.6.1)
	LengthField = FieldKind(fieldLength)   // Content-Length
	DateField   = FieldKind(fieldDate)     // Date, which replaces the engine's
	ServerField = FieldKind(fieldServer)   // Server, likewise
)

// AnswerField judges a field of an answer by syntax and says what it means; false: the name is no token, or the value has a control
// character.
func AnswerField(name, value []byte) (FieldKind, bool) {
	if len(name) == 0 || !all(name, classToken) || !all(value, classValue) {
		return OtherField, false
	}
	return FieldKind(responseField(name)), true
}

// ParseLength reads the value of Content-Length.
func ParseLength(value []byte) (int64, bool) { return parseDecimal(trimOWS(value), math.MaxInt64) }

// Allowed is the value of Allow: the methods that no engine refuses.
const Allowed = allowed

// Page is the body of an answer of our own to a status, for a client that accepts accept: Config.Page's, or else one with the detail or the
// reason phrase.
func (r *Rules) Page(status int, detail string, accept []byte) (mime string, body []byte) {
	return exchange.Page(status, statusText(status), detail, accept, r.page)
}

// accepts returns the Accept field of a head that is refused, as far as it was read: the answer depends on it.
func (h *head) accepts(b []byte, fields []exchange.Field) []exchange.Field {
	fields = fields[:0]
	for _, s := range h.fields {
		if name := s.name.of(b); exchange.Is(name, "accept") {
			return append(fields, exchange.Field{Name: name, Value: s.value.of(b)})
		}
	}
	return fields
}
