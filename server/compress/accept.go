package compress

import (
	"bytes"

	"github.com/gounicorn/gounicorn/server/exchange"
)

// Coding is a content coding.
type Coding uint8

// The codings; of those that a client likes best, the first one is taken.
const (
	Identity Coding = iota
	Zstd
	Brotli
	Gzip
	codings
)

var names = [codings]string{"identity", "zstd", "br", "gzip"}

// String is the name of the coding in Content-Encoding.
func (c Coding) String() string { return names[c] }

// Accepted returns the coding that the client of r wants.
func Accepted(r *exchange.Request) Coding {
	const unsaid = -1
	q := [codings]int{unsaid, unsaid, unsaid, unsaid}
	rest := unsaid
	for i := range r.Fields {
		if f := &r.Fields[i]; exchange.Is(f.Name, "accept-encoding") {
			for item := range bytes.SplitSeq(f.Value, []byte(",")) {
				name, parameter, _ := bytes.Cut(item, []byte(";"))
				name = bytes.TrimSpace(name)
				weight := quality(parameter)
				switch {
				case string(name) == "*":
					rest = weight
				case exchange.Is(name, "x-gzip"):
					q[Gzip] = weight
				default:
					for c := range codings {
						if exchange.Is(name, names[c]) {
							q[c] = weight
						}
					}
				}
			}
		}
	}
	best := Identity
	for c := Zstd; c < codings; c++ {
		if q[c] == unsaid {
			q[c] = rest
		}
		if q[c] > max(q[best], 0) || (best == Identity && q[c] > 0 && q[c] == q[Identity]) {
			best = c
		}
	}
	return best
}

// quality reads "q=0.5" as thousandths; nothing is 1000, and what is no weight is 0: such a coding is not used.
func quality(parameter []byte) int {
	parameter = bytes.TrimSpace(parameter)
	if len(parameter) == 0 {
		return 1000
	}
	if len(parameter) < 3 || parameter[0]|0x20 != 'q' || parameter[1] != '=' || (parameter[2] != '0' && parameter[2] != '1') {
		return 0
	}
	n, digits := int(parameter[2]-'0')*1000, parameter[3:]
	if len(digits) == 0 {
		return n
	}
	if digits[0] != '.' || len(digits) > 4 {
		return 0
	}
	unit := 100
	for _, d := range digits[1:] {
		if d < '0' || d > '9' {
			return 0
		}
		n += int(d-'0') * unit
		unit /= 10
	}
	if n > 1000 {
		return 0
	}
	return n
}
