package harness

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"testing"
	"time"
)

// An Authority issues certificates for tests, through another one below it, so that there is a chain.
type Authority struct {
	File string         // its own certificate, PEM
	Pool *x509.CertPool // with its own certificate

	tb        testing.TB
	signer    *ecdsa.PrivateKey
	signerCrt *x509.Certificate
	serial    int64
}

// A Leaf says what a certificate is for. The zero value of each field is useful.
type Leaf struct {
	Hosts     []string // names and addresses
	Name      string   // common name; a client's
	NotBefore time.Time
	NotAfter  time.Time
	RSA       bool
}

// NewAuthority makes an authority.
func NewAuthority(tb testing.TB) *Authority {
	tb.Helper()
	a := &Authority{tb: tb, Pool: x509.NewCertPool()}
	template := func(name string) *x509.Certificate {
		a.serial++
		return &x509.Certificate{
			SerialNumber: big.NewInt(a.serial), Subject: pkix.Name{CommonName: name}, NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(24 * time.Hour),
			IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign,
		}
	}
	rootKey, signer := newKey(tb), newKey(tb)
	rootTemplate := template("Test root")
	root := a.sign(rootTemplate, rootTemplate, &rootKey.PublicKey, rootKey)
	a.signer, a.signerCrt = signer, a.sign(template("Test issuer"), root, &signer.PublicKey, rootKey)
	a.Pool.AddCert(root)
	a.File = filepath.Join(tb.TempDir(), "root.pem")
	writeFile(tb, a.File, encode("CERTIFICATE", root.Raw), 0o644)
	return a
}

func newKey(tb testing.TB) *ecdsa.PrivateKey {
	tb.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		tb.Fatal(err)
	}
	return key
}

func (a *Authority) sign(template, parent *x509.Certificate, public, key any) *x509.Certificate {
	a.tb.Helper()
	der, err := x509.CreateCertificate(rand.Reader, template, parent, public, key)
	if err != nil {
		a.tb.Fatal(err)
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		a.tb.Fatal(err)
	}
	return cert
}

// Issue returns a certificate with its chain, and its key, both PEM.
func (a *Authority) Issue(leaf Leaf) (chain, key []byte) {
	a.tb.Helper()
	a.serial++
	template := &x509.Certificate{
		SerialNumber: big.NewInt(a.serial), Subject: pkix.Name{CommonName: leaf.Name, Organization: []string{"Tests"}},
		NotBefore: leaf.NotBefore, NotAfter: leaf.NotAfter, KeyUsage: x509.KeyUsageDigitalSignature,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth},
	}
	if leaf.NotBefore.IsZero() {
		template.NotBefore = time.Now().Add(-time.Hour)
	}
	if leaf.NotAfter.IsZero() {
		template.NotAfter = time.Now().Add(23 * time.Hour)
	}
	for _, host := range leaf.Hosts {
		if ip := net.ParseIP(host); ip != nil {
			template.IPAddresses = append(template.IPAddresses, ip)
		} else {
			template.DNSNames = append(template.DNSNames, host)
		}
	}
	var private any = newKey(a.tb)
	public := any(&private.(*ecdsa.PrivateKey).PublicKey)
	if leaf.RSA {
		k, err := rsa.GenerateKey(rand.Reader, 2048)
		if err != nil {
			a.tb.Fatal(err)
		}
		private, public = k, &k.PublicKey
	}
	cert := a.sign(template, a.signerCrt, public, a.signer)
	der, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		a.tb.Fatal(err)
	}
	return append(encode("CERTIFICATE", cert.Raw), encode("CERTIFICATE", a.signerCrt.Raw)...), encode("PRIVATE KEY", der)
}

// Write issues a certificate into dir/name.crt and its key into dir/name.key, each replaced in one step, the key first.
func (a *Authority) Write(dir, name string, leaf Leaf) (cert, key string) {
	a.tb.Helper()
	chain, private := a.Issue(leaf)
	cert, key = filepath.Join(dir, name+".crt"), filepath.Join(dir, name+".key")
	writeFile(a.tb, key, private, 0o600)
	writeFile(a.tb, cert, chain, 0o644)
	return cert, key
}

// Client issues a certificate for a client.
func (a *Authority) Client(name string) tls.Certificate {
	a.tb.Helper()
	cert, err := tls.X509KeyPair(a.Issue(Leaf{Name: name}))
	if err != nil {
		a.tb.Fatal(err)
	}
	return cert
}

func encode(kind string, der []byte) []byte {
	return pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der})
}

func writeFile(tb testing.TB, path string, b []byte, mode os.FileMode) {
	tb.Helper()
	if err := os.WriteFile(path+".new", b, mode); err != nil {
		tb.Fatal(err)
	}
	if err := os.Rename(path+".new", path); err != nil {
		tb.Fatal(err)
	}
}
