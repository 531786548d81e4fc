package certs

import (
	"crypto/tls"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/gounicorn/gounicorn/tests/harness"
)

// shake makes one handshake with what a store has, and returns what the client saw.
func shake(t *testing.T, server *tls.Config, client *tls.Config) (tls.ConnectionState, error) {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	done := make(chan error, 1)
	go func() {
		nc, err := ln.Accept()
		if err == nil {
			err = tls.Server(nc, server).Handshake()
			_ = nc.Close()
		}
		done <- err
	}()
	c, err := tls.Dial("tcp", ln.Addr().String(), client)
	refused := <-done
	if err != nil {
		return tls.ConnectionState{}, err
	}
	defer c.Close()
	return c.ConnectionState(), refused
}

// seen is the first host of the certificate that a client gets who names a host.
func seen(t *testing.T, s *Store, name string, a *harness.Authority) string {
	t.Helper()
	state, err := shake(t, s.TLS(), &tls.Config{ServerName: name, InsecureSkipVerify: true, RootCAs: a.Pool})
	if err != nil {
		t.Fatalf("%s: %v", name, err)
	}
	leaf := state.PeerCertificates[0]
	return append(leaf.DNSNames, "?")[0]
}

func TestCertificateIsChosenByName(t *testing.T) {
	a, dir := harness.NewAuthority(t), t.TempDir()
	pair := func(name string, hosts ...string) Pair {
		cert, key := a.Write(dir, name, harness.Leaf{Hosts: hosts})
		return Pair{cert, key}
	}
	s, warnings, err := Open(Config{Pairs: []Pair{
		pair("default", "default.test"), pair("a", "a.test", "www.a.test"), pair("wild", "*.wild.test"), pair("exact", "exact.wild.test"), pair("ip", "ip.test", "127.0.0.1"),
	}}, nil)
	if err != nil || len(warnings) > 0 {
		t.Fatal(warnings, err)
	}
	for name, want := range map[string]string{
		"a.test": "a.test", "www.a.test": "a.test", "WWW.A.TEST": "a.test", "b.wild.test": "*.wild.test", "exact.wild.test": "exact.wild.test",
		"wild.test": "default.test", "b.c.wild.test": "default.test", "unknown.test": "default.test", "": "ip.test",
	} {
		if got := seen(t, s, name, a); got != want {
			t.Errorf("%q gets %s, want %s", name, got, want)
		}
	}
}

// As nginx's ssl_reject_handshake: the name is refused (unrecognized_name), also when a session is resumed.
func TestStrictNames(t *testing.T) {
	a, dir := harness.NewAuthority(t), t.TempDir()
	cert, key := a.Write(dir, "site", harness.Leaf{Hosts: []string{"a.test", "*.wild.test"}})
	config := Config{Pairs: []Pair{{cert, key}}}
	s, _, err := Open(config, nil)
	if err != nil {
		t.Fatal(err)
	}
	sessions := tls.NewLRUClientSessionCache(8)
	client := func(name string) *tls.Config {
		return &tls.Config{ServerName: name, InsecureSkipVerify: true, ClientSessionCache: sessions}
	}
	for _, version := range []uint16{tls.VersionTLS12, tls.VersionTLS13} { // now there are tickets
		c := client("unknown.test")
		c.MaxVersion = version
		if _, err := shake(t, s.TLS(), c); err != nil {
			t.Fatal(err)
		}
	}
	config.Strict, config.Issued = true, []string{"issued.test"}
	if _, _, err := s.Use(config); err != nil {
		t.Fatal(err)
	}
	for name, ok := range map[string]bool{"a.test": true, "A.test": true, "b.wild.test": true, "issued.test": true, "unknown.test": false, "b.c.wild.test": false, "": false} {
		_, err := shake(t, s.TLS(), client(name))
		if (err == nil) != ok || !ok && !strings.Contains(err.Error(), "unrecognized name") {
			t.Errorf("%q: %v", name, err)
		}
	}
}

