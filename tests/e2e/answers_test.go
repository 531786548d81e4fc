package e2e

import (
	"bytes"
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/gounicorn/gounicorn/tests/harness"
)

// answersSite starts the Django site that speaks to the server, with a folder of files: the one that the site reads too.
func answersSite(t *testing.T, args ...string) (*harness.Server, string) {
	t.Helper()
	dir := t.TempDir()
	if err := os.Symlink("/etc/passwd", filepath.Join(dir, "out")); err != nil {
		t.Fatal(err)
	}
	if err := syscall.Mkfifo(filepath.Join(dir, "fifo"), 0o644); err != nil {
		t.Fatal(err)
	}
	s := harness.Start(t, harness.Config{App: "answers_app:app", Args: append([]string{"-w", "2", "--threads", "4"}, args...)})
	old := time.Now().Add(-time.Hour)
	for _, folder := range []string{dir, s.Dir} {
		name := filepath.Join(folder, "n.txt")
		if err := errors.Join(os.WriteFile(name, []byte(counted(100_000, 0)), 0o644), os.Chtimes(name, old, old)); err != nil {
			t.Fatal(err)
		}
	}
	return s, dir
}

func query(pairs ...string) string {
	q := url.Values{}
	for i := 0; i < len(pairs); i += 2 {
		q.Set(pairs[i], pairs[i+1])
	}
	return "?" + q.Encode()
}

// A file is sent in the same way whether the application gives it opened (FileResponse) or names it (X-Accel-Redirect, X-Sendfile).
func TestFilesOfTheApplication(t *testing.T) {
	t.Parallel()
	folder := t.TempDir()
	s, dir := answersSite(t, "--accel", "/protected/="+folder+"/current", "--sendfile-root", folder)
	if err := os.Symlink(dir, filepath.Join(folder, "current")); err != nil {
		t.Fatal(err)
	}
	whole := counted(100_000, 0)
	for way, target := range map[string]string{
		"FileResponse":     "/file/n.txt" + query("Content-Disposition", "attachment"),
		"X-Accel-Redirect": "/answer" + query("X-Accel-Redirect", "/protected/n.txt?a=b", "Content-Disposition", "attachment", "status", "403", "ETag", `"app"`, "Content-Length", ""),
		"X-Sendfile":       "/answer" + query("X-Sendfile", folder+"/current/n.txt", "Content-Disposition", "attachment", "Content-Length", "100000"),
	} {
		full := s.Get(target)
		tag, modified := full.Header.Get("ETag"), full.Header.Get("Last-Modified")
		if full.Status != 200 || full.Body != whole || tag == "" || modified == "" || tag == `"app"` {
			t.Fatalf("%s: %d, %d bytes, %v", way, full.Status, len(full.Body), full.Header)
		}
		for _, test := range []struct {
			method, field, value string
			status               int
			body                 string
		}{
			{"GET", "Range", "bytes=5-9", 206, whole[5:10]},
			{"GET", "Range", "bytes=-7", 206, whole[99_993:]},
			{"GET", "Range", "bytes=99999-", 206, whole[99_999:]},
			{"GET", "Range", "bytes=100000-", 416, ""},
			{"GET", "Range", "lines=1-2", 200, whole},
			{"GET", "If-None-Match", tag, 304, ""},
			{"GET", "If-None-Match", `"other"`, 200, whole},
			{"GET", "If-Modified-Since", modified, 304, ""},
			{"GET", "If-Match", `"other"`, 412, ""},
			{"HEAD", "X-None", "", 200, ""},
			{"HEAD", "If-None-Match", tag, 304, ""},
		} {
			reply := s.Request(test.method, target, "", test.field, test.value)
			if test.status > 400 {
				test.body = reply.Body // a page
			}
			if reply.Err != nil || reply.Status != test.status || reply.Body != test.body {
				t.Errorf("%s: %s %s: %s: got %d and %d bytes (%v), want %d and %d bytes", way, test.method, test.field, test.value, reply.Status, len(reply.Body),
					reply.Err, test.status, len(test.body))
			}
			if reply.Status < 300 {
				for field, want := range map[string]string{
					"Content-Disposition": "attachment", "ETag": tag, "Last-Modified": modified, "Accept-Ranges": "bytes", "X-Content-Type-Options": "nosniff",
				} {
					if got := reply.Header.Get(field); got != want {
						t.Errorf("%s: %s %s: %s: %s is %q, want %q", way, test.method, test.field, test.value, field, got, want)
					}
				}
				if n := fmt.Sprint(len(test.body)); test.method == "GET" && reply.Header.Get("Content-Length") != n || test.method == "HEAD" && reply.Header.Get("Content-Length") != "100000" {
					t.Errorf("%s: %s %s: %s: length %q", way, test.method, test.field, test.value, reply.Header.Get("Content-Length"))
				}
			}
		}
	}
	reply := s.Request("GET", "/file/n.txt"+query("ETag", `"mine"`, "Last-Modified", "Fri, 01 May 2026 12:00:00 GMT"), "", "If-None-Match", `"mine"`)
	if reply.Status != 304 || reply.Header.Get("ETag") != `"mine"` {
		t.Errorf("the application's own tag: %d %v", reply.Status, reply.Header)
	}
	if reply := s.Request("POST", "/answer"+query("X-Accel-Redirect", "/protected/n.txt"), "a=b", "Range", "bytes=0-1"); reply.Body != whole {
		t.Errorf("POST: %d and %d bytes", reply.Status, len(reply.Body))
	}
	for _, name := range []string{"/protected/../n.txt", "/protected/%2e%2e/passwd", "/protected/out", "/protected/fifo", "/protected/", "/else/n.txt", "/protected/n.txt%00"} {
		reply := s.Get("/answer" + query("X-Accel-Redirect", name))
		if reply.Status != 404 || strings.Contains(reply.Body, "application") || reply.Header.Get("X-Accel-Redirect") != "" {
			t.Errorf("%s: %d %q", name, reply.Status, reply.Body)
		}
	}
	for _, path := range []string{"/etc/passwd", folder + "/../n.txt", folder + "/current/out"} {
		if reply := s.Get("/answer" + query("X-Sendfile", path)); reply.Status != 404 {
			t.Errorf("X-Sendfile: %s: %d", path, reply.Status)
		}
	}
	if reply := s.Get("/protected/n.txt"); reply.Status != 404 {
		t.Errorf("a client asks for the internal URL: %d", reply.Status)
	}
}

