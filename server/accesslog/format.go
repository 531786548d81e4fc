package accesslog

import (
	"fmt"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"
)

// Default is gunicorn's default format.
const Default = `%(h)s %(l)s %(u)s %(t)s "%(r)s" %(s)s %(b)s "%(f)s" "%(a)s"`

// Format is a compiled format. It is immutable.
type Format struct {
	parts     []part
	requestID bool
}

// RequestID reports whether the format has {request_id}x, so that requests need one.
func (f *Format) RequestID() bool { return f.requestID }

// kind says what a part appends.
type kind uint8

// The kinds: fixed text, text of the entry, numbers, and {name} look-ups.
const (
	literal kind = iota
	text
	number
	date
	requestLine
	process
	fraction
	requestHeader
	responseHeader
	environ
)

// part is a piece of a line.
type part struct {
	kind   kind
	fixed  string // literal: the text; look-ups: the name in lower case
	text   func(*Entry) []byte
	number func(*Entry) (int64, bool)
	verb   byte // Python's type: s, d or one of those that convert reads

	padded    bool // width is not the natural one
	left      bool
	zero      bool
	plus      bool
	space     bool
	alternate bool
	width     int
	precision int // -1 is none
}

// maxWidth bounds width and precision of an atom.
const maxWidth = 1000

// Compile reads a format. Beside %(atom)s it understands Python's flags, width
// and precision, %%, the types r and a for text, and for the numeric atoms all
// of Python's: d i u x X o e E f F g G. What would make Python fail for every
// line is an error here. An atom that gunicorn does not know is "-", as it is
// there.
func Compile(format string) (*Format, error) {
	f := &Format{}
	var lit strings.Builder
	flush := func() {
		if lit.Len() > 0 {
			f.parts = append(f.parts, part{kind: literal, fixed: lit.String()})
			lit.Reset()
		}
	}
	rest := format
	for {
		i := strings.IndexByte(rest, '%')
		if i < 0 {
			lit.WriteString(rest)
			break
		}
		lit.WriteString(rest[:i])
		rest = rest[i+1:]
		if strings.HasPrefix(rest, "%") {
			lit.WriteByte('%')
			rest = rest[1:]
			continue
		}
		p, after, err := compileAtom(rest)
		f.requestID = f.requestID || strings.HasPrefix(rest, requestIDAtom)
		if err != nil {
			return nil, fmt.Errorf("access log format: at %q: %w", clip("%"+rest), err)
		}
		rest = after
		if p.kind == literal && !p.padded {
			lit.WriteString(p.fixed)
			continue
		}
		flush()
		f.parts = append(f.parts, p)
	}
	flush()
	return f, nil
}

const requestIDAtom = "({request_id}x)"

// clip shortens a piece of a format for a message.
func clip(s string) string {
	if len(s) > 20 {
		return s[:20] + "…"
	}
	return s
}

// compileAtom reads one conversion behind its percent sign.
func compileAtom(s string) (p part, rest string, err error) {
	if !strings.HasPrefix(s, "(") {
		return p, "", fmt.Errorf("a percent sign must begin an atom, such as %%(h)s, or be doubled")
	}
	end := closing(s)
	if end < 0 {
		return p, "", fmt.Errorf("the bracket is not closed")
	}
	name, rest := s[1:end], s[end+1:]
	p, err = atom(name)
	if err != nil {
		return p, "", err
	}
	for rest != "" && strings.IndexByte("-0+ #", rest[0]) >= 0 {
		switch rest[0] {
		case '-':
			p.left = true
		case '0':
			p.zero = true
		case '+':
			p.plus = true
		case ' ':
			p.space = true
		case '#':
			p.alternate = true
		}
		rest = rest[1:]
	}
	if p.width, rest, err = digits(rest); err != nil {
		return p, "", err
	}
	p.precision = -1
	if strings.HasPrefix(rest, ".") {
		if p.precision, rest, err = digits(rest[1:]); err != nil {
			return p, "", err
		}
	}
	if rest != "" && strings.IndexByte("hlL", rest[0]) >= 0 {
		rest = rest[1:] // C's sizes, which Python too reads and ignores
	}
	if rest == "" {
		return p, "", fmt.Errorf("the atom ends without its type; write %%(%s)s", name)
	}
	p.verb = rest[0]
	switch {
	case p.verb == 's' || p.verb == 'r' || p.verb == 'a':
		p.zero, p.plus, p.space = false, false, false
		p.padded = p.width > 0 || p.precision >= 0 || p.verb != 's'
	case strings.IndexByte(integerVerbs+floatVerbs, p.verb) >= 0:
		if p.kind != number {
			return p, "", fmt.Errorf("the atom is no number; write %%(%s)s", name)
		}
		if p.verb == 'i' || p.verb == 'u' {
			p.verb = 'd'
		}
		p.padded = true
	default:
		return p, "", fmt.Errorf("type %q is not supported; write %%(%s)s", rest[:1], name)
	}
	return p, rest[1:], nil
}

