package certs

import (
	"bytes"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"strings"
	"time"
)

// Pair names a certificate and its key: PEM files, the certificate followed by those of the authorities between it and the root. An empty
// Key means that the key is in Cert too.
type Pair struct{ Cert, Key string }

// key is the file of the key.
func (p Pair) key() string {
	if p.Key == "" {
		return p.Cert
	}
	return p.Key
}

// loaded is a Pair that was read.
type loaded struct {
	Pair
	cert *tls.Certificate
	sum  [sha256.Size]byte // of both files, to see what has changed
}

// mostBytes bounds a file of certificates; a bundle of all public authorities is a fifth of it.
const mostBytes = 1 << 20

// load reads and checks a pair. The warnings are about one that can be used.
func (p Pair) load(now time.Time) (*loaded, []string, error) {
	chain, err := readPEM("certificate", p.Cert)
	if err != nil {
		return nil, nil, err
	}
	key, err := readPEM("key", p.key())
	if err != nil {
		return nil, nil, err
	}
	cert, err := tls.X509KeyPair(chain, key)
	if err != nil {
		return nil, nil, p.explain(err, chain, key)
	}
	l := &loaded{Pair: p, cert: &cert, sum: sha256.Sum256(append(append([]byte(nil), chain...), key...))}
	return l, l.warnings(now), nil
}

// readPEM reads a file and says what is the matter if it cannot.
func readPEM(what, path string) ([]byte, error) {
	f, err := os.Open(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil, fmt.Errorf("the %s file %q does not exist", what, path)
	case errors.Is(err, fs.ErrPermission):
		return nil, fmt.Errorf("the %s file %q may not be read by user %d; give that user or its group the right to", what, path, os.Geteuid())
	case err != nil:
		return nil, fmt.Errorf("the %s file: %w", what, err)
	}
	defer f.Close()
	if st, err := f.Stat(); err == nil && !st.Mode().IsRegular() {
		return nil, fmt.Errorf("the %s file %q is no file", what, path)
	}
	b, err := io.ReadAll(io.LimitReader(f, mostBytes+1))
	switch {
	case err != nil:
		return nil, fmt.Errorf("the %s file: %w", what, err)
	case len(b) > mostBytes:
		return nil, fmt.Errorf("the %s file %q is larger than %d bytes; it holds something else", what, path, mostBytes)
	}
	return b, nil
}

// explain turns what crypto/tls says of a pair into what is to be done.
func (p Pair) explain(err error, chain, key []byte) error {
	has := func(b []byte, kind string) bool {
		for block, rest := pem.Decode(b); block != nil; block, rest = pem.Decode(rest) {
			if strings.Contains(block.Type, kind) {
				return true
			}
		}
		return false
	}
	switch {
	case !has(chain, "CERTIFICATE"):
		return fmt.Errorf("%q holds no certificate in PEM form (-----BEGIN CERTIFICATE-----)", p.Cert)
	case has(key, "ENCRYPTED") || bytes.Contains(key, []byte("Proc-Type: 4,ENCRYPTED")):
		return fmt.Errorf("the key in %q is encrypted; write it without a passphrase: openssl pkey -in %[1]s -out plain.key", p.key())
	case !has(key, "PRIVATE KEY"):
		return fmt.Errorf("%q holds no private key in PEM form (-----BEGIN PRIVATE KEY-----)", p.key())
	case strings.Contains(err.Error(), "does not match"):
		return fmt.Errorf("the key in %q does not belong to the first certificate in %q; the certificate of the server comes first, then those of its authorities",
			p.key(), p.Cert)
	}
	return fmt.Errorf("certificate %q with key %q: %w", p.Cert, p.key(), err)
}

// soon is how long before its end a certificate is worth a warning.
const soon = 7 * 24 * time.Hour

func (l *loaded) warnings(now time.Time) (all []string) {
	leaf := l.cert.Leaf
	warn := func(format string, args ...any) {
		all = append(all, fmt.Sprintf("certificate %q ", l.Cert)+fmt.Sprintf(format, args...))
	}
	day := func(t time.Time) string { return t.UTC().Format(time.RFC3339) }
	switch {
	case now.After(leaf.NotAfter):
		warn("expired on %s; clients will refuse it", day(leaf.NotAfter))
	case now.Before(leaf.NotBefore):
		warn("is not valid before %s; look at the clock of this machine", day(leaf.NotBefore))
	case leaf.NotAfter.Sub(now) < soon && leaf.NotAfter.Sub(leaf.NotBefore) > 2*soon:
		warn("expires on %s", day(leaf.NotAfter))
	}
	if len(leaf.DNSNames) == 0 && len(leaf.IPAddresses) == 0 {
		warn("names no host; browsers look at subjectAltName only")
	}
	for i, der := range l.cert.Certificate[1:] {
		above, err := x509.ParseCertificate(der)
		if err != nil {
			warn("is followed by one that cannot be read: %v", err)
			break
		}
		below, err := x509.ParseCertificate(l.cert.Certificate[i])
		if err == nil && !bytes.Equal(below.RawIssuer, above.RawSubject) {
			warn("has a chain out of order: %q is not signed by %q, which follows it", below.Subject, above.Subject)
			break
		}
	}
	if st, err := os.Stat(l.key()); err == nil && st.Mode().Perm()&0o004 != 0 {
		all = append(all, fmt.Sprintf("the key %q may be read by every user of this machine; chmod o-r it", l.key()))
	}
	return all
}

// ReadableBy reports whether the files of the pair could be read by a user and its groups, by their modes and those of their folders.
// It looks at no access control lists.
func (p Pair) ReadableBy(uid int, gids []int) bool {
	return readable(p.Cert, uid, gids) && readable(p.key(), uid, gids)
}
