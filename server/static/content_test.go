package static_test

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/gounicorn/gounicorn/server/static"
)

// TestCodings: the client's weights decide, then the smallest file, then zstd before br before gzip.
func TestCodings(t *testing.T) {
	dir := t.TempDir()
	write(t, dir, map[string]string{
		"a.css": sequence("plain", 400), "a.css.gz": sequence("gz", 100), "a.css.br": sequence("br", 90), "a.css.zst": sequence("zst", 95),
		"even.css": sequence("plain", 400), "even.css.gz": sequence("gz", 90), "even.css.br": sequence("br", 90), "even.css.zst": sequence("zst", 90),
		"gz.css": sequence("plain", 400), "gz.css.gz": sequence("gz", 100),
		"larger.css": "a", "larger.css.gz": sequence("gz", 100),
		"stale.css": sequence("plain", 400), "stale.css.gz": sequence("gz", 100),
		"none.css": sequence("plain", 400),
	})
	touch(t, filepath.Join(dir, "stale.css.gz"), long.Add(-time.Second))
	if err := os.Mkdir(filepath.Join(dir, "none.css.br"), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink("/etc/passwd", filepath.Join(dir, "none.css.gz")); err != nil {
		t.Fatal(err)
	}
	s := serve(t, static.Config{Roots: []static.Root{under("/s/", dir)}})
	c := s.dial(t)
	for _, k := range []struct{ file, accept, want string }{
		{"a", "-", ""}, {"a", "", ""}, {"a", "gzip", "gzip"}, {"a", "GZIP", "gzip"}, {"a", "x-gzip", "gzip"}, {"a", "br", "br"}, {"a", "zstd", "zstd"},
		{"a", "gzip, deflate, br, zstd", "br"}, {"even", "gzip, deflate, br, zstd", "zstd"}, {"even", "gzip, br", "br"},
		{"a", "gzip;q=1.0, br;q=0.5", "gzip"}, {"a", "gzip;q=0.1", "gzip"}, {"a", "gzip;q=0", ""}, {"a", "gzip;q=0.000", ""}, {"a", "gzip;q=0, br", "br"},
		{"a", "gzip ; q=0.9 , br;q=0.8", "gzip"}, {"a", "*", "br"}, {"a", "*;q=0.1, br;q=0", "zstd"}, {"a", "gzip;q=0.5, *;q=0", "gzip"}, {"a", "identity", ""},
		{"a", "identity;q=1, gzip;q=0.5", ""}, {"a", "identity;q=0.5, gzip", "gzip"}, {"a", "identity;q=0, gzip;q=0.1", "gzip"}, {"a", "notgzip, gzipped, deflate", ""},
		{"a", "gzip;q=2", ""}, {"a", "gzip;q=1.001", ""}, {"a", "gzip;q=x", ""}, {"a", "gzip;level=9", ""}, {"a", ",,gzip,,", "gzip"}, {"a", "gzip;q=0.5\r\nAccept-Encoding: br", "br"},
		{"gz", "br, zstd", ""}, {"gz", "br, gzip", "gzip"}, {"larger", "gzip", ""}, {"stale", "gzip", ""}, {"none", "gzip, br", ""},
		{"a", "identity;q=0", "406"}, {"a", "*;q=0", "406"}, {"none", "gzip, identity;q=0", "406"}, {"none", "gzip, *;q=0", "406"}, {"none", "identity;q=0.1, *;q=0", ""},
	} {
		var fields []string
		if k.accept != "-" {
			fields = append(fields, strings.Split("Accept-Encoding: "+k.accept, "\r\n")...)
		}
		a := c.ask("GET", "/s/"+k.file+".css", fields...)
		got := field(t, a, "content-encoding")
		if a.Status != 200 {
			got = fmt.Sprint(a.Status)
		}
		if got != k.want || field(t, a, "vary") != "Accept-Encoding" {
			t.Errorf("%s %q: got %q, want %q\n%s", k.file, k.accept, got, k.want, names(a))
		}
	}
}

func TestFieldsOfFiles(t *testing.T) {
	dir, uploads := t.TempDir(), t.TempDir()
	hashed := "app.0123456789ab.js"
	write(t, dir, map[string]string{hashed: "hashed", "app.js": "plain", "assets/chunk-Ab12Cd34.js": "chunk", "a.woff2": "f", "x.unknown": "<html>", "README": "x", "m.mjs": "m",
		"w.wasm": "w", "site.webmanifest": "{}", "p.avif": "p", "t.md": "t", "a.css.map": "{}", "big." + hashed: sequence("big", 5000), "strange": "s", "zero.css": "",
		"epoch.css": "epoch", "epoch-large.css": sequence("epoch", 5000), "future.css": "f"})
	for name, at := range map[string]time.Time{"epoch.css": time.Unix(1, 0), "epoch-large.css": time.Unix(0, 0), "future.css": time.Now().Add(time.Hour)} {
		touch(t, filepath.Join(dir, name), at)
	}
	write(t, uploads, map[string]string{"a.html": "<script>", "a.svg": "<svg>", "a.xhtml": "x", "a.png": "p", "a.png.gz": "of its own", "feed.atom": "a"})
	assets, media, trusted := under("/static/", dir), under("/media/", uploads), under("/trusted/", uploads)
	assets.Immutable, assets.ImmutablePattern = []string{hashed, "big." + hashed}, regexp.MustCompile(`-[A-Za-z0-9]{8}\.js$`)
	assets.Rules = []static.Rule{
		{Glob: "*.woff2", Headers: []static.Header{{Name: "Timing-Allow-Origin", Value: "*"}, {Name: "cache-control", Value: "max-age=5"}}},
		{Glob: "assets/**", Headers: []static.Header{{Name: "X-Where", Value: "assets"}}},
	}
	media.Kind, media.MaxAge, trusted.Kind, trusted.Trusted = static.Media, -1, static.Media, true
	s := serve(t, static.Config{
		Roots: []static.Root{assets, media, trusted}, MemoryFile: 4000, Types: map[string]string{".unknown": "text/x-known", "strange": "application/strange"},
		Headers: []static.Header{{Name: "Strict-Transport-Security", Value: "max-age=9"}, {Name: "X-Content-Type-Options", Value: "nosniff"}, {Name: "Content-Security-Policy", Value: "default-src 'self'"}},
	})
	c := s.dial(t)
	const forever = "max-age=315360000, public, immutable"
	for _, k := range []struct{ target, name, want string }{
		{"/static/" + hashed, "cache-control", forever}, {"/static/assets/chunk-Ab12Cd34.js", "cache-control", forever}, {"/static/app.js", "cache-control", "max-age=60, public"},
		{"/static/a.woff2", "cache-control", "max-age=5"}, {"/static/a.woff2", "timing-allow-origin", "*"}, {"/static/app.js", "timing-allow-origin", ""},
		{"/static/assets/chunk-Ab12Cd34.js", "x-where", "assets"}, {"/static/app.js", "x-where", ""},
		{"/static/app.js", "strict-transport-security", "max-age=9"}, {"/static/app.js", "x-content-type-options", "nosniff"}, {"/static/absent", "strict-transport-security", "max-age=9"},
		{"/static/app.js", "content-security-policy", "default-src 'self'"}, {"/static/app.js", "access-control-allow-origin", "*"},
		{"/static/app.js", "content-type", "text/javascript; charset=utf-8"}, {"/static/x.unknown", "content-type", "text/x-known; charset=utf-8"}, {"/static/strange", "content-type", "application/strange"},
		{"/static/README", "content-type", "application/octet-stream"}, {"/static/m.mjs", "content-type", "text/javascript; charset=utf-8"}, {"/static/w.wasm", "content-type", "application/wasm"},
		{"/static/site.webmanifest", "content-type", "application/manifest+json"}, {"/static/p.avif", "content-type", "image/avif"}, {"/static/t.md", "content-type", "text/markdown; charset=utf-8"},
		{"/static/a.css.map", "content-type", "application/json"}, {"/static/a.woff2", "content-type", "font/woff2"},
		{"/static/" + hashed, "etag", `"1a06df824ed741b53c785079a6347f00"`}, {"/static/epoch.css", "etag", `"afc9b31d9f3f3645ae563606e1ddbe4b"`},
		{"/static/epoch.css", "last-modified", ""}, {"/static/epoch-large.css", "last-modified", ""}, {"/static/future.css", "last-modified", ""}, {"/static/app.js", "last-modified", longDate},
		{"/static/zero.css", "content-length", "0"},
		{"/media/a.png", "access-control-allow-origin", ""}, {"/media/a.png", "vary", ""}, {"/media/a.png", "cache-control", ""}, {"/media/a.png", "x-content-type-options", "nosniff"},
		{"/media/a.png", "content-security-policy", "sandbox | default-src 'self'"}, {"/media/a.png", "content-disposition", ""}, {"/media/a.html", "content-disposition", "attachment"},
		{"/media/a.svg", "content-disposition", "attachment"}, {"/media/a.xhtml", "content-disposition", "attachment"}, {"/media/feed.atom", "content-disposition", "attachment"},
		{"/media/a.png.gz", "content-type", "application/gzip"}, {"/trusted/a.html", "content-disposition", ""}, {"/trusted/a.html", "content-security-policy", "default-src 'self'"},
	} {
		if got := strings.Join(c.ask("GET", k.target).Field(k.name), " | "); got != k.want {
			t.Errorf("%s: %s is %q, want %q", k.target, k.name, got, k.want)
		}
	}
	c.want(200, "p", "GET", "/media/a.png", "Accept-Encoding: gzip")
	c.want(200, "", "GET", "/static/zero.css", "Range: bytes=0-0")
	// Hashes are of the content or the name, and two requests say the same, with and without what is remembered.
	for _, target := range []string{"/static/big." + hashed, "/static/epoch-large.css"} {
		etag := field(t, c.ask("GET", target), "etag")
		if len(etag) != 34 {
			t.Errorf("%s: %s", target, etag)
		}
		c.want(304, "", "GET", target, "If-None-Match: "+etag)
	}
	c.want(200, "f", "GET", "/static/future.css", "If-Modified-Since: "+longDate)
}

func TestConfigSaysWhatIsWrong(t *testing.T) {
	dir := t.TempDir()
	for want, change := range map[string]func(*static.Config){
		`must begin and end with "/"`:    func(c *static.Config) { c.Roots[0].URL = "/static" },
		"no empty":                       func(c *static.Config) { c.Roots[0].URL = "/static//" },
		"given twice":                    func(c *static.Config) { c.Roots = append(c.Roots, c.Roots[0]) },
		"has no name":                    func(c *static.Config) { c.Roots[0].Dirs = []static.Dir{{}} },
		`index "a/b" must be a name`:     func(c *static.Config) { c.Roots[0].Index = "a/b" },
		`pattern "[" is malformed`:       func(c *static.Config) { c.Roots[0].Rules = []static.Rule{{Glob: "["}} },
		`hidden name "["`:                func(c *static.Config) { c.Hidden = []string{"["} },
		"has control characters":         func(c *static.Config) { c.Headers = []static.Header{{Name: "A", Value: "b\r\nc"}} },
		`header name "a b" is malformed`: func(c *static.Config) { c.Headers = []static.Header{{Name: "a b"}} },
		"header ETag follows from the":   func(c *static.Config) { c.Headers = []static.Header{{Name: "ETag"}} },
		"header Content-Length follows f": func(c *static.Config) {
			c.Roots[0].Rules = []static.Rule{{Glob: "*", Headers: []static.Header{{Name: "Content-Length"}}}}
		},
	} {
		c := static.Config{Roots: []static.Root{under("/static/", dir)}}
		change(&c)
		if _, err := static.New(c); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, want %s", err, want)
		}
	}
	files, err := static.New(static.Config{Roots: []static.Root{under("/static/", dir)}})
	if err != nil {
		t.Fatal(err)
	}
	write(t, dir, map[string]string{"a": "a"})
	if err := files.Update(static.Config{Roots: []static.Root{{URL: "bad"}}}); err == nil {
		t.Error("a bad update is no error")
	}
	if w := browser("/static/a"); !files.Respond(w) || w.status != 200 {
		t.Errorf("after a bad update: %d", w.status)
	}
}
