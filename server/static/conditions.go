package static

import (
	"bytes"
	"time"

	"github.com/gounicorn/gounicorn/server/exchange"
)

// asked is what the fields of a request say about the file: nil means that there is no such field. Fields that are lists are joined when
// they come in several lines (RFC 9110 5.3).
type asked struct {
	ifMatch, ifNoneMatch, encoding                []byte // lists
	ifModifiedSince, ifUnmodifiedSince, ifRange   []byte
	ranges                                        []byte
	twoModified, twoUnmodified, twoRange, twoIfRg bool
}

var empty = []byte{}

// read collects the fields in one pass.
func (a *asked) read(fields []exchange.Field) {
	for i := range fields {
		name := fields[i].Name
		switch len(name) {
		case 5:
			single(name, "range", fields[i].Value, &a.ranges, &a.twoRange)
		case 8:
			several(name, "if-match", fields[i].Value, &a.ifMatch)
			single(name, "if-range", fields[i].Value, &a.ifRange, &a.twoIfRg)
		case 13:
			several(name, "if-none-match", fields[i].Value, &a.ifNoneMatch)
		case 15:
			several(name, "accept-encoding", fields[i].Value, &a.encoding)
		case 17:
			single(name, "if-modified-since", fields[i].Value, &a.ifModifiedSince, &a.twoModified)
		case 19:
			single(name, "if-unmodified-since", fields[i].Value, &a.ifUnmodifiedSince, &a.twoUnmodified)
		}
	}
	// What may be given once and was given twice means nothing; for If-Range that is a validator that matches nothing.
	if a.twoRange {
		a.ranges = nil
	}
	if a.twoModified {
		a.ifModifiedSince = nil
	}
	if a.twoUnmodified {
		a.ifUnmodifiedSince = nil
	}
	if a.twoIfRg {
		a.ifRange = empty
	}
}

func single(name []byte, lower string, value []byte, to *[]byte, twice *bool) {
	if exchange.Is(name, lower) {
		*twice = *to != nil
		if *to = value; value == nil {
			*to = empty
		}
	}
}

func several(name []byte, lower string, value []byte, to *[]byte) {
	switch {
	case !exchange.Is(name, lower):
	case *to == nil && value == nil:
		*to = empty
	case *to == nil:
		*to = value
	default:
		*to = bytes.Join([][]byte{*to, value}, []byte(","))
	}
}

// validators are what a representation is compared by (RFC 9110 8.8).
type validators struct {
	etag         []byte // with its quotes and, if it is weak, "W/"; nil if there is none
	modified     int64  // in seconds since 1970, 0 if it is not known
	lastModified []byte // modified as a date
}

// preconditions returns 0 if the request is to be answered, or 304 or 412 (RFC 9110 13.2.2). The method is GET or HEAD.
func (v *validators) preconditions(a *asked) int {
	if a.ifMatch != nil {
		if !listed(a.ifMatch, v.etag, false) {
			return 412
		}
	} else if a.ifUnmodifiedSince != nil && v.modified != 0 {
		if date, ok := v.date(a.ifUnmodifiedSince); ok && v.modified > date {
			return 412
		}
	}
	if a.ifNoneMatch != nil {
		if listed(a.ifNoneMatch, v.etag, true) {
			return 304
		}
	} else if a.ifModifiedSince != nil && v.modified != 0 {
		if date, ok := v.date(a.ifModifiedSince); ok && v.modified <= date {
			return 304
		}
	}
	return 0
}

// rangeHolds reports whether If-Range, if there is one, lets a range be answered (RFC 9110 13.1.5): the very same entity-tag or date.
func (v *validators) rangeHolds(a *asked) bool {
	if a.ifRange == nil {
		return true
	}
	if bytes.HasPrefix(a.ifRange, []byte(`"`)) {
		return v.etag != nil && bytes.Equal(a.ifRange, v.etag)
	}
	if v.modified == 0 {
		return false
	}
	date, ok := v.date(a.ifRange)
	return ok && date == v.modified
}

// date reads a date; the one that we sent costs nothing.
func (v *validators) date(value []byte) (int64, bool) {
	if bytes.Equal(value, v.lastModified) {
		return v.modified, true
	}
	return parseDate(value)
}

// maxDate is longer than every date.
const maxDate = 64

// parseDate reads the three formats of RFC 9110 5.6.7.
func parseDate(value []byte) (int64, bool) {
	if len(value) > maxDate {
		return 0, false
	}
	for _, layout := range [...]string{"Mon, 02 Jan 2006 15:04:05 GMT", "Monday, 02-Jan-06 15:04:05 GMT", time.ANSIC} {
		if t, err := time.Parse(layout, string(value)); err == nil {
			return t.Unix(), true
		}
	}
	return 0, false
}

// listed reports whether a list of entity-tags names etag, or is "*" (RFC 9110 13.1.1, 13.1.2). Only a weak comparison matches tags that
// are marked as weak. What is malformed names nothing, from there on.
func listed(list, etag []byte, weak bool) bool {
	if string(bytes.Trim(list, " \t")) == "*" {
		return true
	}
	if etag == nil {
		return false
	}
	for {
		list = bytes.TrimLeft(list, " \t,")
		isWeak := false
		if bytes.HasPrefix(list, []byte("W/")) {
			isWeak, list = true, list[2:]
		}
		if len(list) == 0 || list[0] != '"' {
			return false
		}
		end := bytes.IndexByte(list[1:], '"') + 2
		if end < 2 {
			return false
		}
		tag, rest := list[:end], bytes.TrimLeft(list[end:], " \t")
		if len(rest) > 0 && rest[0] != ',' {
			return false
		}
		if !isWeak && bytes.Equal(tag, etag) || weak && bytes.Equal(tag, bytes.TrimPrefix(etag, []byte("W/"))) {
			return true
		}
		list = rest
	}
}
