package static

import (
	"bytes"

	"github.com/gounicorn/gounicorn/server/exchange"
)

// encoding is a content coding of a file.
type encoding uint8

// The codings, best first: of two that a client likes as much, the first is sent.
const (
	zstd encoding = iota
	brotli
	gzip
	identity
	encodings // how many there are
)

// codings is the table of codings: as Accept-Encoding and Content-Encoding name them, the suffix of such a sibling, and of its entity tag.
var codings = [encodings]struct {
	name   []byte
	suffix string
	tag    string
}{
	zstd:     {[]byte("zstd"), ".zst", "-zst"},
	brotli:   {[]byte("br"), ".br", "-br"},
	gzip:     {[]byte("gzip"), ".gz", "-gz"},
	identity: {[]byte("identity"), "", ""},
}

// weights are the q-values of the codings, in thousandths. Without the field everything but identity is refused (RFC 9110 12.5.3 allows
// anything then; but who asks for nothing mostly can nothing).
func weights(r *exchange.Request) (w [encodings]int) {
	w[identity] = 1 // less than what is named with any weight
	value := r.Get("accept-encoding")
	if value == nil {
		return w
	}
	named := [encodings]bool{}
	star, hasStar := 0, false
	for list, more := value, true; more; {
		var item []byte
		item, list, more = bytes.Cut(list, []byte{','})
		name, parameters, _ := bytes.Cut(item, []byte{';'})
		name = bytes.Trim(name, " \t")
		q, ok := quality(parameters)
		if !ok || len(name) == 0 {
			continue
		}
		if string(name) == "*" {
			star, hasStar = q, true
			continue
		}
		for e := range codings {
			if exchange.Is(name, string(codings[e].name)) || encoding(e) == gzip && exchange.Is(name, "x-gzip") {
				named[e], w[e] = true, q
			}
		}
	}
	if !hasStar {
		return w
	}
	for e := range w {
		if !named[e] && (encoding(e) != identity || star == 0) {
			w[e] = star
		}
	}
	return w
}

// quality reads ";q=0.5" in thousandths (RFC 9110 12.4.2). No parameter is 1.
func quality(parameters []byte) (thousandths int, ok bool) {
	parameters = bytes.Trim(parameters, " \t")
	if len(parameters) == 0 {
		return 1000, true
	}
	if len(parameters) < 3 || parameters[0]|0x20 != 'q' || parameters[1] != '=' {
		return 0, false
	}
	b := parameters[2:]
	if len(b) > 5 || b[0] != '0' && b[0] != '1' || len(b) > 1 && b[1] != '.' {
		return 0, false
	}
	thousandths = int(b[0]-'0') * 1000
	scale := 100
	for _, c := range b[min(2, len(b)):] {
		if c < '0' || c > '9' {
			return 0, false
		}
		thousandths += int(c-'0') * scale
		scale /= 10
	}
	return thousandths, thousandths <= 1000
}

// choose returns the coding to send of those there are. Identity is sent even where the client refuses it and there is nothing else, as
// RFC 9110 12.5.3 allows.
func choose(r *exchange.Request, has func(encoding) bool) encoding {
	w := weights(r)
	best := identity
	for e := range encodings {
		if has(e) && w[e] > w[best] {
			best = e
		}
	}
	if w[best] == w[identity] { // the first of equals
		for e := range identity {
			if has(e) && w[e] > 0 && w[e] == w[best] {
				return e
			}
		}
	}
	return best
}
