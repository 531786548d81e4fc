package http1

import "bytes"

// targetForm is one of the forms of RFC 9112 3.2 that we serve.
type targetForm uint8

const (
	formOrigin targetForm = iota
	formAbsolute
	formAsterisk
)

// target is a request target taken apart. Offsets are relative to the target.
type target struct {
	form      targetForm
	authority span // absolute-form only
	path      span // empty if the target has none: "/" or "*"
	query     span // without the "?"
	escaped   bool // the path has percent-encoded bytes
}

// parse checks the target for the method and finds its parts.
func (t *target) parse(method, uri []byte) Cause {
	*t = target{}
	if !all(uri, classTarget) {
		return CauseTargetByte
	}
	if len(uri) == 1 && uri[0] == '*' {
		if string(method) != "OPTIONS" {
			return CauseTargetForm
		}
		t.form = formAsterisk
		return CauseNone
	}
	at := 0
	if uri[0] != '/' {
		var cause Cause
		if at, cause = t.absolute(uri); cause != CauseNone {
			return cause
		}
	}
	end := len(uri)
	if q := bytes.IndexByte(uri[at:], '?'); q >= 0 {
		t.query = span{int32(at + q + 1), int32(len(uri))}
		end = at + q
	}
	t.path = span{int32(at), int32(end)}
	if t.form == formAbsolute && at == len(uri) && string(method) == "OPTIONS" {
		t.form = formAsterisk // RFC 9112 3.2.4
	}
	return t.checkEscapes(uri[at:end])
}

// absolute parses scheme and authority of an absolute-form target and returns
// the offset behind them. Anything that does not begin with one of our schemes
// is authority-form or nonsense, and belongs to CONNECT at best.
func (t *target) absolute(uri []byte) (int, Cause) {
	at := 0
	switch {
	case len(uri) >= 7 && foldEqual(uri[:7], "http://"):
		at = 7
	case len(uri) >= 8 && foldEqual(uri[:8], "https://"):
		at = 8
	case bytes.Contains(uri, []byte("://")):
		return 0, CauseAuthority
	default:
		return 0, CauseTargetForm
	}
	end := at
	for end < len(uri) && uri[end] != '/' && uri[end] != '?' {
		end++
	}
	if !validHost(uri[at:end]) {
		return 0, CauseAuthority
	}
	t.form = formAbsolute
	t.authority = span{int32(at), int32(end)}
	return end, CauseNone
}

// checkEscapes refuses a "%" that is not followed by two hexadecimal digits.
func (t *target) checkEscapes(path []byte) Cause {
	for i := bytes.IndexByte(path, '%'); i >= 0 && i < len(path); i++ {
		if path[i] != '%' {
			continue
		}
		if i+2 >= len(path) || unhex(path[i+1]) > 15 || unhex(path[i+2]) > 15 {
			return CauseTargetEscape
		}
		t.escaped = true
		i += 2
	}
	return CauseNone
}

// decoded returns the path of the target with its escapes decoded. Where there
// are escapes it is written over buf, which is returned for the next use.
func (t *target) decoded(uri, buf []byte) (path, room []byte) {
	switch p := t.path.of(uri); {
	case t.form == formAsterisk:
		return asteriskPath, buf
	case len(p) == 0:
		return rootPath, buf
	case t.escaped:
		buf = unescape(buf[:0], p)
		return buf, buf
	default:
		return p, buf
	}
}

var (
	rootPath     = []byte("/")
	asteriskPath = []byte("*")
)

// DecodePath returns what Exchange.Path is for a request with this method and
// target. The error is the Verdict on a request line that is refused.
func DecodePath(method, uri []byte) ([]byte, error) {
	switch {
	case len(method) == 0 || !all(method, classToken):
		return nil, CauseMethod.Verdict()
	case len(uri) == 0:
		return nil, CauseTargetForm.Verdict()
	}
	var t target
	if cause := t.parse(method, uri); cause != CauseNone {
		return nil, cause.Verdict()
	}
	path, _ := t.decoded(uri, nil)
	return path, nil
}

// AppendDecoded appends a part of Exchange.RawPath to dst with every escape
// decoded once.
func AppendDecoded(dst, path []byte) []byte { return unescape(dst, path) }

// unescape appends the path to dst with every escape decoded once. Half an
// escape at the end stays.
func unescape(dst, path []byte) []byte {
	for i := 0; i < len(path); i++ {
		b := path[i]
		if b == '%' && i+2 < len(path) {
			b = unhex(path[i+1])<<4 | unhex(path[i+2])
			i += 2
		}
		dst = append(dst, b)
	}
	return dst
}

// unhex returns the value of a hexadecimal digit, or more than 15.
func unhex(b byte) byte {
	switch {
	case b >= '0' && b <= '9':
		return b - '0'
	case b >= 'a' && b <= 'f':
		return b - 'a' + 10
	case b >= 'A' && b <= 'F':
		return b - 'A' + 10
	}
	return 0xff
}

// validHost checks uri-host [ ":" port ]. It is stricter than RFC 3986 3.2.2:
// a name is made of unreserved characters only, because escapes and
// sub-delimiters in a host serve attacks on caches and links, not names. An
// empty host is refused: it names nothing that we could serve.
func validHost(h []byte) bool {
	var port []byte
	if len(h) > 0 && h[0] == '[' {
		end := bytes.IndexByte(h, ']')
		if end < 0 || !validIPv6(h[1:end]) {
			return false
		}
		port = h[end+1:]
	} else {
		end := bytes.IndexByte(h, ':')
		if end < 0 {
			end = len(h)
		}
		if end == 0 || end > 255 || !all(h[:end], classHost) {
			return false
		}
		port = h[end:]
	}
	if len(port) == 0 {
		return true
	}
	if port[0] != ':' {
		return false
	}
	if len(port) == 1 {
		return true // RFC 3986 3.2.3: an empty port is the default one
	}
	_, ok := parseDecimal(port[1:], 65535)
	return ok
}

// validIPv6 checks the inside of an IP literal without building an address:
// groups of hexadecimal digits, at most one "::", perhaps IPv4 at the end.
func validIPv6(a []byte) bool {
	groups, digits, double := 0, 0, false
	for i := 0; i < len(a); i++ {
		switch {
		case unhex(a[i]) <= 15:
			if digits++; digits > 4 {
				return false
			}
			if digits == 1 {
				groups++
			}
		case a[i] == ':':
			if i+1 < len(a) && a[i+1] == ':' {
				if double {
					return false
				}
				double = true
				i++
			} else if digits == 0 || i+1 == len(a) {
				return false
			}
			digits = 0
		case a[i] == '.':
			v4 := a[i-digits:]
			if digits == 0 || !validIPv4(v4) {
				return false
			}
			groups++ // the last group counts twice
			return full(groups, double)
		default:
			return false
		}
	}
	return full(groups, double)
}

// full reports whether so many groups are an address; "::" stands for at least one more.
func full(groups int, double bool) bool { return groups == 8 && !double || groups < 8 && double }

// validIPv4 checks four decimal numbers up to 255.
func validIPv4(a []byte) bool {
	for n := 1; ; n++ {
		end := bytes.IndexByte(a, '.')
		if end < 0 {
			end = len(a)
		}
		if _, ok := parseDecimal(a[:end], 255); !ok || end > 3 {
			return false
		}
		if end == len(a) {
			return n == 4
		}
		a = a[end+1:]
	}
}
