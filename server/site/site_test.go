package site

import (
	"encoding/json"
	"fmt"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/gounicorn/gounicorn/server/exchange"
	"github.com/gounicorn/gounicorn/server/static"
)

// django is the document of an ordinary site.
func django(change func(*Document)) *Document {
	d := &Document{
		Framework: "django", StaticURL: "/static/", StaticRoot: "/srv/static", StaticFiles: true, AllowedHosts: []string{"example.com"},
		Security: &Security{NoSniff: true, ReferrerPolicy: "same-origin", OpenerPolicy: "same-origin"},
	}
	if change != nil {
		change(d)
	}
	return d
}

// look finds what is named so.
func look(dir string) Folder {
	switch {
	case strings.Contains(dir, "absent"):
		return Absent
	case strings.Contains(dir, "empty"):
		return Empty
	}
	return Filled
}

// shape is a decision in a few words.
func shape(d *Decision) string {
	var roots []string
	for _, r := range d.Files.Roots {
		var dirs []string
		for _, dir := range r.Dirs {
			dirs = append(dirs, strings.TrimPrefix(dir.Prefix+":"+dir.Path, ":"))
		}
		text := fmt.Sprintf("%s=%s", r.URL, strings.Join(dirs, "+"))
		if len(r.Immutable) > 0 {
			text += fmt.Sprintf(" %q", r.Immutable)
		}
		if r.Kind == static.Media {
			text += " media"
			if r.Trusted {
				text += " trusted"
			}
		}
		if r.Live && r.FallThrough {
			text += " live"
		}
		if r.Index != "" {
			text += " index"
		}
		roots = append(roots, text+" "+r.MaxAge.String())
	}
	return strings.Join(roots, "; ")
}

