package settings

import (
	"strings"
	"testing"
)

func TestParseAddress(t *testing.T) {
	for _, c := range []struct{ in, canonical, network, listen string }{
		{"127.0.0.1:8000", "127.0.0.1:8000", "tcp4", "127.0.0.1:8000"},
		{"127.0.0.1", "127.0.0.1:8000", "tcp4", "127.0.0.1:8000"},
		{"127.0.0.1:0", "127.0.0.1:0", "tcp4", "127.0.0.1:0"},
		{":80", "0.0.0.0:80", "tcp4", "0.0.0.0:80"},
		{"LocalHost:80", "localhost:80", "tcp4", "localhost:80"},
		{"my_host", "my_host:8000", "tcp4", "my_host:8000"},
		{"tcp://0.0.0.0:80", "0.0.0.0:80", "tcp4", "0.0.0.0:80"},
		{"tcp://", "0.0.0.0:8000", "tcp4", "0.0.0.0:8000"},
		{"tcp://host:80/", "host:80", "tcp4", "host:80"},
		{"[::1]:80", "[::1]:80", "tcp6", "[::1]:80"},
		{"[::1]", "[::1]:8000", "tcp6", "[::1]:8000"},
		{"[::]:80", "[::]:80", "tcp", "[::]:80"},
		{"tcp://[fe80::1%eth0]:80", "[fe80::1%eth0]:80", "tcp6", "[fe80::1%eth0]:80"},
		{"unix:/run/a.sock", "unix:/run/a.sock", "unix", "/run/a.sock"},
		{"unix:///run/a.sock", "unix:/run/a.sock", "unix", "/run/a.sock"},
		{"unix:a.sock", "unix:a.sock", "unix", "a.sock"},
		{"unix:@a", "unix:@a", "unix", "./@a"},
		{"UNIX:80", "tcp://unix:80", "tcp4", "unix:80"},
		{"fd://3", "fd://3", "", ""},
	} {
		t.Run(c.in, func(t *testing.T) {
			a, err := ParseAddress(c.in)
			if err != nil {
				t.Fatal(err)
			}
			if got := a.String(); got != c.canonical {
				t.Errorf("canonical %q, want %q", got, c.canonical)
			}
			network, listen, ok := a.ListenArgs()
			if network != c.network || listen != c.listen || ok != (c.network != "") {
				t.Errorf("listen on %q %q %v, want %q %q", network, listen, ok, c.network, c.listen)
			}
		})
	}
}

func TestWrongAddressSaysWhy(t *testing.T) {
	for in, want := range map[string]string{
		"": "empty", "host:port": "port number", "host:": "port number", "host:70000": "port number", "host:-1": "port number",
		"::1": "brackets", "::1:80": "brackets", "[::1": "not closed", "[::1]80": "stands between", "[::1]:": "port number",
		"[host]:80": "not an IPv6", "[1.2.3.4]:80": "not an IPv6", "[fe80::1%]:80": "not an IPv6",
		"unix:": "no path", "unix://": "no path", "unix:" + strings.Repeat("x", 108): "107 bytes",
		"fd://": "file descriptor", "fd://x": "file descriptor", "fd://-1": "file descriptor",
		"http://host": "unknown scheme", "a b:80": "host name", "host/path:80": "host name", "a\x00b": "zero byte",
	} {
		if a, err := ParseAddress(in); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("ParseAddress(%q) = %v, error %v; want one about %q", in, a, err, want)
		}
	}
	if _, _, ok := (Address{}).ListenArgs(); ok || !(Address{}).IsZero() || (Address{}).String() != "" {
		t.Error("the zero Address is an address")
	}
}

func FuzzParseAddress(f *testing.F) {
	for _, s := range []string{"h:1", ":1", "[::1]:1", "unix:/x", "unix://x", "fd://3", "tcp://h", "[::1%z]:1", "a:b:c"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		a, err := ParseAddress(s)
		if err != nil {
			return
		}
		again, err := ParseAddress(a.String())
		if err != nil || again != a {
			t.Errorf("%q is %q, which reads as %+v, %v; want %+v", s, a, again, err, a)
		}
	})
}
