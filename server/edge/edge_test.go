package edge_test

import (
	"bytes"
	"crypto/tls"
	"fmt"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/gounicorn/gounicorn/server/edge"
	"github.com/gounicorn/gounicorn/server/exchange"
)

// recorder is an Exchange that keeps the answer.
type recorder struct {
	exchange.Exchange // nil: nothing else is called
	req               exchange.Request
	status            int
	fields            map[string]string
	body              string
}

func (r *recorder) Request() *exchange.Request { return &r.req }
func (r *recorder) Conn() exchange.Conn        { return conn{} }
func (r *recorder) Start(status int, _ []byte) error {
	r.status, r.fields = status, map[string]string{}
	return nil
}
func (r *recorder) Field(name, value []byte) error {
	if bytes.ContainsAny(value, "\r\n\x00") {
		return exchange.ErrField
	}
	r.fields[string(name)] = string(value)
	return nil
}
func (r *recorder) Finish(body []byte) error { r.body = string(body); return nil }
func (r *recorder) Abort()                   { r.status = -1 }

type conn struct{}

func (conn) RemoteAddr() netip.AddrPort   { return netip.AddrPort{} }
func (conn) PeerAddr() netip.AddrPort     { return netip.AddrPort{} }
func (conn) LocalAddr() netip.AddrPort    { return netip.AddrPort{} }
func (conn) Listener() net.Addr           { return nil }
func (conn) Proxy() *exchange.ProxyHeader { return nil }
func (conn) TLS() *tls.ConnectionState    { return nil }

var (
	clock = time.Now()
	alice = netip.MustParseAddr("192.0.2.1")
)

// get is a request of alice.
func get(host, target string, fields ...string) *recorder {
	path, query, _ := strings.Cut(target, "?")
	r := &recorder{req: exchange.Request{
		Method: []byte("GET"), Host: []byte(host), Target: []byte(target), Path: []byte(path), RawPath: []byte(path), RawQuery: []byte(query),
		Client: alice, Received: clock, Scheme: "http",
	}}
	for i := 0; i < len(fields); i += 2 {
		r.req.Fields = append(r.req.Fields, exchange.Field{Name: []byte(fields[i]), Value: []byte(fields[i+1])})
	}
	return r
}

// ask says how the rules answer: 0 when they leave the request to others.
func ask(rules exchange.Responder, r *recorder) int {
	if first, ok := rules.(interface{ Names() exchange.Responder }); ok && first.Names().Respond(r) || rules.Respond(r) {
		return r.status
	}
	return 0
}

func must[T any](t testing.TB, parse func(string) (T, error), texts ...string) (all []T) {
	t.Helper()
	for _, text := range texts {
		v, err := parse(text)
		if err != nil {
			t.Fatalf("%q: %v", text, err)
		}
		all = append(all, v)
	}
	return all
}

func newRules(c edge.Config) *edge.Rules {
	r := edge.New(nil, func(string, ...any) {})
	r.Update(c)
	return r
}

func TestHosts(t *testing.T) {
	rules := newRules(edge.Config{Hosts: []string{"example.com", ".multitenant.com"}})
	for host, want := range map[string]int{"EXAMPLE.com:80": 0, "a.multitenant.com": 0, "www.example.com": 400, "": 400, "example.com@evil.tld": 400} {
		if got := ask(rules, get(host, "/")); got != want {
			t.Errorf("%q: %d", host, got)
		}
	}
	for _, hosts := range [][]string{nil, {"*"}, {"a", "*"}} {
		if got := ask(newRules(edge.Config{Hosts: hosts}), get("other", "/")); got != 0 {
			t.Errorf("%q: %d", hosts, got)
		}
	}
	none := newRules(edge.Config{Hosts: []string{}})
	if got := ask(none, get("other", "/")); got != 400 {
		t.Errorf("an empty list: %d", got)
	}
	site := newRules(edge.Config{SiteHosts: true})
	if got := ask(site, get("other", "/")); got != 0 {
		t.Errorf("nothing is known of the site: %d", got)
	}
	site.SetSiteHosts([]string{"example.com"})
	if got := [2]int{ask(site, get("other", "/")), ask(site, get("example.com", "/"))}; got != [2]int{400, 0} {
		t.Errorf("the site's hosts: %d", got)
	}
}

