package e2e

import (
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/gounicorn/gounicorn/tests/harness"
)

// https is a site with certificates.
type https struct {
	*harness.Server
	dir       string
	authority *harness.Authority
	client    *tls.Config
}

// startHTTPS runs an application with a certificate for 127.0.0.1 and www.test.
func startHTTPS(t *testing.T, config harness.Config) *https {
	t.Helper()
	s := &https{dir: t.TempDir(), authority: harness.NewAuthority(t)}
	cert, key := s.renew("site")
	s.client = &tls.Config{RootCAs: s.authority.Pool}
	config.TLS = s.client.Clone()
	config.Args = append([]string{"--certfile", cert, "--keyfile", key}, config.Args...)
	s.Server = harness.Start(t, config)
	return s
}

// renew writes another certificate.
func (s *https) renew(name string) (cert, key string) {
	return s.authority.Write(s.dir, name, harness.Leaf{Hosts: []string{"127.0.0.1", "www.test"}})
}

// serial is the serial number of the certificate that a client gets who names a host.
func (s *https) serial(t *testing.T, host string) string {
	t.Helper()
	c, err := tls.Dial("tcp", s.Addr(), &tls.Config{RootCAs: s.authority.Pool, ServerName: host})
	if err != nil {
		t.Fatalf("%s: %v", host, err)
	}
	defer c.Close()
	return c.ConnectionState().PeerCertificates[0].SerialNumber.String()
}

