package hosts_test

import (
	"strings"
	"testing"

	"github.com/gounicorn/gounicorn/server/hosts"
)

// What Django's split_domain_port, is_same_domain and validate_host say, by its own tests and by trying it.
func TestAllow(t *testing.T) {
	allowed := hosts.New([]string{
		"forward.com", "example.com", ".multitenant.com", "INSENSITIVE.com", "[::ffff:169.254.169.254]", "12.34.56.78", ".ends.dot", " [::1] ", "",
	})
	for host, want := range map[string]bool{
		"example.com": true, "example.com:80": true, "EXAMPLE.com": true, "example.com.": true, "example.com.:80": true, "www.example.com": false,
		"12.34.56.78": true, "12.34.56.78:443": true, "[::ffff:169.254.169.254]": true, "[::ffff:169.254.169.254]:8080": true, "[2001::1]": false,
		"multitenant.com": true, "a.multitenant.com": true, "a.b.multitenant.com:99": true, "multitenant.com.": true, "xmultitenant.com": false, "insensitive.com": true,
		"example.com@evil.tld": false, "example.com:80/badpath": false, "example.com: recovermypassword.com": false, "other.com": false, "": false, "example.com:": false,
		"example.com:abc": false, "[": false, "[]": false, "]": false, "::ffff:169.254.169.254": false, "exämple.com": false, "example.com..": false,
		strings.Repeat("a", 400) + ".multitenant.com": false, "evil.com\\example.com": false, "[::1]": true, "[::1]:80": true, "[::1]x": false, "[::1": false, "[:]": false,
		"[1.2:1]": false, "example.com:80:80": false, "exa_mple.com": false, "example.com/": false, ".": false, "[zz:]": false, "INSENSITIVE\u212a.com": false,
	} {
		if got := allowed.Allow(host); got != want {
			t.Errorf("%q: %v", host, got)
		}
	}
	if none := hosts.New(nil); none.Allow("any.where") || none.Any() {
		t.Error("no pattern allows a host")
	}
	if any := hosts.New([]string{"a", "*"}); !any.Any() || !any.Allow("any.where") || !any.Allow("") {
		t.Error("* does not allow every host")
	}
}

func TestExample(t *testing.T) {
	for want, patterns := range map[string][]string{
		"example.com": {"*", ".example.com", "b"}, "localhost": {"*"}, "fallback": nil, "[::1]": {"[::1]"},
	} {
		fallback := want
		if got := hosts.New(patterns).Example(fallback); got != want {
			t.Errorf("%q: %q, want %q", patterns, got, want)
		}
	}
}

// A host that Name takes is one that it takes again, and no more than what the character set allows comes out.
func FuzzName(f *testing.F) {
	for _, host := range []string{"example.com:80", "[::1]:80", "a..", "[", "x:", "\u212a"} {
		f.Add(host)
	}
	f.Fuzz(func(t *testing.T, host string) {
		name, ok := hosts.Name(host)
		if !ok {
			return
		}
		if strings.Trim(name, "abcdefghijklmnopqrstuvwxyz0123456789.-[]:") != "" || strings.HasPrefix(name, "[") != strings.HasSuffix(name, "]") {
			t.Errorf("%q gives %q", host, name)
		}
		if again, ok := hosts.Name(name); (!ok || again != name) && !strings.HasSuffix(name, ".") {
			t.Errorf("%q gives %q, and that %q", host, name, again)
		}
	})
}
