package certs

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/caddyserver/certmagic"
	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"
)

// protocolACME is the protocol of handshakes by which an authority looks whether a name is ours (RFC 8737).
const protocolACME = "acme-tls/1"

// The directories of Let's Encrypt.
const (
	LetsEncrypt        = certmagic.LetsEncryptProductionCA
	LetsEncryptStaging = certmagic.LetsEncryptStagingCA
)

// ACME says from whom certificates come.
type ACME struct {
	Domains   []string // a certificate each
	Email     string   // of the account, for the authority's letters; may be empty
	Directory string   // URL of the authority; empty: LetsEncrypt
	Root      string   // PEM file of an authority for the Directory's own certificate; empty: the system's
	Cache     string   // folder for account, keys and certificates, of mode 0700
	Default   bool     // clients that name another host, or none, get the first domain's
	// Log functions, in the manner of Printf; all required.
	Debugf, Infof, Warnf func(format string, args ...any)
}

// Ports are where the authority reaches us, as far as it is we who listen there; 0: nowhere.
type Ports struct {
	HTTP int // for what it reaches at port 80
	TLS  int // at port 443
}

// Issuer gets certificates from an authority and renews them. What it has stays in use when that fails.
type Issuer struct {
	cfg    ACME
	magic  *certmagic.Config
	issuer *certmagic.ACMEIssuer
	cache  *certmagic.Cache
	cached chan struct{} // a certificate came into use
	ctx    context.Context
	cancel context.CancelFunc
}

// loadTime is how long Start waits for what lies in the folder: stapling asks the authority about a certificate before it is used.
const loadTime = 3 * time.Second

// NewIssuer checks the configuration and the folder, which it makes if it is not there. It asks nobody for anything yet.
func NewIssuer(c ACME) (*Issuer, error) {
	if err := os.MkdirAll(c.Cache, 0o700); err != nil {
		return nil, fmt.Errorf("the folder for certificates: %w; name another with --acme-cache", err)
	}
	st, err := os.Stat(c.Cache)
	if err != nil {
		return nil, fmt.Errorf("the folder for certificates: %w", err)
	}
	if st.Mode().Perm()&0o077 != 0 {
		return nil, fmt.Errorf("the folder for certificates %q may be read by others, and keys lie there; chmod 0700 it", c.Cache)
	}
	var roots *x509.CertPool
	if c.Root != "" {
		b, err := readPEM("root", c.Root)
		if err != nil {
			return nil, err
		}
		if roots = x509.NewCertPool(); !roots.AppendCertsFromPEM(b) {
			return nil, fmt.Errorf("%q holds no certificate in PEM form", c.Root)
		}
	}
	i := &Issuer{cfg: c, cached: make(chan struct{}, 1)}
	i.ctx, i.cancel = context.WithCancel(context.Background())
	log := zap.New(&logCore{debugf: c.Debugf, warnf: func(format string, args ...any) {
		if i.ctx.Err() == nil { // else it is about work that was broken off
			c.Warnf(format, args...)
		}
	}})
	i.cache = certmagic.NewCache(certmagic.CacheOptions{
		GetConfigForCert: func(certmagic.Certificate) (*certmagic.Config, error) { return i.magic, nil }, Logger: log,
	})
	template := certmagic.Config{Storage: &certmagic.FileStorage{Path: c.Cache}, Logger: log, OnEvent: i.event}
	if c.Default {
		template.DefaultServerName, template.FallbackServerName = c.Domains[0], c.Domains[0]
	}
	i.magic = certmagic.New(i.cache, template)
	directory := c.Directory
	if directory == "" {
		directory = LetsEncrypt
	}
	i.issuer = certmagic.NewACMEIssuer(i.magic, certmagic.ACMEIssuer{
		CA: directory, TestCA: directory, Email: c.Email, Agreed: true, TrustedRoots: roots, Logger: log,
	})
	i.magic.Issuers = []certmagic.Issuer{i.issuer}
	return i, nil
}

