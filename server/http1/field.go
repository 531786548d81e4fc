package http1

// byteClass has one bit per character class of the grammar.
type byteClass uint8

const (
	classToken  byteClass = 1 << iota // tchar, RFC 9110 5.6.2
	classValue                        // field-vchar, obs-text, SP and HTAB, RFC 9110 5.5
	classTarget                       // what we accept in a request target
	classHost                         // unreserved, RFC 3986 2.3
	classMethod                       // upper-case letters, digits, "-" and "_"
	classQuoted                       // qdtext, RFC 9110 5.6.4
	classDigit
	classUnder // "_"
)

// classes maps a byte to its classes. Request targets are accepted with raw
// 8-bit bytes and with the ASCII marks that RFC 3986 wants encoded, because
// browsers send them; "#", SP and control characters are not.
var classes = buildClasses()

func buildClasses() (t [256]byteClass) {
	for i := range t {
		b := byte(i)
		alpha := b|0x20 >= 'a' && b|0x20 <= 'z'
		digit := b >= '0' && b <= '9'
		switch {
		case alpha || digit:
			t[i] |= classToken | classHost
		default:
			for _, m := range []byte("!#$%&'*+-.^_`|~") {
				if b == m {
					t[i] |= classToken
				}
			}
			for _, m := range []byte("-._~") {
				if b == m {
					t[i] |= classHost
				}
			}
		}
		if b >= 'A' && b <= 'Z' || digit || b == '-' || b == '_' {
			t[i] |= classMethod
		}
		if digit {
			t[i] |= classDigit
		}
		if b == '_' {
			t[i] |= classUnder
		}
		if b == '\t' || b >= 0x20 && b != 0x7f {
			t[i] |= classValue
			if b != '"' && b != '\\' {
				t[i] |= classQuoted
			}
		}
		if b > 0x20 && b != 0x7f && b != '#' {
			t[i] |= classTarget
		}
	}
	return t
}

// all reports whether every byte of p is in class c.
func all(p []byte, c byteClass) bool {
	for _, b := range p {
		if classes[b]&c == 0 {
			return false
		}
	}
	return true
}

// foldEqual reports whether p equals lower, ignoring the case of ASCII
// letters in p. lower must be lower-case.
func foldEqual(p []byte, lower string) bool {
	if len(p) != len(lower) {
		return false
	}
	for i, b := range p {
		if b >= 'A' && b <= 'Z' {
			b |= 0x20
		}
		if b != lower[i] {
			return false
		}
	}
	return true
}

// trimOWS removes optional white space, SP and HTAB only (RFC 9110 5.6.3).
func trimOWS(p []byte) []byte {
	for len(p) > 0 && (p[0] == ' ' || p[0] == '\t') {
		p = p[1:]
	}
	for len(p) > 0 && (p[len(p)-1] == ' ' || p[len(p)-1] == '\t') {
		p = p[:len(p)-1]
	}
	return p
}

// splitField takes one field line without its line end apart and checks it.
func splitField(line []byte) (name, value []byte, under bool, cause Cause) {
	if line[0] == ' ' || line[0] == '\t' {
		return nil, nil, false, CauseObsFold
	}
	var seen byteClass
	i := 0
	for ; i < len(line) && line[i] != ':'; i++ {
		c := classes[line[i]]
		if c&classToken == 0 {
			if line[i] == '\r' {
				return nil, nil, false, CauseBareCR
			}
			return nil, nil, false, CauseFieldName
		}
		seen |= c
	}
	if i == len(line) {
		return nil, nil, false, CauseFieldColon
	}
	if i == 0 {
		return nil, nil, false, CauseFieldName
	}
	name, value = line[:i], line[i+1:]
	for _, b := range value {
		if classes[b]&classValue == 0 {
			if b == '\r' {
				return nil, nil, false, CauseBareCR
			}
			return nil, nil, false, CauseFieldValue
		}
	}
	return name, trimOWS(value), seen&classUnder != 0, CauseNone
}

// nextListItem cuts the first element off a comma-separated list and trims it.
func nextListItem(list []byte) (item, rest []byte, more bool) {
	for i, b := range list {
		if b == ',' {
			return trimOWS(list[:i]), list[i+1:], true
		}
	}
	return trimOWS(list), nil, false
}

// parseDecimal reads 1*DIGIT without sign, space or separator. Leading zeros
// are part of the grammar (RFC 9110 8.6); a value above max is refused.
func parseDecimal(p []byte, limit int64) (int64, bool) {
	if len(p) == 0 {
		return 0, false
	}
	var n int64
	for _, b := range p {
		if b < '0' || b > '9' {
			return 0, false
		}
		d := int64(b - '0')
		if n > (limit-d)/10 {
			return 0, false
		}
		n = n*10 + d
	}
	return n, true
}
