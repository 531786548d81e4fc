package server

import (
	"bufio"
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"net/netip"
	"path/filepath"
	"strings"
	"testing"

	"github.com/gounicorn/gounicorn/server/exchange"
	"github.com/gounicorn/gounicorn/server/http1"
)

// defaultTrust is what gunicorn's defaults mean.
func defaultTrust() Trust {
	return Trust{
		Forwarded: allow("127.0.0.1/32", "::1/128"), ProxyAllow: allow("127.0.0.1/32", "::1/128"),
		SchemeFields:     []SchemeField{{"X-FORWARDED-PROTOCOL", "ssl"}, {"X-FORWARDED-PROTO", "https"}, {"X-FORWARDED-SSL", "on"}},
		ForwarderHeaders: []string{"SCRIPT_NAME", "PATH_INFO"}, HopField: "X-Forwarded-For",
	}
}

func allow(prefixes ...string) (l AllowList) {
	for _, p := range prefixes {
		l.Prefixes = append(l.Prefixes, netip.MustParsePrefix(p))
	}
	return l
}

// seen is what one request became: its status, and if it reached the application its environ.
type seen struct {
	status  int
	environ map[string]string
	client  uint64
}

// ask sends raw bytes on one connection and returns what became of the n requests in them.
func ask(t *testing.T, network, addr string, calls <-chan seen, raw string, n int) (all []seen) {
	t.Helper()
	conn, err := net.Dial(network, addr)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if _, err := io.WriteString(conn, raw); err != nil {
		t.Fatal(err)
	}
	r := bufio.NewReader(conn)
	for range n {
		res, err := http.ReadResponse(r, nil)
		if err != nil {
			t.Fatalf("%q: %v", raw, err)
		}
		_, _ = io.Copy(io.Discard, res.Body)
		got := seen{status: res.StatusCode}
		if res.StatusCode == 299 {
			got = <-calls
		}
		all = append(all, got)
	}
	return all
}

func trusting(t *testing.T, change func(*Trust)) (addr string, access *log, calls chan seen) {
	t.Helper()
	calls = make(chan seen, 10)
	app := &fakeApp{serve: func(c *Call) {
		calls <- seen{299, environ(c), c.Client}
		_ = c.Head(299, head("Seen", nil, ""), nil, true)
	}}
	addr, access = start(t, app, func(c *Config) {
		if change != nil {
			change(&c.Trust)
		}
	})
	return addr, access, calls
}

func stranger(t *Trust) { t.Forwarded, t.ProxyAllow = allow("192.0.2.0/24"), allow("192.0.2.0/24") }

func raw(fields ...string) string {
	text := "GET /shop/a%20b?q HTTP/1.1\r\nHost: host\r\n"
	for _, f := range fields {
		text += f + "\r\n"
	}
	return text + "\r\n"
}

const absent = "(absent)"