// get asks with a configuration of the client.
func (s *https) get(config *tls.Config, path string, headers ...string) (*http.Response, string, error) {
	transport := &http.Transport{DisableKeepAlives: true, TLSClientConfig: config}
	request, err := http.NewRequest(http.MethodGet, s.URL(path), nil)
	if err != nil {
		return nil, "", err
	}
	for i := 0; i+1 < len(headers); i += 2 {
		request.Header.Add(headers[i], headers[i+1])
	}
	response, err := transport.RoundTrip(request)
	if err != nil {
		return nil, "", err
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	return response, string(body), err
}

func TestHTTPSWithEverything(t *testing.T) {
	t.Parallel()
	clients := harness.NewAuthority(t)
	shop := harness.NewAuthority(t)
	shopCert, shopKey := shop.Write(t.TempDir(), "shop", harness.Leaf{Hosts: []string{"shop.test", "*.shop.test"}, RSA: true})
	plain := harness.FreePort(t)
	s := startHTTPS(t, harness.Config{App: "echo:app", Args: []string{
		"-w", "1", "--tls-certificate", shopCert + ":" + shopKey, "--http-bind", plain, "--tls-redirect", "--cert-reqs", "1", "--ca-certs", clients.File,
		"--tls-handshake-timeout", "0.5", "--ciphers", "ECDHE+AESGCM:!AES256",
	}})
	t.Run("environ", func(t *testing.T) {
		_, body, err := s.get(s.client, "/x", "Ssl-Client-Verify", "SUCCESS", "Ssl-Client-S-Dn", "CN=root", "Https", "on")
		if err != nil {
			t.Fatal(err)
		}
		environ := harness.ParseEcho(t, []byte(body)).Environ
		_, port, _ := net.SplitHostPort(s.Addr())
		for name, want := range map[string]any{"wsgi.url_scheme": "https", "SERVER_PORT": port, "SSL_CLIENT_VERIFY": "NONE", "HTTP_SSL_CLIENT_VERIFY": "SUCCESS"} {
			if got := environ[name].Value; got != want {
				t.Errorf("%s is %v, want %v", name, got, want)
			}
		}
		if _, forged := environ["SSL_CLIENT_S_DN"]; forged {
			t.Error("a header became the name of a certificate")
		}
	})
	t.Run("client certificate", func(t *testing.T) {
		config := s.client.Clone()
		config.Certificates = []tls.Certificate{clients.Client("ann \u00e9")}
		_, body, err := s.get(config, "/x", "SSL_CLIENT_S_DN", "CN=root")
		if err != nil {
			t.Fatal(err)
		}
		environ := harness.ParseEcho(t, []byte(body)).Environ
		pem, _ := environ["SSL_CLIENT_CERT"].Value.(string)
		if environ["SSL_CLIENT_VERIFY"].Value != "SUCCESS" || environ["SSL_CLIENT_S_DN"].Value != "CN=ann \u00c3\u00a9,O=Tests" ||
			environ["SSL_CLIENT_I_DN"].Value != "CN=Test issuer" || !strings.HasPrefix(pem, "-----BEGIN CERTIFICATE-----\n") {
			t.Errorf("environ has %v, %v, %.30q", environ["SSL_CLIENT_VERIFY"], environ["SSL_CLIENT_S_DN"], pem)
		}
		config.Certificates = []tls.Certificate{shop.Client("mallory")}
		if _, _, err := s.get(config, "/x"); err == nil {
			t.Error("a certificate of a stranger is accepted")
		}
	})
	t.Run("names", func(t *testing.T) {
		for host, ok := range map[string]bool{"shop.test": true, "eu.shop.test": true, "www.test": false, "unknown.test": false} {
			c, err := tls.Dial("tcp", s.Addr(), &tls.Config{RootCAs: shop.Pool, ServerName: host})
			if (err == nil) != ok {
				t.Errorf("%s: %v", host, err)
			}
			if err == nil {
				_ = c.Close()
			}
		}
	})
	t.Run("versions and ciphers", func(t *testing.T) {
		for name, c := range map[string]struct {
			config *tls.Config
			ok     bool
		}{
			"1.1": {&tls.Config{MinVersion: tls.VersionTLS10, MaxVersion: tls.VersionTLS11}, false}, "1.2": {&tls.Config{MaxVersion: tls.VersionTLS12}, true},
			"1.3":     {&tls.Config{MinVersion: tls.VersionTLS13}, true},
			"AES256":  {&tls.Config{MaxVersion: tls.VersionTLS12, CipherSuites: []uint16{tls.TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384}}, false},
			"ALPN h1": {&tls.Config{NextProtos: []string{"http/1.1"}}, true},
		} {
			c.config.RootCAs = s.authority.Pool
			if response, _, err := s.get(c.config, "/"); (err == nil && response.StatusCode == 200) != c.ok {
				t.Errorf("%s: %v", name, err)
			}
		}
	})
	t.Run("redirects", func(t *testing.T) {
		for _, c := range []struct {
			method, path, host, field string
			status                    int
			location                  string
		}{
			{"GET", "/a%20b?c=d%0A", plain, "", 301, "https://127.0.0.1:" + s.Addr()[strings.LastIndex(s.Addr(), ":")+1:] + "/a%20b?c=d%0A"},
			{"HEAD", "/", "www.test", "", 301, "https://www.test/"}, // who came by port 80 will find 443
			{"POST", "//evil.test/..", "www.test", "", 308, "https://www.test//evil.test/.."},
			{"GET", "/x", "[::1]", "", 301, "https://[::1]/x"},
			{"GET", "/.well-known/acme-challenge/x", "www.test", "", 200, ""},
			{"GET", "/healthz", "www.test", "", 200, ""},
			{"GET", "/x", "www.test", "X-Forwarded-Proto: https\r\n", 200, ""}, // a proxy that is believed
		} {
			conn := harness.Dial(t, "tcp", plain)
			conn.Send(c.method + " " + c.path + " HTTP/1.1\r\nHost: " + c.host + "\r\nConnection: close\r\n" + c.field + "\r\n")
			response := conn.MustRead(c.method)
			if got := response.Header.Get("Location"); response.Status != c.status || got != c.location {
				t.Errorf("%s %s at %s: %d %q, want %d %q", c.method, c.path, c.host, response.Status, got, c.status, c.location)
			}
		}
	})
	t.Run("plain HTTP and slow handshakes", func(t *testing.T) {
		c := harness.Dial(t, "tcp", s.Addr())
		c.Get("/")
		if response := c.MustRead("GET"); response.Status != 400 || !strings.Contains(string(response.Body), "https://") {
			t.Errorf("got %d %q", response.Status, response.Body)
		}
		slow := harness.Dial(t, "tcp", s.Addr())
		slow.Send("\x16\x03\x01")
		if rest := slow.ReadRest(); rest != "" {
			t.Errorf("got %q", rest)
		}
	})
	t.Run("other clients", func(t *testing.T) {
		_, port, _ := net.SplitHostPort(s.Addr())
		script := "import http.client, ssl, sys\n" +
			"c = http.client.HTTPSConnection('127.0.0.1', int(sys.argv[1]), context=ssl.create_default_context(cafile=sys.argv[2]), timeout=20)\n" +
			"for n in (1, 70000, 3000000):\n" +
			"    c.request('POST', '/x', b'y' * n)\n    print(c.getresponse().read().count(b'\"length\": %d,' % n))\n"
		for _, c := range []struct {
			args []string
			want string
		}{
			{[]string{"curl", "-sS", "--max-time", "20", "--cacert", s.authority.File, "-w", "%{http_code} %{ssl_verify_result}", "-o", os.DevNull, s.URL("/")}, "200 0"},
			{[]string{s.Python, "-c", script, port, s.authority.File}, "1\n1\n1\n"},
			{[]string{"openssl", "s_client", "-connect", s.Addr(), "-servername", "www.test", "-verify_hostname", "www.test", "-CAfile", s.authority.File, "-tls1_2"}, "Verify return code: 0 (ok)"},
		} {
			ctx, cancel := context.WithTimeout(t.Context(), harness.EventBudget)
			out, err := exec.CommandContext(ctx, c.args[0], c.args[1:]...).CombinedOutput()
			cancel()
			if err != nil || !strings.Contains(string(out), c.want) {
				t.Errorf("%s: %v: %s", c.args[0], err, out)
			}
		}
	})
}

// Row 37.
// A reload turns TLS on and off, for the connections from then on, and the log says so.
func TestReloadTurnsTLSOnAndOff(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	authority := harness.NewAuthority(t)
	cert, key := authority.Write(dir, "site", harness.Leaf{Hosts: []string{"127.0.0.1", "www.test"}})
	config := filepath.Join(dir, "gunicorn.conf.py")
	writeFile(t, config, "")
	s := harness.Start(t, harness.Config{App: "hello:app", Args: []string{"-w", "1", "-c", config, "--keep-alive", "60"}})
	addr := s.Addr()
	plain := func() int {
		nc := harness.Dial(t, "tcp", addr)
		nc.Get("/")
		return nc.MustRead("GET").Status
	}
	secure := func(name string) error {
		nc, err := tls.Dial("tcp", addr, &tls.Config{RootCAs: authority.Pool, ServerName: name})
		if err == nil {
			_ = nc.Close()
		}
		return err
	}
	kept := s.Dial()
	kept.Get("/")
	kept.MustRead("GET")
	for _, step := range []struct{ text, log string }{
		{fmt.Sprintf("certfile = %q\nkeyfile = %q\ngounicorn_tls_strict_sni = True\n", cert, key), "Listening at: https://" + addr},
		{"", "Listening at: http://" + addr},
		{fmt.Sprintf("certfile = %q\nkeyfile = %q\n", cert, key), "Listening at: https://" + addr},
	} {
		writeFile(t, config, step.text)
		from := s.Log.Len()
		s.Signal(syscall.SIGHUP)
		s.Log.Wait(t, from, step.log, harness.StartBudget)
		on := step.text != ""
		harness.Eventually(t, harness.EventBudget, "what the log says", func() bool { return (secure("www.test") == nil) == on })
		if want := map[bool]int{true: 400, false: 200}[on]; plain() != want {
			t.Errorf("%q: plain HTTP gets no %d", step.text, want)
		}
		strict := strings.Contains(step.text, "strict")
		if err := secure("other.test"); on && strings.Contains(fmt.Sprint(err), "unrecognized name") != strict {
			t.Errorf("%q: another name gets %v", step.text, err)
		}
		kept.Get("/") // was made without TLS, and stays so
		if got := kept.MustRead("GET").Status; got != 200 {
			t.Errorf("%q: a connection of before gets %d", step.text, got)
		}
	}
}

func TestRenewedCertificateIsServedAndABadOneIsNot(t *testing.T) {
	t.Parallel()
	s := startHTTPS(t, harness.Config{App: "hello:app", Args: []string{"-w", "1"}})
	stop := load(t, s.Server, 2, "/")
	first := s.serial(t, "www.test")
	next := func(before string) (now string) {
		t.Helper()
		harness.Eventually(t, harness.EventBudget, "another certificate", func() bool { now = s.serial(t, "www.test"); return now != before })
		return now
	}
	s.renew("site")
	second := next(first)
	cert := filepath.Join(s.dir, "site.crt")
	whole, err := os.ReadFile(cert)
	if err != nil {
		t.Fatal(err)
	}
	from := s.Log.Len()
	if err := os.WriteFile(cert, whole[:len(whole)/3], 0o600); err != nil {
		t.Fatal(err)
	}
	s.Log.Wait(t, from, "what was there stays in use", harness.EventBudget)
	from = s.Log.Len()
	s.Signal(syscall.SIGHUP) // new code is not kept back by a bad certificate
	s.Log.Wait(t, from, "what was there stays in use", harness.EventBudget)
	if got := s.serial(t, "www.test"); got != second {
		t.Errorf("certificate %s, want %s", got, second)
	}
	s.renew("site")
	next(second)
	stop()
}

func TestUpgradeWithTLSLosesNoRequest(t *testing.T) {
	t.Parallel()
	pidFile, plain := filepath.Join(t.TempDir(), "pid"), harness.FreePort(t)
	s := startHTTPS(t, harness.Config{App: "faults:app", Args: []string{"-w", "1", "-p", pidFile, "--http-bind", plain}})
	stop := load(t, s.Server, 2, "/file-wrapper/300000")
	from := s.Log.Len()
	s.Signal(syscall.SIGUSR2)
	s.Log.Wait(t, from, "Ready: 1 workers", harness.StartBudget)
	second := pidIn(t, pidFile+".2", 0)
	s.Stop(syscall.SIGTERM)
	s.Log.Wait(t, from, "Master has been promoted.", harness.EventBudget)
	stop()
	response, err := http.Get("http://" + plain + "/pid") // which socket is the plain one has been handed on
	if err != nil || response.StatusCode != 200 {
		t.Errorf("plain HTTP: %v", err)
	} else {
		_ = response.Body.Close()
	}
	end(t, second, syscall.SIGTERM)
}

func TestBadCertificatesEndTheStart(t *testing.T) {
	t.Parallel()
	a, dir := harness.NewAuthority(t), t.TempDir()
	cert, key := a.Write(dir, "a", harness.Leaf{Hosts: []string{"a.test"}})
	_, other := a.Write(dir, "b", harness.Leaf{Hosts: []string{"b.test"}})
	for want, args := range map[string][]string{
		"does not belong to the first certificate":       {"--certfile", cert, "--keyfile", other},
		"is no cipher or word of OpenSSL":                {"--certfile", cert, "--keyfile", key, "--ciphers", "HIHG"},
		"may be read by others, and keys lie there":      {"--acme-domain", "a.test", "--acme-cache", "/tmp"},
		"the root file \"" + dir + "/x\" does not exist": {"--acme-domain", "a.test", "--acme-cache", filepath.Join(dir, "acme"), "--acme-ca-root", dir + "/x"},
	} {
		s := harness.Launch(t, harness.Config{App: "hello:app", Args: append(args, "--check-config"), Exit: 1})
		if code := s.Wait(harness.StartBudget); code != 1 {
			t.Errorf("%q: exit code %d", args, code)
		}
		harness.Eventually(t, harness.EventBudget, "the log is complete", s.Log.Ended)
		if !strings.Contains(s.Log.String(), want) {
			t.Errorf("%q: %s", args, s.Log)
		}
	}
}

// gunicorn's flags mean what they mean in gunicorn.
func TestEnvironOverTLSIsGunicorns(t *testing.T) {
	t.Parallel()
	if peer() {
		return // the two are compared here
	}
	seen := map[harness.Kind]map[string]harness.EnvironValue{}
	for _, kind := range []harness.Kind{harness.Gounicorn, harness.Gunicorn} {
		s := startHTTPS(t, harness.Config{App: "echo:app", Kind: kind, Args: []string{"-w", "1", "--suppress-ragged-eofs", "--do-handshake-on-connect", "--ssl-version", "5"}})
		response, body, err := s.get(s.client, "/a?b", "X-Forwarded-Proto", "https")
		if err != nil || response.StatusCode != 200 {
			t.Fatalf("%s: %v", kind, err)
		}
		if !strings.HasPrefix(s.Addrs[0], "https://") {
			t.Errorf("%s listens at %q", kind, s.Addrs)
		}
		seen[kind] = harness.ParseEcho(t, []byte(body)).Environ
	}
	ours, theirs := seen[harness.Gounicorn], seen[harness.Gunicorn]
	if got, want := slices.Sorted(maps.Keys(ours)), slices.Sorted(maps.Keys(theirs)); !slices.Equal(got, want) {
		t.Errorf("environ has\n%q, with gunicorn\n%q", got, want)
	}
	for name, value := range theirs {
		own := ours[name]
		differs := slices.Contains([]string{"HTTP_HOST", "REMOTE_PORT", "SERVER_PORT", "SERVER_SOFTWARE"}, name) || strings.HasPrefix(name, "wsgi.") && name != "wsgi.url_scheme"
		if !differs && fmt.Sprint(own.Value) != fmt.Sprint(value.Value) && !strings.HasPrefix(fmt.Sprint(value.Value), "<") {
			t.Errorf("%s is %v, with gunicorn %v", name, own.Value, value.Value)
		}
	}
}

// A client that keeps the connection gets every answer at once, small or large, and the server closes it properly.
func TestKeptConnectionOverTLS(t *testing.T) {
	t.Parallel()
	s := startHTTPS(t, harness.Config{App: "faults:app", Args: []string{"-w", "1", "--keep-alive", "1"}})
	c, err := tls.Dial("tcp", s.Addr(), s.client)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	conn := &http.Transport{TLSClientConfig: s.client, MaxConnsPerHost: 1}
	defer conn.CloseIdleConnections()
	for i := range 20 {
		path, want := "/pid", -1
		if i%4 == 3 {
			path, want = "/file-wrapper/700000", 700_000
		}
		request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, s.URL(path), nil)
		if err != nil {
			t.Fatal(err)
		}
		response, err := conn.RoundTrip(request)
		if err != nil {
			t.Fatalf("request %d: %v", i, err)
		}
		body, err := io.ReadAll(response.Body)
		_ = response.Body.Close()
		if err != nil || want >= 0 && len(body) != want {
			t.Fatalf("request %d: %d bytes, %v", i, len(body), err)
		}
	}
	_ = c.SetReadDeadline(time.Now().Add(harness.EventBudget))
	if _, err := c.Read(make([]byte, 1)); err != io.EOF { //nolint:errorlint // as a tls.Conn returns it: the other side has said goodbye
		t.Errorf("the idle connection ended with %v", err)
	}
}

// The key is root's alone: it is read before the server becomes another user, and the log says what that means for its successor.
func TestKeyOfRootIsReadBeforeTheServerBecomesTheUser(t *testing.T) {
	t.Parallel()
	python, env, _ := forAnybody(t)
	s := startHTTPS(t, harness.Config{App: "faults:app", NoPython: true, Env: env, Args: []string{"--python", python, "-w", "1", "-u", "nobody", "-g", fmt.Sprint(nobody)}})
	s.WantGet(t, "/pid", 200)
	if uid := owner(t, s.PID); uid != nobody || len(s.Log.Grep("a renewed certificate needs a restart")) != 1 {
		t.Errorf("user %d; the log: %s", uid, s.Log)
	}
	from := s.Log.Len()
	s.Signal(syscall.SIGHUP)
	s.Log.Wait(t, from, fmt.Sprintf("may not be read by user %d", nobody), harness.EventBudget)
	s.Log.Wait(t, from, "Ready: 1 workers", harness.EventBudget) // the code is new all the same
	s.WantGet(t, "/pid", 200)
}
