package http1

import (
	"bytes"

	"github.com/gounicorn/gounicorn/server/exchange"
)

// span is a range of bytes of the head, relative to its first byte. Spans and
// not slices are kept while a head arrives, because the buffer may move.
type span struct{ start, end int32 }

func (s span) of(b []byte) []byte { return b[s.start:s.end:s.end] }

// fieldSpan locates one field.
type fieldSpan struct{ name, value span }

// Stages of a head, in this order.
const (
	stageBegin  uint8 = iota // nothing but perhaps one empty line was seen
	stageLine                // inside the request line
	stageFields              // inside the field lines
)

// head is the incremental parser of one request head. It looks at every byte
// once, however the bytes are cut into reads, and gives the same verdict for
// every cut: lines are judged one by one, first by length, then by syntax.
type head struct {
	conn     exchange.Conn // whose head it is, for Config.Forwarder; nil in tests
	stage    uint8
	minor    uint8
	skipped  bool // one empty line was tolerated
	dropped  int  // fields dropped by rule
	seen     int  // field lines seen, dropped ones too
	line     int  // start of the current line
	scan     int  // first byte not yet looked at
	begin    int  // start of the request line
	method   span
	target   span
	reqline  span
	fields   []fieldSpan
	parsed   target
	hosts    int
	host     span
	lengths  int
	length   span
	codings  int
	coding   span
	types    int
	expects  bool // Expect: 100-continue
	badExp   bool // any other expectation
	closeReq bool // Connection: close
	keepReq  bool // Connection: keep-alive
	upgrade  bool // Connection: upgrade
	websock  bool // Upgrade: websocket
}

// reset prepares h for the next head and keeps its memory.
func (h *head) reset() {
	f := h.fields[:0]
	*h = head{conn: h.conn, fields: f}
}

// feed parses b, which holds everything received since the head began, in the
// same order as before and usually longer. It returns the length of the head
// once it is complete, a cause if it is bad, and zeroes if more is needed.
func (h *head) feed(b []byte, r *rules) (int, Cause) {
	if h.stage == stageBegin {
		if cause, ok := h.leading(b); !ok {
			return 0, cause
		}
	}
	for {
		i := bytes.IndexByte(b[h.scan:], '\n')
		if i < 0 {
			h.scan = len(b)
			return 0, h.tooLong(len(b)-h.line-1, len(b), r)
		}
		end := h.scan + i
		line := b[h.line:end]
		bare := len(line) == 0 || line[len(line)-1] != '\r'
		if !bare {
			line = line[:len(line)-1]
		}
		if cause := h.tooLong(len(line), end+1, r); cause != CauseNone {
			return 0, cause
		}
		if bare {
			return 0, CauseBareLF
		}
		at := h.line
		h.line, h.scan = end+1, end+1
		var cause Cause
		switch {
		case h.stage == stageLine:
			h.stage = stageFields
			cause = h.requestLine(line, at, r)
		case len(line) == 0:
			return h.line, CauseNone
		default:
			cause = h.fieldLine(line, at, r)
		}
		if cause != CauseNone {
			return 0, cause
		}
	}
}

// leading tolerates one empty line and looks at the first byte, so that TLS
// or other foreign protocols are refused without waiting for a line end.
func (h *head) leading(b []byte) (Cause, bool) {
	for {
		rest := b[h.line:]
		if len(rest) == 0 {
			return CauseNone, false
		}
		if rest[0] != '\r' {
			break
		}
		if h.skipped {
			return CauseEmptyLines, false
		}
		if len(rest) < 2 {
			return CauseNone, false
		}
		if rest[1] != '\n' {
			return CauseBareCR, false
		}
		h.skipped = true
		h.line += 2
	}
	switch first := b[h.line]; {
	case first == '\n':
		return CauseBareLF, false
	case classes[first]&classToken == 0:
		return CauseMethod, false
	}
	h.begin, h.scan = h.line, h.line
	h.stage = stageLine
	return CauseNone, true
}

// tooLong judges a line of n bytes without its line end, the last of which
// lies before offset total. An unfinished line is judged as if its last byte
// were the CR of the line end.
func (h *head) tooLong(n, total int, r *rules) Cause {
	switch {
	case h.stage == stageLine:
		if n > r.requestLine {
			return CauseRequestLineTooLong
		}
	case n > r.fieldSize:
		return CauseFieldTooLarge
	}
	if total-h.begin > r.headBytes {
		return CauseHeadTooLarge
	}
	return CauseNone
}

