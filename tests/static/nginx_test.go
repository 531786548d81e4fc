package static

import (
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/gounicorn/gounicorn/server/http1"
	"github.com/gounicorn/gounicorn/server/static"
	"github.com/gounicorn/gounicorn/tests/harness"
)

// nginx starts the peer over a directory and returns its address.
func nginx(t *testing.T, root string) string {
	t.Helper()
	binary, err := exec.LookPath("nginx")
	if err != nil {
		binary = "/usr/sbin/nginx"
	}
	if _, err := os.Stat(binary); err != nil {
		t.Fatal("nginx is missing: run tests/packages.sh")
	}
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	addr := ln.Addr().String()
	ln.Close()
	work := t.TempDir()
	config := filepath.Join(work, "nginx.conf")
	text := fmt.Sprintf(`daemon off; master_process off; pid %[1]s/pid; error_log %[1]s/error.log;
events {}
http {
    access_log off; include /etc/nginx/mime.types; default_type application/octet-stream; charset utf-8; server_tokens off;
    client_body_temp_path %[1]s/a; proxy_temp_path %[1]s/b; fastcgi_temp_path %[1]s/c; uwsgi_temp_path %[1]s/d; scgi_temp_path %[1]s/e;
    server {
        listen %[2]s; absolute_redirect off;
        location / { return 200 app; }
        location /static/ { alias %[3]s/; gzip_static on; gzip_vary on; index none; }
        location /pages/ { alias %[3]s/; index index.html; }
    }
}
`, work, addr, root)
	if err := os.WriteFile(config, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(binary, "-p", work, "-c", config, "-e", filepath.Join(work, "error.log"))
	var output strings.Builder
	cmd.Stderr = &output
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Signal(os.Interrupt)
		_ = cmd.Wait()
	})
	harness.Eventually(t, 10*time.Second, "nginx listens", func() bool {
		nc, err := net.Dial("tcp", addr)
		if err == nil {
			nc.Close()
		}
		return err == nil
	})
	return addr
}

// ours serves the same.
func ours(t *testing.T, root string) string {
	t.Helper()
	dirs := []static.Dir{{Path: root}}
	files, err := static.New(static.Config{Warnf: t.Logf, Roots: []static.Root{
		{URL: "/static/", Dirs: dirs, MaxAge: -1}, {URL: "/pages/", Dirs: dirs, MaxAge: -1, Index: "index.html"},
	}})
	if err != nil {
		t.Fatal(err)
	}
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	sockets, err := http1.NewListener(ln)
	if err != nil {
		t.Fatal(err)
	}
	server := http1.New(http1.Config{Handler: http1.HandlerFunc(func(x *http1.Exchange) {
		if !files.Respond(x) && x.Start(200, nil) == nil {
			_ = x.Finish([]byte("app"))
		}
	})})
	done := make(chan struct{})
	go func() {
		defer close(done)
		_ = server.Serve(sockets)
	}()
	t.Cleanup(func() {
		_ = server.Close()
		<-done
	})
	return ln.Addr().String()
}

