package http1

import (
	"bufio"
	"bytes"
	"net/http"
	"net/netip"
	"net/url"
	"slices"
	"strings"
	"testing"

	"github.com/gounicorn/gounicorn/tests/httpcases"
)

// addHeads seeds a fuzz target with the heads of the table of cases.
func addHeads(f *testing.F) {
	f.Helper()
	cases, err := httpcases.Load("../../tests/testdata/http")
	if err != nil {
		f.Fatal(err)
	}
	for i := range cases {
		if len(cases[i].Raw) < 2000 {
			f.Add(cases[i].Raw)
		}
	}
}

// FuzzHeadAgainstTheStandardLibrary: rows 1 to 9 and 25 to 28. A head that both of us accept means the same to both: method, target,
// host, length of the body, connection, and every field.
func FuzzHeadAgainstTheStandardLibrary(f *testing.F) {
	addHeads(f)
	rules := newRules(&Config{Underscores: UnderscorePass})
	f.Fuzz(func(t *testing.T, in []byte) {
		var h head
		n, cause := h.feed(in, &rules)
		if n == 0 || cause != CauseNone {
			return
		}
		framed, cause := h.frame(in[:n], &rules)
		if cause != CauseNone {
			return
		}
		theirs, err := http.ReadRequest(bufio.NewReader(bytes.NewReader(in)))
		if err != nil {
			return // stricter than we are: see TestDifferenceToTheStandardLibrary
		}
		if got := string(h.method.of(in)); got != theirs.Method {
			t.Fatalf("method %q, theirs %q", got, theirs.Method)
		}
		if got := string(h.target.of(in)); got != theirs.RequestURI {
			t.Fatalf("target %q, theirs %q", got, theirs.RequestURI)
		}
		length := map[uint8]int64{bodyChunked: -1, bodyLength: framed.length}[framed.body]
		if length != theirs.ContentLength {
			t.Fatalf("body of %d, theirs %d", length, theirs.ContentLength)
		}
		if framed.keep && theirs.Close {
			t.Fatalf("we keep the connection and they close it")
		}
		fields := http.Header{}
		for _, x := range h.fields {
			name := string(x.name.of(in))
			fields[http.CanonicalHeaderKey(name)] = append(fields[http.CanonicalHeaderKey(name)], string(x.value.of(in)))
		}
		for _, name := range []string{"Host", "Transfer-Encoding", "Content-Length", "Connection", "Trailer", "Pragma", "Cache-Control", "Proxy"} {
			delete(fields, name) // which they take out or add to, and Proxy, which we drop; Host is compared by the table
			delete(theirs.Header, name)
		}
		for name := range theirs.Header {
			if !slices.Equal(fields[name], theirs.Header[name]) {
				t.Fatalf("%s: %q, theirs %q", name, fields[name], theirs.Header[name])
			}
		}
		if len(fields) != len(theirs.Header) {
			t.Fatalf("fields %v, theirs %v", fields, theirs.Header)
		}
	})
}

// FuzzTarget: rows 25, 26 and 29. A target that is accepted has no byte that could end it or a line, is decoded once as the standard
// library decodes it, and its parts are in their order.
func FuzzTarget(f *testing.F) {
	for _, text := range []string{
		"/", "/a%2Fb?c=%zz", "/a/../b", "//host/p", "*", "http://h:1/p?q", "HTTPS://[::1]:8/%00", "http://h?q", "/%", "/%4", "/%c0%af", "/a;b\\c", "http://u@h/", "/\xe9?\xff",
	} {
		f.Add("GET", []byte(text))
	}
	f.Fuzz(func(t *testing.T, method string, uri []byte) {
		path, err := DecodePath([]byte(method), uri)
		if err != nil {
			return
		}
		if i := bytes.IndexFunc(uri, func(r rune) bool { return r <= ' ' || r == 0x7f || r == '#' }); i >= 0 {
			t.Fatalf("%q is accepted with byte %#x", uri, uri[i])
		}
		var x target
		if cause := x.parse([]byte(method), uri); cause != CauseNone {
			t.Fatalf("%q is accepted and refused: %v", uri, cause)
		}
		if x.form == formAsterisk {
			return
		}
		raw := x.path.of(uri)
		want, err := url.PathUnescape(string(raw))
		if want == "" {
			want = "/"
		}
		if err != nil || want != string(path) {
			t.Fatalf("%q is decoded as %q, the standard library has %q, %v", raw, path, want, err)
		}
		if bytes.IndexByte(raw, '?') >= 0 || x.form == formOrigin && raw[0] != '/' || x.query.start > 0 && int(x.query.start) != int(x.path.end)+1 {
			t.Fatalf("%q is cut into the path %q and the query %q", uri, raw, x.query.of(uri))
		}
	})
}

// FuzzHost: row 28. A host that is accepted cannot be taken for something else in a URL, and its address is one for the standard library too.
func FuzzHost(f *testing.F) {
	for _, text := range []string{"a", "a.b:80", "[::1]:8000", "[::ffff:1.2.3.4]", "1.2.3.4:", "x:65536", "[fe80::1%25eth0]", "a,b", "[1::2::3]", "[1:2:3:4:5:6:7::]", "_a"} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, host string) {
		literal, bracketed := strings.CutPrefix(host, "[")
		inside, behind, closed := strings.Cut(literal, "]")
		if bracketed && closed && behind == "" {
			address, err := netip.ParseAddr(inside)
			theirs := err == nil && address.Is6() && address.Zone() == ""
			if ours := validHost([]byte(host)); ours != theirs {
				t.Fatalf("%q: we say %v, the standard library %v, %v", host, ours, theirs, err)
			}
		}
		if !validHost([]byte(host)) {
			return
		}
		u, err := url.Parse("http://" + host + "/p")
		if err != nil || u.Host != host || u.Path != "/p" || u.User != nil {
			t.Fatalf("%q is accepted, and in a URL it reads %+v, %v", host, u, err)
		}
	})
}