func TestRedirects(t *testing.T) {
	rules := newRules(edge.Config{Hosts: []string{"example.com"}, Redirects: must(t, edge.ParseRedirect,
		"www.example.com=https://example.com", "/old/=/new/ 302", "/doc=https://docs.example.com/v1 308", "/gone=/")})
	for _, c := range []struct {
		host, target, to string
		status           int
	}{
		{"www.example.com", "/", "https://example.com/", 301},
		{"WWW.example.com:80", "/a/b?q=1&r", "https://example.com/a/b?q=1&r", 301},
		{"www.example.com", "//evil.com/x", "https://example.com/evil.com/x", 301},
		{"www.example.com", "/@evil.com", "https://example.com/@evil.com", 301},
		{"example.com", "/old", "/new", 302},
		{"example.com", "/old/", "/new/", 302},
		{"example.com", "/old/a?x", "/new/a?x", 302},
		{"example.com", "/older", "", 0},
		{"example.com", "/doc/a%2Fb", "https://docs.example.com/v1/a%2Fb", 308},
		{"example.com", "/gone//evil.com", "/evil.com", 301},
		{"example.com", "/gone/\\evil.com", "/evil.com", 301},
		{"example.com", "/gone", "/", 301},
		{"example.com", "/x/old/", "", 0},
	} {
		r := get(c.host, c.target)
		if got := ask(rules, r); got != c.status || r.fields["Location"] != c.to {
			t.Errorf("%s%s: %d to %q, want %d to %q", c.host, c.target, got, r.fields["Location"], c.status, c.to)
		}
	}
}

func TestAddresses(t *testing.T) {
	rules := newRules(edge.Config{
		Allow: must(t, edge.ParseAllow, "/admin/=10.0.0.0/8,2001:db8::/32", "/admin=198.51.100.7", "/admin/open=all"),
		Deny:  must(t, edge.ParseDeny, "/=203.0.113.0/24"),
	})
	for _, c := range []struct {
		path, client string
		want         int
	}{
		{"/", "192.0.2.1", 0}, {"/", "203.0.113.9", 403}, {"/", "::ffff:203.0.113.9", 403}, {"/admin", "192.0.2.1", 403}, {"/admin/", "192.0.2.1", 403},
		{"/admin/x", "10.1.2.3", 0}, {"/admin/x", "198.51.100.7", 0}, {"/admin/x", "2001:db8::1", 0}, {"/admin/x", "fe80::1", 403}, {"/administrator", "192.0.2.1", 0},
		{"/admin/open/x", "192.0.2.1", 0}, {"/admin/open/x", "203.0.113.9", 403}, {"/admin/", "", 0},
		// The ways around: each may be read as a path below /admin by somebody.
		{"//admin/x", "192.0.2.1", 403}, {"/x/../admin/x", "192.0.2.1", 403}, {"/./admin", "192.0.2.1", 403}, {"/admin/../x", "192.0.2.1", 403},
		{"/admin//x", "192.0.2.1", 403}, {"/admin/open/../x", "192.0.2.1", 403},
	} {
		r := get("h", c.path)
		if r.req.Client = (netip.Addr{}); c.client != "" {
			r.req.Client = netip.MustParseAddr(c.client)
		}
		if got := ask(rules, r); got != c.want {
			t.Errorf("%s by %q: %d, want %d", c.path, c.client, got, c.want)
		}
	}
}

// passwords of the file below: one of each kind, made by htpasswd and openssl.
const users = `# a comment
bcrypt:$2y$05$xTcDsKaftduoV27sCOafC.7U7L1icTRXnABcrdbG9Mc8liQygGBTy
apr1:$apr1$saltsalt$9/tMzdzSc6dIiPlJw6UTa.:with a comment
sha:{SHA}kGByAB793z4R5tK1eC9Hd/4Dhzk=
`

func passwordFile(t testing.TB, text string) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), "users")
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return file
}

func TestRuleTextsThatAreRefused(t *testing.T) {
	size := func(string) (int64, error) { return -1, nil }
	for kind, c := range map[string]struct {
		parse func(string) error
		texts []string
	}{
		"redirect": {func(s string) error { _, err := edge.ParseRedirect(s); return err }, []string{
			"", "x", "=x", "/a=", "a=/b", "/a=//evil", "/a=b", "/a=javascript:x", "/a=https://u@h", "/a=/b?c", "/a=/b#c", "/a=/b 200", "/a=/b 301 x", "/=/x",
			"/a=/a/b", "a.com=https://a.com", "A.com=https://a.com:8443", "/a/../b=/c", "/a=https://", "*.a.com=https://b.com", "/a%20b=/c", "/a=/\"b",
		}},
		"allow": {func(s string) error { _, err := edge.ParseAllow(s); return err }, []string{
			"", "/", "/=", "x=10.0.0.0/8", "/=10.0.0.1/8", "/=10.0.0.0/33", "/=host", "/=,", "/=fe80::1%eth0",
		}},
		"deny": {func(s string) error { _, err := edge.ParseDeny(s); return err }, []string{"/=all"}},
		"rate": {func(s string) error { _, err := edge.ParseRate(s); return err }, []string{
			"", "/=", "/=0", "/=-1", "/=x", "/=1/x", "/=1/s burst", "/=1/s burst=-1", "/=1/s burst=9999999", "/=1/s 5", "/=1 burst=1 x", "/=99999999/s", "/=off burst=1", "/=1/h burst=1000001",
		}},
		"auth": {func(s string) error { _, err := edge.ParseAuth(s); return err }, []string{"", "/=", "/=/does/not/exist", "x=/dev/null", "/=/dev/null"}},
		"body": {func(s string) error { _, err := edge.ParseBody(s, size); return err }, []string{"", "/", "/x=1"}},
	} {
		for _, text := range c.texts {
			if err := c.parse(text); err == nil {
				t.Errorf("%s %q is accepted", kind, text)
			} else if kind == "auth" && strings.Contains(err.Error(), "$") {
				t.Errorf("%s %q shows a password: %v", kind, text, err)
			}
		}
	}
	for _, text := range []string{"x", ":x", "joe:plain", "joe:$2y$14$xTcDsKaftduoV27sCOafC.7U7L1icTRXnABcrdbG9Mc8liQygGBTy", "joe:$2y$05$short", "joe:{SHA}short", "joe:$6$rounds=9000000$a$b", strings.Repeat("#\n", 1<<19+1)} {
		if _, err := edge.ParseAuth("/=" + passwordFile(t, text)); err == nil || strings.Contains(err.Error(), "$") {
			t.Errorf("a file with %.40q: %v", text, err)
		}
	}
}