func TestTrustDecidesWhatReachesTheApplication(t *testing.T) {
	for _, c := range []struct {
		name   string
		change func(*Trust)
		fields []string
		status int // 0: it reaches the application
		want   map[string]string
	}{
		{name: "plain", want: map[string]string{"wsgi.url_scheme": "http", "REMOTE_ADDR": "127.0.0.1", "SCRIPT_NAME": absent, "PATH_INFO": "/shop/a b"}},

		// The scheme.
		{name: "https", fields: []string{"X-Forwarded-Proto: https"}, want: map[string]string{"wsgi.url_scheme": "https", "HTTP_X_FORWARDED_PROTO": "https"}},
		{name: "ssl", fields: []string{"x-forwarded-protocol: ssl"}, want: map[string]string{"wsgi.url_scheme": "https"}},
		{name: "on", fields: []string{"X-Forwarded-Ssl: on"}, want: map[string]string{"wsgi.url_scheme": "https"}},
		{name: "case counts", fields: []string{"X-Forwarded-Proto: HTTPS"}, want: map[string]string{"wsgi.url_scheme": "http"}},
		{name: "a list is another value", fields: []string{"X-Forwarded-Proto: https,http"}, want: map[string]string{"wsgi.url_scheme": "http"}},
		{name: "two agree", fields: []string{"X-Forwarded-Proto: https", "X-Forwarded-Ssl: on"}, want: map[string]string{"wsgi.url_scheme": "https"}},
		{name: "two disagree", fields: []string{"X-Forwarded-Proto: https", "X-Forwarded-Ssl: off"}, status: 400},
		{name: "one twice disagrees", fields: []string{"X-Forwarded-Proto: https", "X-Forwarded-Proto: http"}, status: 400},
		{
			name: "of a stranger", change: stranger, fields: []string{"X-Forwarded-Proto: https", "X-Forwarded-Ssl: off"},
			want: map[string]string{"wsgi.url_scheme": "http", "HTTP_X_FORWARDED_PROTO": "https", "HTTP_X_FORWARDED_SSL": "off"},
		},
		{
			name: "of everybody", change: func(t *Trust) { t.Forwarded = AllowList{All: true} }, fields: []string{"X-Forwarded-Proto: https"},
			want: map[string]string{"wsgi.url_scheme": "https"},
		},
		{
			name: "own field", change: func(t *Trust) { t.SchemeFields = []SchemeField{{"X-Scheme", "TLS"}} }, fields: []string{"x-SCHEME: TLS", "X-Forwarded-Ssl: on"},
			want: map[string]string{"wsgi.url_scheme": "https"},
		},

		// Claims about the client pass, as in gunicorn, unless they are not wanted.
		{
			name: "claims of a stranger", change: stranger, fields: []string{"X-Forwarded-For: 1.1.1.1", "Forwarded: for=1.1.1.1", "X-Real-IP: 1.1.1.1"},
			want: map[string]string{"HTTP_X_FORWARDED_FOR": "1.1.1.1", "HTTP_FORWARDED": "for=1.1.1.1", "HTTP_X_REAL_IP": "1.1.1.1", "REMOTE_ADDR": "127.0.0.1"},
		},
		{
			name: "claims dropped", change: func(t *Trust) { stranger(t); t.DropClaims = true },
			fields: []string{"X-Forwarded-For: 1.1.1.1", "forwarded: for=1.1.1.1", "X-Real-IP: 1", "X-Client-Ip: 1", "X-Request-Id: 7"},
			want:   map[string]string{"HTTP_X_FORWARDED_FOR": absent, "HTTP_FORWARDED": absent, "HTTP_X_REAL_IP": absent, "HTTP_X_CLIENT_IP": absent, "HTTP_X_REQUEST_ID": "7"},
		},
		{
			name: "claims of a proxy stay", change: func(t *Trust) { t.DropClaims = true }, fields: []string{"X-Forwarded-For: 1.1.1.1"},
			want: map[string]string{"HTTP_X_FORWARDED_FOR": "1.1.1.1"},
		},

		// Names with an underscore.
		{name: "unknown underscore", fields: []string{"X_Forwarded_For: 1"}, want: map[string]string{"HTTP_X_FORWARDED_FOR": absent}},
		{name: "PATH_INFO", fields: []string{"Path_Info: /evil"}, want: map[string]string{"PATH_INFO": "/shop/a b", "HTTP_PATH_INFO": "/evil"}},
		{name: "REMOTE_USER", fields: []string{"REMOTE_USER: root"}, want: map[string]string{"HTTP_REMOTE_USER": absent, "REMOTE_USER": absent}},
		{
			name: "REMOTE_USER on the list", change: func(t *Trust) { t.ForwarderHeaders = []string{"REMOTE_USER"} }, fields: []string{"Remote_User: ann"},
			want: map[string]string{"HTTP_REMOTE_USER": "ann", "REMOTE_USER": absent},
		},
		{
			name: "all on the list", change: func(t *Trust) { t.ForwarderHeaders = []string{"*"} }, fields: []string{"X_Any: 1", "X-Any: 2", "Content_Length: 5", "CONTENT_TYPE: a"},
			want: map[string]string{"HTTP_X_ANY": "1,2", "CONTENT_LENGTH": absent, "HTTP_CONTENT_LENGTH": "5", "CONTENT_TYPE": absent, "HTTP_CONTENT_TYPE": "a"},
		},
		{name: "listed, of a stranger", change: stranger, fields: []string{"SCRIPT_NAME: /shop"}, want: map[string]string{"HTTP_SCRIPT_NAME": absent, "SCRIPT_NAME": absent}},
		{name: "refused", change: func(t *Trust) { t.HeaderMap = http1.UnderscoreRefuse }, fields: []string{"X_Any: 1"}, status: 400},
		{
			name: "listed is not refused", change: func(t *Trust) { t.HeaderMap = http1.UnderscoreRefuse }, fields: []string{"Path_Info: 1"},
			want: map[string]string{"HTTP_PATH_INFO": "1"},
		},
		{
			name: "dangerous", change: func(t *Trust) { stranger(t); t.HeaderMap = http1.UnderscorePass }, fields: []string{"X_Any: 1", "X-Any: 2"},
			want: map[string]string{"HTTP_X_ANY": "1,2"},
		},

		// The mount point.
		{
			name: "SCRIPT_NAME of a proxy", fields: []string{"SCRIPT_NAME: /shop"},
			want: map[string]string{"SCRIPT_NAME": "/shop", "PATH_INFO": "/a b", "HTTP_SCRIPT_NAME": "/shop"},
		},
		{name: "SCRIPT_NAME elsewhere", fields: []string{"SCRIPT_NAME: /else"}, status: 500},
		{
			name: "SCRIPT_NAME of the environment", change: func(t *Trust) { t.ScriptName = "/shop/" },
			want: map[string]string{"SCRIPT_NAME": "/shop/", "PATH_INFO": "a b"},
		},
		{name: "environment elsewhere", change: func(t *Trust) { t.ScriptName = "/else" }, status: 500},
		{
			name: "the proxy wins", change: func(t *Trust) { t.ScriptName = "/else" }, fields: []string{"script_name: /shop"},
			want: map[string]string{"SCRIPT_NAME": "/shop", "PATH_INFO": "/a b"},
		},
		{
			name: "with a hyphen it is another field", fields: []string{"Script-Name: /else"},
			want: map[string]string{"SCRIPT_NAME": absent, "HTTP_SCRIPT_NAME": "/else"},
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			addr, _, calls := trusting(t, c.change)
			got := ask(t, "tcp", addr, calls, raw(c.fields...), 1)[0]
			if c.status != 0 {
				if got.status != c.status {
					t.Errorf("status %d, want %d; %v", got.status, c.status, got.environ)
				}
				return
			}
			wantEnviron(t, got, c.want)
		})
	}
}

