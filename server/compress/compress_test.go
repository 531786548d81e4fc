package compress

import (
	"bytes"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/andybalholm/brotli"
	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"

	"github.com/gounicorn/gounicorn/server/exchange"
)

func request(lines ...string) *exchange.Request {
	r := &exchange.Request{}
	for name, value := range fields(lines...) {
		r.Fields = append(r.Fields, exchange.Field{Name: name, Value: value})
	}
	return r
}

func fields(lines ...string) Fields {
	return func(yield func(name, value []byte) bool) {
		for _, line := range lines {
			name, value, _ := strings.Cut(line, ": ")
			if !yield([]byte(name), []byte(value)) {
				return
			}
		}
	}
}

func TestTheCodingThatTheClientWants(t *testing.T) {
	for accept, want := range map[string]Coding{
		"": Identity, "gzip": Gzip, "gzip, deflate, br, zstd": Zstd, "gzip, deflate, br": Brotli, "GZIP": Gzip, "x-gzip": Gzip,
		"gzip;q=0": Identity, "gzip;q=1.0, br;q=0.5": Gzip, "br;q=0.9, gzip;q=0.8, zstd;q=0.7": Brotli, "*": Zstd, "*;q=0.5, gzip": Gzip, "zstd;q=0, *": Brotli,
		"identity": Identity, "identity;q=0.5, gzip": Gzip, "identity, gzip;q=0.5": Identity, "identity, gzip": Gzip, "*;q=0": Identity,
		"gzip;q=2": Identity, "gzip;q=x": Identity, "gzip;q=0.0001": Identity, "gzip; q=0.001": Gzip, "gzipped": Identity, ",;,": Identity,
	} {
		if got := Accepted(request("Accept-Encoding: " + accept)); got != want {
			t.Errorf("%q: %v, want %v", accept, got, want)
		}
	}
	if got := Accepted(request()); got != Identity {
		t.Errorf("without Accept-Encoding: %v", got)
	}
	if got := Accepted(request("Accept-Encoding: br", "Accept-Encoding: gzip;q=0.1")); got != Brotli {
		t.Errorf("two lines: %v", got)
	}
}

func TestWhichAnswers(t *testing.T) {
	c := New(Config{Types: []string{"text/*", "application/JSON"}, MinSize: 100})
	for _, test := range []struct {
		status   int
		lines    string
		size     int64
		eligible bool
	}{
		{200, "Content-Type: text/html; charset=utf-8", 100, true},
		{200, "Content-Type: text/html", 99, false},
		{200, "Content-Type: text/html", -1, true},
		{200, "Content-Type: text/html|Content-Length: 99", -1, false},
		{200, "Content-Type: application/json", 100, true},
		{200, "Content-Type: image/png", 100, false},
		{200, "", 100, false},
		{200, "Content-Type: text/event-stream", -1, false},
		{200, "Content-Type: text/html|Content-Encoding: gzip", 100, false},
		{200, "Content-Type: text/html|Cache-Control: public, No-Transform", 100, false},
		{206, "Content-Type: text/html|Content-Range: bytes 0-99/200", 100, false},
		{304, "Content-Type: text/html", 100, false},
		{404, "Content-Type: text/html", 100, true},
	} {
		coding, eligible := c.Consider(request("Accept-Encoding: gzip"), test.status, fields(strings.Split(test.lines, "|")...), test.size)
		if eligible != test.eligible || (coding == Gzip) != test.eligible {
			t.Errorf("%d %s %d: %v %v, want %v", test.status, test.lines, test.size, coding, eligible, test.eligible)
		}
	}
	if New(Config{}) != nil {
		t.Error("without types something is compressed")
	}
}

func TestFieldsOfAnEncodedAnswer(t *testing.T) {
	for _, test := range []struct {
		coding    Coding
		from, got string
	}{
		{Gzip, `ETag: "a"|Content-Length: 5|Accept-Ranges: bytes|X-A: b`, `ETag: W/"a"|X-A: b|Content-Encoding: gzip|Vary: Accept-Encoding`},
		{Brotli, `ETag: W/"a"|Vary: Cookie, accept-encoding`, `ETag: W/"a"|Vary: Cookie, accept-encoding|Content-Encoding: br`},
		{Zstd, `Vary: Cookie`, `Vary: Cookie|Content-Encoding: zstd|Vary: Accept-Encoding`},
		{Identity, `ETag: "a"|Content-Length: 5`, `ETag: "a"|Content-Length: 5|Vary: Accept-Encoding`},
	} {
		var got []string
		for name, value := range Rewrite(fields(strings.Split(test.from, "|")...), test.coding) {
			got = append(got, string(name)+": "+string(value))
		}
		if text := strings.Join(got, "|"); text != test.got {
			t.Errorf("%v of %s: %s, want %s", test.coding, test.from, text, test.got)
		}
	}
}

