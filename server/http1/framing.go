package http1

import (
	"math"
	"slices"
)

// Kinds of request bodies.
const (
	bodyNone uint8 = iota
	bodyLength
	bodyChunked
)

// framing is what the head says about the rest of the message.
type framing struct {
	body   uint8
	length int64 // of a bodyLength body
	keep   bool  // the client wants the connection to stay
	expect bool  // 100-continue is awaited
}

// frame applies the ordered rules of RFC 9112 6.3 and the checks that need the
// whole head. b holds the head.
func (h *head) frame(b []byte, r *rules) (framing, Cause) {
	var f framing
	if cause := h.checkHost(b, r); cause != CauseNone {
		return f, cause
	}
	switch {
	case h.codings > 1:
		return f, CauseCodingDuplicate
	case h.codings == 1 && h.lengths > 0:
		return f, CauseLengthAndCoding
	case h.codings == 1 && h.minor == 0:
		return f, CauseCodingVersion
	case h.codings == 1:
		if cause := checkCoding(h.coding.of(b)); cause != CauseNone {
			return f, cause
		}
		f.body = bodyChunked
	case h.lengths > 1:
		return f, CauseLengthDuplicate
	case h.lengths == 1:
		n, ok := parseDecimal(h.length.of(b), math.MaxInt64)
		if !ok {
			return f, CauseLengthSyntax
		}
		if n > 0 {
			f.body, f.length = bodyLength, n
		}
	}
	if h.types > 1 {
		return f, CauseContentTypeDuplicate
	}
	if h.minor >= 1 {
		if h.badExp {
			return f, CauseExpectation
		}
		if h.websock && h.upgrade {
			return f, CauseWebSocket
		}
		f.expect = h.expects && f.body != bodyNone
	}
	if r.body > 0 && f.length > r.body {
		return f, CauseBodyTooLarge
	}
	f.keep = !h.closeReq && (h.minor >= 1 || h.keepReq)
	return f, CauseNone
}

// checkHost applies RFC 9112 3.2: exactly one valid Host in HTTP/1.1, at most
// one in HTTP/1.0, whatever the form of the target.
func (h *head) checkHost(b []byte, r *rules) Cause {
	switch {
	case h.hosts > 1:
		return CauseHostDuplicate
	case h.hosts == 0 && h.minor >= 1:
		return CauseHostMissing
	case h.hosts == 1 && !validHost(h.host.of(b)):
		return CauseHostSyntax
	}
	return CauseNone
}

// effectiveHost is the authority of the target, or else the Host field, or nil
// (RFC 9112 3.2.2: the target wins).
func (h *head) effectiveHost(b []byte) []byte {
	switch {
	case h.parsed.authority.end > 0:
		return h.parsed.authority.of(h.target.of(b))
	case h.hosts == 1:
		return h.host.of(b)
	}
	return nil
}

// codings are the names that RFC 9112 7 registers, and the identity of older
// specifications. Only chunked is served.
var codings = []string{"chunked", "compress", "x-compress", "deflate", "gzip", "x-gzip", "identity"}

// checkCoding judges the value of a single Transfer-Encoding field. Only
// chunked, once and alone, is served. A name that nobody registered is 501,
// wherever it stands (RFC 9112 6.1); what it does to the length of the message
// need not be known, since the connection is closed. Registered names without
// a final chunked are 400 (RFC 9112 6.3), before it 501.
func checkCoding(v []byte) Cause {
	known, chunked, alone, last := true, 0, true, false
	for more := true; more; {
		var item []byte
		item, v, more = nextListItem(v)
		if len(item) == 0 || !all(item, classToken) {
			return CauseCodingSyntax
		}
		last = foldEqual(item, "chunked")
		if last {
			chunked++
			continue
		}
		alone = false
		known = known && slices.ContainsFunc(codings, func(name string) bool { return foldEqual(item, name) })
	}
	switch {
	case !known:
		return CauseCodingUnknown
	case !last || chunked != 1:
		return CauseCodingNotFinal
	case !alone:
		return CauseCodingUnknown
	}
	return CauseNone
}
