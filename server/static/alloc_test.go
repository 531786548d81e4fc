//go:build !race

package static_test

import (
	"testing"
	"time"

	"github.com/gounicorn/gounicorn/server/exchange"
	"github.com/gounicorn/gounicorn/server/static"
)

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