func TestWhatIsServed(t *testing.T) {
	type row struct {
		name    string
		d       *Document
		options func(*Options)
		want    string
		says    []string // each in some line
		loud    bool     // one is a warning
	}
	root := func(dir string) func(*Document) { return func(d *Document) { d.StaticRoot = dir } }
	for _, c := range []row{
		{name: "nothing is known", d: &Document{}},
		{name: "as the settings say", d: django(nil), want: "/static/=/srv/static 1m0s", says: []string{"/static/ from /srv/static, all cached for 60 s, headers as of SecurityMiddleware"}},
		{name: "a manifest", d: django(func(d *Document) {
			d.Manifest = &Manifest{Names: []string{"a.0123456789ab.css", "../x.css", "/y.css"}}
		}), want: `/static/=/srv/static ["a.0123456789ab.css"] 1m0s`, says: []string{"1 name immutable, others cached for 60 s"}},
		{name: "the manifest is missing", d: django(func(d *Document) { d.Manifest = &Manifest{Path: "/srv/static/staticfiles.json", Missing: true} }),
			want: "/static/=/srv/static 1m0s", says: []string{"staticfiles.json is missing", "manage.py collectstatic"}, loud: true},
		{name: "STATIC_ROOT is not set", d: django(root("")), says: []string{"STATIC_ROOT is not set", "BASE_DIR", "manage.py collectstatic"}, loud: true},
		{name: "STATIC_ROOT does not exist", d: django(root("/absent")), says: []string{"/absent does not exist", "manage.py collectstatic"}, loud: true},
		{name: "STATIC_ROOT is everything", d: django(root("/")), says: []string{"the root of the file system"}, loud: true},
		{name: "STATIC_ROOT is empty", d: django(root("/empty")), says: []string{"/empty is empty", "manage.py collectstatic"}, loud: true},
		{name: "no staticfiles app, and no root", d: django(func(d *Document) { d.StaticRoot, d.StaticFiles = "", false })},
		{name: "WhiteNoise idles", d: django(func(d *Document) { d.WhiteNoise, d.WhiteNoiseRoot = true, "/srv/public" }), want: "/static/=/srv/static 1m0s",
			says: []string{"WhiteNoise is installed and has nothing to do", "--static /=/srv/public"}},
		{name: "WhiteNoise goes on", d: django(func(d *Document) { d.WhiteNoise, d.StaticRoot = true, "/absent" }), says: []string{"until then requests for /static/ go to the application"}, loud: true},
		{name: "another host", d: django(func(d *Document) { d.StaticURL = "https://cdn.example.com/s/" }), says: []string{"on cdn.example.com", "--static /s/=/srv/static"}},
		{name: "DEBUG", d: django(func(d *Document) {
			d.Debug, d.Finders = true, [][2]string{{"img", "/srv/images"}, {"", "/srv/app/static"}}
		}),
			want: "/static/=img:/srv/images+/srv/app/static+/srv/static live 0s", says: []string{"DEBUG is on", "/srv/images, /srv/app/static"}},
		{name: "DEBUG with a folder that no finder tells", d: django(func(d *Document) { d.Debug, d.Finders = true, [][2]string{{"", "/srv/app/static"}} }),
			options: func(o *Options) { o.Static = []Mount{{"/static/", "/bower"}} },
			want:    "/static/=/bower+/srv/app/static+/srv/static live 0s", says: []string{"DEBUG is on", "/bower, /srv/app/static"}},
		{name: "switched off", d: django(nil), options: func(o *Options) { o.Django = false }},
		{name: "the script name", d: django(nil), options: func(o *Options) { o.ScriptName = "/app" }, want: "/app/static/=/srv/static 1m0s", says: []string{"/app/static/ from"}},
		{name: "the operator's folder", d: django(func(d *Document) { d.StaticRoot, d.Manifest = "/absent", &Manifest{Names: []string{"a.1.css"}} }),
			options: func(o *Options) {
				o.Static = []Mount{{"/static/", "/x"}, {"/static/", "/y"}, {"/", "/z"}}
				o.Index = "i"
			},
			want: `/static/=/x+/y ["a.1.css"] index 1m0s; /=/z index 1m0s`, says: []string{"/static/ from /x (--static)"}},
		{name: "media", d: django(func(d *Document) { d.MediaRoot, d.MediaURL = "/srv/media", "/media/" }), want: "/static/=/srv/static 1m0s", says: []string{"--media /media/=/srv/media"}},
		{name: "trusted media", d: &Document{}, options: func(o *Options) { o.Media, o.TrustedMedia = []Mount{{"/media/", "/m"}}, true }, want: "/media/=/m media trusted -1ns", says: []string{"/media/ from /m"}},
		{name: "no word of age", d: django(nil), options: func(o *Options) { o.MaxAge = NoAge }, want: "/static/=/srv/static -1ns", says: []string{"all cached as browsers like"}},
		{name: "media as asked for", d: django(nil), options: func(o *Options) { o.Media = []Mount{{"/media/", "/absent"}} },
			want: "/media/=/absent media -1ns; /static/=/srv/static 1m0s", says: []string{"--media /media/=/absent: there is no such folder"}, loud: true},
		{name: "hosts", d: &Document{Framework: "django", HostsChecked: true, AllowedHosts: []string{"a", "b", "c", ".d", "e", "f", "g"}},
			options: func(o *Options) { o.Hosts = true }, says: []string{"Hosts: a, b, c, .d, e and 2 others, as ALLOWED_HOSTS says"}},
		{name: "all hosts", d: &Document{Framework: "django", HostsChecked: true, AllowedHosts: []string{"*"}}, options: func(o *Options) { o.Hosts = true }},
		{name: "problems", d: &Document{Problems: []string{"broken"}}, says: []string{"Static files: broken"}, loud: true},
	} {
		o := Options{Django: true, MaxAge: time.Minute}
		if c.options != nil {
			c.options(&o)
		}
		got := Decide(c.d, o, look)
		if shape(got) != c.want {
			t.Errorf("%s: serves %s\nwant %s", c.name, shape(got), c.want)
		}
		var lines []string
		loud := false
		for _, line := range got.Lines {
			lines = append(lines, line.Text)
			loud = loud || line.Warning
		}
		for _, want := range c.says {
			if !strings.Contains(strings.Join(lines, "\n"), want) {
				t.Errorf("%s: does not say %q:\n%s", c.name, want, strings.Join(lines, "\n"))
			}
		}
		if loud != c.loud || len(c.says) == 0 && len(lines) > 0 {
			t.Errorf("%s: loud is %v, says %q", c.name, loud, lines)
		}
	}
}