func wantEnviron(t *testing.T, got seen, want map[string]string) {
	t.Helper()
	if got.status != 299 {
		t.Fatalf("status %d", got.status)
	}
	for name, value := range want {
		if have, ok := got.environ[name]; value == absent && ok || value != absent && (!ok || have != value) {
			t.Errorf("%s is %q (present: %v), want %q", name, have, ok, value)
		}
	}
}

// Forged entries stand before those that the proxies in front add, so they never count.
func TestHopsFindTheClientBehindProxies(t *testing.T) {
	for _, c := range []struct {
		name   string
		hops   int
		field  string
		fields []string
		want   string // address, or address and port; "" is the peer's
	}{
		{"off", 0, "X-Forwarded-For", []string{"X-Forwarded-For: 1.1.1.1"}, ""},
		{"one", 1, "X-Forwarded-For", []string{"X-Forwarded-For: 1.1.1.1"}, "1.1.1.1"},
		{"one, forged before it", 1, "X-Forwarded-For", []string{"X-Forwarded-For: 9.9.9.9, 8.8.8.8,1.1.1.1"}, "1.1.1.1"},
		{"one, forged in another field", 1, "X-Forwarded-For", []string{"X-Forwarded-For: 9.9.9.9", "x-forwarded-for: 1.1.1.1"}, "1.1.1.1"},
		{"two", 2, "X-Forwarded-For", []string{"X-Forwarded-For: 9.9.9.9, 1.1.1.1, 10.0.0.1"}, "1.1.1.1"},
		{"two, across fields", 2, "X-Forwarded-For", []string{"X-Forwarded-For: 9.9.9.9, 1.1.1.1", "X-Forwarded-For: 10.0.0.1"}, "1.1.1.1"},
		{"too few", 2, "X-Forwarded-For", []string{"X-Forwarded-For: 1.1.1.1"}, ""},
		{"none", 1, "X-Forwarded-For", nil, ""},
		{"other fields do not count", 1, "X-Forwarded-For", []string{"Forwarded: for=9.9.9.9", "X-Real-IP: 9.9.9.9"}, ""},
		{"no address", 1, "X-Forwarded-For", []string{"X-Forwarded-For: 9.9.9.9, unknown"}, ""},
		{"empty entry", 1, "X-Forwarded-For", []string{"X-Forwarded-For: 9.9.9.9,"}, ""},
		{"with port", 1, "X-Forwarded-For", []string{"X-Forwarded-For: 1.1.1.1:1234"}, "1.1.1.1 1234"},
		{"IPv6", 1, "X-Forwarded-For", []string{"X-Forwarded-For: 2001:DB8::1"}, "2001:db8::1"},
		{"IPv6 with port", 1, "X-Forwarded-For", []string{"X-Forwarded-For: [2001:db8::1]:80"}, "2001:db8::1 80"},
		{"IPv6 in brackets", 1, "X-Forwarded-For", []string{"X-Forwarded-For: [2001:db8::1]"}, "2001:db8::1"},
		{"mapped", 1, "X-Forwarded-For", []string{"X-Forwarded-For: ::ffff:1.1.1.1"}, "1.1.1.1"},
		{"zone", 1, "X-Forwarded-For", []string{"X-Forwarded-For: fe80::1%eth0"}, ""},
		{"a quote does not hide entries", 1, "X-Forwarded-For", []string{`X-Forwarded-For: ", 1.1.1.1`}, "1.1.1.1"},
		{"own field", 1, "X-Real-IP", []string{"X-Real-IP: 1.1.1.1", "X-Forwarded-For: 9.9.9.9"}, "1.1.1.1"},
		{"Forwarded", 1, "Forwarded", []string{"Forwarded: for=9.9.9.9, for=1.1.1.1;proto=https;by=10.0.0.1", "X-Forwarded-For: 9.9.9.9"}, "1.1.1.1"},
		{"Forwarded, two", 2, "forwarded", []string{`Forwarded: for=9.9.9.9,For="[2001:db8::1]:47";by=_x`, "Forwarded: for=10.0.0.1"}, "2001:db8::1 47"},
		{"Forwarded, comma in quotes", 1, "forwarded", []string{`Forwarded: for=1.1.1.1;by="a, for=9.9.9.9"`}, "1.1.1.1"},
		{"Forwarded, semicolon in quotes", 1, "forwarded", []string{`Forwarded: by="a\";for=9.9.9.9";for=1.1.1.1`}, "1.1.1.1"},
		{"Forwarded, twice", 1, "forwarded", []string{"Forwarded: for=1.1.1.1;for=9.9.9.9"}, ""},
		{"Forwarded, hidden", 1, "forwarded", []string{"Forwarded: for=_hidden"}, ""},
		{"Forwarded, open quote", 1, "forwarded", []string{`Forwarded: for="9.9.9.9, for=1.1.1.1`}, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			change := func(t *Trust) { t.Hops, t.HopField = c.hops, c.field }
			addr, _, calls := trusting(t, change)
			all := ask(t, "tcp", addr, calls, raw(c.fields...)+raw(), 2)
			if all[1].environ["REMOTE_ADDR"] != "127.0.0.1" || all[1].environ["REMOTE_PORT"] == "" {
				t.Errorf("the next request has %v", all[1].environ)
			}
			got, want := all[0], map[string]string{"REMOTE_ADDR": "127.0.0.1", "REMOTE_PORT": all[1].environ["REMOTE_PORT"]}
			if c.want != "" {
				address, port, ok := strings.Cut(c.want, " ")
				want["REMOTE_ADDR"], want["REMOTE_PORT"] = address, port
				if !ok {
					want["REMOTE_PORT"] = absent
				}
				if got.client != ClientOf([]byte(address)) {
					t.Error("turns go to another client")
				}
			}
			wantEnviron(t, got, want)

			addr, _, calls = trusting(t, func(t *Trust) { change(t); stranger(t) })
			got = ask(t, "tcp", addr, calls, raw(c.fields...), 1)[0]
			wantEnviron(t, got, map[string]string{"REMOTE_ADDR": "127.0.0.1"})
			if got.client != ClientOf([]byte("127.0.0.1")) {
				t.Error("a stranger chose whose turn it is")
			}
		})
	}
}

