package lane

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"
)

// Names of the built-in lanes.
const (
	FastName = "fast"
	NewName  = "new"
	SlowName = "slow"
)

// Bounds of a rule's numbers.
const (
	maxConcurrency = 4096
	maxQueueLength = 1 << 20
	maxDeadline    = 24 * time.Hour
	maxPriority    = 1000
)

// Rule puts the requests of a pattern into a lane. The limits are the lane's: several rules may name one lane, and of the limits
// that they give the last counts. A limit of nil or 0 is not given.
type Rule struct {
	Method      string        // empty: any
	Path        string        // as in the route key, numbers folded: * is one segment, a trailing ** the rest
	Lane        string        // FastName and SlowName force the class; any other lane holds slow work
	Concurrency int           // requests of the lane that are with the workers at once; 0: no limit of its own
	Queue       int           // requests of the lane that wait; 0: no limit of its own
	Deadline    time.Duration // longest wait; 0: Config.QueueTimeout
	Priority    *int          // lower goes first; nil: that of slow work, or of the lane if it is built in
}

// String writes the rule as ParseRule reads it.
func (r Rule) String() string {
	var b strings.Builder
	if r.Method != "" {
		b.WriteString(r.Method + " ")
	}
	b.WriteString(r.Path + "=" + r.Lane)
	if r.Concurrency > 0 {
		fmt.Fprintf(&b, ",concurrency=%d", r.Concurrency)
	}
	if r.Queue > 0 {
		fmt.Fprintf(&b, ",queue=%d", r.Queue)
	}
	if r.Deadline > 0 {
		b.WriteString(",deadline=" + strconv.FormatFloat(r.Deadline.Seconds(), 'f', -1, 64))
	}
	if r.Priority != nil {
		fmt.Fprintf(&b, ",priority=%d", *r.Priority)
	}
	return b.String()
}

// ParseRule reads PATTERN=NAME[,concurrency=N][,queue=N][,deadline=SECONDS][,priority=N]. PATTERN is an optional method and a space,
// then a path in which * is one segment and a trailing ** the rest, such as "GET /contract/*/download=pdf,concurrency=2". The error
// is a sentence without the rule.
func ParseRule(text string) (Rule, error) {
	var r Rule
	pattern, rest, ok := cutLast(text)
	if !ok {
		return r, errors.New("want PATTERN=NAME, for example /report/**=slow")
	}
	r.Path = pattern
	if method, path, ok := strings.Cut(pattern, " "); ok {
		r.Method, r.Path = method, path
		if !isMethod(method) {
			return Rule{}, fmt.Errorf("%q is no method in capitals", method)
		}
	}
	if err := checkPath(r.Path); err != nil {
		return Rule{}, err
	}
	name, limits, more := strings.Cut(rest, ",")
	if !isName(name) {
		return Rule{}, fmt.Errorf("%q is no name of a lane: want a small letter, then up to 31 small letters, digits, - or _", name)
	}
	if name == NewName {
		return Rule{}, errors.New("the lane new is for routes that nothing is known of: name fast, slow or a lane of your own")
	}
	r.Lane = name
	for more {
		var limit string
		limit, limits, more = strings.Cut(limits, ",")
		if err := r.limit(limit); err != nil {
			return Rule{}, err
		}
	}
	return r, nil
}

// cutLast cuts at the last = before the first comma that follows a name, so that a path may have both.
func cutLast(text string) (pattern, rest string, ok bool) {
	for at := 0; ; {
		i := strings.IndexByte(text[at:], '=')
		if i < 0 {
			return "", "", false
		}
		at += i + 1
		if name, _, _ := strings.Cut(text[at:], ","); !strings.ContainsAny(name, "=/ *") {
			return text[:at-1], text[at:], true
		}
	}
}

