package static_test

import (
	"fmt"
	"io"
	"mime"
	"mime/multipart"
	"strings"
	"testing"

	"github.com/gounicorn/gounicorn/server/static"
	"github.com/gounicorn/gounicorn/tests/httpcases"
)

// variant is a coding of /static/app.js or of /static/big.js.
type variant struct {
	accept, coding, tag string
	body                string
}

// tag is the entity-tag that a file with the time long has.
func (v variant) etag() string { return fmt.Sprintf(`"%x-%x%s"`, long.UnixNano(), len(v.body), v.tag) }

// common are the fields of every answer of the tests' Assets.
const common = "access-control-allow-origin: *\n"

func (v variant) encoding() string {
	if v.coding == "" {
		return ""
	}
	return "content-encoding: " + v.coding + "\n"
}

// fields are those of an answer with the length and what else there is.
func (v variant) fields(length int, extra string) string {
	return "accept-ranges: bytes\n" + common + "cache-control: max-age=60, public\n" + v.encoding() + fmt.Sprintf("content-length: %d\n", length) + extra +
		"content-type: text/javascript; charset=utf-8\netag: " + v.etag() + "\nlast-modified: " + longDate + "\nvary: Accept-Encoding\nx-content-type-options: nosniff"
}

// TestMatrix plays methods, ranges and preconditions (RFC 9110 13, 14, 15) over every coding of a file in memory and one by descriptor, over
// plain HTTP, TLS and HTTP/2, and compares every byte and every field.
func TestMatrix(t *testing.T) {
	dir := t.TempDir()
	sizes := map[string]int{"app.js": 1000, "big.js": 30_000}
	for name, n := range sizes {
		write(t, dir, map[string]string{
			name: sequence("plain", n), name + ".gz": sequence("gz", n-100), name + ".br": sequence("br", n-200), name + ".zst": sequence("zst", n-300),
		})
	}
	s := serve(t, static.Config{Roots: []static.Root{under("/static/", dir)}, MemoryFile: 10_000})
	for _, transport := range []struct {
		name string
		dial func(testing.TB) *client
	}{{"plain", s.dial}, {"tls", s.dialTLS}, {"http2", s.dialHTTP2}} {
		for name, n := range sizes {
			for _, v := range []variant{
				{"", "", "", sequence("plain", n)},
				{"gzip", "gzip", "-gz", sequence("gz", n-100)},
				{"br", "br", "-br", sequence("br", n-200)},
				{"gzip, deflate, br, zstd", "zstd", "-zst", sequence("zst", n-300)},
			} {
				t.Run(transport.name+" "+name+" "+v.coding, func(t *testing.T) { v.play(t, transport.dial(t), "/static/"+name) })
			}
		}
	}
}