// requestLine parses method SP request-target SP HTTP-version (RFC 9112 3).
func (h *head) requestLine(line []byte, at int, r *rules) Cause {
	i := bytes.IndexByte(line, ' ')
	if i <= 0 {
		return CauseRequestLine
	}
	j := bytes.IndexByte(line[i+1:], ' ')
	if j <= 0 {
		return CauseRequestLine
	}
	j += i + 1
	method, uri, version := line[:i], line[i+1:j], line[j+1:]
	if r.foldMethod {
		foldUpper(method)
	}
	if !validMethod(method, r.anyMethod) {
		return CauseMethod
	}
	if bytes.IndexByte(version, ' ') >= 0 {
		return CauseRequestLine
	}
	if len(version) != 8 || string(version[:5]) != "HTTP/" || version[6] != '.' ||
		classes[version[5]]&classDigit == 0 || classes[version[7]]&classDigit == 0 {
		return CauseVersionSyntax
	}
	if version[5] != '1' || version[7] > '1' {
		return CauseVersion
	}
	h.minor = version[7] - '0'
	h.reqline = span{int32(at), int32(at + len(line))}
	h.method = span{int32(at), int32(at + i)}
	h.target = span{int32(at + i + 1), int32(at + j)}
	if string(method) == "CONNECT" || string(method) == "TRACE" {
		return CauseMethodNotServed
	}
	return h.parsed.parse(method, uri)
}

// validMethod accepts what gunicorn accepts: upper-case letters, digits, "-"
// and "_", 3 to 20 bytes, and a letter first; with any set, every token.
func validMethod(m []byte, any bool) bool {
	if any {
		return all(m, classToken)
	}
	return len(m) >= 3 && len(m) <= 20 && m[0] >= 'A' && m[0] <= 'Z' && all(m, classMethod)
}

// foldUpper turns letters into capitals, in place.
func foldUpper(p []byte) {
	for i, c := range p {
		if c >= 'a' && c <= 'z' {
			p[i] = c - ('a' - 'A')
		}
	}
}

// fieldLine parses one field line and remembers what framing will need.
func (h *head) fieldLine(line []byte, at int, r *rules) Cause {
	h.seen++
	if h.seen > r.fields {
		return CauseFieldCount
	}
	name, value, under, cause := splitField(line)
	if cause != CauseNone {
		return cause
	}
	if under && (r.forwarder == nil || !r.forwarder(h.conn, name)) {
		switch r.underscores {
		case UnderscoreRefuse:
			return CauseFieldUnderscore
		case UnderscoreDrop:
			h.dropped++
			return CauseNone
		case UnderscorePass:
		}
	}
	start := int32(at)
	if len(value) > 0 {
		start += int32(cap(line) - cap(value))
	}
	v := span{start, start + int32(len(value))}
	switch len(name) {
	case 4:
		if foldEqual(name, "host") {
			h.hosts++
			h.host = v
		}
	case 5:
		if foldEqual(name, "proxy") { // httpoxy: HTTP_PROXY is not for clients to set
			h.dropped++
			return CauseNone
		}
	case 6:
		if foldEqual(name, "expect") {
			if foldEqual(value, "100-continue") {
				h.expects = true
			} else {
				h.badExp = true
			}
		}
	case 7:
		if foldEqual(name, "upgrade") {
			h.websock = h.websock || listHas(value, "websocket")
		}
	case 10:
		if foldEqual(name, "connection") {
			h.closeReq = h.closeReq || listHas(value, "close")
			h.keepReq = h.keepReq || listHas(value, "keep-alive")
			h.upgrade = h.upgrade || listHas(value, "upgrade")
		}
	case 12:
		if foldEqual(name, "content-type") {
			h.types++
		}
	case 14:
		if foldEqual(name, "content-length") {
			h.lengths++
			h.length = v
		}
	case 17:
		if foldEqual(name, "transfer-encoding") {
			h.codings++
			h.coding = v
		}
	}
	h.fields = append(h.fields, fieldSpan{span{int32(at), int32(at + len(name))}, v})
	return CauseNone
}

// listHas reports whether a comma-separated list has the element, which must
// be lower-case.
func listHas(list []byte, lower string) bool {
	for more := true; more; {
		var item []byte
		item, list, more = nextListItem(list)
		if foldEqual(item, lower) {
			return true
		}
	}
	return false
}
