package http1

import (
	"errors"
	"net/netip"
	"strings"
	"testing"

	"github.com/gounicorn/gounicorn/server/exchange"
)

func proxyV2(command, family byte, rest string) string {
	return proxySignature + string([]byte{0x20 | command, family, byte(len(rest) >> 8), byte(len(rest))}) + rest
}

const proxyFour = "\x01\x02\x03\x04\x05\x06\x07\x08\x00\x50\x01\xbb"

var proxySix = strings.Repeat("\x00", 15) + "\x01" + strings.Repeat("\x00", 15) + "\x02" + "\x00\x50\x01\xbb"

var proxyCases = []struct {
	name, text string
	want       string // protocol, source, destination; or the error
}{
	{"TCP4", "PROXY TCP4 1.2.3.4 5.6.7.8 80 443\r\n", "TCP4 1.2.3.4:80 5.6.7.8:443"},
	{"TCP6", "PROXY TCP6 ::1 2001:db8::2 0 65535\r\n", "TCP6 [::1]:0 [2001:db8::2]:65535"},
	{"mapped", "PROXY TCP6 ::ffff:1.2.3.4 ::ffff:5.6.7.8 80 443\r\n", "TCP6 1.2.3.4:80 5.6.7.8:443"},
	{"unknown", "PROXY UNKNOWN\r\n", "UNKNOWN"},
	{"unknown with addresses", "PROXY UNKNOWN ffff::1 ::2 1 2\r\n", "UNKNOWN"},
	{"longest", "PROXY UNKNOWN " + strings.Repeat("f", proxyLine-16) + "\r\n", "UNKNOWN"},
	{"too long", "PROXY UNKNOWN " + strings.Repeat("f", proxyLine-15) + "\r\n", "malformed"},
	{"no end", "PROXY TCP4 " + strings.Repeat("1", proxyLine), "malformed"},
	{"families mixed", "PROXY TCP4 ::1 ::2 1 2\r\n", "malformed"},
	{"families mixed 6", "PROXY TCP6 1.2.3.4 1.2.3.4 1 2\r\n", "malformed"},
	{"UDP", "PROXY UDP4 1.2.3.4 1.2.3.4 1 2\r\n", "malformed"},
	{"no address", "PROXY TCP4 1.2.3 1.2.3.4 1 2\r\n", "malformed"},
	{"zone", "PROXY TCP6 fe80::1%eth0 ::1 1 2\r\n", "malformed"},
	{"port too high", "PROXY TCP4 1.2.3.4 1.2.3.4 65536 2\r\n", "malformed"},
	{"negative port", "PROXY TCP4 1.2.3.4 1.2.3.4 -1 2\r\n", "malformed"},
	{"port with zero", "PROXY TCP4 1.2.3.4 1.2.3.4 01 2\r\n", "malformed"},
	{"no port", "PROXY TCP4 1.2.3.4 1.2.3.4 1 \r\n", "malformed"},
	{"two spaces", "PROXY TCP4  1.2.3.4 1.2.3.4 1 2\r\n", "malformed"},
	{"a word more", "PROXY TCP4 1.2.3.4 1.2.3.4 1 2 3\r\n", "malformed"},
	{"a word less", "PROXY TCP4 1.2.3.4 1.2.3.4 1\r\n", "malformed"},
	{"lower-case is a request", "proxy TCP4 1.2.3.4 1.2.3.4 1 2\r\n", "none"},
	{"a request", "GET / HTTP/1.1\r\n", "none"},
	{"an empty line, a request", "\r\nGET / HTTP/1.1\r\n", "none"},

	{"v2 TCP4", proxyV2(1, 0x11, proxyFour), "TCP4 1.2.3.4:80 5.6.7.8:443"},
	{"v2 TCP6", proxyV2(1, 0x21, proxySix), "TCP6 [::1]:80 [::2]:443"},
	{"v2 with extensions", proxyV2(1, 0x11, proxyFour+"\x04\x00\x02ab\x20\x00\x00"), "TCP4 1.2.3.4:80 5.6.7.8:443"},
	{"v2 local", proxyV2(0, 0x00, ""), "LOCAL"},
	{"v2 local with bytes", proxyV2(0, 0x11, "x"), "LOCAL"},
	{"v2 unspecified", proxyV2(1, 0x00, "abc"), "UNSPEC"},
	{"v2 unix", proxyV2(1, 0x31, strings.Repeat("x", 216)), "UNSPEC"},
	{"v2 largest", proxyV2(1, 0x11, proxyFour+"\x04\xff\xf0"+strings.Repeat("x", 0xfff0)), "TCP4 1.2.3.4:80 5.6.7.8:443"},
	{"v2 version 1", proxySignature + "\x11\x11\x00\x0c" + proxyFour, "malformed"},
	{"v2 command 2", proxyV2(2, 0x11, proxyFour), "malformed"},
	{"v2 datagram", proxyV2(1, 0x12, proxyFour), "malformed"},
	{"v2 family 4", proxyV2(1, 0x41, proxyFour), "malformed"},
	{"v2 no transport", proxyV2(1, 0x10, proxyFour), "malformed"},
	{"v2 addresses cut", proxyV2(1, 0x11, proxyFour[:11]), "malformed"},
	{"v2 addresses cut 6", proxyV2(1, 0x21, proxyFour), "malformed"},
	{"v2 extension overruns", proxyV2(1, 0x11, proxyFour+"\x04\x00\x03ab"), "malformed"},
	{"v2 half an extension", proxyV2(1, 0x11, proxyFour+"\x04\x00"), "malformed"},
}

