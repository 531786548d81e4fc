package main

import (
	"cmp"
	"crypto/tls"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"time"

	"github.com/gounicorn/gounicorn/server"
	"github.com/gounicorn/gounicorn/server/certs"
	"github.com/gounicorn/gounicorn/server/http2"
	"github.com/gounicorn/gounicorn/server/metrics"
	"github.com/gounicorn/gounicorn/server/settings"
	"golang.org/x/sys/unix"
)

// renewSettle is how long the files of certificates must be left alone before they are read: certificate and key are written one after the
// other.
const renewSettle = 300 * time.Millisecond

// secrets are the certificates of the master. The zero secrets has none. Owned by the goroutine of serve.
type secrets struct {
	store    *certs.Store                // nil: plain HTTP
	scraped  atomic.Pointer[certs.Store] // the same, for metrics
	issuer   *certs.Issuer               // nil: none
	files    *edits                      // watches those of store; nil: not yet
	redirect *server.Redirect
}

// openSecrets reads the certificates that the settings name, and gets ready for those that an authority issues.
func (m *master) openSecrets() error {
	m.secrets.redirect = &server.Redirect{Except: []string{certs.ChallengePath}}
	m.metrics.AddSource(func(st *metrics.State) {
		if store := m.secrets.scraped.Load(); store != nil {
			if end, ok := store.Expiry(); ok {
				st.Expiry = end.Unix()
			}
		}
	})
	if !m.v.TLS() {
		return nil
	}
	// From here on keys are in memory: no core dump and no debugger of the same user may take them along. What we execute is not concerned.
	if err := unix.Prctl(unix.PR_SET_DUMPABLE, 0, 0, 0, 0); err != nil {
		return fmt.Errorf("protect the keys in memory: prctl: %w", err)
	}
	if len(m.v.ACMEDomains) > 0 {
		var err error
		if m.secrets.issuer, err = m.newIssuer(); err != nil {
			return err
		}
	}
	warnings, err := m.openStore()
	m.v.Warnings = append(m.v.Warnings, warnings...)
	return err
}

// openStore reads the certificates; the warnings are for the log.
func (m *master) openStore() (warnings []string, err error) {
	config, warnings, err := m.certsConfig()
	if err != nil {
		return warnings, err
	}
	store, more, err := certs.Open(config, m.secrets.issuer)
	warnings = append(warnings, more...)
	if err != nil {
		return warnings, err
	}
	if m.owner.changes() {
		for _, p := range config.Pairs {
			if !p.ReadableBy(m.owner.uid, append(m.owner.groups, m.owner.gid)) {
				warnings = append(warnings, fmt.Sprintf("the files of certificate %q cannot be read by user %d, whom the server becomes: "+
					"a renewed certificate needs a restart; let a group of that user read them", p.Cert, m.owner.uid))
			}
		}
	}
	m.secrets.store = store
	m.secrets.scraped.Store(store)
	return warnings, nil
}

// tellCertificates logs what there is in files.
func (m *master) tellCertificates() {
	if m.secrets.store == nil {
		return
	}
	if text := m.secrets.store.String(); text != "" {
		m.log.Infof("Certificates: %s", text)
	}
}

// certsConfig turns the settings into what the certificates are.
func (m *master) certsConfig() (c certs.Config, warnings []string, err error) {
	v := &m.v
	c = certs.Config{
		Clients: clientAuth[v.CertReqs], ClientCAs: m.inFolder(v.CACerts), MinVersion: tlsVersions[v.TLSMinVersion], Protocols: alpn(v.HTTPProtocols),
		Strict: v.TLSStrictSNI,
	}
	if v.CertFile != "" {
		c.Pairs = append(c.Pairs, certs.Pair{Cert: m.inFolder(v.CertFile), Key: m.inFolder(v.KeyFile)})
	}
	for _, text := range v.TLSCertificates {
		cert, key, _ := strings.Cut(text, ":")
		c.Pairs = append(c.Pairs, certs.Pair{Cert: m.inFolder(cert), Key: m.inFolder(key)})
	}
	if v.Ciphers != "" {
		var passed []string
		if c.Ciphers, passed, err = certs.Ciphers(v.Ciphers); err != nil {
			return c, nil, badSetting(v, "ciphers", v.Ciphers, err)
		}
		if len(passed) > 0 {
			warnings = append(warnings, "ciphers: not served here, and left out: "+strings.Join(passed, ", "))
		}
	}
	if m.secrets.issuer != nil {
		for _, host := range v.ACMEDomains {
			c.Issued = append(c.Issued, strings.ToLower(host))
		}
		c.Protocols = m.secrets.issuer.Protocols(c.Protocols)
	}
	return c, warnings, nil
}

