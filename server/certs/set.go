package certs

import (
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"strings"
	"time"
)

// Config says which certificates there are and how handshakes are made.
type Config struct {
	Pairs      []Pair             // the first is for clients that name no host we know
	Clients    tls.ClientAuthType // whether clients need certificates
	ClientCAs  string             // PEM file of the authorities that those are from
	MinVersion uint16             // 0: TLS 1.2
	Ciphers    []uint16           // of TLS 1.2, see Ciphers; nil: those of crypto/tls
	Protocols  []string           // for ALPN, the preferred one first
	Strict     bool               // no handshake for a host that no certificate is for, nor without one
	Issued     []string           // hosts that the Issuer has certificates for, in lower case
}

// set is a Config that was loaded. It does not change.
type set struct {
	pairs  []*loaded
	exact  map[string][]*loaded // by host name, in lower case, or address
	wild   map[string][]*loaded // by what follows "*."
	cas    [sha256.Size]byte
	config *tls.Config
	strict bool
	issued []string
}

// refusing makes handshakes end with unrecognized_name (RFC 6066 3), also those that would resume an earlier one.
var refusing = &tls.Config{
	MinVersion: tls.VersionTLS12, SessionTicketsDisabled: true,
	GetCertificate: func(*tls.ClientHelloInfo) (*tls.Certificate, error) { return nil, nil },
}

// configFor implements tls.Config.GetConfigForClient.
func (s *set) configFor(hello *tls.ClientHelloInfo) (*tls.Config, error) {
	if s.strict && len(s.named(hello)) == 0 && !slices.Contains(s.issued, hostOf(hello)) && !slices.Contains(hello.SupportedProtos, protocolACME) {
		return refusing, nil
	}
	return s.config, nil
}

// hostOf is the host that a client names, in lower case; empty: none.
func hostOf(hello *tls.ClientHelloInfo) string {
	return strings.ToLower(strings.TrimSuffix(hello.ServerName, "."))
}

// load reads everything that c names. A pair that cannot be loaded is taken from old, if it is there, and the error says so; a set is
// returned beside the error if it can be used.
func (c *Config) load(old *set, issued func(*tls.ClientHelloInfo) (*tls.Certificate, error)) (s *set, warnings []string, err error) {
	s = &set{exact: map[string][]*loaded{}, wild: map[string][]*loaded{}, strict: c.Strict, issued: c.Issued}
	var problems []error
	for _, p := range c.Pairs {
		l, told, err := p.load(time.Now())
		if err != nil {
			problems = append(problems, err)
			l = old.pair(p)
		}
		warnings = append(warnings, told...)
		if l != nil {
			s.add(l)
		}
	}
	pool, sum, err := c.clientCAs()
	if err != nil {
		problems = append(problems, err)
	}
	err = errors.Join(problems...)
	if err != nil && (old == nil || len(s.pairs) == 0 && len(c.Pairs) > 0) {
		return nil, warnings, err
	}
	s.cas = sum
	s.config = &tls.Config{
		MinVersion: max(c.MinVersion, tls.VersionTLS12), CipherSuites: c.Ciphers, NextProtos: c.Protocols, ClientAuth: c.Clients, ClientCAs: pool,
		GetCertificate: s.choose, DynamicRecordSizingDisabled: true,
	}
	if pool == nil && c.Clients != tls.NoClientCert && old != nil { // the file cannot be read
		s.config.ClientCAs, s.cas = old.config.ClientCAs, old.cas
	}
	if issued != nil {
		s.config.GetCertificate = func(hello *tls.ClientHelloInfo) (*tls.Certificate, error) { return s.chooseOr(hello, issued) }
	}
	return s, warnings, err
}

// pair is the pair of the set with the same files, nil if there is none.
func (s *set) pair(p Pair) *loaded {
	if s == nil {
		return nil
	}
	for _, l := range s.pairs {
		if l.Pair == p {
			return l
		}
	}
	return nil
}

