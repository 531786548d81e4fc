// Package jsontext appends the pieces of a JSON line (RFC 8259) to a buffer without allocating: encoding/json would need a value of
// its own for each line. What comes out is always valid UTF-8 and free of line ends, whatever bytes come in.
package jsontext

import (
	"time"
	"unicode/utf8"
)

const hexDigits = "0123456789abcdef"

// AppendString appends s as a string with its quotes. Control characters, also those that terminals obey (U+007F to U+009F), the line
// separators and the characters that turn the direction of text are escaped. A byte that is not UTF-8 is taken for latin-1, which is
// how HTTP and WSGI have it.
func AppendString[T string | []byte](b []byte, s T) []byte {
	b = append(b, '"')
	start := 0
	for i := 0; i < len(s); {
		c := s[i]
		if c >= ' ' && c != '"' && c != '\\' && c < 0x7f {
			i++
			continue
		}
		r, size := rune(c), 1
		if c >= utf8.RuneSelf {
			r, size = decode(s[i:])
			if size > 1 && visible(r) {
				i += size
				continue
			}
		}
		b = append(b, s[start:i]...)
		b = appendEscape(b, r)
		i += size
		start = i
	}
	return append(append(b, s[start:]...), '"')
}

// decode is utf8.DecodeRune for both types; an invalid byte is itself.
func decode[T string | []byte](s T) (rune, int) {
	var first [utf8.UTFMax]byte
	n := copy(first[:], s)
	r, size := utf8.DecodeRune(first[:n])
	if r == utf8.RuneError && size == 1 {
		return rune(s[0]), 1
	}
	return r, size
}

func visible(r rune) bool {
	return r >= 0xa0 && (r < 0x2028 || r > 0x202e) && (r < 0x2066 || r > 0x2069)
}

func appendEscape(b []byte, r rune) []byte {
	switch r {
	case '"', '\\':
		return append(b, '\\', byte(r))
	case '\n':
		return append(b, `\n`...)
	case '\r':
		return append(b, `\r`...)
	case '\t':
		return append(b, `\t`...)
	}
	if r >= 0xa0 && visible(r) { // a latin-1 letter
		return utf8.AppendRune(b, r)
	}
	return append(b, '\\', 'u', hexDigits[r>>12&15], hexDigits[r>>8&15], hexDigits[r>>4&15], hexDigits[r&15])
}

// AppendTime appends a time in quotes: RFC 3339 with milliseconds and the zone of t.
func AppendTime(b []byte, t time.Time) []byte {
	return append(t.AppendFormat(append(b, '"'), "2006-01-02T15:04:05.000Z07:00"), '"')
}