// N equal requests at once are one run of the application; what is personal always runs, and a reload drops what is kept.
func TestABurstCostsOneRun(t *testing.T) {
	t.Parallel()
	s, _ := answersSite(t, "--cache", "/kept/=600", "--cache-ignore-cookies", "_ga*")
	burst := func(name string, fields ...string) []harness.Reply {
		replies := make([]harness.Reply, 20)
		var all sync.WaitGroup
		for i := range replies {
			all.Go(func() {
				replies[i] = s.Request("GET", "/kept/"+name+"?gate="+name, "", append(fields, "X-Request", fmt.Sprint(i))...)
			})
		}
		s.WaitMark(t, "entered-go-"+name, 1)
		s.Open(t, "open-go-"+name)
		all.Wait()
		return replies
	}
	for _, reply := range burst("one", "Cookie", "_ga=1") {
		if reply.Status != 200 || reply.Body != "run 1" || !strings.HasPrefix(reply.Header.Get("Cache-Status"), "gounicorn; ") {
			t.Errorf("got %d %q %v, %v", reply.Status, reply.Body, reply.Err, reply.Header)
		}
	}
	if n := len(s.Marks("runs-one")); n != 1 {
		t.Errorf("%d runs for a burst of equal requests", n)
	}
	burst("mine", "Cookie", "sessionid=1")
	if n := len(s.Marks("runs-mine")); n != 20 {
		t.Errorf("%d runs for 20 personal requests", n)
	}
	for range 3 {
		s.WantGet(t, "/kept/cookie"+query("Set-Cookie", "a=b"), 200)
	}
	if n := len(s.Marks("runs-cookie")); n != 3 {
		t.Errorf("%d runs for 3 answers with a cookie", n)
	}
	s.Signal(syscall.SIGHUP)
	harness.Eventually(t, harness.EventBudget, "the answer is a new one", func() bool { return s.Get("/kept/one?gate=one").Body == "run 2" })
}