func TestNothingIsAllocatedWithoutRules(t *testing.T) {
	rules, r := newRules(edge.Config{}), get("h", "/")
	if n := testing.AllocsPerRun(100, func() { rules.Respond(r) }); n != 0 {
		t.Errorf("%v allocations", n)
	}
	health := &edge.Health{}
	health.Update("/healthz", "/readyz")
	if n := testing.AllocsPerRun(100, func() { health.Respond(r) }); n != 0 {
		t.Errorf("%v allocations of health", n)
	}
}

func TestHealth(t *testing.T) {
	ok, reason := true, ""
	h := &edge.Health{Ready: func() (bool, string) { return ok, reason }}
	h.Update("/healthz", "/readyz")
	check := func(path string, status int, body string) {
		t.Helper()
		r := get("10.0.0.1", path)
		if got := ask(h, r); got != status || r.body != body {
			t.Errorf("%s: %d %q, want %d %q", path, got, r.body, status, body)
		}
	}
	check("/healthz", 200, `{"status":"ok","reason":"alive"}`+"\n")
	check("/readyz", 200, `{"status":"ok","reason":"ready"}`+"\n")
	ok, reason = false, "no worker is ready"
	check("/readyz", 503, `{"status":"unavailable","reason":"no worker is ready"}`+"\n")
	check("/healthz", 200, `{"status":"ok","reason":"alive"}`+"\n")
	for _, path := range []string{"/", "/healthz/", "/x/healthz", ""} {
		check(path, 0, "")
	}
	post := get("h", "/healthz")
	post.req.Method = []byte("POST")
	if got := ask(h, post); got != 405 || post.fields["Allow"] != "GET, HEAD" {
		t.Errorf("POST: %d %q", got, post.fields)
	}
	h.Update("", "/ready")
	check("/healthz", 0, "")
	check("/ready", 503, `{"status":"unavailable","reason":"no worker is ready"}`+"\n")
}

func TestRefusalsAreReadable(t *testing.T) {
	rules := newRules(edge.Config{Hosts: []string{"a"}})
	for accept, kind := range map[string]string{
		"": "text/html; charset=utf-8", "text/html,application/json": "text/html; charset=utf-8", "*/*": "text/html; charset=utf-8",
		"application/json": "application/json", "application/problem+json, */*": "application/json",
	} {
		r := get("b", "/", "Accept", accept)
		if got := ask(rules, r); got != 400 || r.fields["Content-Type"] != kind || r.fields["Cache-Control"] != "no-store" {
			t.Errorf("Accept %q: %d %v", accept, got, r.fields)
		}
	}
	r := get("b", "/", "Accept", "application/json")
	r.req.Pages = func(status int, json bool) []byte { return fmt.Append(nil, status, json) }
	if ask(rules, r) != 400 || r.body != "400 true" {
		t.Errorf("the operator's page is %q", r.body)
	}
}

func TestBodies(t *testing.T) {
	sizes := map[string]int64{"1K": 1024, "2G": 2 << 30, "0": 0}
	size := func(s string) (int64, error) { return sizes[s], nil }
	bodies := must(t, func(s string) (edge.Body, error) { return edge.ParseBody(s, size) }, "/small/=1K", "/up=2G")
	rules := newRules(edge.Config{Bodies: append([]edge.Body{edge.UsualBody(100)}, bodies...)})
	for path, want := range map[string]int64{"/": 100, "/small/x": 1024, "/up/": 2 << 30, "/upper": 100} {
		r := get("h", path)
		if got := ask(rules, r); got != 0 || r.req.BodyLimit != want {
			t.Errorf("%s: %d, limit %d, want %d", path, got, r.req.BodyLimit, want)
		}
	}
	if got := fmt.Sprint(edge.LargestBody(100, nil), edge.LargestBody(100, bodies), edge.LargestBody(0, bodies),
		edge.LargestBody(100, append(bodies, edge.UsualBody(0)))); got != fmt.Sprint(100, 2<<30, 0, 0) {
		t.Errorf("the largest: %s", got)
	}
}
