package settings

import (
	"fmt"
	"math/bits"
	"net/netip"
	"strings"
)

// IPSet is a set of addresses that are trusted with something. The zero IPSet
// is empty.
type IPSet struct {
	All      bool // every address, written *
	Prefixes []netip.Prefix
}

// Contains reports whether a is in the set. An IPv4 address that came in over
// an IPv6 socket is the IPv4 address.
func (s IPSet) Contains(a netip.Addr) bool {
	if s.All {
		return true
	}
	a = a.Unmap().WithZone("")
	for _, p := range s.Prefixes {
		if p.Contains(a) {
			return true
		}
	}
	return false
}

// Items are the members as the user would type them.
func (s IPSet) Items() []string {
	var items []string
	for _, p := range s.Prefixes {
		if p.IsSingleIP() {
			items = append(items, p.Addr().String())
		} else {
			items = append(items, p.String())
		}
	}
	if s.All {
		items = append(items, "*")
	}
	return items
}

// String joins the members by commas.
func (s IPSet) String() string { return strings.Join(s.Items(), ",") }

// parseIPs reads addresses and networks separated by commas, as Python's
// ipaddress.ip_network does: a network with bits set behind its mask is a
// mistake, and the mask may also be written as 255.255.0.0.
func parseIPs(text string) (IPSet, error) {
	var set IPSet
	for item := range strings.SplitSeq(text, ",") {
		switch item = strings.TrimSpace(item); item {
		case "":
		case "*":
			set.All = true
		default:
			p, err := parseNetwork(item)
			if err != nil {
				return IPSet{}, err
			}
			set.Prefixes = append(set.Prefixes, p)
		}
	}
	return set, nil
}

func parseNetwork(item string) (netip.Prefix, error) {
	address, mask, hasMask := strings.Cut(item, "/")
	a, err := netip.ParseAddr(address)
	if err != nil || a.Zone() != "" {
		return netip.Prefix{}, fmt.Errorf("%q is no IP address or network, such as 10.0.0.5, 10.0.0.0/8, ::1 or *", item)
	}
	length := a.BitLen()
	if hasMask {
		var ok bool
		if length, ok = maskLength(mask, a); !ok {
			return netip.Prefix{}, fmt.Errorf("the mask of %q is no length from 0 to %d", item, a.BitLen())
		}
	}
	p := netip.PrefixFrom(a, length)
	if p != p.Masked() {
		return netip.Prefix{}, fmt.Errorf("%q has host bits set; the network is %s", item, p.Masked())
	}
	return p, nil
}

// maskLength reads the text behind the slash.
func maskLength(text string, a netip.Addr) (int, bool) {
	if n, err := parsePythonInt(text, 10); err == nil && text[0] >= '0' && text[0] <= '9' {
		return int(n), n <= int64(a.BitLen())
	}
	m, err := netip.ParseAddr(text)
	if err != nil || !m.Is4() || !a.Is4() {
		return 0, false
	}
	b := m.As4()
	word := uint32(b[0])<<24 | uint32(b[1])<<16 | uint32(b[2])<<8 | uint32(b[3])
	if word&1 == 0 && word != 0 { // a net mask; else a host mask, whose ones are at the end
		word = ^word
	} else if word == 0xffffffff || word == 0 {
		return 32 * int(word&1), true
	}
	if word&(word+1) != 0 {
		return 0, false
	}
	return bits.LeadingZeros32(word), true
}
