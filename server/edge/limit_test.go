package edge_test

import (
	"encoding/base64"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/gounicorn/gounicorn/server/edge"
)

// count asks n times within a moment and returns how many were let through.
func count(rules *edge.Rules, client netip.Addr, path string, at time.Time, n int) (passed int) {
	for range n {
		r := get("h", path)
		r.req.Client, r.req.Received = client, at
		if ask(rules, r) == 0 {
			passed++
		}
	}
	return passed
}

func TestRates(t *testing.T) {
	at := time.Now()
	rates := func(texts ...string) *edge.Rules {
		return newRules(edge.Config{Rates: must(t, edge.ParseRate, texts...)})
	}
	bob := netip.MustParseAddr("192.0.2.2")

	r := rates("/=10/s burst=4")
	if got := count(r, alice, "/", at, 20); got != 5 {
		t.Errorf("burst=4 lets %d pass at once, nginx 5", got)
	}
	if got := count(r, bob, "/", at, 20); got != 5 {
		t.Errorf("another client: %d", got)
	}
	if got := count(r, alice, "/x", at.Add(250*time.Millisecond), 20); got != 2 {
		t.Errorf("after 0.25 s of 10/s: %d, want 2", got)
	}
	if got := count(r, alice, "/", at.Add(time.Hour), 20); got != 5 {
		t.Errorf("after an hour: %d", got)
	}
	if got := count(r, netip.Addr{}, "/", at, 20); got != 20 {
		t.Errorf("without an address: %d", got)
	}
	if got := count(rates("/=5/m"), alice, "/", at, 20); got != 5 {
		t.Errorf("5/m: %d at once", got)
	}
	if got := count(rates("/=100/s", "/=3/m"), alice, "/", at, 20); got != 3 {
		t.Errorf("two of one prefix: %d", got)
	}
	r = rates("/=2/s", "/api/=4/s", "/static/=off")
	if got := [3]int{count(r, alice, "/", at, 9), count(r, alice, "/api/x", at, 9), count(r, alice, "/static/x", at, 9)}; got != [3]int{2, 4, 9} {
		t.Errorf("the longest prefix: %d", got)
	}
	r = rates("/=1/s")
	one, two, other := netip.MustParseAddr("2001:db8::1"), netip.MustParseAddr("2001:db8::ffff:1"), netip.MustParseAddr("2001:db8:0:1::1")
	if got := [3]int{count(r, one, "/", at, 2), count(r, two, "/", at, 2), count(r, other, "/", at, 2)}; got != [3]int{1, 0, 1} {
		t.Errorf("a /64 is one client: %d", got)
	}
	if got := count(r, netip.MustParseAddr("::ffff:192.0.2.9"), "/", at, 2) + count(r, netip.MustParseAddr("192.0.2.9"), "/", at, 2); got != 1 {
		t.Errorf("an address in two forms: %d", got)
	}
	x := get("h", "/")
	x.req.Client, x.req.Received = one, at
	if got := ask(r, x); got != 429 || x.fields["Retry-After"] != "1" {
		t.Errorf("%d, Retry-After %q", got, x.fields["Retry-After"])
	}
	r.Update(edge.Config{Rates: must(t, edge.ParseRate, "/=1/s")})
	if got := count(r, one, "/", at, 2); got != 0 {
		t.Errorf("a reload forgives: %d", got)
	}
}

func TestDryRunCountsAndRefusesNobody(t *testing.T) {
	counted, lines := 0, 0
	r := edge.New(func(rule edge.Rule) {
		if rule == edge.RuleRateDryRun {
			counted++
		}
	}, func(string, ...any) { lines++ })
	r.Update(edge.Config{Rates: must(t, edge.ParseRate, "/=1/s"), DryRun: true})
	if passed := count(r, alice, "/", time.Now(), 1000); passed != 1000 || counted != 999 || lines == 0 || lines > 20 {
		t.Errorf("%d passed, %d counted, %d lines", passed, counted, lines)
	}
}

