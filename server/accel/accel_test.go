package accel

import (
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/gounicorn/gounicorn/server/exchange"
)

// tree makes a folder with what must be found and what must not.
func tree(t testing.TB) string {
	t.Helper()
	base := t.TempDir()
	dir := filepath.Join(base, "data")
	for name, text := range map[string]string{
		"secret": "secret", "data/a.txt": "a", "data/in/b c.txt": "b", "data/100%.txt": "percent", "data/a%20b": "literal", "data/a b": "blank", "data/é": "accent",
		"data/deep/x": "deep", "other/x": "other", "data/none": "0",
	} {
		name = filepath.Join(base, name)
		if err := errors.Join(os.MkdirAll(filepath.Dir(name), 0o755), os.WriteFile(name, []byte(text), 0o644)); err != nil {
			t.Fatal(err)
		}
	}
	if err := errors.Join(
		os.Symlink(filepath.Join(base, "secret"), filepath.Join(dir, "out")), os.Symlink("a.txt", filepath.Join(dir, "link")),
		os.Symlink(dir, filepath.Join(base, "current")), syscall.Mkfifo(filepath.Join(dir, "fifo"), 0o644),
	); err != nil {
		t.Fatal(err)
	}
	return base
}

func read(f *os.File, err error) string {
	if err != nil {
		var status *exchange.StatusError
		if !errors.As(err, &status) {
			return "error without a status: " + err.Error()
		}
		return map[int]string{404: "404", 403: "403", 503: "503"}[status.Status]
	}
	defer f.Close()
	b, _ := io.ReadAll(f)
	return string(b)
}

func TestWhatANameLeadsTo(t *testing.T) {
	base := tree(t)
	f := New(Config{Maps: []Map{{"/p", base + "/current"}, {"/p/deep/", base + "/other"}}, Roots: []string{base + "/other/"}})
	for uri, want := range map[string]string{
		"/p/a.txt": "a", "/p/a.txt?x=/../y": "a", "/p/in/b%20c.txt": "b", "/p/in/b c.txt": "b", "/p//in/./b c.txt": "b", "/p/100%25.txt": "percent", "/p/%C3%A9": "accent",
		"/p/é": "accent", "/p/a%2etxt": "a", "/p/in%2Fb%20c.txt": "b", "/p/link": "a", "/p/deep/x": "other", "/p/a%2520b": "literal",
		"/p/100%.txt": "404", "/p/a%zz": "404", "/p/%": "404", "/p/%2": "404", "/p/out": "404", "/p/fifo": "404", "/p/in": "404", "/p/in/": "404", "/p/": "404", "/p": "404",
		"/px/a.txt": "404", "/q/a.txt": "404", "/p/../p/a.txt": "404", "/p/%2e%2e/secret": "404", "/p/..%2fsecret": "404", "/p/a.txt%00": "404", "/p/a.txt/": "404",
		"p/a.txt": "404", "": "404", "http://x/p/a.txt": "404", "@named": "404", "/p/" + strings.Repeat("x", 5000): "404",
	} {
		file, _, err := f.Redirect([]byte(uri))
		if got := read(file, err); got != want {
			t.Errorf("X-Accel-Redirect: %.80s: %q, want %q", uri, got, want)
		}
	}
	for path, want := range map[string]string{
		base + "/current/a.txt": "a", base + "/other/x": "other", base + "/current/a%20b": "literal", base + "/current/in/b%20c.txt": "b", base + "/current/100%.txt": "percent",
		base + "/current/\xe9": "accent", base + "/current/é": "accent", "=?utf-8?q?" + strings.ReplaceAll(base, "_", "=5F") + "/current/=C3=A9?=": "accent", "=?utf-8?q?=2Fetc=2Fpasswd?=": "404", "=?": "404",
		base + "/current//in/b c.txt": "b", base + "/secret": "404", base + "/other/../secret": "404", base + "/current/%2e%2e/secret": "404", base + "/otherx": "404",
		base + "/current": "404", "current/a.txt": "404", base + "/current/out": "404", "": "404", base + "/data/a.txt": "404",
	} {
		file, _, err := f.Sendfile([]byte(path))
		if got := read(file, err); got != want {
			t.Errorf("X-Sendfile: %s: %q, want %q", path, got, want)
		}
	}
	if New(Config{}) != nil {
		t.Error("without folders something can be named")
	}
}

func TestMapsAreRead(t *testing.T) {
	for _, bad := range []string{"", "/a", "a/=b", "/a/=", "/a//b=c", "/../a=b", "/a/./=b"} {
		if m, err := ParseMap(bad); err == nil {
			t.Errorf("%q gives %v", bad, m)
		}
	}
	for _, good := range []string{"/p/=/srv/x", "/p=/srv/x", "/=/srv/x"} {
		if m, err := ParseMap(good); err != nil || m.Dir != "/srv/x" {
			t.Errorf("%q: %v, %v", good, m, err)
		}
	}
	if m, err := ParseMap("/p/=x=y"); err != nil || m.Dir != "x=y" {
		t.Errorf("a folder with an equals sign: %v, %v", m, err)
	}
}

func TestOrders(t *testing.T) {
	for name, want := range map[string]Order{
		"X-Accel-Redirect": Redirect, "x-accel-redirect": Redirect, "X-SENDFILE": Sendfile, "X-LIGHTTPD-send-file": Sendfile, "X-Accel-Buffering": Buffering,
		"X-Accel-Limit-Rate": LimitRate, "X-Accel-Expires": Expires, "X-Accel-Charset": Unknown, "X-Accel-": Unknown, "X-Accel": None,
		"X-Accelerate": None, "X-Frame-Options": None, "X-Sendfiles": None, "": None, "X-": None, "Content-Type": None,
	} {
		if got := Is([]byte(name)); got != want {
			t.Errorf("%s: %d, want %d", name, got, want)
		}
	}
	if Rate([]byte("1000")) != 1000 || Rate([]byte("off")) != 0 || Rate([]byte("-1")) != 0 {
		t.Error("rates are not read")
	}
}

// Whatever the application says, nothing outside the folders is opened, and nothing blocks.
func FuzzNames(f *testing.F) {
	base := tree(f)
	files := New(Config{Maps: []Map{{"/p", base + "/data"}}})
	f.Add("/p/..%2f..%2fetc/passwd")
	f.Add("/p/%2e%2e/secret")
	f.Add(base + "/data/../secret")
	f.Fuzz(func(t *testing.T, name string) {
		for _, open := range []func([]byte) (*os.File, os.FileInfo, error){files.Redirect, files.Sendfile} {
			file, _, err := open([]byte(name))
			if got := read(file, err); got == "secret" || strings.HasPrefix(got, "error") || got == "" {
				t.Errorf("%q leads to %q", name, got)
			}
		}
	})
}
