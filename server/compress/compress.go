package compress

import (
	"bytes"
	"iter"
	"strconv"
	"strings"

	"github.com/gounicorn/gounicorn/server/exchange"
)

// Config says which answers are compressed. The zero value compresses nothing.
type Config struct {
	Types   []string // media types in lower case; "text/*" is all that begin so; "default" stands for Usual
	MinSize int64    // bytes; smaller bodies stay as they are
}

// Usual are the types of text.
var Usual = []string{
	"text/html", "text/css", "text/plain", "text/xml", "text/javascript", "text/csv", "text/markdown", "application/javascript", "application/json", "application/ld+json",
	"application/manifest+json", "application/geo+json", "application/problem+json", "application/xml", "application/xhtml+xml", "application/rss+xml", "application/atom+xml",
	"application/wasm", "image/svg+xml", "font/ttf", "font/otf",
}

// Compressor decides by a Config. It is safe for concurrent use.
type Compressor struct {
	types   map[string]bool
	begins  []string
	minimum int64
}

// New returns a Compressor, nil if cfg compresses nothing.
func New(cfg Config) *Compressor {
	if len(cfg.Types) == 0 {
		return nil
	}
	c := &Compressor{types: map[string]bool{}, minimum: cfg.MinSize}
	for _, t := range cfg.Types {
		t = strings.ToLower(t)
		if begin, ok := strings.CutSuffix(t, "*"); ok {
			c.begins = append(c.begins, begin)
		} else if t == "default" {
			for _, usual := range Usual {
				c.types[usual] = true
			}
		} else {
			c.types[t] = true
		}
	}
	return c
}

// Fields are the fields of an answer in order: names and values.
type Fields = iter.Seq2[[]byte, []byte]

// Consider looks at the head of an answer. size is the length of the body, -1 if it is not known; Content-Length counts then. eligible says
// that the answer depends on Accept-Encoding; coding is what the client of r gets.
func (c *Compressor) Consider(r *exchange.Request, status int, fields Fields, size int64) (coding Coding, eligible bool) {
	if status == 204 || status == 206 || status == 304 {
		return Identity, false
	}
	typed, as := false, false
	for name, value := range fields {
		switch {
		case exchange.Is(name, "content-type"):
			typed = c.wants(value)
		case exchange.Is(name, "content-encoding"), exchange.Is(name, "content-range"):
			as = true
		case exchange.Is(name, "cache-control"):
			as = as || bytes.Contains(bytes.ToLower(value), []byte("no-transform"))
		case exchange.Is(name, "content-length") && size < 0:
			if n, err := strconv.ParseInt(string(value), 10, 64); err == nil {
				size = n
			}
		}
	}
	if as || !typed || (size >= 0 && size < c.minimum) {
		return Identity, false
	}
	return Accepted(r), true
}

// wants reports whether a Content-Type is one of those to compress. Streams of events are not: they are to arrive at once, and small.
func (c *Compressor) wants(value []byte) bool {
	kind, _, _ := bytes.Cut(value, []byte(";"))
	kind = bytes.ToLower(bytes.TrimSpace(kind))
	if string(kind) == "text/event-stream" {
		return false
	}
	if c.types[string(kind)] {
		return true
	}
	for _, begin := range c.begins {
		if strings.HasPrefix(string(kind), begin) {
			return true
		}
	}
	return false
}

// Rewrite yields the fields of an answer that is eligible, as they are with the coding: Vary names Accept-Encoding; of an encoded answer
// the entity tag is weak, and what holds for the bytes as they were is gone.
func Rewrite(fields Fields, coding Coding) Fields {
	return func(yield func(name, value []byte) bool) {
		varies := false
		for name, value := range fields {
			if exchange.Is(name, "vary") {
				varies = varies || namesCoding(value)
			}
			if coding != Identity {
				switch {
				case exchange.Is(name, "etag") && !bytes.HasPrefix(value, []byte("W/")):
					value = append([]byte("W/"), value...)
				case exchange.Is(name, "content-length"), exchange.Is(name, "accept-ranges"), exchange.Is(name, "content-md5"),
					exchange.Is(name, "digest"), exchange.Is(name, "content-digest"), exchange.Is(name, "repr-digest"):
					continue
				}
			}
			if !yield(name, value) {
				return
			}
		}
		if coding != Identity && !yield([]byte("Content-Encoding"), []byte(coding.String())) {
			return
		}
		if !varies {
			yield([]byte("Vary"), []byte("Accept-Encoding"))
		}
	}
}

// namesCoding reports whether a value of Vary names Accept-Encoding, or everything.
func namesCoding(value []byte) bool {
	for name := range bytes.SplitSeq(value, []byte(",")) {
		if name = bytes.TrimSpace(name); exchange.Is(name, "accept-encoding") || string(name) == "*" {
			return true
		}
	}
	return false
}
