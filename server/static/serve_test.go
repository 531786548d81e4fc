package static_test

import (
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/gounicorn/gounicorn/server/exchange"
	"github.com/gounicorn/gounicorn/server/static"
	"github.com/gounicorn/gounicorn/tests/harness"
)

// TestServe answers with a file and with bytes that somebody else names, and fields that somebody else gives.
func TestServe(t *testing.T) {
	text := sequence("x", 1000)
	name := filepath.Join(t.TempDir(), "f")
	if err := os.WriteFile(name, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	given := func(pairs ...string) (fields []exchange.Field) {
		for i := 0; i < len(pairs); i += 2 {
			fields = append(fields, exchange.Field{Name: []byte(pairs[i]), Value: []byte(pairs[i+1])})
		}
		return fields
	}
	app := given("Set-Cookie", "a=b", "Content-Disposition", "attachment", "Cache-Control", "private", "Set-Cookie", "c=d")
	var content static.Content // of the next answer
	var memory bool
	var held atomic.Int32
	ln := engine(t, func(x exchange.Exchange) bool {
		c := content
		held.Add(1)
		if memory {
			c.Data, c.Release = []byte(text), func() { held.Add(-1) }
		} else {
			f, err := os.Open(name)
			if err != nil {
				t.Error(err)
			}
			c.File, c.Release = f, func() { f.Close(); held.Add(-1) }
		}
		static.Serve(x, &c)
		return true
	})
	c := dial(t, ln.Addr().String())
	const cookies = "set-cookie: a=b\nset-cookie: c=d"
	for _, k := range []struct {
		name    string
		content static.Content
		method  string
		field   string // of the request
		status  int
		body    string
		want    string
	}{
		{"whole", static.Content{Type: []byte("text/x"), ETag: []byte(`"t"`), Modified: long, Fields: app}, "GET", "A: b", 200, text,
			"accept-ranges: bytes\ncache-control: private\ncontent-disposition: attachment\ncontent-length: 1000\ncontent-type: text/x\netag: \"t\"\nlast-modified: " + longDate + "\n" + cookies},
		{"bare", static.Content{}, "GET", "A: b", 200, text, "accept-ranges: bytes\ncontent-length: 1000"},
		{"encoded", static.Content{Encoding: []byte("br")}, "HEAD", "A: b", 200, "", "accept-ranges: bytes\ncontent-encoding: br\ncontent-length: 1000"},
		{"part", static.Content{Fields: app}, "GET", "Range: bytes=10-19", 206, text[10:20],
			"accept-ranges: bytes\ncache-control: private\ncontent-disposition: attachment\ncontent-length: 10\ncontent-range: bytes 10-19/1000\n" + cookies},
		{"parts", static.Content{}, "GET", "Range: bytes=0-1,4-5", 206, "", ""},
		{"unchanged", static.Content{ETag: []byte(`"t"`), Modified: long, Fields: app}, "GET", `If-None-Match: "t"`, 304, "", "cache-control: private\netag: \"t\"\n" + cookies},
		{"unchanged by date", static.Content{Modified: long}, "GET", "If-Modified-Since: " + longDate, 304, "", "last-modified: " + longDate},
		{"weak", static.Content{ETag: []byte(`W/"t"`)}, "GET", `If-None-Match: "t"`, 304, "", `etag: W/"t"`},
		{"weak is not strong", static.Content{ETag: []byte(`W/"t"`)}, "GET", `If-Match: W/"t"`, 412, "", ""},
		{"unsatisfiable", static.Content{Fields: app}, "GET", "Range: bytes=1000-", 416, "", ""},
		{"no validators", static.Content{}, "GET", "If-None-Match: \"t\"\r\nIf-Modified-Since: " + longDate, 200, text, ""},
		{"exists", static.Content{}, "GET", "If-None-Match: *", 304, "", ""},
		{"another method", static.Content{ETag: []byte(`"t"`)}, "POST", "Content-Length: 0\r\nRange: bytes=0-1\r\nIf-None-Match: \"t\"", 200, text, ""},
		{"from the future", static.Content{Modified: time.Now().Add(time.Hour)}, "GET", "If-Modified-Since: " + longDate, 200, text, "accept-ranges: bytes\ncontent-length: 1000"},
		{"no time", static.Content{Modified: time.Unix(1, 0)}, "GET", "A: b", 200, text, "accept-ranges: bytes\ncontent-length: 1000"},
		{"malformed field", static.Content{Fields: given("A", "b\nc")}, "GET", "A: b", 500, "", ""},
		{"malformed field, part", static.Content{Fields: given("A", "b\nc")}, "GET", "Range: bytes=0-1", 500, "", ""},
		{"malformed field, parts", static.Content{Fields: given("A", "b\nc")}, "GET", "Range: bytes=0-1,4-5", 500, "", ""},
		{"malformed field, unchanged", static.Content{Fields: given("A", "b\nc")}, "GET", "If-None-Match: *", 500, "", ""},
	} {
		for _, memory = range []bool{false, true} {
			content = k.content
			content.Size = 1000
			a := c.ask(k.method, "/", strings.Split(k.field, "\r\n")...)
			if a.Status != k.status || k.body != "" && string(a.Body) != k.body || k.want != "" && names(a) != k.want {
				t.Errorf("%s, in memory %v: got %d %.50q\n%s\nwant %d\n%s", k.name, memory, a.Status, a.Body, names(a), k.status, k.want)
			}
			harness.Eventually(t, budget, k.name+" is released once", func() bool { return held.Load() == 0 })
		}
	}
	content, memory = static.Content{}, false
	if a := c.ask("GET", "/", "Range: bytes=0-"); a.Status != 200 || names(a) != "accept-ranges: bytes\ncontent-length: 0" {
		t.Errorf("nothing: got %d\n%s", a.Status, names(a))
	}
	// A client that leaves in the middle.
	if err := os.Truncate(name, 64<<20); err != nil {
		t.Fatal(err)
	}
	content, memory = static.Content{Size: 64 << 20}, false
	gone := dial(t, ln.Addr().String())
	if _, err := gone.nc.Write([]byte("GET / HTTP/1.1\r\nHost: x\r\n\r\n")); err != nil {
		t.Fatal(err)
	}
	if _, err := gone.br.ReadByte(); err != nil {
		t.Fatal(err)
	}
	gone.nc.Close()
	harness.Eventually(t, budget, "the file is released", func() bool { return held.Load() == 0 })
}