func proxyText(h exchange.ProxyHeader, n int, err error) string {
	switch {
	case errors.Is(err, errProxyMalformed):
		return "malformed"
	case err != nil:
		return err.Error()
	case n == 0:
		return "none"
	case h.Source.IsValid():
		return h.Protocol + " " + h.Source.String() + " " + h.Dest.String()
	}
	return h.Protocol
}

// Row 31. A header may come in any pieces, and what follows it is never looked at.
func TestProxyHeadersAreReadWhole(t *testing.T) {
	for _, c := range proxyCases {
		h, n, err := parseProxy(ProxyAuto, []byte(c.text+"GET / HTTP/1.1\r\n\r\n"))
		if got := proxyText(h, n, err); got != c.want {
			t.Errorf("%s: got %s, want %s", c.name, got, c.want)
			continue
		}
		if c.want != "malformed" && c.want != "none" && n != len(c.text) {
			t.Errorf("%s: %d bytes of %d", c.name, n, len(c.text))
		}
		if c.want == "none" || len(c.text) > 1000 {
			continue
		}
		for cut := 1; cut < len(c.text); cut++ {
			_, n, err := parseProxy(ProxyAuto, []byte(c.text[:cut]))
			if c.want != "malformed" && !errors.Is(err, errProxyIncomplete) || n != 0 {
				t.Errorf("%s cut at %d: %d, %v", c.name, cut, n, err)
			}
		}
	}
}

func TestModeSaysWhichVersionsAreLookedFor(t *testing.T) {
	one, two := []byte("PROXY UNKNOWN\r\n"), []byte(proxyV2(0, 0, ""))
	for _, c := range []struct {
		mode     ProxyMode
		one, two string
	}{{ProxyOff, "none", "none"}, {ProxyV1, "UNKNOWN", "none"}, {ProxyV2, "none", "LOCAL"}, {ProxyAuto, "UNKNOWN", "LOCAL"}} {
		if got := proxyText(parseProxy(c.mode, one)); got != c.one {
			t.Errorf("mode %d, version 1: %s", c.mode, got)
		}
		if got := proxyText(parseProxy(c.mode, two)); got != c.two {
			t.Errorf("mode %d, version 2: %s", c.mode, got)
		}
	}
}

// FuzzProxyHeader looks for panics, for more bytes used than there are, and for a verdict that changes when more bytes arrive.
func FuzzProxyHeader(f *testing.F) {
	for _, c := range proxyCases {
		f.Add([]byte(c.text))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		h, n, err := parseProxy(ProxyAuto, b)
		if n < 0 || n > len(b) || n > proxyFixed+0xffff || err != nil && n != 0 {
			t.Fatalf("%d of %d bytes, %v", n, len(b), err)
		}
		if errors.Is(err, errProxyIncomplete) && len(b) >= proxyFixed+0xffff {
			t.Fatal("more bytes asked for than a header has")
		}
		if h.Source != (netip.AddrPort{}) && (!h.Source.IsValid() || !h.Dest.IsValid()) {
			t.Fatalf("%+v", h)
		}
		if len(b) == 0 || errors.Is(err, errProxyIncomplete) {
			return
		}
		h2, n2, err2 := parseProxy(ProxyAuto, append(b[:len(b):len(b)], "PROXY "...))
		if h2 != h || n2 != n || !errors.Is(err2, err) {
			t.Fatalf("with more bytes: %+v %d %v, before: %+v %d %v", h2, n2, err2, h, n, err)
		}
	})
}
