package server

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/gounicorn/gounicorn/server/accel"
	"github.com/gounicorn/gounicorn/server/cache"
	"github.com/gounicorn/gounicorn/server/compress"
	"github.com/gounicorn/gounicorn/server/pages"
)

// exchangeOver sends a GET with the field lines and returns the answer.
func exchangeOver(t *testing.T, conn net.Conn, path string, lines ...string) (*http.Response, string) {
	t.Helper()
	_ = conn.SetDeadline(time.Now().Add(10 * time.Second))
	fmt.Fprintf(conn, "GET %s HTTP/1.1\r\nHost: x\r\n%s\r\n", path, strings.Join(append(lines, ""), "\r\n"))
	response, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil {
		t.Fatalf("%s: %v", path, err)
	}
	body, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatalf("%s: %v", path, err)
	}
	return response, string(body)
}

func dial(t *testing.T, address string) net.Conn {
	t.Helper()
	conn, err := net.Dial("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	return conn
}

// What the application says to the server in front of it reaches no client, whatever is configured; a proxy that is believed gets it, as
// from gunicorn, if we do not act upon it ourselves.
func TestOrdersReachNoClient(t *testing.T) {
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "a"), []byte("the file"), 0o600); err != nil {
		t.Fatal(err)
	}
	files := accel.New(accel.Config{Maps: []accel.Map{{Prefix: "/p/", Dir: dir}}})
	for _, order := range []string{
		"X-Accel-Redirect: /p/a", "X-Sendfile: " + dir + "/a", "X-LIGHTTPD-send-file: " + dir + "/a", "X-Accel-Redirect: /etc/passwd", "x-accel-redirect:",
		"X-Accel-Buffering: no", "X-Accel-Expires: 60", "X-Accel-Limit-Rate: 1000000", "X-Accel-Charset: utf-8", "x-aCCel-made-up: 1",
	} {
		name, value, _ := strings.Cut(order, ":")
		value = strings.TrimSpace(value)
		kind := accel.Is([]byte(name))
		file := kind == accel.Redirect || kind == accel.Sendfile
		for _, forwarded := range []bool{false, true} {
			for _, with := range []*accel.Files{nil, files} {
				for shape, end := range map[string]bool{"whole": true, "pieces": false, "empty first": false} {
					status, body := 200, "plain"
					switch {
					case file && with != nil && strings.HasSuffix(value, "/a"):
						body = "the file"
					case file && with != nil:
						status = 404
					case file && !forwarded:
						status = 500
					}
					app := &fakeApp{serve: func(c *Call) {
						fields := [][2]string{{"Content-Type", "text/plain"}, {name, value}, {"X-Answer", "b"}, {"Set-Cookie", "a=b"}}
						if file {
							fields = append(fields, [2]string{"Content-Length", "4711"}) // the file's
						}
						switch shape {
						case "whole":
							_ = c.Head(200, head("", fields, "plain"), nil, true)
						case "pieces":
							_ = c.Head(200, head("", fields, "pl"), nil, false)
							c.Body([]byte("ain"), true)
						default:
							_ = c.Head(200, head("", fields, ""), nil, false)
							c.Body([]byte("plain"), true)
						}
					}}
					address, _ := start(t, app, func(cfg *Config) { cfg.Files = with })
					conn, lines := dial(t, address), []string(nil)
					if forwarded {
						lines = []string{"X-Forwarded-For: 1.2.3.4"}
					}
					for range 2 { // the second one on the same connection
						response, got := exchangeOver(t, conn, "/", lines...)
						what := fmt.Sprintf("%s, forwarded %v, files %v, %s %v", order, forwarded, with != nil, shape, end)
						if response.StatusCode != status || (status == 200 && got != body) {
							t.Fatalf("%s: %d %q, want %d %q", what, response.StatusCode, got, status, body)
						}
						for field := range response.Header {
							if accel.Is([]byte(field)) != accel.None && (!forwarded || (file && with != nil)) {
								t.Errorf("%s: %s leaks", what, field)
							}
						}
						if forwarded && !(file && with != nil) && response.Header.Get(name) != value {
							t.Errorf("%s: the proxy does not get it: %v", what, response.Header)
						}
						if status == 200 && response.Header.Get("Set-Cookie") != "a=b" {
							t.Errorf("%s: the cookie is lost", what)
						}
						if (response.Header.Get("X-Answer") == "b") != (status == 200 && body == "plain") {
							t.Errorf("%s: fields %v", what, response.Header)
						}
					}
				}
			}
		}
	}
}

