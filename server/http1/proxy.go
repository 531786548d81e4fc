package http1

// The PROXY protocol: a header with which a proxy that understands no HTTP says who its client is. Version 1 is a line of text,
// version 2 is binary; https://www.haproxy.org/download/2.9/doc/proxy-protocol.txt has both.
//
// The parser works on the bytes that have arrived and reads nothing itself. That is why no library is used: those read from a
// connection, and cannot tell a header that is malformed from one that is not whole.

import (
	"bytes"
	"encoding/binary"
	"errors"
	"io"
	"net/netip"

	"github.com/gounicorn/gounicorn/server/exchange"
)

// ProxyMode says which versions are looked for (proxy_protocol).
type ProxyMode uint8

// The modes. ProxyAuto is both versions.
const (
	ProxyOff  ProxyMode = 0
	ProxyV1   ProxyMode = 1
	ProxyV2   ProxyMode = 2
	ProxyAuto           = ProxyV1 | ProxyV2
)

var (
	// errProxyIncomplete means that more bytes are needed.
	errProxyIncomplete = errors.New("http1: incomplete PROXY header")
	// errProxyMalformed means that the bytes begin like a header and are none.
	errProxyMalformed = errors.New("http1: malformed PROXY header")
)

const (
	proxyLine      = 107 // of version 1, with its line end
	proxyFixed     = 16  // bytes of version 2 before the addresses
	proxyPrefix    = "PROXY "
	proxySignature = "\r\n\r\n\x00\r\nQUIT\n"
	proxyInet4     = 12 // bytes of addresses and ports
	proxyInet6     = 36
	proxyUnix      = 216
)

// readProxy reads the PROXY header that the connection may begin with, and
// refuses the connection if it must (row 31). It returns false if no request is
// to be read. It has the time of one head.
func (c *Conn) readProxy() bool {
	mode := c.terms.ProxyProtocol
	if mode == ProxyOff {
		return true
	}
	c.mode = readingHead
	for begun := false; ; {
		if c.r < c.w {
			if !begun {
				begun = true
				if !c.enter(phaseHead) {
					return false
				}
			}
			b := c.buf.b[c.r:c.w]
			if _, certain := beginsProxy(mode, b); certain && !c.terms.ProxyAllowed(c) {
				return c.refuseProxy(CauseProxyForbidden)
			}
			h, n, err := parseProxy(mode, b)
			switch {
			case err == nil:
				c.r += n
				c.proxy = h
				if h.Source.IsValid() {
					c.remote = h.Source
				}
				return true
			case errors.Is(err, errProxyMalformed):
				return c.refuseProxy(CauseProxySyntax)
			}
		}
		if c.eof {
			return false
		}
		_, err := c.fill(nil)
		switch {
		case errors.Is(err, errWoken):
			if c.timedOut.Load() {
				return c.refuseProxy(CauseHeadTimeout)
			}
		case errors.Is(err, io.EOF):
			c.mu.Lock()
			c.eof = true
			c.mu.Unlock()
		case err != nil:
			return false
		}
	}
}

// refuseProxy answers a connection that brings no request.
func (c *Conn) refuseProxy(cause Cause) bool {
	c.x.begin(c)
	c.refuse(cause.Verdict())
	return false
}

// beginsProxy reports whether b begins, as far as it goes, like a header of one of the versions, and whether that is certain. Few
// bytes of a request are enough to tell that it is none.
func beginsProxy(mode ProxyMode, b []byte) (maybe, certain bool) {
	for _, mark := range [...]struct {
		mode ProxyMode
		text string
	}{{ProxyV1, proxyPrefix}, {ProxyV2, proxySignature}} {
		if n := min(len(b), len(mark.text)); mode&mark.mode != 0 && string(b[:n]) == mark.text[:n] {
			return true, n == len(mark.text)
		}
	}
	return false, false
}

// parseProxy reads the header at the start of b and returns its length in bytes; 0 without an error when there is none. At most
// 107 bytes of version 1 and 16 + 65535 of version 2 are ever asked for.
func parseProxy(mode ProxyMode, b []byte) (exchange.ProxyHeader, int, error) {
	switch maybe, certain := beginsProxy(mode, b); {
	case !maybe:
		return exchange.ProxyHeader{}, 0, nil
	case !certain:
		return exchange.ProxyHeader{}, 0, errProxyIncomplete
	case b[0] == proxyPrefix[0]:
		return parseProxyLine(b)
	}
	return parseProxyBinary(b)
}

