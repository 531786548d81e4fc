package certs

import (
	"crypto/tls"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

// Store has the certificates of a running server. Its methods may be called concurrently.
type Store struct {
	issuer *Issuer // nil: none
	base   *tls.Config
	now    atomic.Pointer[set]

	mu  sync.Mutex // guards the rest, and changes of now
	cfg Config
}

// Open loads the certificates of c and those that issuer, which may be nil, has already. The warnings are for the log. Every error is a
// sentence that names the file.
func Open(c Config, issuer *Issuer) (*Store, []string, error) {
	s := &Store{issuer: issuer, cfg: c}
	fresh, warnings, err := c.load(nil, s.issued())
	if err != nil {
		return nil, warnings, err
	}
	s.now.Store(fresh)
	s.base = &tls.Config{
		MinVersion: tls.VersionTLS12,
		// Tickets are encrypted with the keys of this Config, whatever set is in use, so that they outlive a renewal.
		GetConfigForClient: func(hello *tls.ClientHelloInfo) (*tls.Config, error) { return s.now.Load().configFor(hello) },
	}
	return s, warnings, nil
}

func (s *Store) issued() func(*tls.ClientHelloInfo) (*tls.Certificate, error) {
	if s.issuer == nil {
		return nil
	}
	return s.issuer.certificate
}

// TLS returns the configuration for handshakes. It stays the same for the life of the Store, and uses what is loaded at the moment.
func (s *Store) TLS() *tls.Config { return s.base }

// Use takes another configuration over, reads all its files again and reports whether any has changed. What cannot be loaded stays as it
// was, and the error says what that is.
func (s *Store) Use(c Config) (changed bool, warnings []string, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	old := s.now.Load()
	fresh, warnings, err := c.load(old, s.issued())
	if fresh == nil {
		return false, nil, err
	}
	s.cfg = c
	s.now.Store(fresh)
	return !fresh.same(old), warnings, err
}

// Reload is Use of the same configuration.
func (s *Store) Reload() (changed bool, warnings []string, err error) {
	s.mu.Lock()
	c := s.cfg
	s.mu.Unlock()
	return s.Use(c)
}

// Files returns the names of all files, for who watches them.
func (s *Store) Files() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	var names []string
	for _, p := range s.cfg.Pairs {
		names = append(names, p.Cert, p.key())
	}
	if s.cfg.ClientCAs != "" {
		names = append(names, s.cfg.ClientCAs)
	}
	slices.Sort(names)
	return slices.Compact(names)
}

// String lists the certificates: their hosts and when they end.
func (s *Store) String() string {
	text := ""
	for _, l := range s.now.Load().pairs {
		leaf := l.cert.Leaf
		hosts := slices.Clone(leaf.DNSNames)
		for _, ip := range leaf.IPAddresses {
			hosts = append(hosts, ip.String())
		}
		if text != "" {
			text += "; "
		}
		text += fmt.Sprintf("%s for %q until %s", l.Cert, hosts, leaf.NotAfter.UTC().Format(time.DateOnly))
	}
	return text
}

// Expiry returns the end of the certificate that ends first, of those from files; ok is false if there is none.
func (s *Store) Expiry() (first time.Time, ok bool) {
	for _, l := range s.now.Load().pairs {
		if end := l.cert.Leaf.NotAfter; !ok || end.Before(first) {
			first, ok = end, true
		}
	}
	return first, ok
}