// play plays the matrix for one variant.
func (v variant) play(t *testing.T, c *client, target string) {
	n, etag := len(v.body), v.etag()
	other := `"1-2"`
	const older, newer = "Mon, 03 Feb 2020 04:05:05 GMT", "Mon, 03 Feb 2020 04:05:07 GMT"
	whole := func(a *httpcases.Answer) (int, string, string) { return 200, v.fields(n, ""), v.body }
	part := func(from, to int) func(*httpcases.Answer) (int, string, string) {
		return func(*httpcases.Answer) (int, string, string) {
			return 206, v.fields(to-from, fmt.Sprintf("content-range: bytes %d-%d/%d\n", from, to-1, n)), v.body[from:to]
		}
	}
	none := func(*httpcases.Answer) (int, string, string) {
		return 304, common + "cache-control: max-age=60, public\netag: " + etag + "\nvary: Accept-Encoding\nx-content-type-options: nosniff", ""
	}
	page := func(status int, text, extra string) func(*httpcases.Answer) (int, string, string) {
		return func(*httpcases.Answer) (int, string, string) {
			body := "<html>\n  <head>\n    <title>" + text + "</title>\n  </head>\n  <body>\n    <h1><p>" + text + "</p></h1>\n    " + text + "\n  </body>\n</html>\n"
			return status, common + fmt.Sprintf("cache-control: no-store\ncontent-length: %d\n", len(body)) + extra +
				"content-type: text/html; charset=utf-8\nvary: Accept-Encoding\nx-content-type-options: nosniff", body
		}
	}
	failed := page(412, "Precondition Failed", "")
	unsatisfiable := page(416, "Requested Range Not Satisfiable", fmt.Sprintf("content-range: bytes */%d\n", n))
	cases := []struct {
		fields string // lines
		want   func(*httpcases.Answer) (status int, fields, body string)
	}{
		{"", whole},
		// Ranges.
		{"Range: bytes=0-8", part(0, 9)},
		{"Range: bytes=0-0", part(0, 1)},
		{"Range: bytes=5-5", part(5, 6)},
		{"Range: bytes=-1", part(n-1, n)},
		{"Range: bytes=-10", part(n-10, n)},
		{"Range: bytes=690-", part(690, n)},
		{"Range: bytes=690-99999999", part(690, n)},
		{fmt.Sprintf("Range: bytes=0-%d", n-1), part(0, n)},
		{"Range: bytes=-99999999", part(0, n)},
		{"Range: BYTES=1-2", part(1, 3)},
		{"Range: bytes= 1-2 ,", part(1, 3)},
		{"Range: bytes=1-2,999999-", part(1, 3)},
		{"Range: bytes=999999-", unsatisfiable},
		{fmt.Sprintf("Range: bytes=%d-", n), unsatisfiable},
		{"Range: bytes=-0", unsatisfiable},
		{"Range: lines=1-2", whole},
		{"Range: bytes=alpha", whole},
		{"Range: bytes=2-1", whole},
		{"Range: bytes=", whole},
		{"Range: bytes=,", whole},
		{"Range: bytes 0-1", whole},
		{"Range: bytes=1-2-3", whole},
		{"Range: bytes=+1-2", whole},
		{"Range: bytes=0-18446744073709551615", whole},
		{"Range: bytes=18446744073709551614-18446744073709551615", whole},
		{"Range: bytes=-9223372036854775808", whole},
		{"Range: bytes=0-9223372036854775807", part(0, n)},
		{"Range: bytes=0-1\r\nRange: bytes=4-5", whole},
		{"Range: bytes=0-10,5-20", whole},
		{"Range: bytes=0-,0-", whole},
		{"Range: bytes=0-1" + strings.Repeat(",0-1", 2000), whole},
		{"Range: bytes=0-0,2-2,4-4,6-6,8-8,10-10,12-12,14-14,16-16,18-18,20-20,22-22,24-24,26-26,28-28,30-30,32-32", whole},
		// If-Range.
		{"Range: bytes=0-8\r\nIf-Range: " + etag, part(0, 9)},
		{"Range: bytes=0-8\r\nIf-Range: " + longDate, part(0, 9)},
		{"Range: bytes=0-8\r\nIf-Range: W/" + etag, whole},
		{"Range: bytes=0-8\r\nIf-Range: " + other, whole},
		{"Range: bytes=0-8\r\nIf-Range: " + newer, whole},
		{"Range: bytes=0-8\r\nIf-Range: " + older, whole},
		{"Range: bytes=0-8\r\nIf-Range: junk", whole},
		{"Range: bytes=999999-\r\nIf-Range: " + other, whole},
		// Preconditions, in their order.
		{"If-None-Match: " + etag, none},
		{"If-None-Match: W/" + etag, none},
		{"If-None-Match: *", none},
		{"If-None-Match: " + other + ", W/\"x\" ," + etag, none},
		{"If-None-Match: " + other + "\r\nIf-None-Match: " + etag, none},
		{"If-None-Match: " + other, whole},
		{"If-None-Match: " + strings.Trim(etag, `"`), whole},
		{"If-None-Match: \"a,b\", x" + etag, whole},
		{"If-None-Match: \"unfinished", whole},
		{"If-Modified-Since: " + longDate, none},
		{"If-Modified-Since: " + newer, none},
		{"If-Modified-Since: Monday, 03-Feb-20 04:05:06 GMT", none},
		{"If-Modified-Since: Mon Feb  3 04:05:06 2020", none},
		{"If-Modified-Since: " + older, whole},
		{"If-Modified-Since: " + longDate + "; length=17", whole},
		{"If-Modified-Since: 0", whole},
		{"If-None-Match: " + other + "\r\nIf-Modified-Since: " + longDate, whole},
		{"If-None-Match: " + etag + "\r\nIf-Modified-Since: " + older, none},
		{"If-Match: " + etag, whole},
		{"If-Match: *", whole},
		{"If-Match: " + other + "," + etag, whole},
		{"If-Match: W/" + etag, failed},
		{"If-Match: " + other, failed},
		{"If-Match:", failed},
		{"If-Unmodified-Since: " + longDate, whole},
		{"If-Unmodified-Since: " + newer, whole},
		{"If-Unmodified-Since: " + older, failed},
		{"If-Unmodified-Since: junk", whole},
		{"If-Match: " + etag + "\r\nIf-Unmodified-Since: " + older, whole},
		{"If-Match: " + other + "\r\nIf-None-Match: " + etag, failed},
		{"If-Match: " + etag + "\r\nIf-None-Match: " + etag, none},
		{"If-None-Match: " + etag + "\r\nRange: bytes=0-8", none},
		{"If-None-Match: " + other + "\r\nRange: bytes=0-8", part(0, 9)},
		{"If-Unmodified-Since: " + older + "\r\nRange: bytes=999999-", failed},
	}
	for _, k := range cases {
		lines := []string{}
		if v.accept != "" {
			lines = append(lines, "Accept-Encoding: "+v.accept)
		}
		if k.fields != "" {
			lines = append(lines, strings.Split(k.fields, "\r\n")...)
		}
		a := c.ask("GET", target, lines...)
		status, fields, body := k.want(a)
		if a.Status != status || names(a) != fields || string(a.Body) != body {
			t.Errorf("%.100q:\ngot  %d %.60q\n%s\nwant %d %.60q\n%s", k.fields, a.Status, a.Body, names(a), status, body, fields)
		}
		// HEAD has the same fields, but Range means nothing to it.
		head := c.ask("HEAD", target, lines...)
		if strings.HasPrefix(k.fields, "Range:") {
			status, fields, _ = whole(nil)
		} else if strings.Contains(k.fields, "Range:") {
			continue
		}
		if head.Status != status || names(head) != fields || len(head.Body) > 0 {
			t.Errorf("HEAD %.100q: got %d\n%s\nwant %d\n%s", k.fields, head.Status, names(head), status, fields)
		}
	}
	v.multipart(t, c, target)
}

