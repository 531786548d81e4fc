package static

import (
	"bytes"

	"github.com/gounicorn/gounicorn/server/exchange"
)

// coding is a content coding of a file (RFC 9110 8.4.1).
type coding uint8

// The codings. Of two that are the same to the client and equally small, the first is sent.
const (
	zstd coding = iota
	brotli
	gzip
	identity
	codings // how many there are
)

// codingTable has their names, the suffixes of siblings and of entity-tags.
var codingTable = [codings]struct {
	name        string
	suffix, tag string
}{
	zstd:     {"zstd", ".zst", "-zst"},
	brotli:   {"br", ".br", "-br"},
	gzip:     {"gzip", ".gz", "-gz"},
	identity: {"identity", "", ""},
}

// weights are the q-values of the codings in thousandths (RFC 9110 12.4.2); 0 means that the client does not accept it.
type weights [codings]int

// accepted reads Accept-Encoding (RFC 9110 12.5.3). Who does not name a coding does not get it; identity is accepted by everybody who does
// not exclude it, and comes last when it is not named.
func accepted(list []byte) weights {
	const unnamed = -1
	w := weights{unnamed, unnamed, unnamed, unnamed}
	others := unnamed
	for more := list != nil; more; {
		var item []byte
		item, list, more = bytes.Cut(list, []byte(","))
		name, parameter, _ := bytes.Cut(item, []byte(";"))
		name = bytes.Trim(name, " \t")
		q, ok := quality(parameter)
		switch {
		case !ok || len(name) == 0: // malformed: as if it were not there
		case string(name) == "*":
			others = q
		case exchange.Is(name, "x-gzip"): // RFC 9110 8.4.1.3
			w[gzip] = q
		default:
			for c := range codingTable {
				if exchange.Is(name, codingTable[c].name) {
					w[c] = q
				}
			}
		}
	}
	for c := range w {
		switch {
		case w[c] != unnamed:
		case coding(c) == identity && others != 0:
			w[c] = 1 // below every weight that one can give, but not excluded
		default:
			w[c] = max(others, 0)
		}
	}
	return w
}

// quality reads the weight behind a ";", 1 if there is none.
func quality(parameter []byte) (thousandths int, ok bool) {
	if parameter = bytes.Trim(parameter, " \t"); len(parameter) == 0 {
		return 1000, true
	}
	if len(parameter) < 3 || len(parameter) > 7 || parameter[0]|0x20 != 'q' || parameter[1] != '=' {
		return 0, false
	}
	whole, fraction, _ := bytes.Cut(parameter[2:], []byte("."))
	if len(whole) != 1 || whole[0] != '0' && whole[0] != '1' || len(fraction) > 3 {
		return 0, false
	}
	thousandths = int(whole[0]-'0') * 1000
	for i, scale := 0, 100; i < len(fraction); i, scale = i+1, scale/10 {
		if fraction[i] < '0' || fraction[i] > '9' {
			return 0, false
		}
		thousandths += int(fraction[i]-'0') * scale
	}
	return thousandths, thousandths <= 1000
}