// A flood from very many addresses makes nothing grow, and does not forgive who is over its limit already.
func TestMeterIsBounded(t *testing.T) {
	r := newRules(edge.Config{Rates: must(t, edge.ParseRate, "/=1/m burst=9")})
	at := time.Now()
	if got := count(r, alice, "/", at, 20); got != 10 {
		t.Fatalf("%d passed", got)
	}
	for i := range 300_000 {
		count(r, netip.AddrFrom4([4]byte{10, byte(i >> 16), byte(i >> 8), byte(i)}), "/", at, 1)
	}
	if got := count(r, alice, "/", at, 20); got != 0 {
		t.Errorf("the flood let %d more pass", got)
	}
	m, x := edge.New(nil, nil), get("h", "/")
	m.Update(edge.Config{Rates: must(t, edge.ParseRate, "/=1000000/s burst=1000000")})
	if n := testing.AllocsPerRun(100, func() { m.Respond(x) }); n != 0 {
		t.Errorf("%v allocations for a request within its rate", n)
	}
}

func basic(user, password string) string {
	return "Basic " + base64.StdEncoding.EncodeToString([]byte(user+":"+password))
}

func TestPasswords(t *testing.T) {
	rules := newRules(edge.Config{Auth: must(t, edge.ParseAuth, "/admin/="+passwordFile(t, users), "/admin/open=off")})
	client := byte(0)
	for _, c := range []struct {
		path, field, user string
		status            int
	}{
		{"/", "", "", 0}, {"/admin/open/x", "", "", 0}, {"/admin", "", "", 401}, {"/admin/", "", "", 401}, {"//admin/", "", "", 401},
		{"/admin/", basic("bcrypt", "secret"), "bcrypt", 0}, {"/admin/", basic("bcrypt", "secreT"), "", 401},
		{"/admin/", basic("apr1", "geheim"), "apr1", 0}, {"/admin/", basic("apr1", ""), "", 401},
		{"/admin/", basic("sha", "password1"), "", 401}, {"/admin/", basic("sha", "geheim"), "sha", 0},
		{"/admin/", basic("nobody", "secret"), "", 401}, {"/admin/", basic("", ""), "", 401},
		{"/admin/", strings.Replace(basic("apr1", "geheim"), "Basic", "bAsIc", 1), "apr1", 0},
		{"/admin/", "Bearer x", "", 401}, {"/admin/", "Basic", "", 401}, {"/admin/", "Basic %%%", "", 401}, {"/admin/", "Basic YQ==", "", 401},
		{"/admin/", basic("apr1", "geheim") + " x", "", 401}, {"/admin/", basic("apr1", strings.Repeat("x", 2000)), "", 401}, {"/admin/", basic("a\n", "b"), "", 401},
	} {
		r := get("h", c.path, "Authorization", c.field)
		client++
		r.req.Client = netip.AddrFrom4([4]byte{10, 0, 0, client})
		if got := ask(rules, r); got != c.status || r.req.User != c.user {
			t.Errorf("%s with %q: %d, user %q; want %d, %q", c.path, c.field, got, r.req.User, c.status, c.user)
		}
		if r.status == 401 && r.fields["WWW-Authenticate"] != `Basic realm="/admin/", charset="UTF-8"` {
			t.Errorf("%q", r.fields)
		}
	}
}

func TestPasswordsOfAnOldFileAreForgotten(t *testing.T) {
	rules := newRules(edge.Config{Auth: must(t, edge.ParseAuth, "/="+passwordFile(t, users))})
	if got := ask(rules, get("h", "/", "Authorization", basic("sha", "geheim"))); got != 0 {
		t.Fatal(got)
	}
	rules.Update(edge.Config{Auth: must(t, edge.ParseAuth, "/="+passwordFile(t, strings.ReplaceAll(users, "sha:", "left:")))})
	if got := ask(rules, get("h", "/", "Authorization", basic("sha", "geheim"))); got != 401 {
		t.Errorf("a user that is not in the file any more: %d", got)
	}
}