// An application that goes on, or fails, after its answer was given up does not touch the next request of the connection.
func TestWhatFollowsARefusedAnswerIsDropped(t *testing.T) {
	var n atomic.Int32
	release, failed := make(chan struct{}), make(chan struct{})
	app := &fakeApp{serve: func(c *Call) {
		if n.Add(1) > 1 {
			close(release) // the first call fails while the second one runs
			<-failed
			_ = c.Head(200, head("", nil, "fine"), nil, true)
			return
		}
		_ = c.Head(200, head("", [][2]string{{"Bad\nName", "x"}}, "a"), nil, false)
		go func() {
			<-release
			c.Body([]byte("b"), false)
			c.Abort()
			close(failed)
		}()
	}}
	address, _ := start(t, app, nil)
	conn := dial(t, address)
	if response, _ := exchangeOver(t, conn, "/"); response.StatusCode != 500 {
		t.Fatalf("a malformed head is answered with %d", response.StatusCode)
	}
	if response, body := exchangeOver(t, conn, "/"); response.StatusCode != 200 || body != "fine" {
		t.Errorf("the next request is answered with %d %q", response.StatusCode, body)
	}
}

func TestErrorPages(t *testing.T) {
	dir := t.TempDir()
	for name, text := range map[string]string{"503.html": "<p>later", "400.html": "<p>what?", "5xx.html": "<p>sorry", "503.json": `{"later":true}`} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	ours, err := pages.Read(dir)
	if err != nil {
		t.Fatal(err)
	}
	app := &fakeApp{serve: func(c *Call) {
		if string(c.req.Path) == "/fail" {
			c.Fail(Failure{Status: 503, RetryAfter: 7})
			return
		}
		_ = c.Head(500, head("", [][2]string{{"Content-Type", "text/plain"}}, "traceback"), nil, string(c.req.Path) != "/pieces")
		if string(c.req.Path) == "/pieces" {
			c.Body(nil, true)
		}
	}}
	for _, override := range []bool{false, true} {
		address, _ := start(t, app, func(cfg *Config) { cfg.Pages, cfg.OverridePages, cfg.Limits.Body = ours, override, 1<<20 })
		response, body := exchangeOver(t, dial(t, address), "/fail")
		if response.StatusCode != 503 || body != "<p>later" || response.Header.Get("Retry-After") != "7" || response.Header.Get("Cache-Control") != "no-store" {
			t.Errorf("a failure: %d %q %v", response.StatusCode, body, response.Header)
		}
		for lines, want := range map[string]string{
			"": `{"later":true}`, // the operator's
			"\r\nContent-Length: 1\r\nContent-Length: 1": `{"status":400,"error":"Bad Request","detail":"more than one Content-Length"}` + "\n",
			"\r\nContent-Length: 9000000000":             `{"status":413,"error":"Content Too Large","detail":"body is too large"}` + "\n",
		} {
			response, body := exchangeOver(t, dial(t, address), "/fail", "Accept: application/json"+lines)
			if body != want || response.Header.Get("Content-Type") != "application/json" || response.Header.Get("Cache-Control") != "no-store" {
				t.Errorf("%q for JSON: %q %v", lines, body, response.Header)
			}
		}
		if response, body := exchangeOver(t, dial(t, address), "/x\x01"); response.StatusCode != 400 || body != "<p>what?" {
			t.Errorf("a malformed request: %d %q", response.StatusCode, body)
		}
		want := map[bool]string{false: "traceback", true: "<p>sorry"}[override]
		for _, path := range []string{"/whole", "/pieces"} {
			if response, body := exchangeOver(t, dial(t, address), path); response.StatusCode != 500 || body != want {
				t.Errorf("override %v, %s: %d %q, want %q", override, path, response.StatusCode, body, want)
			}
		}
	}
}