func TestClientGetsTheKindOfCertificateThatItKnows(t *testing.T) {
	a, dir := harness.NewAuthority(t), t.TempDir()
	c1, k1 := a.Write(dir, "ec", harness.Leaf{Hosts: []string{"a.test"}})
	c2, k2 := a.Write(dir, "rsa", harness.Leaf{Hosts: []string{"a.test"}, RSA: true})
	s, _, err := Open(Config{Pairs: []Pair{{c1, k1}, {c2, k2}}}, nil)
	if err != nil {
		t.Fatal(err)
	}
	old := &tls.Config{ServerName: "a.test", RootCAs: a.Pool, MaxVersion: tls.VersionTLS12, CipherSuites: []uint16{tls.TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256}}
	state, err := shake(t, s.TLS(), old)
	if err != nil || state.PeerCertificates[0].PublicKeyAlgorithm.String() != "RSA" || state.Version != tls.VersionTLS12 {
		t.Errorf("got %v", err)
	}
	state, err = shake(t, s.TLS(), &tls.Config{ServerName: "a.test", RootCAs: a.Pool})
	if err != nil || state.PeerCertificates[0].PublicKeyAlgorithm.String() != "ECDSA" || state.Version != tls.VersionTLS13 {
		t.Errorf("got %v", err)
	}
	if _, err = shake(t, s.TLS(), &tls.Config{ServerName: "a.test", RootCAs: a.Pool, MaxVersion: tls.VersionTLS11, MinVersion: tls.VersionTLS10}); err == nil {
		t.Error("TLS 1.1 is served")
	}
}

func TestBadFilesAreNamedWithTheirCure(t *testing.T) {
	a, dir := harness.NewAuthority(t), t.TempDir()
	cert, key := a.Write(dir, "a", harness.Leaf{Hosts: []string{"a.test"}})
	_, other := a.Write(dir, "b", harness.Leaf{Hosts: []string{"b.test"}})
	file := func(name, text string) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	bundle := file("bundle.pem", readAll(t, cert)+readAll(t, key))
	for name, c := range map[string]struct {
		pair Pair
		want string
	}{
		"missing certificate": {Pair{dir + "/none", key}, "the certificate file \"" + dir + "/none\" does not exist"},
		"missing key":         {Pair{cert, dir + "/none"}, "the key file \"" + dir + "/none\" does not exist"},
		"no certificate":      {Pair{key, key}, "holds no certificate"},
		"no key":              {Pair{cert, ""}, "holds no private key"},
		"other key":           {Pair{cert, other}, "does not belong to the first certificate"},
		"encrypted":           {Pair{cert, file("enc", "-----BEGIN ENCRYPTED PRIVATE KEY-----\nAAAA\n-----END ENCRYPTED PRIVATE KEY-----\n")}, "openssl pkey"},
		"garbage":             {Pair{file("x", "hello"), key}, "holds no certificate"},
		"folder":              {Pair{dir, key}, "is no file"},
		"huge":                {Pair{file("huge", strings.Repeat("x", mostBytes+1)), key}, "larger than"},
		"bundle":              {Pair{bundle, ""}, ""},
	} {
		_, _, err := Open(Config{Pairs: []Pair{c.pair}}, nil)
		if (err == nil) != (c.want == "") || err != nil && !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v, want %q", name, err, c.want)
		}
	}
	if os.Geteuid() == 0 {
		return
	}
	secret := file("secret", readAll(t, key))
	if err := os.Chmod(secret, 0); err != nil {
		t.Fatal(err)
	}
	if _, _, err := Open(Config{Pairs: []Pair{{cert, secret}}}, nil); err == nil || !strings.Contains(err.Error(), "may not be read") {
		t.Error(err)
	}
}

