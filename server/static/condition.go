package static

import (
	"bytes"
	"net/http"
	"time"

	"github.com/gounicorn/gounicorn/server/exchange"
)

// verdict is what preconditions say.
type verdict uint8

const (
	proceed     verdict = iota
	failed              // 412
	notModified         // 304
)

// check evaluates the preconditions of a GET or HEAD in the order of RFC 9110 13.2.2. lastModified is in seconds since 1970, 0 if it is not
// known.
func check(r *exchange.Request, etag []byte, lastModified int64) verdict {
	if has, matches := match(r, "if-match", etag, true); has {
		if !matches {
			return failed
		}
	} else if date, ok := dateOf(r, "if-unmodified-since"); ok && lastModified != 0 && lastModified > date {
		return failed
	}
	if has, matches := match(r, "if-none-match", etag, false); has {
		if matches {
			return notModified
		}
		return proceed
	}
	if date, ok := dateOf(r, "if-modified-since"); ok && lastModified != 0 && lastModified <= date {
		return notModified
	}
	return proceed
}

// match reports whether a request has a field that lists entity tags, and whether etag is among them, or "*" stands there. The strong
// comparison takes no weak tag (RFC 9110 8.8.3.2). What is no tag matches nothing, and neither does the rest of its field.
func match(r *exchange.Request, lower string, etag []byte, strong bool) (has, matches bool) {
	for i := range r.Fields {
		if !exchange.Is(r.Fields[i].Name, lower) {
			continue
		}
		has = true
		list := r.Fields[i].Value
		if string(list) == "*" {
			return true, true
		}
		for len(list) > 0 {
			tag, weak, rest, ok := cutTag(list)
			if !ok {
				break
			}
			if len(etag) > 0 && bytes.Equal(tag, opaque(etag)) && !(strong && (weak || isWeak(etag))) {
				return true, true
			}
			list = rest
		}
	}
	return has, false
}

// cutTag cuts an entity tag and the comma behind it off a list. The tag has its quotes.
func cutTag(list []byte) (tag []byte, weak bool, rest []byte, ok bool) {
	list = bytes.TrimLeft(list, " \t,")
	if len(list) >= 2 && list[0] == 'W' && list[1] == '/' {
		weak, list = true, list[2:]
	}
	if len(list) == 0 || list[0] != '"' {
		return nil, false, nil, false
	}
	end := bytes.IndexByte(list[1:], '"')
	if end < 0 {
		return nil, false, nil, false
	}
	tag, rest = list[:end+2], bytes.TrimLeft(list[end+2:], " \t")
	if len(rest) > 0 && rest[0] != ',' {
		return nil, false, nil, false
	}
	return tag, weak, rest, true
}

func isWeak(etag []byte) bool { return len(etag) > 2 && etag[0] == 'W' && etag[1] == '/' }

func opaque(etag []byte) []byte {
	if isWeak(etag) {
		return etag[2:]
	}
	return etag
}

// dateOf returns the date that a field says, in seconds since 1970. What is no date in one of the three forms does not count.
func dateOf(r *exchange.Request, lower string) (seconds int64, ok bool) {
	value := r.Get(lower)
	if value == nil {
		return 0, false
	}
	return parseDate(value)
}

func parseDate(value []byte) (seconds int64, ok bool) {
	if len(value) > 40 {
		return 0, false
	}
	t, err := http.ParseTime(string(value))
	if err != nil {
		return 0, false
	}
	return t.Unix(), true
}

// rangeHolds evaluates If-Range (RFC 9110 13.1.5): a strong tag that is the same, or the very date of Last-Modified.
func rangeHolds(r *exchange.Request, etag []byte, lastModified int64) bool {
	value := r.Get("if-range")
	if value == nil {
		return true
	}
	if len(value) > 0 && (value[0] == '"' || value[0] == 'W') {
		return len(etag) > 0 && !isWeak(etag) && bytes.Equal(value, etag)
	}
	date, ok := parseDate(value)
	return ok && lastModified != 0 && date == lastModified
}

// unixDate is a time as Last-Modified has it: whole seconds, never later than now, 0 if it says nothing. Reproducible builds and some file
// systems set 0 or 1.
func unixDate(t time.Time) int64 {
	if t.IsZero() {
		return 0
	}
	seconds := t.Unix()
	if seconds <= 1 {
		return 0
	}
	if now := time.Now().Unix(); seconds > now {
		return now
	}
	return seconds
}

// appendDate appends a date as HTTP has it.
func appendDate(b []byte, seconds int64) []byte {
	return time.Unix(seconds, 0).UTC().AppendFormat(b, http.TimeFormat)
}