// A kept answer comes back whole: 304 to those who have it, compressed for those who want it, and in place of an error if it may.
func TestKeptAnswers(t *testing.T) {
	var runs, failing atomic.Int32
	app := &fakeApp{serve: func(c *Call) {
		runs.Add(1)
		if environ(c)["HTTP_IF_NONE_MATCH"] != "" {
			t.Error("the application is asked by a precondition")
		}
		switch {
		case failing.Load() == 1:
			c.Fail(Failure{Status: 502})
			return
		case failing.Load() == 2:
			_ = c.Head(500, head("", nil, "traceback"), nil, true)
			return
		}
		fields := [][2]string{{"Content-Type", "text/html"}, {"ETag", `"v1"`}, {"Cache-Control", "max-age=1, stale-if-error=60"}, {"Content-Language", "en"}, {"X-Frame-Options", "DENY"}}
		text := strings.Repeat("text ", 400)
		if string(c.req.Path) == "/pieces" {
			_ = c.Head(200, head("", fields, text[:1000]), nil, false)
			c.Body([]byte(text[1000:]), true)
			return
		}
		_ = c.Head(200, head("", fields, text), nil, true)
	}}
	kept := cache.New(cache.Config{Memory: 1 << 20, Rules: []cache.Rule{{Prefix: "/", For: time.Minute}, {Prefix: "/brief", For: time.Millisecond}}})
	address, log := start(t, app, func(cfg *Config) {
		cfg.Cache, cfg.Compress = kept, compress.New(compress.Config{Types: []string{"text/html"}, MinSize: 100})
	})
	conn := dial(t, address)
	for i, path := range []string{"/whole", "/pieces"} {
		response, body := exchangeOver(t, conn, path, `If-None-Match: "old"`)
		if response.StatusCode != 200 || len(body) != 2000 || !strings.HasPrefix(response.Header.Get("Cache-Status"), "gounicorn; fwd=miss") {
			t.Errorf("%s at first: %d, %d bytes, %v", path, response.StatusCode, len(body), response.Header)
		}
		response, body = exchangeOver(t, conn, path)
		if response.StatusCode != 200 || len(body) != 2000 || !strings.HasPrefix(response.Header.Get("Cache-Status"), "gounicorn; hit; ttl=") ||
			response.Header.Get("Age") == "" || response.Header.Get("ETag") != `"v1"` || response.Header.Get("Vary") != "Accept-Encoding" {
			t.Errorf("%s again: %d, %d bytes, %v", path, response.StatusCode, len(body), response.Header)
		}
		response, body = exchangeOver(t, conn, path, "Accept-Encoding: gzip")
		if response.Header.Get("Content-Encoding") != "gzip" || response.Header.Get("ETag") != `W/"v1"` || len(body) > 200 || body[:2] != "\x1f\x8b" {
			t.Errorf("%s compressed: %d bytes, %v", path, len(body), response.Header)
		}
		response, body = exchangeOver(t, conn, path, `If-None-Match: W/"v1"`)
		if response.StatusCode != 304 || body != "" || response.Header.Get("Content-Type")+response.Header.Get("Content-Language") != "" || response.Header.Get("X-Frame-Options") != "DENY" {
			t.Errorf("%s with its tag: %d %v", path, response.StatusCode, response.Header)
		}
		if n := runs.Load(); n != int32(i+1) {
			t.Errorf("%s: the application ran %d times", path, n)
		}
	}
	if response, _ := exchangeOver(t, conn, "/first", `If-None-Match: W/"v1"`); response.StatusCode != 304 {
		t.Errorf("the first one, with its tag: %d", response.StatusCode)
	}
	exchangeOver(t, conn, "/brief")
	<-time.After(2 * time.Millisecond) // not fresh any more
	for _, how := range []int32{1, 2} {
		failing.Store(how)
		if response, body := exchangeOver(t, conn, "/brief"); response.StatusCode != 200 || len(body) != 2000 || !strings.Contains(response.Header.Get("Cache-Status"), "ttl=-") {
			t.Errorf("in place of an error: %d, %d bytes, %v", response.StatusCode, len(body), response.Header)
		}
	}
	if response, _ := exchangeOver(t, conn, "/new"); response.StatusCode != 500 {
		t.Errorf("an error without an old answer: %d", response.StatusCode)
	}
	if !strings.Contains(log.String(), "GET 304") {
		t.Errorf("the access log does not have the hits:\n%s", log)
	}
}

// Whoever waits for another's run gets its answer although the other has left.
func TestARunOutlivesItsClient(t *testing.T) {
	var runs atomic.Int32
	entered, release := make(chan *Call, 10), make(chan struct{})
	app := &fakeApp{serve: func(c *Call) {
		runs.Add(1)
		go func() {
			entered <- c
			<-release
			_ = c.Head(200, head("", nil, "x"), nil, true)
		}()
	}}
	kept := cache.New(cache.Config{Memory: 1 << 20, Rules: []cache.Rule{{Prefix: "/", For: time.Minute}}})
	address, _ := start(t, app, func(cfg *Config) { cfg.Cache = kept })
	first := dial(t, address)
	fmt.Fprint(first, "GET / HTTP/1.1\r\nHost: x\r\n\r\n")
	run := <-entered
	answer := make(chan string)
	second := dial(t, address)
	go func() {
		response, body := exchangeOver(t, second, "/")
		answer <- response.Header.Get("Cache-Status") + " " + body
	}()
	_ = first.(*net.TCPConn).SetLinger(0)
	first.Close()
	until(t, func() bool { return run.gone.Load() }, func() string { return "nobody notices that the client left" })
	run.mu.Lock() // all is done that is done then
	app.mu.Lock()
	abandoned := app.abandoned
	app.mu.Unlock()
	run.mu.Unlock()
	close(release)
	if got := <-answer; !strings.HasSuffix(got, " x") || runs.Load() != 1 {
		t.Errorf("got %q after %d runs", got, runs.Load())
	}
	if abandoned != 0 {
		t.Error("the run was abandoned")
	}
}

// source gives pieces.
type source [][]byte

func (s *source) Next() ([]byte, *os.File, int64, int64, error) {
	if len(*s) == 0 {
		return nil, nil, 0, 0, io.EOF
	}
	p := (*s)[0]
	*s = (*s)[1:]
	return p, nil, 0, 0, nil
}

func (s *source) Close() {}

func TestALimitedRate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		begun := time.Now()
		paced := newPaced(&source{make([]byte, 3000), {}, make([]byte, 1000)}, 1000)
		total := 0
		for {
			p, _, _, _, err := paced.Next()
			if errors.Is(err, io.EOF) {
				break
			}
			if total += len(p); len(p) > 250 {
				t.Fatalf("a piece of %d bytes", len(p))
			}
		}
		if took := time.Since(begun); total != 4000 || took < 3500*time.Millisecond || took > 4*time.Second {
			t.Errorf("%d bytes in %v", total, took)
		}
	})
}
