package errorlog

import (
	"strings"
	"unicode/utf8"
)

const hexDigits = "0123456789abcdef"

// appendEscaped appends s with control characters made visible. Tabs stay, and
// newlines if multiline; a carriage return before such a newline is dropped.
func appendEscaped(dst []byte, s string, multiline bool) []byte {
	for i := 0; i < len(s); {
		c := s[i]
		switch {
		case c == '\n' && multiline:
			dst = append(dst, '\n')
			if strings.HasPrefix(s[i+1:], "[") {
				dst = append(dst, ' ') // must not look like a record of ours
			}
		case c == '\r' && multiline && strings.HasPrefix(s[i+1:], "\n"):
		case c == '\n':
			dst = append(dst, `\n`...)
		case c == '\r':
			dst = append(dst, `\r`...)
		case c < ' ' && c != '\t' || c == 0x7f:
			dst = append(dst, '\\', 'x', hexDigits[c>>4], hexDigits[c&15])
		case c < utf8.RuneSelf:
			dst = append(dst, c)
		default:
			r, size := utf8.DecodeRuneInString(s[i:])
			if visible(r, size) {
				dst = append(dst, s[i:i+size]...)
			} else {
				for j := i; j < i+size; j++ {
					dst = append(dst, '\\', 'x', hexDigits[s[j]>>4], hexDigits[s[j]&15])
				}
			}
			i += size
			continue
		}
		i++
	}
	return dst
}

// visible reports whether a character beyond ASCII may stand in a log: it is
// valid, no C1 control (terminals obey those), no line separator and nothing
// that turns the direction of the text around.
func visible(r rune, size int) bool {
	switch {
	case r == utf8.RuneError && size == 1, r < 0xa0:
		return false
	case r == 0x2028, r == 0x2029, r >= 0x202a && r <= 0x202e, r >= 0x2066 && r <= 0x2069:
		return false
	}
	return true
}