func readAll(t *testing.T, path string) string {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

func TestDoubtfulCertificatesAreServedWithAWarning(t *testing.T) {
	a, dir := harness.NewAuthority(t), t.TempDir()
	now := time.Now()
	for name, c := range map[string]struct {
		leaf harness.Leaf
		edit func(cert, key string)
		want string
	}{
		"expired": {harness.Leaf{Hosts: []string{"a.test"}, NotAfter: now.Add(-time.Minute)}, nil, "expired on"},
		"early":   {harness.Leaf{Hosts: []string{"a.test"}, NotBefore: now.Add(time.Hour)}, nil, "is not valid before"},
		"soon":    {harness.Leaf{Hosts: []string{"a.test"}, NotBefore: now.Add(-80 * 24 * time.Hour), NotAfter: now.Add(24 * time.Hour)}, nil, "expires on"},
		"no host": {harness.Leaf{Name: "a.test"}, nil, "names no host"},
		"open key": {harness.Leaf{Hosts: []string{"a.test"}}, func(_, key string) {
			if err := os.Chmod(key, 0o644); err != nil {
				t.Fatal(err)
			}
		}, "may be read by every user"},
		"order": {harness.Leaf{Hosts: []string{"a.test"}}, func(cert, _ string) {
			text := readAll(t, cert) + readAll(t, a.File)
			first := strings.Index(text, "-----END CERTIFICATE-----\n") + len("-----END CERTIFICATE-----\n")
			second := first + strings.Index(text[first:], "-----END CERTIFICATE-----\n") + len("-----END CERTIFICATE-----\n")
			if err := os.WriteFile(cert, []byte(text[:first]+text[second:]+text[first:second]), 0o600); err != nil {
				t.Fatal(err)
			}
		}, "out of order"},
	} {
		cert, key := a.Write(dir, "x", c.leaf)
		if c.edit != nil {
			c.edit(cert, key)
		}
		_, warnings, err := Open(Config{Pairs: []Pair{{cert, key}}}, nil)
		if err != nil || !strings.Contains(strings.Join(warnings, "\n"), c.want) || len(warnings) != 1 {
			t.Errorf("%s: %q, %v", name, warnings, err)
		}
	}
}

func TestBadReloadKeepsWhatWasThere(t *testing.T) {
	a, dir := harness.NewAuthority(t), t.TempDir()
	write := func(name, host string) Pair {
		cert, key := a.Write(dir, name, harness.Leaf{Hosts: []string{host}})
		return Pair{cert, key}
	}
	one, two := write("one", "one.test"), write("two", "two.test")
	s, _, err := Open(Config{Pairs: []Pair{one, two}}, nil)
	if err != nil {
		t.Fatal(err)
	}
	want := func(changed, failed bool, first, second string) {
		t.Helper()
		is, _, err := s.Reload()
		if is != changed || (err != nil) != failed {
			t.Errorf("changed %v, %v", is, err)
		}
		if got := []string{seen(t, s, "", a), seen(t, s, second, a)}; !slices.Equal(got, []string{first, second}) {
			t.Errorf("got %q", got)
		}
	}
	want(false, false, "one.test", "two.test")
	if err := os.WriteFile(one.Cert, []byte("half of it"), 0o600); err != nil {
		t.Fatal(err)
	}
	want(false, true, "one.test", "two.test")
	write("two", "three.test") // one bad file does not keep the others back
	want(true, true, "one.test", "three.test")
	write("one", "four.test")
	want(true, false, "four.test", "three.test")

	if changed, warnings, err := s.Use(Config{Pairs: []Pair{{dir + "/none", dir + "/none"}}}); changed || err == nil || len(warnings) > 0 {
		t.Error(changed, warnings, err)
	}
	want(false, false, "four.test", "three.test")
	if changed, _, err := s.Use(Config{Pairs: []Pair{two}}); !changed || err != nil {
		t.Error(changed, err)
	}
	want(false, false, "three.test", "three.test")
	if got := s.Files(); !slices.Equal(got, []string{two.Cert, two.Key}) {
		t.Errorf("got %q", got)
	}
	if end, ok := s.Expiry(); !ok || time.Until(end) > 24*time.Hour || !strings.Contains(s.String(), "three.test") {
		t.Errorf("got %v, %s", end, s)
	}
}

func TestClientCertificates(t *testing.T) {
	a, stranger, dir := harness.NewAuthority(t), harness.NewAuthority(t), t.TempDir()
	cert, key := a.Write(dir, "a", harness.Leaf{Hosts: []string{"a.test"}})
	config := Config{Pairs: []Pair{{cert, key}}, ClientCAs: a.File}
	for _, c := range []struct {
		mode tls.ClientAuthType
		ca   *harness.Authority
		ok   bool
	}{
		{tls.NoClientCert, nil, true}, {tls.VerifyClientCertIfGiven, nil, true}, {tls.VerifyClientCertIfGiven, a, true}, {tls.VerifyClientCertIfGiven, stranger, false},
		{tls.RequireAndVerifyClientCert, nil, false}, {tls.RequireAndVerifyClientCert, a, true}, {tls.RequireAndVerifyClientCert, stranger, false},
	} {
		config.Clients = c.mode
		s, _, err := Open(config, nil)
		if err != nil {
			t.Fatal(err)
		}
		client := &tls.Config{ServerName: "a.test", RootCAs: a.Pool}
		if c.ca != nil {
			own := c.ca.Client("ann")
			client.GetClientCertificate = func(*tls.CertificateRequestInfo) (*tls.Certificate, error) { return &own, nil }
		}
		if _, err := shake(t, s.TLS(), client); (err == nil) != c.ok {
			t.Errorf("%v with %v: %v", c.mode, c.ca != nil, err)
		}
	}
	config.ClientCAs = key
	if _, _, err := Open(config, nil); err == nil || !strings.Contains(err.Error(), "no certificate in PEM form") {
		t.Error(err)
	}
}

// A session that began with a certificate ends with the trust in its authority.
func TestResumptionDoesNotOutliveTheAuthorityOfAClient(t *testing.T) {
	a, other, dir := harness.NewAuthority(t), harness.NewAuthority(t), t.TempDir()
	cert, key := a.Write(dir, "a", harness.Leaf{Hosts: []string{"a.test"}})
	config := Config{Pairs: []Pair{{cert, key}}, Clients: tls.RequireAndVerifyClientCert, ClientCAs: a.File}
	s, _, err := Open(config, nil)
	if err != nil {
		t.Fatal(err)
	}
	client := &tls.Config{
		ServerName: "a.test", RootCAs: a.Pool, MaxVersion: tls.VersionTLS12, ClientSessionCache: tls.NewLRUClientSessionCache(1),
		Certificates: []tls.Certificate{a.Client("ann")},
	}
	for i := range 2 {
		if state, err := shake(t, s.TLS(), client); err != nil || state.DidResume != (i > 0) {
			t.Errorf("handshake %d: resumed %v, %v", i, state.DidResume, err)
		}
	}
	config.ClientCAs = other.File
	if _, _, err := s.Use(config); err != nil {
		t.Fatal(err)
	}
	if _, err := shake(t, s.TLS(), client); err == nil {
		t.Error("a session of before is resumed")
	}
}

func TestTicketsOutliveARenewal(t *testing.T) {
	a, dir := harness.NewAuthority(t), t.TempDir()
	cert, key := a.Write(dir, "a", harness.Leaf{Hosts: []string{"a.test"}})
	s, _, err := Open(Config{Pairs: []Pair{{cert, key}}}, nil)
	if err != nil {
		t.Fatal(err)
	}
	client := &tls.Config{ServerName: "a.test", RootCAs: a.Pool, MaxVersion: tls.VersionTLS12, ClientSessionCache: tls.NewLRUClientSessionCache(1)}
	for i := range 3 {
		state, err := shake(t, s.TLS(), client)
		if err != nil || state.DidResume != (i > 0) {
			t.Errorf("handshake %d: resumed %v, %v", i, state.DidResume, err)
		}
		a.Write(dir, "a", harness.Leaf{Hosts: []string{"a.test"}})
		if changed, _, err := s.Reload(); !changed || err != nil {
			t.Error(changed, err)
		}
	}
}

func TestCipherLists(t *testing.T) {
	const (
		ecdsa128, rsa128 = tls.TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256, tls.TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256
		rsa256, chacha   = tls.TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384, tls.TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256
	)
	for list, c := range map[string]struct {
		ids    []uint16
		passed int
		err    string
	}{
		"ECDHE-RSA-AES128-GCM-SHA256":                                    {ids: []uint16{rsa128}},
		"ECDHE-RSA-AES128-GCM-SHA256:DHE-RSA-AES128-GCM-SHA256":          {ids: []uint16{rsa128}, passed: 1},
		"ECDHE+aRSA+AESGCM":                                              {ids: []uint16{rsa128, rsa256}},
		"ECDHE+AESGCM:!aECDSA:!AES256":                                   {ids: []uint16{rsa128}},
		"HIGH:!aNULL:!MD5:!SHA1:-AESGCM:!ECDSA":                          {ids: []uint16{chacha}},
		"!AES:ALL:!aECDSA":                                               {ids: []uint16{chacha}},
		"AESGCM+AES128 @STRENGTH,!kRSA":                                  {ids: []uint16{ecdsa128, rsa128}},
		"TLS_AES_128_GCM_SHA256:ECDHE-RSA-AES128-GCM-SHA256:@SECLEVEL=2": {ids: []uint16{rsa128}, passed: 1},
		"ECDHE-RSA-AES128-GCM-SHA265":                                    {err: `"ECDHE-RSA-AES128-GCM-SHA265" is no cipher`},
		"ECDHE+AESGMC":                                                   {err: "is no cipher"},
		"RC4:MD5":                                                        {err: "no cipher is left"},
		"HIGH:!ALL":                                                      {err: "no cipher is left"},
		"@NONSENSE":                                                      {err: "no command"},
		"":                                                               {err: "no cipher is left"},
		"!":                                                              {err: "is no cipher"},
		"AES128-SHA:ECDHE-RSA-AES128-SHA256:ECDHE-RSA-CHACHA20-POLY1305:-:": {err: "is no cipher"},
	} {
		ids, passed, err := Ciphers(list)
		if c.err != "" {
			if err == nil || !strings.Contains(err.Error(), c.err) {
				t.Errorf("%q: %v", list, err)
			}
			continue
		}
		if err != nil || !slices.Equal(ids, c.ids) || len(passed) != c.passed {
			t.Errorf("%q: %x, %q, %v", list, ids, passed, err)
		}
	}
	var served []uint16
	for _, s := range tls.CipherSuites() {
		if slices.Contains(s.SupportedVersions, tls.VersionTLS12) {
			served = append(served, s.ID)
		}
	}
	all, _, err := Ciphers("ALL")
	slices.Sort(served)
	slices.Sort(all)
	if err != nil || !slices.Equal(all, served) {
		t.Errorf("ALL is %x, crypto/tls has %x: %v", all, served, err)
	}
}

func FuzzCiphers(f *testing.F) {
	for _, list := range []string{"HIGH:!aNULL:!MD5", "ECDHE+AESGCM:-AES256", "@STRENGTH", "TLS_AES_128_GCM_SHA256", "+", "a+b:-"} {
		f.Add(list)
	}
	f.Fuzz(func(t *testing.T, list string) {
		ids, _, err := Ciphers(list)
		if (err == nil) == (len(ids) == 0) {
			t.Errorf("%d suites, %v", len(ids), err)
		}
	})
}

func TestReadableByModes(t *testing.T) {
	file := filepath.Join(t.TempDir(), "key")
	for mode, want := range map[os.FileMode][3]bool{0o600: {true, false, false}, 0o640: {true, true, false}, 0o644: {true, true, true}, 0: {false, false, false}} {
		if err := os.WriteFile(file, nil, 0o600); err != nil {
			t.Fatal(err)
		}
		if err := os.Chmod(file, mode); err != nil {
			t.Fatal(err)
		}
		nobody := 65534
		uid, gid := os.Getuid(), os.Getgid()
		if uid == 0 {
			uid = 12345
			if err := os.Chown(file, uid, gid); err != nil {
				t.Fatal(err)
			}
		}
		if got := [3]bool{lets(file, 4, uid, nil), lets(file, 4, nobody, []int{gid}), lets(file, 4, nobody, nil)}; got != want {
			t.Errorf("%v: %v, want %v", mode, got, want)
		}
	}
}