var clientAuth = map[int]tls.ClientAuthType{0: tls.NoClientCert, 1: tls.VerifyClientCertIfGiven, 2: tls.RequireAndVerifyClientCert}

var tlsVersions = map[string]uint16{"1.2": tls.VersionTLS12, "1.3": tls.VersionTLS13}

// alpnNames are the protocols as TLS names them. Nobody can ask for h3 here.
var alpnNames = map[string]string{"h1": "http/1.1", "h2": http2.Protocol}

// alpn are the protocols that handshakes offer.
func alpn(protocols []string) (names []string) {
	for _, p := range protocols {
		if name := alpnNames[p]; name != "" {
			names = append(names, name)
		}
	}
	return names
}

// inFolder makes the name of a file absolute: it is in the application's folder, as with gunicorn.
func (m *master) inFolder(name string) string {
	if name == "" || filepath.IsAbs(name) {
		return name
	}
	if filepath.IsAbs(m.v.Chdir) {
		return filepath.Join(m.v.Chdir, name)
	}
	return filepath.Join(m.directory, m.v.Chdir, name)
}

// newIssuer makes the folder for certificates, which belongs to whom we become.
func (m *master) newIssuer() (*certs.Issuer, error) {
	v := &m.v
	cache := m.inFolder(v.ACMECache)
	if cache == "" {
		var err error
		if cache, err = m.stateFolder(); err != nil {
			return nil, err
		}
	}
	if err := os.MkdirAll(filepath.Dir(cache), 0o755); err != nil {
		return nil, fmt.Errorf("the folder for certificates: %w; name another with --acme-cache", err)
	}
	directory := cmp.Or(v.ACMEDirectory, certs.LetsEncrypt)
	if v.ACMEStaging {
		directory = certs.LetsEncryptStaging
	}
	issuer, err := certs.NewIssuer(certs.ACME{
		Domains: v.ACMEDomains, Email: v.ACMEEmail, Directory: directory, Root: m.inFolder(v.ACMECARoot), Cache: cache,
		Default: v.CertFile == "" && len(v.TLSCertificates) == 0, Debugf: m.log.Debugf, Infof: m.log.Infof, Warnf: m.log.Warningf,
	})
	if err == nil && m.owner.changes() {
		err = os.Chown(cache, m.owner.uid, m.owner.gid)
	}
	return issuer, err
}

// stateFolder is where certificates of an authority are kept unless the settings say otherwise.
func (m *master) stateFolder() (string, error) {
	if state, _ := m.env("STATE_DIRECTORY"); state != "" { // systemd's StateDirectory=
		first, _, _ := strings.Cut(state, ":")
		return filepath.Join(first, "acme"), nil
	}
	if os.Geteuid() == 0 {
		return "/var/lib/gounicorn/acme", nil
	}
	home, _ := m.env("HOME")
	if home == "" {
		return "", fmt.Errorf("there is no folder for certificates, as HOME is not set; name one with --acme-cache")
	}
	return filepath.Join(home, ".local", "share", "gounicorn", "acme"), nil
}

// encrypts reports whether the addresses of --bind speak https.
func (m *master) encrypts() bool { return m.secrets.store != nil && m.v.TLS() }

// secure gives the HTTP side what it needs for https.
func (m *master) secure(cfg *server.Config) {
	if m.encrypts() {
		cfg.TLS = &server.TLS{
			Config: m.secrets.store.TLS(), Timeout: m.v.TLSHandshakeTimeout, Handshakes: m.v.TLSHandshakes, Clients: m.v.CertReqs > 0,
		}
	}
}