// decoders are for whole bodies and for ones that have not ended yet.
func decoder(t *testing.T, coding Coding, r io.Reader) io.Reader {
	t.Helper()
	switch coding {
	case Gzip:
		d, err := gzip.NewReader(r)
		if err != nil {
			t.Fatal(err)
		}
		return d
	case Brotli:
		return brotli.NewReader(r)
	}
	d, err := zstd.NewReader(r, zstd.WithDecoderConcurrency(1))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(d.Close)
	return d
}

type pieces struct {
	all    []any // []byte or *os.File
	closed bool
	err    error
}

func (p *pieces) Next() ([]byte, *os.File, int64, int64, error) {
	if len(p.all) == 0 {
		return nil, nil, 0, 0, p.err
	}
	next := p.all[0]
	p.all = p.all[1:]
	if f, ok := next.(*os.File); ok {
		return nil, f, 10, 200_000, nil
	}
	return next.([]byte), nil, 0, 0, nil
}

func (p *pieces) Close() { p.closed = true }

func TestBodiesComeBackWhole(t *testing.T) {
	text := bytes.Repeat([]byte("some text that repeats; "), 10_000)
	name := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(name, text, 0o600); err != nil {
		t.Fatal(err)
	}
	for coding := Zstd; coding < codings; coding++ {
		for range 2 { // the second time with an encoder of the pool
			encoded := Encode(coding, text)
			got, err := io.ReadAll(decoder(t, coding, bytes.NewReader(encoded)))
			if err != nil || !bytes.Equal(got, text) || len(encoded) > len(text)/10 {
				t.Errorf("%v: %d bytes of %d: %v", coding, len(got), len(text), err)
			}
			f, err := os.Open(name)
			if err != nil {
				t.Fatal(err)
			}
			inner := &pieces{all: []any{[]byte("first"), []byte{}, f, []byte("last")}, err: io.EOF}
			src := NewSource(coding, inner)
			r, w := io.Pipe()
			plain := make(chan []byte)
			go func() {
				d := decoder(t, coding, r)
				first := make([]byte, 5)
				_, _ = io.ReadFull(d, first) // here before the rest was asked for
				plain <- first
				rest, _ := io.ReadAll(d)
				plain <- rest
			}()
			p, _, _, _, err := src.Next()
			if err != nil {
				t.Fatal(err)
			}
			_, _ = w.Write(p)
			if first := <-plain; string(first) != "first" {
				t.Errorf("%v: the first piece is %q", coding, first)
			}
			for {
				p, _, _, _, err := src.Next()
				if errors.Is(err, io.EOF) {
					break
				}
				if err != nil {
					t.Fatal(err)
				}
				_, _ = w.Write(p)
			}
			w.Close()
			if rest, want := <-plain, append(text[10:200_010:200_010], "last"...); !bytes.Equal(rest, want) {
				t.Errorf("%v: the rest has %d bytes, want %d", coding, len(rest), len(want))
			}
			src.Close()
			f.Close()
			if !inner.closed {
				t.Errorf("%v: the source was not closed", coding)
			}
		}
		failing := NewSource(coding, &pieces{err: io.ErrClosedPipe})
		if _, _, _, _, err := failing.Next(); !errors.Is(err, io.ErrClosedPipe) {
			t.Errorf("%v: a source that fails gives %v", coding, err)
		}
		failing.Close()
	}
}

// Whatever a client says, a coding that it refuses is not taken.
func FuzzAccepted(f *testing.F) {
	f.Add("gzip;q=0.5, br;q=1.0, *;q=0")
	f.Add("identity;q=0, zstd ; q = 1")
	f.Fuzz(func(t *testing.T, value string) {
		got := Accepted(request("Accept-Encoding: " + value))
		if got >= codings || (got != Identity && !strings.Contains(strings.ToLower(value), got.String()) && !strings.Contains(value, "*")) {
			t.Errorf("%v for %q", got, value)
		}
	})
}