// closing returns where the bracket that s begins with is closed, -1 if it is not; brackets in the name count, as in Python.
func closing(s string) int {
	open := 0
	for i := range len(s) {
		switch s[i] {
		case '(':
			open++
		case ')':
			if open--; open == 0 {
				return i
			}
		}
	}
	return -1
}

// digits reads a number, 0 if there is none.
func digits(s string) (int, string, error) {
	n := 0
	for s != "" && s[0] >= '0' && s[0] <= '9' {
		if n = n*10 + int(s[0]-'0'); n > maxWidth {
			return 0, "", fmt.Errorf("a width above %d is not supported", maxWidth)
		}
		s = s[1:]
	}
	return n, s, nil
}

// missing is how a missing value is written.
const missing = "-"

// atom returns the part for the name between the brackets.
func atom(name string) (part, error) {
	if strings.HasPrefix(name, "{") {
		return fieldAtom(name)
	}
	switch name {
	case "t":
		return part{kind: date}, nil
	case "r":
		return part{kind: requestLine}, nil
	case "p":
		return part{kind: process}, nil
	case "L":
		return part{kind: fraction}, nil
	}
	if get, ok := texts[name]; ok {
		return part{kind: text, text: get}, nil
	}
	if get, ok := numbers[name]; ok {
		return part{kind: number, number: get}, nil
	}
	return part{kind: literal, fixed: missing}, nil
}

// fieldAtom returns the part for {name}i, {name}o, {name}e and {name}x.
func fieldAtom(name string) (part, error) {
	end := strings.LastIndexByte(name, '}')
	if end < 0 || end+2 != len(name) {
		return part{kind: literal, fixed: missing}, nil
	}
	key := strings.ToLower(name[1:end])
	switch name[end+1] {
	case 'i', 'I':
		return part{kind: requestHeader, fixed: key}, nil
	case 'o', 'O':
		return part{kind: responseHeader, fixed: key}, nil
	case 'e', 'E':
		return part{kind: environ, fixed: key}, nil
	case 'x', 'X':
		if get, ok := texts["x "+key]; ok {
			return part{kind: text, text: get}, nil
		}
		if get, ok := numbers["x "+key]; ok {
			return part{kind: number, number: get}, nil
		}
		return part{}, fmt.Errorf("there is no {%s}x; there are queue, run, receive, worker, lane, route, client, by, request_id and trace_id", key)
	}
	return part{kind: literal, fixed: missing}, nil
}

// texts are the atoms that are text of the entry.
var texts = map[string]func(*Entry) []byte{
	"h":            func(e *Entry) []byte { return e.RemoteAddr },
	"u":            func(e *Entry) []byte { return e.User },
	"m":            func(e *Entry) []byte { return e.Method },
	"U":            func(e *Entry) []byte { return e.Path },
	"q":            func(e *Entry) []byte { return e.Query },
	"H":            func(e *Entry) []byte { return e.Proto },
	"f":            func(e *Entry) []byte { return e.Referer },
	"a":            func(e *Entry) []byte { return e.UserAgent },
	"x client":     func(e *Entry) []byte { return e.Client },
	"x by":         func(e *Entry) []byte { return bytesOf(e.By) },
	"x request_id": func(e *Entry) []byte { return e.RequestID },
	"x trace_id":   (*Entry).trace,
	"x lane":       func(e *Entry) []byte { return e.Lane },
	"x route":      func(e *Entry) []byte { return e.Route },
}

// bytesOf is a text of the entry; an empty one is missing.
func bytesOf(s string) []byte {
	if s == "" {
		return nil
	}
	return []byte(s)
}

// numbers are the atoms that are numbers; ok false is a missing one.
var numbers = map[string]func(*Entry) (int64, bool){
	"s":         func(e *Entry) (int64, bool) { return int64(e.Status), e.Status != 0 },
	"b":         func(e *Entry) (int64, bool) { return e.BytesSent, true },
	"B":         func(e *Entry) (int64, bool) { return e.BytesSent, true },
	"T":         func(e *Entry) (int64, bool) { return int64(e.Duration / time.Second), true },
	"M":         func(e *Entry) (int64, bool) { return e.Duration.Milliseconds(), true },
	"D":         func(e *Entry) (int64, bool) { return e.Duration.Microseconds(), true },
	"x queue":   func(e *Entry) (int64, bool) { return e.Queue.Microseconds(), true },
	"x receive": func(e *Entry) (int64, bool) { return e.Receive.Microseconds(), true },
	"x run":     func(e *Entry) (int64, bool) { return e.Run.Microseconds(), true },
	"x worker":  func(e *Entry) (int64, bool) { return int64(e.Worker), e.Worker != 0 },
}

// Append appends the line for e to dst, without a newline.
func (f *Format) Append(dst []byte, e *Entry) []byte {
	for i := range f.parts {
		p := &f.parts[i]
		if !p.padded {
			dst = p.append(dst, e)
			continue
		}
		start := len(dst)
		if p.verb != 's' && p.kind == number {
			if n, ok := p.number(e); ok {
				dst = p.pad(p.appendNumber(dst, n), start, false)
				continue
			}
		}
		dst = p.append(dst, e)
		if p.verb != 's' && p.kind != number {
			dst = quote(dst, start)
		}
		dst = p.pad(dst, start, true)
	}
	return dst
}

