package cache

import (
	"iter"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/pquerna/cachecontrol/cacheobject"

	"github.com/gounicorn/gounicorn/server/exchange"
)

// Fields are the fields of an answer in order: names and values.
type Fields = iter.Seq2[[]byte, []byte]

// byDefault are the statuses that may be kept when the answer does not say for how long (RFC 9110 15.1); explicit, those that may besides
// when it does.
var (
	byDefault = []int{200, 203, 204, 300, 301, 308, 404, 410}
	explicit  = []int{302, 303, 307, 405, 414, 501}
)

// maxVary is the most names in Vary that an answer is kept with.
const maxVary = 8

// terms say how an answer may be used again. Durations count from now.
type terms struct {
	fresh      time.Duration // as it is
	revalidate time.Duration // longer, while somebody fetches a new one (RFC 5861 3)
	onError    time.Duration // longer, in place of an error (RFC 5861 4)
	age        time.Duration // that it came with
	vary       []string      // names in lower case, sorted
}

// events is the type of answers that do not end.
const events = "text/event-stream"

// said collects what an answer says of its being kept.
type said struct {
	control, expires, accel, age, date, vary []string
	pragma, cookie, encoded, part, streams   bool
}

func listen(fields Fields) said {
	var s said
	for name, value := range fields {
		for _, of := range []struct {
			name string
			list *[]string
		}{
			{"cache-control", &s.control}, {"expires", &s.expires}, {"x-accel-expires", &s.accel}, {"age", &s.age}, {"date", &s.date}, {"vary", &s.vary},
		} {
			if exchange.Is(name, of.name) {
				*of.list = append(*of.list, string(value))
			}
		}
		s.cookie = s.cookie || exchange.Is(name, "set-cookie") || exchange.Is(name, "set-cookie2")
		s.encoded = s.encoded || exchange.Is(name, "content-encoding")
		s.part = s.part || exchange.Is(name, "content-range")
		s.streams = s.streams || (exchange.Is(name, "x-accel-buffering") && exchange.Is(value, "no")) ||
			(exchange.Is(name, "content-type") && len(value) >= len(events) && exchange.Is(value[:len(events)], events))
		s.pragma = s.pragma || (exchange.Is(name, "pragma") && strings.Contains(strings.ToLower(string(value)), "no-cache"))
	}
	return s
}

// judge says how an answer may be kept, and false if it may not: one that is for one client only, that says so, or that is not understood.
// longest bounds how long it is taken for fresh unless X-Accel-Expires, which speaks to us alone, says more.
func judge(status int, fields Fields, longest time.Duration, now time.Time) (terms, bool) {
	s := listen(fields)
	usual := slices.Contains(byDefault, status)
	if s.cookie || s.part || s.streams || (!usual && !slices.Contains(explicit, status)) {
		return terms{}, false
	}
	t := terms{}
	for _, line := range s.vary {
		for name := range strings.SplitSeq(line, ",") {
			if name = strings.ToLower(strings.TrimSpace(name)); name != "" && !slices.Contains(t.vary, name) {
				t.vary = append(t.vary, name)
			}
		}
	}
	slices.Sort(t.vary)
	if slices.Contains(t.vary, "*") || len(t.vary) > maxVary || (s.encoded && !slices.Contains(t.vary, "accept-encoding")) {
		return terms{}, false
	}
	if len(s.accel) > 0 {
		t.fresh = accelExpires(s.accel[0], now)
		return t, t.fresh > 0
	}
	if len(s.control) == 0 && s.pragma {
		return terms{}, false
	}
	control, err := cacheobject.ParseResponseCacheControl(strings.Join(s.control, ", "))
	if err != nil || control.NoStore || control.NoCachePresent || control.PrivatePresent {
		return terms{}, false
	}
	if len(s.age) > 0 {
		n, err := strconv.ParseUint(strings.TrimSpace(s.age[0]), 10, 31)
		if err != nil {
			return terms{}, false
		}
		t.age = seconds(int64(n))
	}
	lifetime, known := lifetime(control, &s, now)
	if !known {
		if !usual {
			return terms{}, false
		}
		lifetime = longest + t.age
	}
	t.fresh = min(lifetime-t.age, longest)
	if !control.MustRevalidate && !control.ProxyRevalidate && control.SMaxAge < 0 {
		t.revalidate, t.onError = seconds(int64(control.StaleWhileRevalidate)), seconds(int64(control.StaleIfError))
	}
	return t, t.fresh > 0
}

// lifetime is how long an answer says that it is fresh, from when it was made (RFC 9111 4.2.1).
func lifetime(control *cacheobject.ResponseCacheDirectives, s *said, now time.Time) (time.Duration, bool) {
	switch {
	case control.SMaxAge >= 0:
		return seconds(int64(control.SMaxAge)), true
	case control.MaxAge >= 0:
		return seconds(int64(control.MaxAge)), true
	case len(s.expires) > 0:
		expires, err := http.ParseTime(s.expires[0])
		if err != nil || len(s.expires) > 1 {
			return 0, true // "0" and the like mean the past (RFC 9111 5.3)
		}
		made := now
		if len(s.date) > 0 {
			if date, err := http.ParseTime(s.date[0]); err == nil {
				made = date
			}
		}
		return expires.Sub(made), true
	}
	return 0, false
}

// accelExpires is the time in X-Accel-Expires: seconds, or "@" and a Unix time; 0 or anything else is not to keep.
func accelExpires(value string, now time.Time) time.Duration {
	value = strings.TrimSpace(value)
	absolute, at := strings.CutPrefix(value, "@")
	n, err := strconv.ParseUint(absolute, 10, 40)
	switch {
	case err != nil:
		return 0
	case at:
		return time.Unix(int64(n), 0).Sub(now)
	}
	return seconds(int64(n))
}

// seconds is a duration of n seconds, none if n is negative, at most 68 years.
func seconds(n int64) time.Duration {
	return time.Duration(min(max(n, 0), 1<<31-1)) * time.Second
}