// A proxy that is believed says who the client is; what the client itself claims stands before that.
func TestClientIsThePeerOrWhomATrustedProxyNames(t *testing.T) {
	addr, _, calls := trusting(t, nil)
	for _, c := range []struct{ fields, want string }{
		{"", "127.0.0.1"},
		{"X-Forwarded-For: 192.0.2.1", "192.0.2.1"},
		{"x-forwarded-for: 198.51.100.9, 192.0.2.1", "192.0.2.1"},
		{"X-Forwarded-For: 198.51.100.9\r\nX-Forwarded-For: 192.0.2.1", "192.0.2.1"},
	} {
		text := raw()
		if c.fields != "" {
			text = raw(c.fields)
		}
		if got := ask(t, "tcp", addr, calls, text, 1)[0]; got.client != ClientOf([]byte(c.want)) {
			t.Errorf("%q: not the client %s", c.fields, c.want)
		}
	}
}

// Row 31.
func TestProxyHeaderNamesTheClientOfTheConnection(t *testing.T) {
	const line = "PROXY TCP4 192.0.2.9 198.51.100.1 4321 443\r\n"
	sig := "\r\n\r\n\x00\r\nQUIT\n"
	named := map[string]string{"REMOTE_ADDR": "192.0.2.9", "REMOTE_PORT": "4321", "PROXY_PROTOCOL": "TCP4", "PROXY_ADDR": "198.51.100.1", "PROXY_PORT": "443"}
	own := func(protocol string) map[string]string {
		return map[string]string{"REMOTE_ADDR": "127.0.0.1", "PROXY_PROTOCOL": protocol, "PROXY_ADDR": absent, "PROXY_PORT": absent}
	}
	with := func(base map[string]string, name, value string) map[string]string {
		m := maps.Clone(base)
		m[name] = value
		return m
	}
	auto := func(t *Trust) { t.Proxy = http1.ProxyAuto }
	for _, c := range []struct {
		name   string
		change func(*Trust)
		text   string
		status int
		want   map[string]string
	}{
		{"v1", auto, line + raw() + raw(), 0, named},
		{"v2", auto, sig + "\x21\x11\x00\x0c\xc0\x00\x02\x09\xc6\x33\x64\x01\x10\xe1\x01\xbb" + raw() + raw(), 0, named},
		{"no header", auto, raw() + raw(), 0, own(absent)},
		{"v1 unknown", auto, "PROXY UNKNOWN\r\n" + raw() + raw(), 0, own("UNKNOWN")},
		{"v2 local", auto, sig + "\x20\x00\x00\x00" + raw() + raw(), 0, own("LOCAL")},
		{"v2 large", auto, sig + "\x20\x00\xff\xff" + strings.Repeat("x", 65535) + raw() + raw(), 0, own("LOCAL")},
		{"malformed v1", auto, "PROXY TCP4 1 2 3 4\r\n" + raw(), 400, nil},
		{"malformed v2", auto, sig + "\x31\x11\x00\x00" + raw(), 400, nil},
		{"v2 datagram", auto, sig + "\x21\x12\x00\x0c\xc0\x00\x02\x09\xc6\x33\x64\x01\x10\xe1\x01\xbb" + raw(), 400, nil},
		{"stranger v1", func(t *Trust) { auto(t); stranger(t) }, line + raw(), 403, nil},
		{"stranger v2, before its end", func(t *Trust) { auto(t); stranger(t) }, sig, 403, nil},
		{"stranger without", func(t *Trust) { auto(t); stranger(t) }, raw() + raw(), 0, own(absent)},
		{"off", nil, line + raw(), 400, nil},
		{"other version", func(t *Trust) { t.Proxy = http1.ProxyV2 }, line + raw(), 400, nil},
		{"second header", auto, line + line + raw(), 400, nil},
		{
			"hops behind it", func(t *Trust) { auto(t); t.Hops = 1; t.Forwarded = allow("127.0.0.1/32", "192.0.2.9/32") },
			line + raw("X-Forwarded-For: 8.8.8.8, 1.1.1.1") + raw("X-Forwarded-For: 1.1.1.1"), 0,
			with(with(named, "REMOTE_ADDR", "1.1.1.1"), "REMOTE_PORT", absent),
		},
		{
			"hops of its client, who is not believed", func(t *Trust) { auto(t); t.Hops = 1 },
			line + raw("X-Forwarded-For: 1.1.1.1") + raw("X-Forwarded-For: 1.1.1.1"), 0, named,
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			addr, access, calls := trusting(t, c.change)
			n := 1
			if c.status == 0 {
				n = 2 // it holds for the whole connection
			}
			for i, got := range ask(t, "tcp", addr, calls, c.text, n) {
				if c.status != 0 {
					if got.status != c.status {
						t.Errorf("status %d, want %d", got.status, c.status)
					}
					continue
				}
				t.Run(fmt.Sprint("request ", i), func(t *testing.T) { wantEnviron(t, got, c.want) })
			}
			if address := c.want["REMOTE_ADDR"]; address != "" {
				until(t, func() bool { return strings.Count(access.String(), " "+address+" ") == 2 }, access.String)
			}
		})
	}
}