// multipart asks for several ranges at once.
func (v variant) multipart(t *testing.T, c *client, target string) {
	n := len(v.body)
	a := c.want(206, "", "GET", target, "Accept-Encoding: "+v.accept, "Range: bytes=0-4, 100-199 ,-7")
	kind, parameters, err := mime.ParseMediaType(field(t, a, "content-type"))
	if err != nil || kind != "multipart/byteranges" || field(t, a, "content-range") != "" || field(t, a, "etag") != v.etag() || field(t, a, "content-encoding") != v.coding {
		t.Fatalf("got %v\n%s", err, names(a))
	}
	r := multipart.NewReader(strings.NewReader(string(a.Body)), parameters["boundary"])
	for _, want := range [][2]int{{0, 5}, {100, 200}, {n - 7, n}} {
		p, err := r.NextRawPart()
		if err != nil {
			t.Fatal(err)
		}
		got, err := io.ReadAll(p)
		from := fmt.Sprintf("bytes %d-%d/%d", want[0], want[1]-1, n)
		if err != nil || string(got) != v.body[want[0]:want[1]] || p.Header.Get("Content-Range") != from || p.Header.Get("Content-Type") != "text/javascript; charset=utf-8" {
			t.Errorf("got %q, %v with %v, want %s", got, err, p.Header, from)
		}
	}
	if _, err := r.NextRawPart(); err != io.EOF {
		t.Errorf("behind the last part: %v", err)
	}
}