// beginSecrets starts what needs open listeners and the user that we stay: watching files, asking an authority.
func (m *master) beginSecrets() {
	m.watchSecrets()
	if m.secrets.issuer == nil {
		return
	}
	if err := m.secrets.issuer.Start(certs.Ports{HTTP: m.firstPort(true), TLS: m.firstPort(false)}); err != nil {
		m.log.Errorf("%v", err)
	}
}

// firstPort is the port of the first TCP listener that speaks plain HTTP beside https, or of the first that does not; 0: there is none.
func (m *master) firstPort(plain bool) int {
	for _, s := range m.sockets {
		if a, ok := s.Addr().(*net.TCPAddr); ok && s.plain == plain {
			return a.Port
		}
	}
	return 0
}

// watchSecrets watches the files of the certificates, and the links by which Kubernetes replaces a folder of them.
func (m *master) watchSecrets() {
	if m.secrets.store == nil {
		return
	}
	if m.secrets.files == nil {
		m.secrets.files = newEdits("", m.log.Warningf)
		m.secrets.files.settle = renewSettle
	}
	for _, name := range m.secrets.store.Files() {
		m.secrets.files.add(name, filepath.Join(filepath.Dir(name), "..data"))
		if real, err := filepath.EvalSymlinks(name); err == nil {
			m.secrets.files.add(real)
		}
	}
}

// renewed is where changes of those files arrive; nil without https.
func (m *master) renewed() <-chan string {
	if m.secrets.files == nil {
		return nil
	}
	return m.secrets.files.changed
}

// renew reads the certificates again, because a file has changed.
func (m *master) renew() {
	if m.secrets.store != nil {
		if changed, warnings, err := m.secrets.store.Reload(); changed || err != nil {
			m.report(changed, warnings, err)
		}
	}
	m.watchSecrets() // a link may lead elsewhere
}

// report says what became of certificates that were read again.
func (m *master) report(changed bool, warnings []string, err error) {
	if err != nil {
		m.log.Errorf("%s; what was there stays in use: %s", strings.ReplaceAll(err.Error(), "\n", "; "), m.secrets.store)
	}
	for _, w := range warnings {
		m.log.Warningf("%s", w)
	}
	if changed && err == nil {
		m.log.Infof("New certificates: %s", m.secrets.store)
	}
}

// adoptSecrets applies the settings of a reload, and reads all files again.
func (m *master) adoptSecrets() {
	m.secrets.redirect.SetPort(m.firstPort(false))
	switch {
	case !m.v.TLS():
		return
	case m.secrets.store == nil:
		warnings, err := m.openStore()
		if err != nil {
			m.log.Errorf("%v; the addresses go on with plain HTTP", err)
		}
		m.report(err == nil, warnings, nil)
	default:
		config, warnings, err := m.certsConfig()
		if err != nil {
			m.log.Errorf("%v; the certificates stay as they were", err)
			return
		}
		changed, more, err := m.secrets.store.Use(config)
		m.report(changed, append(warnings, more...), err)
	}
	m.watchSecrets()
}

// closeSecrets ends what beginSecrets has started.
func (m *master) closeSecrets() {
	if m.secrets.files != nil {
		m.secrets.files.close()
	}
	if m.secrets.issuer != nil {
		m.secrets.issuer.Stop()
	}
}

// place is an address to listen at.
type place struct {
	settings.Address
	plain bool // HTTP beside addresses that speak https (http_bind)
}

// String tells places apart.
func (p place) String() string {
	if p.plain {
		return "http://" + p.Address.String()
	}
	return p.Address.String()
}

// places are all addresses of the settings, in the order in which another master gets their sockets.
func places(v *settings.Values) (all []place) {
	for _, a := range v.Bind {
		all = append(all, place{a, false})
	}
	for _, a := range v.HTTPBind {
		all = append(all, place{a, true})
	}
	return all
}

// plainSocket reports whether a socket that we were given by somebody else is for plain HTTP: it has the port or the path of an address of
// http_bind.
func plainSocket(v *settings.Values, at net.Addr) bool {
	for _, a := range v.HTTPBind {
		switch at := at.(type) {
		case *net.TCPAddr:
			if a.Port == at.Port && a.Network != settings.Unix {
				return true
			}
		case *net.UnixAddr:
			if a.Network == settings.Unix && a.Path == at.Name {
				return true
			}
		}
	}
	return false
}