func TestCompressionOnTheFly(t *testing.T) {
	t.Parallel()
	pages := t.TempDir()
	writeFile(t, filepath.Join(pages, "5xx.html"), "<p>sorry")
	writeFile(t, filepath.Join(pages, "404.html"), "<p>gone")
	s, _ := answersSite(t, "--compress", "text/html", "--error-pages", pages, "--error-pages-override", "--static", "/files/="+pages)
	missing := s.Request("GET", "/files/none", "", "Accept", "text/html")
	if missing.Status != 404 || missing.Body != "<p>gone" || missing.Header.Get("Access-Control-Allow-Origin") != "*" {
		t.Errorf("a file that is not there: %d %q %v", missing.Status, missing.Body, missing.Header)
	}
	plain := s.WantGet(t, "/text"+query("ETag", `"a"`), 200)
	if plain.Header.Get("ETag") != `"a"` || plain.Header.Get("Vary") != "Accept-Encoding" || plain.Header.Get("Content-Encoding") != "" {
		t.Errorf("not compressed: %v", plain.Header)
	}
	for _, method := range []string{"GET", "HEAD"} {
		reply := s.Request(method, "/text"+query("ETag", `"a"`), "", "Accept-Encoding", "gzip, br;q=0.5")
		if reply.Header.Get("Content-Encoding") != "gzip" || reply.Header.Get("ETag") != `W/"a"` || reply.Header.Get("Vary") != "Accept-Encoding" || len(reply.Body) > 500 {
			t.Errorf("%s: %d bytes, %v", method, len(reply.Body), reply.Header)
		}
		if method == "GET" && unzip(t, strings.NewReader(reply.Body)) != plain.Body {
			t.Error("the body is another one")
		}
	}
	for field, value := range map[string]string{"Cache-Control": "no-transform", "Content-Encoding": "identity", "Content-Type": "image/png"} {
		if reply := s.Request("GET", "/text"+query(field, value), "", "Accept-Encoding", "gzip"); reply.Body != plain.Body {
			t.Errorf("%s: %s is compressed: %v", field, value, reply.Header)
		}
	}
	// The first piece is there, and can be read, before the application gives the second.
	request, err := http.NewRequest("GET", s.URL("/pieces"), nil)
	if err != nil {
		t.Fatal(err)
	}
	request.Header.Set("Accept-Encoding", "gzip")
	response, err := http.DefaultTransport.RoundTrip(request)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	reader, err := gzip.NewReader(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	first := make([]byte, len("first\n"))
	if _, err := io.ReadFull(reader, first); err != nil || string(first) != "first\n" {
		t.Fatalf("the first piece: %q, %v", first, err)
	}
	s.Open(t, "open-pieces")
	if rest, err := io.ReadAll(reader); err != nil || string(rest) != "second\n" {
		t.Errorf("the rest: %q, %v", rest, err)
	}
	if reply := s.Get("/answer" + query("status", "500")); reply.Status != 500 || reply.Body != "<p>sorry" {
		t.Errorf("the application's error: %d %q", reply.Status, reply.Body)
	}
}

func unzip(t *testing.T, r io.Reader) string {
	t.Helper()
	reader, err := gzip.NewReader(r)
	if err != nil {
		t.Fatal(err)
	}
	var b bytes.Buffer
	if _, err := io.Copy(&b, reader); err != nil {
		t.Fatal(err)
	}
	return b.String()
}