// append appends the part in its natural width.
func (p *part) append(dst []byte, e *Entry) []byte {
	switch p.kind {
	case literal:
		return append(dst, p.fixed...)
	case text:
		return appendText(dst, p.text(e))
	case number:
		n, ok := p.number(e)
		if !ok {
			return append(dst, missing...)
		}
		return strconv.AppendInt(dst, n, 10)
	case date:
		return e.Time.AppendFormat(dst, "[02/Jan/2006:15:04:05 -0700]")
	case requestLine:
		if e.RequestLine != nil || e.Method == nil {
			return appendText(dst, e.RequestLine)
		}
		dst = append(appendEscaped(dst, e.Method), ' ')
		dst = append(appendEscaped(dst, e.Target), ' ')
		return appendEscaped(dst, e.Proto)
	case process:
		dst = strconv.AppendInt(append(dst, '<'), int64(e.Pid), 10)
		return append(dst, '>')
	case fraction:
		return appendFraction(dst, e.Duration)
	}
	return p.appendField(dst, e)
}

// appendField appends a {name}i, {name}o or {name}e.
func (p *part) appendField(dst []byte, e *Entry) []byte {
	if e.Fields == nil {
		return append(dst, missing...)
	}
	var value []byte
	var ok bool
	switch p.kind {
	case requestHeader:
		value, ok = e.Fields.RequestHeader(p.fixed)
	case responseHeader:
		value, ok = e.Fields.ResponseHeader(p.fixed)
	case environ:
		value, ok = e.Fields.Environ(p.fixed)
	}
	if !ok {
		return append(dst, missing...)
	}
	return appendEscaped(dst, value)
}

// appendFraction appends seconds with six decimals.
func appendFraction(dst []byte, d time.Duration) []byte {
	micros := max(d.Microseconds(), 0)
	dst = strconv.AppendInt(dst, micros/1e6, 10)
	dst = append(dst, '.')
	rest := micros % 1e6
	for unit := int64(1e5); unit > 1 && rest < unit; unit /= 10 {
		dst = append(dst, '0')
	}
	return strconv.AppendInt(dst, rest, 10)
}

// pad brings what stands behind start to width and precision, which count
// characters as Python does.
func (p *part) pad(dst []byte, start int, cut bool) []byte {
	if p.precision >= 0 && cut {
		end := start
		for n := 0; n < p.precision && end < len(dst); n++ {
			_, size := utf8.DecodeRune(dst[end:])
			end += size
		}
		for dst = dst[:end]; loneBackslash(dst[start:]); {
			dst = dst[:len(dst)-1] // an escape was cut in two; the rest would escape what follows
		}
	}
	gap := p.width - utf8.RuneCount(dst[start:])
	if gap <= 0 {
		return dst
	}
	fill := byte(' ')
	if p.zero && !p.left {
		fill = '0'
	}
	for range gap {
		dst = append(dst, fill)
	}
	if !p.left {
		if fill == '0' {
			start += signLen(dst[start:])
		}
		copy(dst[start+gap:], dst[start:len(dst)-gap])
		for i := range gap {
			dst[start+i] = fill
		}
	}
	return dst
}

// loneBackslash reports whether s ends in the first half of an escape.
func loneBackslash(s []byte) bool {
	n := 0
	for n < len(s) && s[len(s)-1-n] == '\\' {
		n++
	}
	return n%2 == 1
}

const hexDigits = "0123456789abcdef"

// appendText appends a value of the entry, "-" if it is missing.
func appendText(dst, value []byte) []byte {
	if value == nil {
		return append(dst, missing...)
	}
	return appendEscaped(dst, value)
}

// appendEscaped appends value with quotes and control characters escaped, and
// with bytes that are not UTF-8, so that a line always is.
func appendEscaped(dst, value []byte) []byte {
	start := 0
	for i := 0; i < len(value); {
		c := value[i]
		size := 1
		switch {
		case plain[c]:
			i++
			continue
		case c >= utf8.RuneSelf:
			var r rune
			r, size = utf8.DecodeRune(value[i:])
			if r >= 0xa0 && (r != utf8.RuneError || size > 1) {
				i += size
				continue
			}
		}
		dst = append(dst, value[start:i]...)
		for _, c := range value[i : i+size] {
			if c == '"' || c == '\\' {
				dst = append(dst, '\\', c)
			} else {
				dst = append(dst, '\\', 'x', hexDigits[c>>4], hexDigits[c&15])
			}
		}
		i += size
		start = i
	}
	return append(dst, value[start:]...)
}

// plain tells the bytes that always stand for themselves in a line.
var plain = func() (t [256]bool) {
	for c := range t {
		t[c] = c >= ' ' && c != '"' && c != '\\' && c < 0x7f
	}
	return t
}()
