package e2e

import (
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"io"
	"log"
	"net"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"github.com/letsencrypt/pebble/v2/ca"
	"github.com/letsencrypt/pebble/v2/db"
	"github.com/letsencrypt/pebble/v2/va"
	"github.com/letsencrypt/pebble/v2/wfe"
	"github.com/miekg/dns"

	"github.com/gounicorn/gounicorn/tests/harness"
)

// pebble is an ACME authority, Let's Encrypt's for tests, that looks for every host at 127.0.0.1.
type pebble struct {
	*httptest.Server
	root string // file with the certificate of its own address
	pool *x509.CertPool
}

// startPebble runs an authority that asks at these ports.
func startPebble(t *testing.T, httpPort, tlsPort string) *pebble {
	t.Helper()
	names, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	resolver := &dns.Server{Listener: names, Handler: dns.HandlerFunc(func(w dns.ResponseWriter, q *dns.Msg) {
		answer := new(dns.Msg).SetReply(q)
		if q.Question[0].Qtype == dns.TypeA {
			answer.Answer = append(answer.Answer, &dns.A{
				Hdr: dns.RR_Header{Name: q.Question[0].Name, Rrtype: dns.TypeA, Class: dns.ClassINET, Ttl: 1}, A: net.IPv4(127, 0, 0, 1),
			})
		}
		_ = w.WriteMsg(answer) // or else the test fails
	})}
	go func() { _ = resolver.ActivateAndServe() }()
	t.Cleanup(func() { _ = resolver.Shutdown() })
	number := func(address string) int {
		_, port, err := net.SplitHostPort(address)
		n, bad := strconv.Atoi(port)
		if err != nil || bad != nil {
			t.Fatal(address)
		}
		return n
	}
	quiet, store := log.New(io.Discard, "", 0), db.NewMemoryStore()
	issuer := ca.New(quiet, store, "", "ecdsa", 0, 1, map[string]ca.Profile{"default": {Description: "default"}})
	verifier := va.New(quiet, number(httpPort), number(tlsPort), true, names.Addr().String(), store)
	front := wfe.New(quiet, store, verifier, issuer, []string{"pebble.test"}, true, false, 1, 1)
	p := &pebble{Server: httptest.NewTLSServer(front.Handler()), pool: x509.NewCertPool(), root: filepath.Join(t.TempDir(), "root.pem")}
	t.Cleanup(p.Close)
	if err := os.WriteFile(p.root, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: p.Certificate().Raw}), 0o600); err != nil {
		t.Fatal(err)
	}
	p.pool.AddCert(issuer.GetRootCert(0).Cert)
	return p
}

func TestCertificatesFromAnACMEAuthority(t *testing.T) {
	t.Setenv("PEBBLE_VA_NOSLEEP", "1")
	t.Setenv("PEBBLE_WFE_NONCEREJECT", "0")
	for _, name := range []string{"tls-alpn-01", "http-01"} {
		t.Run(name, func(t *testing.T) {
			secure, plain, nobody := harness.FreePort(t), harness.FreePort(t), harness.FreePort(t)
			reached := map[string][2]string{"tls-alpn-01": {nobody, secure}, "http-01": {plain, nobody}}[name]
			authority := startPebble(t, reached[0], reached[1])
			cache := filepath.Join(t.TempDir(), "below", "acme")
			config := harness.Config{App: "hello:app", Bind: []string{secure}, TLS: &tls.Config{RootCAs: authority.pool, ServerName: "www.acme.test"}, Args: []string{
				"-w", "1", "--acme-domain", "www.acme.test", "--acme-directory", authority.URL + wfe.DirectoryPath, "--acme-ca-root", authority.root,
				"--acme-cache", cache, "--acme-email", "root@acme.test", "--http-bind", plain, "--tls-redirect",
			}}
			if name == "tls-alpn-01" {
				config.Args = config.Args[:len(config.Args)-3]
			}
			s := harness.Start(t, config)
			s.Log.Wait(t, 0, "Certificate for www.acme.test obtained", harness.StartBudget)
			harness.Eventually(t, harness.EventBudget, "it is in use", func() bool { return s.Get("/").Status == 200 })
			for _, path := range []string{cache, filepath.Join(cache, "certificates")} {
				if st, err := os.Stat(path); err != nil || st.Mode().Perm() != 0o700 {
					t.Errorf("%s: %v, %v", path, st, err)
				}
			}
			s.Stop(syscall.SIGTERM)
			if name == "http-01" {
				return
			}
			authority.Close() // what was issued stays in use
			again := harness.Start(t, config)
			again.WantGet(t, "/", 200)
			if strings.Contains(again.Log.String(), "obtained") {
				t.Error("the certificate was asked for again")
			}
		})
	}
}