func TestUnixSocketsAreAlwaysTrusted(t *testing.T) {
	path := filepath.Join(t.TempDir(), "s")
	calls := make(chan seen, 10)
	cfg := Config{App: &fakeApp{serve: func(c *Call) {
		calls <- seen{299, environ(c), c.Client}
		_ = c.Head(299, head("Seen", nil, ""), nil, true)
	}}}
	_, _ = start(t, cfg.App, func(c *Config) {
		stranger(&c.Trust)
		c.Trust.Hops, c.Trust.Proxy = 1, http1.ProxyAuto
		cfg = *c
	})
	s := New(cfg)
	ln, err := Listen(Address{Network: "unix", Address: path}, Socket{})
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan error, 1)
	go func() { done <- s.Serve(ln) }()
	defer func() {
		s.Close()
		if err := <-done; err != nil {
			t.Error(err)
		}
	}()
	got := ask(t, "unix", path, calls, raw("X-Forwarded-Proto: https", "X-Forwarded-For: 9.9.9.9, 1.1.1.1", "SCRIPT_NAME: /shop"), 1)[0]
	wantEnviron(t, got, map[string]string{
		"wsgi.url_scheme": "https", "REMOTE_ADDR": "1.1.1.1", "REMOTE_PORT": absent, "SCRIPT_NAME": "/shop", "SERVER_NAME": "host", "SERVER_PORT": "443",
	})
	got = ask(t, "unix", path, calls, "PROXY TCP4 192.0.2.9 198.51.100.1 4321 443\r\n"+raw(), 1)[0]
	wantEnviron(t, got, map[string]string{"REMOTE_ADDR": "192.0.2.9", "REMOTE_PORT": "4321", "SERVER_PORT": "80"})
	got = ask(t, "unix", path, calls, raw(), 1)[0]
	wantEnviron(t, got, map[string]string{"REMOTE_ADDR": "", "REMOTE_PORT": absent})
}