// clientCAs reads the authorities of clients; nil if none are asked for.
func (c *Config) clientCAs() (*x509.CertPool, [sha256.Size]byte, error) {
	var none [sha256.Size]byte
	if c.ClientCAs == "" || c.Clients == tls.NoClientCert {
		return nil, none, nil
	}
	b, err := readPEM("authorities", c.ClientCAs)
	if err != nil {
		return nil, none, err
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(b) {
		return nil, none, fmt.Errorf("%q holds no certificate in PEM form, so no client could be believed", c.ClientCAs)
	}
	return pool, sha256.Sum256(b), nil
}

func (s *set) add(l *loaded) {
	s.pairs = append(s.pairs, l)
	leaf := l.cert.Leaf
	names := leaf.DNSNames
	if len(names) == 0 && len(leaf.IPAddresses) == 0 && leaf.Subject.CommonName != "" {
		names = []string{leaf.Subject.CommonName}
	}
	for _, name := range names {
		name = strings.ToLower(name)
		if rest, ok := strings.CutPrefix(name, "*."); ok {
			s.wild[rest] = append(s.wild[rest], l)
		} else {
			s.exact[name] = append(s.exact[name], l)
		}
	}
	for _, ip := range leaf.IPAddresses {
		if a, ok := netip.AddrFromSlice(ip); ok {
			s.exact[a.Unmap().String()] = append(s.exact[a.Unmap().String()], l)
		}
	}
}

// named are the pairs for the host that a client names; without a name, for the address that it connected to.
func (s *set) named(hello *tls.ClientHelloInfo) []*loaded {
	name := hostOf(hello)
	if name == "" && hello.Conn != nil {
		if a, ok := hello.Conn.LocalAddr().(*net.TCPAddr); ok {
			name = a.AddrPort().Addr().Unmap().WithZone("").String()
		}
	}
	if found := s.exact[name]; found != nil {
		return found
	}
	_, rest, _ := strings.Cut(name, ".") // a wildcard is one label (RFC 9525 6.3)
	return s.wild[rest]
}

// errNone means that no certificate is for the client.
var errNone = errors.New("no certificate for that name")

// choose implements tls.Config.GetCertificate.
func (s *set) choose(hello *tls.ClientHelloInfo) (*tls.Certificate, error) {
	if cert := s.usable(hello, s.named(hello)); cert != nil {
		return cert, nil
	}
	if cert := s.usable(hello, s.pairs); cert != nil {
		return cert, nil
	}
	return nil, errNone
}

// chooseOr is choose with certificates that an authority has issued, for names that no file is for.
func (s *set) chooseOr(hello *tls.ClientHelloInfo, issued func(*tls.ClientHelloInfo) (*tls.Certificate, error)) (*tls.Certificate, error) {
	if !slices.Contains(hello.SupportedProtos, protocolACME) {
		if cert := s.usable(hello, s.named(hello)); cert != nil {
			return cert, nil
		}
	}
	cert, err := issued(hello)
	if err == nil || slices.Contains(hello.SupportedProtos, protocolACME) {
		return cert, err
	}
	return s.choose(hello)
}

// usable is the first of some that the client can verify, or else the first: one name may have an RSA and an ECDSA certificate.
func (s *set) usable(hello *tls.ClientHelloInfo, some []*loaded) *tls.Certificate {
	for _, l := range some {
		probe := *hello
		probe.ServerName = "" // the name was looked at
		if probe.SupportsCertificate(l.cert) == nil {
			return l.cert
		}
	}
	if len(some) > 0 {
		return some[0].cert
	}
	return nil
}

// same reports whether two sets have the same files with the same contents.
func (s *set) same(other *set) bool {
	return s.cas == other.cas && slices.EqualFunc(s.pairs, other.pairs, func(a, b *loaded) bool { return a.Pair == b.Pair && a.sum == b.sum })
}