// event tells what an operator wants to know.
func (i *Issuer) event(_ context.Context, event string, data map[string]any) error {
	switch event {
	case "cert_obtained":
		i.cfg.Infof("Certificate for %v obtained from %v", data["identifier"], data["issuer"])
	case "cached_managed_cert":
		select {
		case i.cached <- struct{}{}:
		default: // one is enough
		}
	}
	return nil
}

// Start takes what lies in the folder into use, and begins to get and renew the rest. It is called once, when the listeners are open and
// the process is who it stays, and before clients are accepted: a handshake without a certificate fails.
func (i *Issuer) Start(p Ports) error {
	if p.HTTP == 0 && p.TLS == 0 {
		return errors.New("ACME: the authority can reach us nowhere: listen on port 443, or on port 80 with --http-bind")
	}
	i.issuer.DisableHTTPChallenge, i.issuer.AltHTTPPort = p.HTTP == 0, p.HTTP
	i.issuer.DisableTLSALPNChallenge, i.issuer.AltTLSALPNPort = p.TLS == 0, p.TLS
	if err := i.magic.ManageAsync(i.ctx, i.cfg.Domains); err != nil {
		return fmt.Errorf("ACME: %w", err)
	}
	i.awaitStored()
	return nil
}

// awaitStored returns when every certificate that lies in the folder is in use, or loadTime is over.
func (i *Issuer) awaitStored() {
	over := time.NewTimer(loadTime)
	defer over.Stop()
	for _, domain := range i.cfg.Domains {
		if !i.magic.Storage.Exists(i.ctx, certmagic.StorageKeys.SiteCert(i.issuer.IssuerKey(), domain)) {
			continue
		}
		for len(i.cache.AllMatchingCertificates(domain)) == 0 {
			select {
			case <-i.cached:
			case <-over.C:
				i.cfg.Warnf("The certificate for %s in %s is not in use yet; what is the matter may be told soon", domain, i.cfg.Cache)
				return
			}
		}
	}
}

// Stop ends all work. Certificates that are there can still be used.
func (i *Issuer) Stop() {
	i.cancel()
	i.cache.Stop()
	certmagic.CleanUpOwnLocks(context.Background(), zap.NewNop())
}

// certificate is for tls.Config.GetCertificate.
func (i *Issuer) certificate(hello *tls.ClientHelloInfo) (*tls.Certificate, error) {
	return i.magic.GetCertificate(hello)
}

// Protocols adds what an authority asks for to those of a Config.
func (i *Issuer) Protocols(protocols []string) []string {
	return append(slices.Clone(protocols), protocolACME)
}

// logCore writes what certmagic logs into our log: what goes wrong as a warning, since what we have stays in use; the rest for debugging.
type logCore struct {
	warnf, debugf func(format string, args ...any)
	with          []zapcore.Field
}

// Enabled implements zapcore.Core.
func (c *logCore) Enabled(zapcore.Level) bool { return true }

// With implements zapcore.Core.
func (c *logCore) With(fields []zapcore.Field) zapcore.Core {
	return &logCore{c.warnf, c.debugf, append(slices.Clone(c.with), fields...)}
}

// Check implements zapcore.Core.
func (c *logCore) Check(e zapcore.Entry, ce *zapcore.CheckedEntry) *zapcore.CheckedEntry {
	return ce.AddCore(e, c)
}

// Write implements zapcore.Core.
func (c *logCore) Write(e zapcore.Entry, fields []zapcore.Field) error {
	values := zapcore.NewMapObjectEncoder()
	for _, f := range append(slices.Clone(c.with), fields...) {
		f.AddTo(values)
	}
	var names []string
	for name := range values.Fields {
		names = append(names, name)
	}
	slices.Sort(names)
	var text strings.Builder
	for _, name := range names {
		fmt.Fprintf(&text, " %s=%v", name, values.Fields[name])
	}
	logf := c.debugf
	if e.Level >= zapcore.WarnLevel {
		logf = c.warnf
	}
	logf("ACME: %s%s", e.Message, text.String())
	return nil
}

// Sync implements zapcore.Core.
func (c *logCore) Sync() error { return nil }
