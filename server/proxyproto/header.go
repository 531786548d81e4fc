// Package proxyproto reads the header with which a proxy that understands no HTTP says who its client is: the PROXY protocol, version 1
// (a line of text) and 2 (binary), as https://www.haproxy.org/download/2.9/doc/proxy-protocol.txt has it.
//
// Parse works on the bytes that have arrived and reads nothing itself, because the engine owns its connections' buffers and timeouts.
// That is why no library is used: those read from a connection, and cannot tell a header that is malformed from one that is not whole.
// The package imports only the standard library, allocates nothing, and is safe for concurrent use.
package proxyproto

import (
	"bytes"
	"encoding/binary"
	"errors"
	"net/netip"
)

// Mode says which versions are looked for (proxy_protocol).
type Mode uint8

// The modes. Auto is both versions.
const (
	Off  Mode = 0
	V1   Mode = 1
	V2   Mode = 2
	Auto      = V1 | V2
)

// Header is what a proxy said. Without addresses the connection speaks for itself.
type Header struct {
	Protocol string         // "TCP4", "TCP6"; "LOCAL", "UNKNOWN" or "UNSPEC" without addresses; "" when there was no header
	Source   netip.AddrPort // the client; not valid without addresses
	Dest     netip.AddrPort // where the client connected to; likewise
}

var (
	// ErrIncomplete means that more bytes are needed.
	ErrIncomplete = errors.New("proxyproto: incomplete header")
	// ErrMalformed means that the bytes begin like a header and are none.
	ErrMalformed = errors.New("proxyproto: malformed header")
)

const (
	maxLine    = 107 // of version 1, with its line end
	fixed      = 16  // bytes of version 2 before the addresses
	prefix     = "PROXY "
	signature  = "\r\n\r\n\x00\r\nQUIT\n"
	inet4      = 12 // bytes of addresses and ports
	inet6      = 36
	unixSocket = 216
)

// Begins reports whether b begins, as far as it goes, like a header of one of the versions, and whether that is certain. Few bytes of
// a request are enough to tell that it is none.
func Begins(mode Mode, b []byte) (maybe, certain bool) {
	for _, mark := range [...]struct {
		mode Mode
		text string
	}{{V1, prefix}, {V2, signature}} {
		if n := min(len(b), len(mark.text)); mode&mark.mode != 0 && string(b[:n]) == mark.text[:n] {
			return true, n == len(mark.text)
		}
	}
	return false, false
}

// Parse reads the header at the start of b and returns its length in bytes; 0 without an error when there is none. At most 107 bytes
// of version 1 and 16 + 65535 of version 2 are ever asked for.
func Parse(mode Mode, b []byte) (Header, int, error) {
	switch maybe, certain := Begins(mode, b); {
	case !maybe:
		return Header{}, 0, nil
	case !certain:
		return Header{}, 0, ErrIncomplete
	case b[0] == prefix[0]:
		return parseLine(b)
	}
	return parseBinary(b)
}

// parseLine reads version 1.
func parseLine(b []byte) (Header, int, error) {
	end := bytes.Index(b[:min(len(b), maxLine)], []byte("\r\n"))
	switch {
	case end >= 0:
	case len(b) >= maxLine:
		return Header{}, 0, ErrMalformed
	default:
		return Header{}, 0, ErrIncomplete
	}
	line := b[len(prefix):end]
	if string(line) == "UNKNOWN" || bytes.HasPrefix(line, []byte("UNKNOWN ")) {
		return Header{Protocol: "UNKNOWN"}, end + 2, nil // the rest is to be ignored
	}
	var words [5][]byte
	for i := range words {
		var more bool
		words[i], line, more = bytes.Cut(line, []byte(" "))
		if more != (i < len(words)-1) {
			return Header{}, 0, ErrMalformed
		}
	}
	h := Header{Protocol: "TCP4"}
	if string(words[0]) == "TCP6" {
		h.Protocol = "TCP6"
	} else if string(words[0]) != "TCP4" {
		return Header{}, 0, ErrMalformed
	}
	var ok [2]bool
	h.Source, ok[0] = endpoint(h.Protocol == "TCP6", words[1], words[3])
	h.Dest, ok[1] = endpoint(h.Protocol == "TCP6", words[2], words[4])
	if !ok[0] || !ok[1] {
		return Header{}, 0, ErrMalformed
	}
	return h, end + 2, nil
}

// endpoint reads an address and a port in decimal, without signs or leading zeros.
func endpoint(six bool, address, port []byte) (netip.AddrPort, bool) {
	a, err := netip.ParseAddr(string(address))
	if err != nil || a.Zone() != "" || a.Is4() == six {
		return netip.AddrPort{}, false
	}
	n := 0
	for _, c := range port {
		if c < '0' || c > '9' || len(port) > 5 {
			return netip.AddrPort{}, false
		}
		n = n*10 + int(c-'0')
	}
	if len(port) == 0 || n > 65535 || len(port) > 1 && port[0] == '0' {
		return netip.AddrPort{}, false
	}
	return netip.AddrPortFrom(a.Unmap(), uint16(n)), true
}

// parseBinary reads version 2. Families of addresses that we cannot use are accepted and give none, as the protocol asks; datagrams
// are refused, because nothing of ours came in one.
func parseBinary(b []byte) (Header, int, error) {
	if len(b) < fixed {
		return Header{}, 0, ErrIncomplete
	}
	version, command := b[12]>>4, b[12]&15
	family, transport := b[13]>>4, b[13]&15
	if version != 2 || command > 1 {
		return Header{}, 0, ErrMalformed
	}
	size := int(binary.BigEndian.Uint16(b[14:]))
	if len(b) < fixed+size {
		return Header{}, 0, ErrIncomplete
	}
	if command == 0 { // a check of the proxy's own: everything behind is to be ignored
		return Header{Protocol: "LOCAL"}, fixed + size, nil
	}
	rest := b[fixed : fixed+size]
	need, known := addressBytes[family&3], family <= 3
	if !known || transport > 1 || transport == 0 && family != 0 || len(rest) < need {
		return Header{}, 0, ErrMalformed
	}
	h := Header{Protocol: "UNSPEC"}
	switch family {
	case 1:
		h = addresses("TCP4", rest, 4)
	case 2:
		h = addresses("TCP6", rest, 16)
	}
	if family != 0 && !extensions(rest[need:]) {
		return Header{}, 0, ErrMalformed
	}
	return h, fixed + size, nil
}

// addressBytes is the length of the addresses by family.
var addressBytes = [4]int{0, inet4, inet6, unixSocket}

func addresses(protocol string, b []byte, n int) Header {
	source, _ := netip.AddrFromSlice(b[:n])
	dest, _ := netip.AddrFromSlice(b[n : 2*n])
	return Header{
		Protocol: protocol,
		Source:   netip.AddrPortFrom(source.Unmap(), binary.BigEndian.Uint16(b[2*n:])),
		Dest:     netip.AddrPortFrom(dest.Unmap(), binary.BigEndian.Uint16(b[2*n+2:])),
	}
}

// extensions checks that type-length-value triples fill b exactly. Their contents are not used.
func extensions(b []byte) bool {
	for len(b) > 0 {
		if len(b) < 3 {
			return false
		}
		n := 3 + int(binary.BigEndian.Uint16(b[1:]))
		if n > len(b) {
			return false
		}
		b = b[n:]
	}
	return true
}
