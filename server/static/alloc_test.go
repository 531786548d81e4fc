//go:build !race

package static_test

import (
	"testing"
	"time"

	"github.com/gounicorn/gounicorn/server/exchange"
	"github.com/gounicorn/gounicorn/server/static"
)

// wire is an exchange that keeps nothing.
type wire struct {
	exchange.Exchange
	req            exchange.Request
	status, fields int
	body           int
}

func (w *wire) Request() *exchange.Request { return &w.req }

func (w *wire) Start(status int, _ []byte) error {
	w.status, w.fields, w.body = status, 0, 0
	return nil
}

func (w *wire) Field(_, _ []byte) error {
	w.fields++
	return nil
}

func (w *wire) Finish(body []byte) error {
	w.body = len(body)
	return nil
}

func (w *wire) FinishLarge(body []byte, _ func([]byte) exchange.Source) error { return w.Finish(body) }

func (w *wire) Error(status, _ int) bool { panic(status) }

// browser is what a browser asks with; further fields come behind.
func browser(path string, fields ...exchange.Field) *wire {
	w := &wire{req: exchange.Request{Method: []byte("GET"), Path: []byte(path), RawPath: []byte(path), Received: time.Now()}}
	for _, f := range [][2]string{
		{"Host", "example.org"}, {"User-Agent", "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0"}, {"Accept", "text/css,*/*;q=0.1"},
		{"Accept-Language", "en-GB,en;q=0.5"}, {"Accept-Encoding", "gzip, deflate, br, zstd"}, {"Connection", "keep-alive"}, {"Referer", "https://example.org/"},
	} {
		w.req.Fields = append(w.req.Fields, exchange.Field{Name: []byte(f[0]), Value: []byte(f[1])})
	}
	w.req.Fields = append(w.req.Fields, fields...)
	return w
}

// hot is a Files that has a small file in memory.
func hot(tb testing.TB) (*static.Files, *wire, *wire) {
	dir := tb.TempDir()
	write(tb, dir, map[string]string{"css/a.css": sequence("plain", 20_000), "css/a.css.gz": sequence("gz", 1000)})
	files, err := static.New(static.Config{Roots: []static.Root{under("/", dir), under("/static/", dir), under("/media/", dir)}, Recheck: time.Hour,
		Headers: []static.Header{{Name: "Strict-Transport-Security", Value: "max-age=3600"}, {Name: "Referrer-Policy", Value: "same-origin"}}})
	if err != nil {
		tb.Fatal(err)
	}
	etag := variant{tag: "-gz", body: sequence("gz", 1000)}.etag()
	return files, browser("/static/css/a.css"), browser("/static/css/a.css", exchange.Field{Name: []byte("If-None-Match"), Value: []byte(etag)},
		exchange.Field{Name: []byte("If-Modified-Since"), Value: []byte(longDate)})
}

func TestHotFilesAllocateNothing(t *testing.T) {
	files, whole, unchanged := hot(t)
	for _, k := range []struct {
		w                    *wire
		status, fields, body int
	}{{whole, 200, 11, 1000}, {unchanged, 304, 7, 0}} {
		if !files.Respond(k.w) || k.w.status != k.status || k.w.fields != k.fields || k.w.body != k.body {
			t.Errorf("got %d with %d fields and %d bytes, want %+v", k.w.status, k.w.fields, k.w.body, k)
		}
		if n := testing.AllocsPerRun(1000, func() { files.Respond(k.w) }); n != 0 {
			t.Errorf("%d allocates %v times", k.status, n)
		}
	}
	// What is not ours costs little either, and is not remembered.
	app := browser("/accounts/login")
	if n := testing.AllocsPerRun(1000, func() {
		if files.Respond(app) {
			t.Error("answered")
		}
	}); n != 0 {
		t.Errorf("a miss that falls through allocates %v times", n)
	}
}

func BenchmarkHot200(b *testing.B) {
	files, whole, _ := hot(b)
	b.ReportAllocs()
	for b.Loop() {
		files.Respond(whole)
	}
}

func BenchmarkHot304(b *testing.B) {
	files, _, unchanged := hot(b)
	b.ReportAllocs()
	for b.Loop() {
		files.Respond(unchanged)
	}
}
