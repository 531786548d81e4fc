package accesslog

import (
	"bytes"
	"strconv"
)

// The types of Python's % for numbers.
const (
	integerVerbs = "diuxXo"
	floatVerbs   = "eEfFgG"
)

const defaultPrecision = 6 // of a float

// appendNumber appends n as Python's % does for the part's type, without the padding.
func (p *part) appendNumber(dst []byte, n int64) []byte {
	if n >= 0 && p.verb != 'r' && p.verb != 'a' {
		if p.plus {
			dst = append(dst, '+')
		} else if p.space {
			dst = append(dst, ' ')
		}
	}
	start := len(dst)
	switch p.verb {
	case 'x', 'X', 'o':
		return p.appendBase(dst, n)
	case 'e', 'E', 'f', 'F', 'g', 'G':
		return p.appendFloat(dst, n)
	}
	dst = strconv.AppendInt(dst, n, 10)
	return p.leadingZeros(dst, start)
}

// leadingZeros brings an integer to the digits that its precision asks for.
func (p *part) leadingZeros(dst []byte, start int) []byte {
	for missing := p.precision - (len(dst) - start); missing > 0; missing-- {
		dst = append(dst, 0)
		copy(dst[start+1:], dst[start:])
		dst[start] = '0'
	}
	return dst
}

func (p *part) appendBase(dst []byte, n int64) []byte {
	base, prefix := 16, "0"+string(p.verb)
	if p.verb == 'o' {
		base = 8
	}
	if p.alternate {
		dst = append(dst, prefix...)
	}
	start := len(dst)
	dst = p.leadingZeros(strconv.AppendInt(dst, n, base), start)
	if p.verb == 'X' {
		copy(dst[start:], bytes.ToUpper(dst[start:]))
	}
	return dst
}

func (p *part) appendFloat(dst []byte, n int64) []byte {
	precision := p.precision
	if precision < 0 {
		precision = defaultPrecision
	}
	verb := p.verb
	if verb == 'F' {
		verb = 'f'
	}
	if verb == 'g' || verb == 'G' {
		precision = max(precision, 1)
	}
	return strconv.AppendFloat(dst, float64(n), verb, precision, 64)
}

// quote puts what stands behind start into the quotes of Python's repr. It is escaped already.
func quote(dst []byte, start int) []byte {
	mark := byte('\'')
	if bytes.IndexByte(dst[start:], '\'') >= 0 && bytes.IndexByte(dst[start:], '"') < 0 {
		mark = '"'
	}
	dst = append(dst, 0, mark)
	copy(dst[start+1:], dst[start:len(dst)-2])
	dst[start] = mark
	return dst
}

// signLen is the length of what zeros are put behind.
func signLen(number []byte) int {
	n := 0
	if len(number) > 0 && (number[0] == '+' || number[0] == '-' || number[0] == ' ') {
		n = 1
	}
	if len(number) > n+1 && number[n] == '0' && (number[n+1] == 'x' || number[n+1] == 'X' || number[n+1] == 'o') {
		n += 2
	}
	return n
}