// The rows are those of WhiteNoise's own rule: the path of STATIC_URL minus FORCE_SCRIPT_NAME.
func TestStaticPrefix(t *testing.T) {
	for _, c := range []struct{ url, script, prefix, host string }{
		{"/static/", "", "/static/", ""}, {"static/", "", "/static/", ""}, {"/static", "", "/static/", ""}, {"/a/b/", "", "/a/b/", ""},
		{"/app/static/", "/app", "/static/", ""}, {"/app/static/", "/app/", "/static/", ""}, {"/static/", "/app", "/static/", ""}, {"static/", "/app", "/static/", ""},
		{"/", "", "/", ""}, {"https://cdn.example.com/static/", "", "/static/", "cdn.example.com"}, {"//cdn.example.com/s/", "", "/s/", "cdn.example.com"},
		{"https://cdn.example.com/", "", "/", "cdn.example.com"}, {"/st%20atic/", "", "/st atic/", ""},
	} {
		d := Document{StaticURL: c.url, ForceScriptName: c.script}
		if prefix, host := d.prefix(); prefix != c.prefix || host != c.host {
			t.Errorf("%+v: %q on %q", c, prefix, host)
		}
	}
}

func TestAllowedHosts(t *testing.T) {
	for _, c := range []struct{ checked, forwarded, known bool }{{true, false, true}, {false, false, false}, {true, true, false}} {
		d := django(func(d *Document) { d.HostsChecked, d.ForwardedHost = c.checked, c.forwarded })
		if got := Decide(d, Options{}, look).AllowedHosts; (got != nil) != c.known {
			t.Errorf("%+v: %q", c, got)
		}
	}
	for want, d := range map[string]*Document{
		"[]string(nil)": {},
		"[]string{}":    {Framework: "django"},
		`[]string{"a"}`: {Framework: "django", Debug: true, AllowedHosts: []string{"a"}},
		`[]string{".localhost", "127.0.0.1", "[::1]"}`: {Framework: "django", Debug: true},
	} {
		if got := fmt.Sprintf("%#v", d.allowedHosts()); got != want {
			t.Errorf("%s, want %s", got, want)
		}
	}
}

func request(path, query, scheme string, fields ...string) *exchange.Request {
	r := &exchange.Request{Path: []byte(path), RawQuery: []byte(query), Scheme: scheme}
	for i := 0; i+1 < len(fields); i += 2 {
		r.Fields = append(r.Fields, exchange.Field{Name: []byte(fields[i]), Value: []byte(fields[i+1])})
		if fields[i] == "Host" {
			r.Host = []byte(fields[i+1])
		}
	}
	return r
}

