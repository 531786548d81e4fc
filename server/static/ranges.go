package static

import (
	"bytes"
	"math"

	"github.com/gounicorn/gounicorn/server/exchange"
)

// maxRanges is the number of ranges above which the whole file is sent (nginx's max_ranges, CVE-2011-3192).
const maxRanges = 16

// span is a part of a body.
type span struct {
	start, length int64
}

// What becomes of a Range field.
type rangeVerdict uint8

const (
	rangeIgnored       rangeVerdict = iota // the whole file
	rangePartial                           // the parts
	rangeUnsatisfiable                     // 416
)

// parseRanges reads a Range field for a body of size bytes (RFC 9110 14.1.2, 14.2) and appends the parts to dst. Ignored are other units,
// what is malformed or does not fit into 63 bits, more than maxRanges ranges, and ranges that overlap or make more than the whole body
// together: nobody needs those, and they cost (row 38).
func parseRanges(dst []span, value []byte, size int64) ([]span, rangeVerdict) {
	unit, set, found := bytes.Cut(value, []byte("="))
	if !found || size == 0 || !exchange.Is(unit, "bytes") {
		return dst, rangeIgnored
	}
	some := 0
	for more := true; more; {
		var item []byte
		item, set, more = bytes.Cut(set, []byte(","))
		if item = bytes.Trim(item, " \t"); len(item) == 0 {
			continue // empty elements of a list are allowed, 5.6.1
		}
		if some++; some > maxRanges {
			return dst, rangeIgnored
		}
		part, satisfiable, ok := parseRange(item, size)
		if !ok {
			return dst, rangeIgnored
		}
		if satisfiable {
			dst = append(dst, part)
		}
	}
	switch {
	case some == 0:
		return dst, rangeIgnored
	case len(dst) == 0:
		return dst, rangeUnsatisfiable
	case overlap(dst):
		return dst, rangeIgnored
	}
	return dst, rangePartial
}

// parseRange reads "first-", "first-last" or "-suffix".
func parseRange(item []byte, size int64) (part span, satisfiable, ok bool) {
	first, last, found := bytes.Cut(item, []byte("-"))
	if !found {
		return part, false, false
	}
	if len(first) == 0 {
		n, valid := decimal(last)
		n = min(n, size)
		return span{size - n, n}, n > 0, valid
	}
	start, valid := decimal(first)
	if !valid {
		return part, false, false
	}
	end := int64(math.MaxInt64)
	if len(last) > 0 {
		if end, valid = decimal(last); !valid || end < start {
			return part, false, false
		}
	}
	if start >= size {
		return part, false, true
	}
	return span{start, min(end, size-1) - start + 1}, true, true
}

// decimal reads 1*DIGIT that fits into 63 bits.
func decimal(digits []byte) (n int64, ok bool) {
	for _, c := range digits {
		if c < '0' || c > '9' || n > (math.MaxInt64-int64(c-'0'))/10 {
			return 0, false
		}
		n = n*10 + int64(c-'0')
	}
	return n, len(digits) > 0
}

// overlap reports whether two parts have a byte in common; parts without never make more than the whole. There are few.
func overlap(parts []span) bool {
	for i, a := range parts {
		for _, b := range parts[:i] {
			if a.start < b.start+b.length && b.start < a.start+a.length {
				return true
			}
		}
	}
	return false
}