// parseProxyLine reads version 1.
func parseProxyLine(b []byte) (exchange.ProxyHeader, int, error) {
	end := bytes.Index(b[:min(len(b), proxyLine)], []byte("\r\n"))
	switch {
	case end >= 0:
	case len(b) >= proxyLine:
		return exchange.ProxyHeader{}, 0, errProxyMalformed
	default:
		return exchange.ProxyHeader{}, 0, errProxyIncomplete
	}
	line := b[len(proxyPrefix):end]
	if string(line) == "UNKNOWN" || bytes.HasPrefix(line, []byte("UNKNOWN ")) {
		return exchange.ProxyHeader{Protocol: "UNKNOWN"}, end + 2, nil // the rest is to be ignored
	}
	var words [5][]byte
	for i := range words {
		var more bool
		words[i], line, more = bytes.Cut(line, []byte(" "))
		if more != (i < len(words)-1) {
			return exchange.ProxyHeader{}, 0, errProxyMalformed
		}
	}
	h := exchange.ProxyHeader{Protocol: "TCP4"}
	if string(words[0]) == "TCP6" {
		h.Protocol = "TCP6"
	} else if string(words[0]) != "TCP4" {
		return exchange.ProxyHeader{}, 0, errProxyMalformed
	}
	var ok [2]bool
	h.Source, ok[0] = proxyEndpoint(h.Protocol == "TCP6", words[1], words[3])
	h.Dest, ok[1] = proxyEndpoint(h.Protocol == "TCP6", words[2], words[4])
	if !ok[0] || !ok[1] {
		return exchange.ProxyHeader{}, 0, errProxyMalformed
	}
	return h, end + 2, nil
}

// proxyEndpoint reads an address and a port in decimal, without signs or leading zeros.
func proxyEndpoint(six bool, address, port []byte) (netip.AddrPort, bool) {
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

// parseProxyBinary reads version 2. Families of addresses that we cannot use are accepted and give none, as the protocol asks; datagrams
// are refused, because nothing of ours came in one.
func parseProxyBinary(b []byte) (exchange.ProxyHeader, int, error) {
	if len(b) < proxyFixed {
		return exchange.ProxyHeader{}, 0, errProxyIncomplete
	}
	version, command := b[12]>>4, b[12]&15
	family, transport := b[13]>>4, b[13]&15
	if version != 2 || command > 1 {
		return exchange.ProxyHeader{}, 0, errProxyMalformed
	}
	size := int(binary.BigEndian.Uint16(b[14:]))
	if len(b) < proxyFixed+size {
		return exchange.ProxyHeader{}, 0, errProxyIncomplete
	}
	if command == 0 { // a check of the proxy's own: everything behind is to be ignored
		return exchange.ProxyHeader{Protocol: "LOCAL"}, proxyFixed + size, nil
	}
	rest := b[proxyFixed : proxyFixed+size]
	need, known := proxyAddressBytes[family&3], family <= 3
	if !known || transport > 1 || transport == 0 && family != 0 || len(rest) < need {
		return exchange.ProxyHeader{}, 0, errProxyMalformed
	}
	h := exchange.ProxyHeader{Protocol: "UNSPEC"}
	switch family {
	case 1:
		h = proxyAddresses("TCP4", rest, 4)
	case 2:
		h = proxyAddresses("TCP6", rest, 16)
	}
	if family != 0 && !proxyExtensions(rest[need:]) {
		return exchange.ProxyHeader{}, 0, errProxyMalformed
	}
	return h, proxyFixed + size, nil
}

// proxyAddressBytes is the length of the addresses by family.
var proxyAddressBytes = [4]int{0, proxyInet4, proxyInet6, proxyUnix}

func proxyAddresses(protocol string, b []byte, n int) exchange.ProxyHeader {
	source, _ := netip.AddrFromSlice(b[:n])
	dest, _ := netip.AddrFromSlice(b[n : 2*n])
	return exchange.ProxyHeader{
		Protocol: protocol,
		Source:   netip.AddrPortFrom(source.Unmap(), binary.BigEndian.Uint16(b[2*n:])),
		Dest:     netip.AddrPortFrom(dest.Unmap(), binary.BigEndian.Uint16(b[2*n+2:])),
	}
}

// proxyExtensions checks that type-length-value triples fill b exactly. Their contents are not used.
func proxyExtensions(b []byte) bool {
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