// FuzzHops looks for panics, and for an address that depends on what a client forged before the entry of the last proxy.
func FuzzHops(f *testing.F) {
	f.Add([]byte("9.9.9.9, 8.8.8.8"), true)
	f.Add([]byte(`for="[::1]:80";by=x, for=_y`), false)
	f.Add([]byte(`for="a`), false)
	f.Fuzz(func(t *testing.T, forged []byte, list bool) {
		trust := Trust{Hops: 1, HopField: "x-forwarded-for"}
		entry := "1.1.1.1"
		if !list {
			trust.HopField, entry = "forwarded", "for=1.1.1.1"
		}
		fields := []exchange.Field{{Name: []byte(trust.HopField), Value: forged}, {Name: []byte(trust.HopField), Value: []byte(entry)}}
		if got := trust.client(fields); got.Addr().String() != "1.1.1.1" {
			t.Fatalf("%q before the entry: %v", forged, got)
		}
		if joined := append(append(forged[:len(forged):len(forged)], ", "...), entry...); list {
			if got := trust.client([]exchange.Field{{Name: []byte(trust.HopField), Value: joined}}); got.Addr().String() != "1.1.1.1" {
				t.Fatalf("%q before the entry: %v", forged, got)
			}
		}
		trust.Hops = 3
		_ = trust.client(fields)
	})
}
