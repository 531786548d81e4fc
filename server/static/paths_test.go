package static_test

import (
	"fmt"
	"maps"
	"net"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/gounicorn/gounicorn/server/static"
)

// secret is what nobody may read.
const secret = "top secret"

// traps makes a directory with everything that must not be served, below one that has a secret, and returns it.
func traps(t *testing.T) string {
	t.Helper()
	base := t.TempDir()
	root := filepath.Join(base, "tree")
	write(t, base, map[string]string{
		"secret.txt": secret, "tree-secret/secret.txt": secret, "tree/a.css": "a{}", "tree/b c.css": "b", "tree/ünï.css": "u", "tree/deep/x/y.txt": "y",
		"tree/.env": secret, "tree/.git/config": secret, "tree/.well-known/x": secret, "tree/deep/.hidden": secret, "tree/app.py": secret, "tree/app.PYC": secret,
		"tree/db.sqlite3": secret, "tree/staticfiles.json": secret, "tree/prod.env": secret, "tree/a.css~": secret, "tree/#a.css#": secret, "tree/a.css.swp": secret,
		"tree/a.js": "a", "tree/a.js.gz": secret, "tree/a.js.br": secret, "tree/real.tar.gz": "tar", "tree/back\\slash": secret, "tree/dot.": secret, "tree/space ": secret, "tree/\xff.css": secret,
	})
	for from, to := range map[string]string{"out": "../secret.txt", "outdir": "..", "abs": "/etc/passwd", "absdir": "/etc", "loop": "loop", "inside.css": "a.css", "insidedir": "deep"} {
		if err := os.Symlink(to, filepath.Join(root, from)); err != nil {
			t.Fatal(err)
		}
	}
	if err := unix.Mkfifo(filepath.Join(root, "fifo"), 0o644); err != nil {
		t.Fatal(err)
	}
	ln, err := net.Listen("unix", filepath.Join(root, "socket"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { ln.Close() })
	return root
}

// traversals are spellings of names outside of /static/.
func traversals() []string {
	list := []string{
		"/static../secret.txt", "/static../tree-secret/secret.txt", "/static", "/static/", "/staticx", "/static/deep", "/static/deep/", "/static/a.css/", "/static/a.css/x",
		"/static/out", "/static/outdir/secret.txt", "/static/outdir/tree/a.css", "/static/abs", "/static/absdir/passwd", "/static/loop", "/static/fifo", "/static/socket",
		"/static/fifo/x", "/static/.env", "/static/.git/config", "/static/deep/.hidden", "/static/.well-known/x", "/static/app.py", "/static/app.PYC", "/static/db.sqlite3",
		"/static/staticfiles.json", "/static/prod.env", "/static/a.css~", "/static/%23a.css%23", "/static/a.css.swp", "/static/a.js.gz", "/static/a.js.br",
		"/static/back%5Cslash", "/static/back\\slash", "/static/dot.", "/static/space%20", "/static/a.css%00", "/static/a.css%00.png", "/static/a.css%0d%0aX:y", "/static/a.css%2e",
		"/static/deep%2fx%2fy.txt", "/static/deep%2Fx/y.txt", "/static%2fa.css", "/static/" + strings.Repeat("a", 256), "/static/" + strings.Repeat("a/", 2000),
		"/static/%ff.css", "/static/u\u0308ni\u0308.css", "/static/a.css::$DATA", "/static/~nobody/x", "/static/file:///etc/passwd", "//etc/passwd", "/static//etc/passwd",
		"http://x/static/../../secret.txt", "/./static/out", "//static//out", "/x/../static/.env", "/static/%2e%65nv", "/static/%2eenv", "/static/deep/../.env", "/static/.%65nv",
	}
	for _, dots := range []string{"..", "%2e%2e", ".%2E", "%2e.", "...", "..;", "%252e%252e", "%c0%ae%c0%ae", "%e0%80%ae%e0%80%ae", "%ef%bc%8e%ef%bc%8e", "..%00", "%20..", "..%20", "%2e%2e%09"} {
		for _, slash := range []string{"/", "%2f", "%2F", "//", "%5c", "\\", "/./", "%252f", "%c0%af", "%ef%bc%8f"} {
			list = append(list, "/static/"+dots+slash+"secret.txt", "/static/deep/"+dots+slash+dots+slash+"secret.txt")
		}
	}
	return list
}

// TestNothingLeadsOut sends every spelling, and gets the same 404 for everything, or the application's answer for what is not below /static/.
func TestNothingLeadsOut(t *testing.T) {
	var mu sync.Mutex
	warned := map[string]bool{}
	s := serve(t, static.Config{Roots: []static.Root{under("/static/", traps(t))}, Warnf: func(format string, args ...any) {
		mu.Lock()
		defer mu.Unlock()
		warned[fmt.Sprintf(format, args...)] = true
	}})
	c := s.dial(t)
	want := c.want(404, "", "GET", "/static/absent")
	list := traversals()
	if len(list) < 300 {
		t.Fatalf("only %d spellings", len(list))
	}
	refused := 0
	for _, target := range list {
		for range 2 { // the second from what is remembered
			a := c.ask("GET", target)
			switch {
			case a.Status == 200 && string(a.Body) == "app":
			case a.Status == 404 && string(a.Body) == string(want.Body) && names(a) == names(want):
				refused++
			case a.Status == 400: // by the engine, which closes
				c = s.dial(t)
			default:
				t.Errorf("%q: got %d %q\n%s", target, a.Status, a.Body, names(a))
			}
		}
	}
	if refused < 200 {
		t.Errorf("only %d were refused by us", refused)
	}
	mu.Lock()
	for _, name := range []string{"/static/out", "/static/abs", "/static/outdir/secret.txt"} {
		if !slices.ContainsFunc(slices.Collect(maps.Keys(warned)), func(w string) bool {
			return strings.HasPrefix(w, `static file "`+name+`":`) && strings.Contains(w, "links out of the directory are not followed")
		}) {
			t.Errorf("no word about %s in %v", name, warned)
		}
	}
	if len(warned) > 8 {
		t.Errorf("%d warnings: %v", len(warned), warned)
	}
	mu.Unlock()
	// What is allowed works, in the same tree.
	for target, body := range map[string]string{
		"/static/a.css": "a{}", "/static/b%20c.css": "b", "/static/%C3%BCn%C3%AF.css": "u", "/static/ünï.css": "u", "/static/inside.css": "a{}", "/static/insidedir/x/y.txt": "y",
		"//static///deep/./x/../x/y.txt": "y", "/x/../static/a.css": "a{}", "/static/%61.css": "a{}", "/static/a.css?v=1": "a{}", "/static/real.tar.gz": "tar", "http://x/static/a.css": "a{}",
	} {
		c.want(200, body, "GET", target)
	}
}

// A root at "/" leaves to the application what it has no file for, and serves /.well-known/.
func TestFallThrough(t *testing.T) {
	dir := t.TempDir()
	write(t, dir, map[string]string{"robots.txt": "no", ".well-known/security.txt": "yes", ".well-known/.hidden": secret, ".env": secret, "docs/index.html": "i"})
	other := t.TempDir()
	write(t, other, map[string]string{"robots.txt": "other", "deep/a.css": "deep"})
	more := t.TempDir()
	write(t, more, map[string]string{"robots.txt": "third", "only.txt": "third"})
	both := under("/static/", other)
	both.Dirs = append(both.Dirs, static.Dir{Path: more}, static.Dir{Path: more, Prefix: "app"}, static.Dir{Path: filepath.Join(dir, "missing")})
	optional := under("/static/deep/", other)
	optional.FallThrough = true
	var warned []string
	s := serve(t, static.Config{Roots: []static.Root{under("/", dir), both, optional}, Warnf: func(format string, args ...any) { warned = append(warned, format) }})
	if len(warned) != 1 {
		t.Errorf("%d warnings for one missing directory", len(warned))
	}
	c := s.dial(t)
	for target, body := range map[string]string{
		"/robots.txt": "no", "/.well-known/security.txt": "yes", "/.well-known/.hidden": "app", "/.env": "app", "/": "app", "/accounts/": "app", "/docs/": "app", "/docs": "app",
		"/a%2fb": "app", "/static/robots.txt": "other", "/static/only.txt": "third", "/static/app/robots.txt": "third", "/static/deep/a.css": "app", "/static/deep/robots.txt": "other",
	} {
		c.want(200, body, "GET", target)
	}
	c.want(404, "", "GET", "/static/absent")
	// Methods: no body is answered with a file, and what is no file is the application's.
	c.want(200, "app", "POST", "/accounts/", "Content-Length: 0")
	for _, target := range []string{"/robots.txt", "/static/robots.txt", "/static/absent"} {
		for _, method := range []string{"POST", "PUT", "DELETE", "PATCH", "PROPFIND"} {
			a := c.want(405, "", method, target, "Content-Length: 0")
			if field(t, a, "allow") != "GET, HEAD" || field(t, a, "cache-control") != "no-store" {
				t.Errorf("%s %s: %s", method, target, names(a))
			}
		}
		if a := c.want(204, "", "OPTIONS", target); field(t, a, "allow") != "GET, HEAD, OPTIONS" || field(t, a, "access-control-allow-origin") != "*" {
			t.Errorf("OPTIONS: %s", names(a))
		}
	}
}

func TestIndexAndRedirects(t *testing.T) {
	dir := t.TempDir()
	write(t, dir, map[string]string{"index.html": "top", "docs/index.html": "docs", "docs/a:b/index.html": "colon", "é/index.html": "e", "empty/x": "x"})
	r := under("/s/", dir)
	r.Index = "index.html"
	s := serve(t, static.Config{Roots: []static.Root{r}})
	c := s.dial(t)
	for target, body := range map[string]string{"/s/": "top", "/s/docs/": "docs", "/s/docs/a:b/": "colon", "/s/docs/.": "docs", "/s/docs/a:b/..": "docs"} {
		if a := c.want(200, body, "GET", target); field(t, a, "content-type") != "text/html; charset=utf-8" {
			t.Errorf("%s: %s", target, names(a))
		}
	}
	for target, to := range map[string]string{
		"/s/docs": "./docs/", "/s/docs?a=b&c": "./docs/?a=b&c", "/s/docs/a:b": "./a%3Ab/", "/s/%C3%A9": "./%C3%A9/", "/s/docs/index.html": "./", "/s/index.html?x": "./?x", "//s//docs": "./docs/",
	} {
		a := c.want(302, "", "GET", target)
		if field(t, a, "location") != to || field(t, a, "access-control-allow-origin") != "*" {
			t.Errorf("%s: %s", target, names(a))
		}
	}
	for _, target := range []string{"/s/empty", "/s/empty/", "/s/empty/index.html", "/s/docs/index.html/"} {
		c.want(404, "", "GET", target)
	}
}

// A file that may not be read is 403, and logged once; one whose sibling may not be read is served without it.
func TestPermissionDenied(t *testing.T) {
	dir := t.TempDir()
	write(t, dir, map[string]string{"denied.css": secret, "closed/a.css": secret, "a.css": sequence("plain", 100), "a.css.gz": secret})
	for _, name := range []string{"denied.css", "closed", "a.css.gz"} {
		if err := os.Chmod(filepath.Join(dir, name), 0); err != nil {
			t.Fatal(err)
		}
	}
	warned := 0
	files, err := static.New(static.Config{Roots: []static.Root{under("/static/", dir)}, Warnf: func(string, ...any) { warned++ }})
	if err != nil {
		t.Fatal(err)
	}
	asNobody(t, func() {
		for range 3 {
			for path, want := range map[string]int{"/static/denied.css": 403, "/static/closed/a.css": 403, "/static/a.css": 200} {
				w := browser(path)
				if !files.Respond(w) || w.status != want || want == 200 && w.body != 100 {
					t.Errorf("%s: got %d with %d bytes, want %d", path, w.status, w.body, want)
				}
			}
		}
	})
	if warned != 2 {
		t.Errorf("%d warnings for two files", warned)
	}
}

// asNobody runs f with the rights of nobody on files, if the test has more.
func asNobody(t *testing.T, f func()) {
	t.Helper()
	if os.Geteuid() != 0 {
		f()
		return
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		runtime.LockOSThread() // and never unlocked: the thread ends with the goroutine
		if err := unix.Setfsgid(65534); err != nil {
			t.Error(err)
		}
		if err := unix.Setfsuid(65534); err != nil {
			t.Error(err)
		}
		f()
	}()
	<-done
}

// Without descriptors the answer is one that no cache keeps, and not that there is no such file.
func TestNoDescriptorsLeft(t *testing.T) {
	dir := t.TempDir()
	write(t, dir, map[string]string{"css/a.css": "a", "b.css": "b"})
	files, err := static.New(static.Config{Roots: []static.Root{under("/static/", dir)}})
	if err != nil {
		t.Fatal(err)
	}
	f, err := os.Open(os.DevNull)
	if err != nil {
		t.Fatal(err)
	}
	lowest := uint64(f.Fd())
	f.Close()
	var limit syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &limit); err != nil {
		t.Fatal(err)
	}
	few := syscall.Rlimit{Cur: lowest, Max: limit.Max}
	w, v := browser("/static/css/a.css"), browser("/static/b.css")
	if err := syscall.Setrlimit(syscall.RLIMIT_NOFILE, &few); err != nil {
		t.Fatal(err)
	}
	answered := files.Respond(w) && files.Respond(v)
	if err := syscall.Setrlimit(syscall.RLIMIT_NOFILE, &limit); err != nil {
		t.Fatal(err)
	}
	if !answered || w.status != 503 || v.status != 503 {
		t.Errorf("got %d and %d, want 503", w.status, v.status)
	}
	for _, w := range []*wire{w, v} {
		if files.Respond(w); w.status != 200 || w.body != 1 {
			t.Errorf("afterwards %d", w.status)
		}
	}
}