// tree makes the files.
func tree(t *testing.T) string {
	t.Helper()
	root := t.TempDir()
	at := time.Date(2020, 2, 3, 4, 5, 6, 0, time.UTC)
	for name, text := range map[string]string{
		"a.css": strings.Repeat("a{b:c}", 200), "a.css.gz": strings.Repeat("gz", 100), "plain.js": "plain", "zero.txt": "", "archive.tar.gz": "tar", "b c.txt": "bc", "ü.txt": "u",
		"deep/x.png": strings.Repeat("0123456789", 50), "docs/index.html": "index", "empty/x": "x", "noext": "n", "large.bin": strings.Repeat("0123456789abcdef", 20_000),
	} {
		name = filepath.Join(root, name)
		if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(name, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
		if err := os.Chtimes(name, at, at); err != nil {
			t.Fatal(err)
		}
	}
	return root
}

// requests are what both are asked; ETAG is the entity-tag that the peer gave. Empty difference: the answers are alike.
var requests = []struct {
	request    string // method, target and field lines
	difference string // why the answers differ: nginx's status and ours, and the reason
}{
	{"GET /static/a.css", ""}, {"HEAD /static/a.css", ""}, {"GET /static/plain.js", ""}, {"GET /static/zero.txt", ""}, {"GET /static/noext", ""}, {"GET /static/archive.tar.gz", ""},
	{"GET /static/b%20c.txt", ""}, {"GET /static/%C3%BC.txt", ""}, {"GET /static/ü.txt", ""}, {"GET /static/deep/x.png", ""}, {"GET /static/large.bin", ""}, {"GET /static/a.css?x=1", ""},
	{"GET /static/absent", ""}, {"GET /static/absent/x", ""}, {"GET /static/a.css/", ""}, {"GET /static/a.css/x", ""}, {"GET /static/A.CSS", ""}, {"GET /staticx", ""}, {"GET /", ""},
	{"GET //static//deep///x.png", ""}, {"GET /static/./deep/../a.css", ""}, {"GET /x/../static/a.css", ""}, {"GET /static/%61.css", ""}, {"GET /static/%2e%2e/x", ""}, {"GET /static/deep/%2e%2e/a.css", ""},
	{"GET /static../a.css", ""}, {"GET /static/" + strings.Repeat("n", 300), ""},
	{"GET /static/a.css|Accept-Encoding: gzip", ""}, {"GET /static/a.css|Accept-Encoding: deflate, gzip;q=0.5", ""}, {"GET /static/a.css|Accept-Encoding: gzip;q=0", ""},
	{"GET /static/a.css|Accept-Encoding: br", ""}, {"HEAD /static/a.css|Accept-Encoding: gzip", ""}, {"GET /static/a.css|Accept-Encoding: gzip|Range: bytes=1-2", "200 206 ranges are of the encoded bytes"},
	{"GET /static/a.css|Range: bytes=0-8", ""}, {"GET /static/a.css|Range: bytes=0-0", ""}, {"GET /static/a.css|Range: bytes=-1", ""}, {"GET /static/a.css|Range: bytes=1190-", ""},
	{"GET /static/a.css|Range: bytes=1190-99999", ""}, {"GET /static/a.css|Range: bytes=-99999", ""}, {"GET /static/a.css|Range: bytes=1200-", ""}, {"GET /static/a.css|Range: lines=1-2", ""},
	{"GET /static/a.css|Range: bytes=0-,0-", ""}, {"GET /static/large.bin|Range: bytes=100000-299999", ""}, {"GET /static/zero.txt|Range: bytes=0-0", ""},
	{"GET /static/a.css|Range: bytes=alpha", "416 200 RFC 9110 14.2: what is malformed is ignored"}, {"GET /static/a.css|Range: bytes=2-1", "416 200 the same"},
	{"GET /static/a.css|Range: bytes=0-18446744073709551615", "416 200 the same"}, {"HEAD /static/a.css|Range: bytes=0-8", "206 200 RFC 9110 14.2: Range is for GET"},
	{"GET /static/a.css|Range: bytes=0-10,5-20", "206 200 no honest client asks for overlapping ranges"},
	{"GET /static/a.css|Range: bytes=0-8|If-Range: ETAG", ""}, {"GET /static/a.css|Range: bytes=0-8|If-Range: \"other\"", ""}, {"GET /static/a.css|Range: bytes=0-8|If-Range: W/ETAG", ""},
	{"GET /static/a.css|Range: bytes=0-8|If-Range: Mon, 03 Feb 2020 04:05:06 GMT", ""}, {"GET /static/a.css|Range: bytes=0-8|If-Range: Mon, 03 Feb 2020 04:05:05 GMT", ""},
	{"GET /static/a.css|If-None-Match: ETAG", ""}, {"GET /static/a.css|If-None-Match: W/ETAG", ""}, {"GET /static/a.css|If-None-Match: \"x\", ETAG", ""}, {"GET /static/a.css|If-None-Match: *", ""},
	{"GET /static/a.css|If-None-Match: \"x\"", ""}, {"HEAD /static/a.css|If-None-Match: ETAG", ""}, {"GET /static/a.css|If-None-Match: ETAG|Range: bytes=0-8", ""},
	{"GET /static/a.css|If-Modified-Since: Mon, 03 Feb 2020 04:05:06 GMT", ""}, {"GET /static/a.css|If-Modified-Since: Mon, 03 Feb 2020 04:05:05 GMT", ""}, {"GET /static/a.css|If-Modified-Since: junk", ""},
	{"GET /static/a.css|If-Modified-Since: Mon, 03 Feb 2020 04:05:07 GMT", "200 304 RFC 9110 13.1.3; nginx compares exactly (if_modified_since)"},
	{"GET /static/a.css|If-None-Match: ETAG|If-Modified-Since: Mon, 03 Feb 2020 04:05:05 GMT", "200 304 RFC 9110 13.2.2: If-None-Match alone decides"},
	{"GET /static/a.css|If-None-Match: \"x\"|If-Modified-Since: Mon, 03 Feb 2020 04:05:06 GMT", ""},
	{"GET /static/a.css|If-Match: ETAG", ""}, {"GET /static/a.css|If-Match: *", ""}, {"GET /static/a.css|If-Match: \"x\"", ""}, {"GET /static/a.css|If-Match: W/ETAG", ""},
	{"GET /static/a.css|If-Unmodified-Since: Mon, 03 Feb 2020 04:05:06 GMT", ""}, {"GET /static/a.css|If-Unmodified-Since: Mon, 03 Feb 2020 04:05:05 GMT", ""},
	{"GET /static/a.css|If-Match: ETAG|If-Unmodified-Since: Mon, 03 Feb 2020 04:05:05 GMT", "412 200 RFC 9110 13.2.2: If-Match alone decides"},
	{"POST /static/a.css|Content-Length: 0", ""}, {"DELETE /static/a.css", ""}, {"OPTIONS /static/a.css", "405 204 we say what is allowed"},
	{"GET /static/deep", "301 404 directories are not told unless there is an index"}, {"GET /static/deep/", "403 404 the same"}, {"GET /static/", "403 404 the same"},
	{"GET /static/a.css.gz", "200 404 it is a variant of a.css"}, {"GET /static/deep%2fx.png", "200 404 an encoded slash is no slash"},
	{"GET /pages/docs/", ""}, {"GET /pages/docs", "301 302 a redirect that is for ever cannot be taken back"}, {"GET /pages/empty/", "403 404 directories are not told"},
	{"GET /pages/docs/index.html", "200 302 one page has one address"}, {"GET /../static/a.css", "400 200 above the top is the application's matter"}, {"GET /static/a%00.css", "400 404 a name has no NUL"},
}

// compared are the fields that must be alike.
var compared = []string{"Content-Type", "Content-Length", "Content-Encoding", "Content-Range", "Last-Modified", "Accept-Ranges"}

func TestAnswersAreNginxs(t *testing.T) {
	root := tree(t)
	peers := []string{nginx(t, root), ours(t, root)}
	etags := make([]string, 2)
	ask := func(peer int, request string) *harness.Response {
		t.Helper()
		c := harness.Dial(t, "tcp", peers[peer])
		defer c.Close()
		lines := strings.Split(strings.ReplaceAll(request, "ETAG", etags[peer]), "|")
		c.Send(lines[0] + " HTTP/1.1\r\nHost: x\r\nConnection: close\r\n" + strings.Join(append(lines[1:], "\r\n"), "\r\n"))
		method, _, _ := strings.Cut(request, " ")
		return c.MustRead(method)
	}
	for i := range peers {
		etags[i] = ask(i, "GET /static/a.css").Header.Get("ETag")
	}
	for _, r := range requests {
		theirs, mine := ask(0, r.request), ask(1, r.request)
		if r.difference != "" {
			if got := fmt.Sprintf("%d %d ", theirs.Status, mine.Status); !strings.HasPrefix(r.difference, got) {
				t.Errorf("%s: got %s, expected is %s", r.request, got, r.difference)
			}
			continue
		}
		if theirs.Status != mine.Status {
			t.Errorf("%s: nginx %d, we %d", r.request, theirs.Status, mine.Status)
			continue
		}
		switch {
		case mine.Status == 200 && string(mine.Body) == "app" && string(theirs.Body) == "app", mine.Status >= 400 && mine.Status != 416, mine.Status == 304:
			continue // pages differ, and nginx's 304 has more
		case mine.Status == 416:
			if got, want := mine.Header.Get("Content-Range"), theirs.Header.Get("Content-Range"); got != want {
				t.Errorf("%s: Content-Range %q, nginx %q", r.request, got, want)
			}
			continue
		}
		if string(theirs.Body) != string(mine.Body) {
			t.Errorf("%s: nginx %.50q, we %.50q", r.request, theirs.Body, mine.Body)
		}
		for _, name := range compared {
			want, got := theirs.Header.Get(name), mine.Header.Get(name)
			if name == "Accept-Ranges" && (mine.Status == 206 || mine.Header.Get("Content-Encoding") != "") {
				continue // nginx says it of whole files that are not encoded only
			}
			if want != got && !(name == "Content-Type" && sameType(want, got)) {
				t.Errorf("%s: %s %q, nginx %q", r.request, name, got, want)
			}
		}
	}
}

// sameType allows for what nginx calls differently, or does not know as text.
func sameType(theirs, mine string) bool {
	without := func(t string) string { t, _, _ = strings.Cut(t, ";"); return t }
	if want, ok := renamed[without(theirs)]; ok {
		return want == without(mine)
	}
	return without(theirs) == "application/octet-stream" || without(theirs) == without(mine)
}

// renamed are types for which nginx has other names than IANA, or Debian than browsers.
var renamed = map[string]string{
	"application/javascript": "text/javascript", "application/font-woff": "font/woff", "image/x-ms-bmp": "image/bmp", "text/mathml": "application/mathml+xml",
	"application/x-rar-compressed": "application/vnd.rar", "audio/x-m4a": "audio/mp4", "video/x-m4v": "video/mp4", "application/x-redhat-package-manager": "application/x-rpm",
}

// TestTypesAreNginxs: what nginx knows we know too.
func TestTypesAreNginxs(t *testing.T) {
	text, err := os.ReadFile("/etc/nginx/mime.types")
	if err != nil {
		t.Fatal("nginx is missing: run tests/packages.sh")
	}
	root := t.TempDir()
	known := map[string]string{}
	for _, row := range regexp.MustCompile(`(?m)^\s+(\S+/\S+)\s+([^;]+);`).FindAllStringSubmatch(string(text), -1) {
		for _, extension := range strings.Fields(row[2]) {
			known[extension] = row[1]
			if err := os.WriteFile(filepath.Join(root, "x."+extension), nil, 0o644); err != nil {
				t.Fatal(err)
			}
		}
	}
	if len(known) < 80 {
		t.Fatalf("only %d types", len(known))
	}
	c := harness.Dial(t, "tcp", ours(t, root))
	for extension, want := range known {
		c.Get("/static/x." + extension)
		if got := c.MustRead("GET").Header.Get("Content-Type"); !sameType(want, got) {
			t.Errorf(".%s is %q, nginx says %q", extension, got, want)
		}
	}
}