// tests/e2e compares the same with Django's middleware.
func TestRedirectToHTTPS(t *testing.T) {
	secure := func(change func(*Document, *Options)) Policy {
		d, o := django(func(d *Document) { d.Security.SSLRedirect = true }), Options{Django: true}
		if change != nil {
			change(d, &o)
		}
		return newPolicy(d, o, func(text string) { t.Error(text) })
	}
	proxied := func(d *Document, _ *Options) { d.ProxySSLHeader = []string{"HTTP_X_FORWARDED_PROTO", "https"} }
	for _, c := range []struct {
		name     string
		policy   Policy
		request  *exchange.Request
		location string
		what     redirection
	}{
		{"http", secure(nil), request("/static/a b.css", "v=1", "http", "Host", "example.com"), "https://example.com/static/a%20b.css?v=1", moves},
		{"a port", secure(nil), request("/static/é", "", "http", "Host", "example.com:8000"), "https://example.com:8000/static/%C3%A9", moves},
		{"https", secure(nil), request("/static/a", "", "https", "Host", "example.com"), "", stays},
		{"a wrong host", secure(nil), request("/static/a", "", "http", "Host", "evil.com"), "", asks},
		{"no host", secure(nil), request("/static/a", "", "http"), "", asks},
		{"SECURE_SSL_HOST", secure(func(d *Document, _ *Options) { d.Security.SSLHost = "s.example.com" }), request("/static/a", "", "http", "Host", "evil.com"), "https://s.example.com/static/a", moves},
		{"exempt", secure(func(d *Document, _ *Options) { d.Security.RedirectExempt = []string{"^health", "^static/open/"} }), request("/static/open/a", "", "http", "Host", "example.com"), "", stays},
		{"not exempt", secure(func(d *Document, _ *Options) { d.Security.RedirectExempt = []string{"^/static/"} }), request("/static/a", "", "http", "Host", "example.com"), "https://example.com/static/a", moves},
		{"SECURE_PROXY_SSL_HEADER", secure(proxied), request("/static/a", "", "http", "Host", "example.com", "X-Forwarded-Proto", "https , http"), "", stays},
		{"the same says http", secure(proxied), request("/static/a", "", "https", "Host", "example.com", "X-Forwarded-Proto", "http"), "https://example.com/static/a", moves},
		{"USE_X_FORWARDED_HOST", secure(func(d *Document, _ *Options) { d.ForwardedHost, d.AllowedHosts = true, []string{"www.example.com"} }),
			request("/static/a", "", "http", "Host", "inner", "X-Forwarded-Host", "www.example.com"), "https://www.example.com/static/a", moves},
		{"FORCE_SCRIPT_NAME", secure(func(d *Document, _ *Options) { d.ForceScriptName = "/app/" }), request("/static/a", "", "http", "Host", "example.com"), "https://example.com/app/static/a", moves},
		{"both names", secure(func(d *Document, o *Options) { d.ForceScriptName, o.ScriptName = "/app", "/in" }), request("/in/static/a", "", "http", "Host", "example.com"), "https://example.com/app/static/a", moves},
		{"no SecurityMiddleware", secure(func(d *Document, _ *Options) { d.Security = nil }), request("/static/a", "", "http", "Host", "example.com"), "", stays},
	} {
		if location, what := c.policy.Redirect(c.request); location != c.location || what != c.what {
			t.Errorf("%s: %q, %d; want %q, %d", c.name, location, what, c.location, c.what)
		}
	}
}

func TestFieldsOfSecurityMiddleware(t *testing.T) {
	p := newPolicy(django(func(d *Document) {
		d.Security.RedirectExempt = []string{`(?<!x)y`}
	}), Options{Django: true}, func(text string) {
		if !strings.Contains(text, "SECURE_REDIRECT_EXEMPT") {
			t.Error(text)
		}
	})
	if got, want := fmt.Sprint(p.headers), "[{Referrer-Policy same-origin} {Cross-Origin-Opener-Policy same-origin}]"; got != want {
		t.Errorf("headers %s, want %s", got, want)
	}
	d := Decide(django(func(d *Document) {
		d.Security.HSTSSeconds, d.Security.HSTSIncludeSubdomains, d.Security.HSTSPreload = 3600, true, true
	}), Options{Django: true}, look)
	if want := "max-age=3600; includeSubDomains; preload"; d.HSTS != want || d.Policy.hsts != want {
		t.Errorf("for https there is %q, want %q", d.HSTS, want)
	}
	if d := Decide(django(nil), Options{Django: true}, look); d.HSTS != "" {
		t.Errorf("without SECURE_HSTS_SECONDS there is %q", d.HSTS)
	}
}