// limit reads one KEY=VALUE.
func (r *Rule) limit(text string) error {
	key, value, _ := strings.Cut(text, "=")
	number := func(least, most int) (int, error) {
		n, err := strconv.Atoi(value)
		if err != nil || n < least || n > most {
			return 0, fmt.Errorf("%s is %q: want a number from %d to %d", key, value, least, most)
		}
		return n, nil
	}
	var err error
	switch key {
	case "concurrency":
		r.Concurrency, err = number(1, maxConcurrency)
	case "queue":
		r.Queue, err = number(1, maxQueueLength)
	case "priority":
		var n int
		n, err = number(0, maxPriority)
		r.Priority = &n
	case "deadline":
		seconds, bad := strconv.ParseFloat(value, 64)
		if bad != nil || !(seconds >= 0.001 && seconds <= maxDeadline.Seconds()) {
			return fmt.Errorf("deadline is %q: want seconds from 0.001 to %.0f", value, maxDeadline.Seconds())
		}
		r.Deadline = time.Duration(seconds * float64(time.Second)).Round(time.Microsecond)
	default:
		err = fmt.Errorf("%q is no limit: want concurrency, queue, deadline or priority", key)
	}
	return err
}

func isMethod(s string) bool {
	for _, c := range []byte(s) {
		if c < 'A' || c > 'Z' {
			return false
		}
	}
	return s != ""
}

func isName(s string) bool {
	for i, c := range []byte(s) {
		small := c >= 'a' && c <= 'z'
		if !small && (i == 0 || (c < '0' || c > '9') && c != '-' && c != '_') {
			return false
		}
	}
	return s != "" && len(s) <= 32
}

// checkPath refuses what no route key can match.
func checkPath(path string) error {
	if !strings.HasPrefix(path, "/") {
		return fmt.Errorf("the path %q does not begin with /", path)
	}
	segments := strings.Split(path[1:], "/")
	for i, s := range segments {
		digits := 0
		for _, c := range []byte(s) {
			if c <= ' ' || c == 0x7f {
				return fmt.Errorf("the path %q has a space or a control character", path)
			}
			if c >= '0' && c <= '9' {
				digits++
			}
		}
		switch {
		case s == "**" && i < len(segments)-1:
			return errors.New("** stands for the rest of a path and comes last")
		case s != "*" && s != "**" && strings.Contains(s, "*"):
			return fmt.Errorf("%q: * stands for a whole segment", s)
		case digits > 0 && (digits == len(s) || len(s) >= foldedLength):
			return fmt.Errorf("%q looks like an identifier, and those are folded: write * for it", s)
		}
	}
	return nil
}

// foldedLength is from which length on a segment with a digit in it is folded in route keys.
const foldedLength = 8

// matches reports whether a route key such as "GET /contract/:n/download" is one of the rule's.
func (r *Rule) matches(key []byte) bool {
	method, path := split(key)
	if r.Method != "" && r.Method != string(method) {
		return false
	}
	pattern := r.Path[1:]
	if len(path) == 0 || path[0] != '/' {
		return false
	}
	path = path[1:]
	for end := false; ; {
		var want string
		want, pattern, end = segmentOf(pattern)
		if want == "**" {
			return true
		}
		i := 0
		for i < len(path) && path[i] != '/' {
			i++
		}
		if want != string(path[:i]) && (want != "*" || i == 0) {
			return false
		}
		last := i == len(path)
		switch {
		case end && last:
			return true
		case last:
			return pattern == "**"
		case end:
			return false
		}
		path = path[i+1:]
	}
}

// segmentOf cuts the first segment of a pattern; end says that it is the last.
func segmentOf(pattern string) (segment, rest string, end bool) {
	segment, rest, more := strings.Cut(pattern, "/")
	return segment, rest, !more
}

// split cuts a route key into method and path.
func split(key []byte) (method, path []byte) {
	for i, c := range key {
		if c == ' ' {
			return key[:i], key[i+1:]
		}
	}
	return key, nil
}