// Trying passwords is bounded for each client and for all together, and what was right once costs no check.
func TestTryingPasswordsIsBounded(t *testing.T) {
	rules := newRules(edge.Config{Auth: must(t, edge.ParseAuth, "/="+passwordFile(t, users))})
	statuses := map[int]int{}
	for i := range 30 {
		statuses[ask(rules, get("h", "/", "Authorization", basic("sha", fmt.Sprint(i))))]++
	}
	if statuses[401] != 10 || statuses[429] != 20 {
		t.Errorf("one client: %v", statuses)
	}
	if got := ask(rules, get("h", "/", "Authorization", basic("sha", "geheim"))); got != 429 {
		t.Errorf("the right one, after too many: %d", got)
	}
	var refused atomic.Int64
	var all sync.WaitGroup
	for i := range 200 {
		all.Go(func() {
			r := get("h", "/", "Authorization", basic("bcrypt", fmt.Sprint(i)))
			r.req.Client = netip.AddrFrom4([4]byte{10, 1, 0, byte(i)})
			if ask(rules, r) == 503 {
				refused.Add(1)
			}
		})
	}
	all.Wait()
	if refused.Load() == 0 {
		t.Errorf("200 clients at once: none was refused")
	}
	for range 100 {
		r := get("h", "/", "Authorization", basic("sha", "geheim"))
		r.req.Client = netip.MustParseAddr("10.2.0.1")
		if got := ask(rules, r); got != 0 {
			t.Fatalf("a password that is known: %d", got)
		}
	}
}

func TestGate(t *testing.T) {
	refused, proxy := 0, netip.MustParseAddr("10.0.0.1")
	g := &edge.Gate{Refused: func() { refused++ }}
	enter := func(a netip.Addr) bool { _, ok := g.Enter(a); return ok }
	if !enter(alice) {
		t.Error("the zero Gate is shut")
	}
	g.Update(2, func(a netip.Addr) bool { return a == proxy })
	var in []bool
	for range 3 {
		in = append(in, enter(alice))
	}
	if in = append(in, enter(netip.MustParseAddr("::ffff:192.0.2.1"))); !slices.Equal(in, []bool{true, true, false, false}) || refused != 2 {
		t.Errorf("let in: %v; %d refused", in, refused)
	}
	g.Leave(alice)
	if !enter(alice) || enter(alice) {
		t.Error("who leaves makes room for one")
	}
	for range 5 {
		if counted, ok := g.Enter(proxy); counted || !ok {
			t.Error("a proxy is counted")
		}
		if counted, ok := g.Enter(netip.Addr{}); counted || !ok {
			t.Error("a unix socket is counted")
		}
	}
}

// No Authorization makes it panic, or is right by accident.
func FuzzAuthorization(f *testing.F) {
	rules := newRules(edge.Config{Auth: must(f, edge.ParseAuth, "/="+passwordFile(f, "sha:{SHA}kGByAB793z4R5tK1eC9Hd/4Dhzk=\n"))})
	f.Add(basic("sha", "geheim"))
	f.Add("Basic \x00")
	f.Fuzz(func(t *testing.T, field string) {
		r := get("h", "/", "Authorization", field)
		r.req.Client = netip.Addr{}
		if got := ask(rules, r); got == 0 && r.req.User != "sha" || got != 0 && got != 401 {
			t.Errorf("%q: %d", field, got)
		}
	})
}

// No Host and no path redirect elsewhere than configured, or pass by a name that merely looks like an allowed one.
func FuzzHostAndPath(f *testing.F) {
	rules := newRules(edge.Config{
		Hosts: []string{".example.com"}, Redirects: must(f, edge.ParseRedirect, "www.example.com=https://example.com", "/gone=/", "/old=/new"),
		Deny: must(f, edge.ParseDeny, "/shut=192.0.2.0/24"),
	})
	f.Add("www.example.com", "//evil.com/%0d")
	f.Add("a.example.com:1", "/gone//evil.com")
	f.Add("[::1]", "/a/../shut")
	f.Fuzz(func(t *testing.T, host, path string) {
		r := get(host, "/"+strings.TrimLeft(path, "\r\n"))
		switch got := ask(rules, r); got {
		case 301:
			to := r.fields["Location"]
			if !strings.HasPrefix(to, "https://example.com/") && (!strings.HasPrefix(to, "/") || strings.HasPrefix(to, "//") || strings.HasPrefix(to, `/\`)) {
				t.Errorf("%q %q goes to %q", host, path, to)
			}
		case 0:
			if !strings.Contains(strings.ToLower(host), "example.com") {
				t.Errorf("%q is allowed", host)
			}
		case 400, 403, -1:
		default:
			t.Errorf("%q %q: %d", host, path, got)
		}
	})
}
