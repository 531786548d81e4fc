package edge

import (
	"fmt"
	"net/netip"
	"strings"
)

// Addresses are the networks that a rule is about, for a path and all below it.
type Addresses struct {
	prefix Prefix
	all    bool
	nets   []netip.Prefix
}

const addressForm = "PREFIX=ADDRESSES, such as /admin/=10.0.0.0/8,192.0.2.7"

// ParseAllow reads PREFIX=ADDRESSES: those that may come, or "all".
func ParseAllow(text string) (Addresses, error) { return parseAddresses(text) }

// ParseDeny reads PREFIX=ADDRESSES: those that may not.
func ParseDeny(text string) (Addresses, error) {
	a, err := parseAddresses(text)
	if err == nil && a.all {
		err = fmt.Errorf("it would shut out everybody, also those of --allow: leave it away, as --allow %s=ADDRESSES alone shuts out everybody else", a.prefix)
	}
	return a, err
}

func parseAddresses(text string) (Addresses, error) {
	prefix, value, err := parsePrefix(text, addressForm)
	a := Addresses{prefix: prefix}
	if err != nil {
		return a, err
	}
	for _, item := range strings.Split(value, ",") {
		item = strings.TrimSpace(item)
		if item == "all" {
			a.all = true
			continue
		}
		n, err := netip.ParsePrefix(item)
		if one, addrErr := netip.ParseAddr(item); addrErr == nil && one.Zone() == "" {
			n, err = netip.PrefixFrom(one.Unmap(), one.Unmap().BitLen()), nil
		}
		if err != nil {
			return a, fmt.Errorf("%q is neither an address nor a network such as 10.0.0.0/8", item)
		}
		if n != n.Masked() {
			return a, fmt.Errorf("%s has bits behind its length; the network is %s", n, n.Masked())
		}
		a.nets = append(a.nets, n)
	}
	return a, nil
}

// merge adds what b has.
func (a Addresses) merge(b *Addresses) Addresses {
	return Addresses{prefix: b.prefix, all: a.all || b.all, nets: append(append([]netip.Prefix(nil), a.nets...), b.nets...)}
}

// has reports whether an address is among them.
func (a *Addresses) has(addr netip.Addr) bool {
	if a.all {
		return true
	}
	for _, n := range a.nets {
		if n.Contains(addr) {
			return true
		}
	}
	return false
}

// line is what of an address the rates and the Gate count: an IPv4 address, or the /64 that one customer has of IPv6.
func line(a netip.Addr) netip.Addr {
	a = a.Unmap().WithZone("")
	if a.Is6() {
		if p, err := a.Prefix(64); err == nil {
			return p.Addr()
		}
	}
	return a
}