func TestFlags(t *testing.T) {
	for text, want := range map[string]string{
		"/static/=/srv/static": "{/static/ /srv/static}", "/s=rel=x": "{/s/ rel=x}", "/=/srv": "{/ /srv}",
		"": "a path and a folder", "/static/": "a path and a folder", "=x": "a path and a folder", "static/=x": "/static/=x", "/a//b/=x": "write /a/b/=x", "/../=x": "write /=x",
		"/a%20b/=x": "percent", "/a?b/=x": "percent",
	} {
		mount, err := ParseMount(text)
		if got := fmt.Sprint(mount); err == nil && got != want || err != nil && !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %s, %v; want %s", text, got, err, want)
		}
	}
	for text, want := range map[string]string{
		"*.js:X-Robots-Tag:none": "{**/*.js [{X-Robots-Tag none}]}", "a/*:Link: </x>; rel=y:z": "{a/* [{Link </x>; rel=y:z}]}",
		"*.js": "it must be", ":A:b": "it must be", "*:A:": "it must be", "*::b": "it must be",
	} {
		rule, err := ParseHeader(text)
		if got := fmt.Sprint(rule); err == nil && got != want || err != nil && !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %s, %v; want %s", text, got, err, want)
		}
	}
	for text, want := range map[string]string{
		".glb=model/gltf-binary": ".glb model/gltf-binary", "LICENSE=text/plain; charset=utf-8": "LICENSE text/plain; charset=utf-8", ".glb": "an extension", "=a/b": "an extension",
		".glb=model": "no media type", ".glb=a/b\r\nc: d": "no media type",
	} {
		name, mime, err := ParseType(text)
		if got := name + " " + mime; err == nil && got != want || err != nil && !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %s, %v; want %s", text, got, err, want)
		}
	}
	if _, err := ParseImmutable([]string{"a", "("}); err == nil {
		t.Error("( passed for a regular expression")
	}
	if re, err := ParseImmutable([]string{"^a|b$", "c"}); err != nil || !re.MatchString("xcx") || !re.MatchString("b") || re.MatchString("bx") {
		t.Errorf("%v, %v", re, err)
	}
	if re, err := ParseImmutable(nil); err != nil || re != nil {
		t.Errorf("of none: %v, %v", re, err)
	}
}

// Look is what Decide gets of a real folder.
func TestLook(t *testing.T) {
	dir := t.TempDir()
	if got := []Folder{Look(dir), Look(dir + "/x"), Look("site_test.go"), Look(".")}; !reflect.DeepEqual(got, []Folder{Empty, Absent, Absent, Filled}) {
		t.Errorf("got %v", got)
	}
}

// A worker may say anything: what is decided of it is bounded by what it says, and never fails.
func FuzzDocument(f *testing.F) {
	for _, d := range []*Document{{}, django(nil), django(func(d *Document) {
		d.Debug, d.Finders, d.Manifest = true, [][2]string{{"a", "/b"}}, &Manifest{Names: []string{"x"}}
		d.ProxySSLHeader = []string{"HTTP_X", "y"}
	})} {
		text, err := json.Marshal(d)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(text, "/static/x", "example.com")
	}
	f.Fuzz(func(t *testing.T, text []byte, path, host string) {
		d, err := Parse(text)
		if err != nil {
			return
		}
		got := Decide(d, Options{Django: true}, look)
		for _, r := range got.Files.Roots {
			if !strings.HasPrefix(r.URL, "/") || !strings.HasSuffix(r.URL, "/") || strings.Contains(r.URL, "//") {
				t.Errorf("serves %q", r.URL)
			}
		}
		if location, what := got.Policy.Redirect(request(path, "", "http", "Host", host)); what == moves && (!strings.HasPrefix(location, "https://") || strings.ContainsAny(location, "\r\n")) {
			t.Errorf("redirects to %q", location)
		}
	})
}
