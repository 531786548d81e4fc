package http1

import (
	"bytes"
	"errors"
	"io"
	"net/http/httputil"
	"strings"
	"testing"
	"time"

	"github.com/gounicorn/gounicorn/tests/httpcases"
)

func defaultRules() *rules {
	r := newRules(&Config{})
	return &r
}

const browserHead = "GET /contracts/12/edit?tab=files&sort=-date HTTP/1.1\r\nHost: shop.example:8000\r\n" +
	"User-Agent: Mozilla/5.0 (X11; Linux x86_64; rv:131.0) Gecko/20100101 Firefox/131.0\r\n" +
	"Accept: text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8\r\nAccept-Language: de,en;q=0.5\r\n" +
	"Accept-Encoding: gzip, deflate, br\r\nCookie: sessionid=0123456789abcdef; csrftoken=fedcba9876543210\r\n" +
	"Connection: keep-alive\r\nContent-Length: 0\r\n\r\n"

func TestParsingAHeadDoesNotAllocate(t *testing.T) {
	r, b := defaultRules(), []byte(browserHead)
	c := &Conn{srv: New(Config{})}
	var h head
	got := testing.AllocsPerRun(100, func() {
		h.reset()
		n, cause := h.feed(b, r)
		if n != len(b) || cause != CauseNone {
			t.Fatalf("feed: %d, %v", n, cause)
		}
		f, cause := h.frame(b, r)
		if cause != CauseNone {
			t.Fatal(cause)
		}
		c.x.begin(c)
		c.x.load(&h, b, f)
	})
	if got != 0 {
		t.Errorf("%v allocations per head", got)
	}
}

// One MiB of any byte that arrives in small pieces is judged in linear time.
func TestTimeIsLinearInTheInput(t *testing.T) {
	r := &rules{requestLine: 1 << 30, fields: 1 << 30, fieldSize: 1 << 30, headBytes: 1 << 30}
	for i := range 256 {
		for _, before := range []string{"", "GET / HTTP/1.1\r\nA: "} {
			in := append([]byte(before), bytes.Repeat([]byte{byte(i)}, 1<<20)...)
			began := time.Now()
			var h head
			cause := CauseNone
			for n := 1 << 10; n <= len(in) && cause == CauseNone; n += 1 << 10 {
				_, cause = h.feed(in[:n], r)
			}
			if took := time.Since(began); took > 200*time.Millisecond {
				t.Errorf("byte %#02x: %v", i, took)
			}
		}
	}
}

func TestEveryCauseHasARow(t *testing.T) {
	names := make(map[string]bool)
	for _, v := range Verdicts() {
		if v.Name == "" || names[v.Name] || v.Status < 400 || v.Status > 505 || v.Text == "" || v.Rule == "" || !v.Close {
			t.Errorf("cause %d: %+v", v.Cause, v)
		}
		if statusText(v.Status) == "Unknown" {
			t.Errorf("status %d has no text", v.Status)
		}
		names[v.Name] = true
	}
}

// Row 19: the rate counts over the whole body, and only after a while.
func TestBodyBelowItsMinimumRateIsTooSlow(t *testing.T) {
	s := New(Config{Timeouts: Timeouts{MinBodyRate: 100}})
	c := &Conn{srv: s, terms: s.terms.Load()}
	for _, row := range []struct {
		took  time.Duration
		bytes int64
		want  bool
	}{{rateGrace, 0, false}, {2 * rateGrace, int64(200*rateGrace.Seconds()) - 1, true}, {2 * rateGrace, int64(200 * rateGrace.Seconds()), false}} {
		c.bodySince.Store(1)
		c.bodyBytes.Store(row.bytes)
		if got := c.tooSlow(1 + int64(row.took)); got != row.want {
			t.Errorf("%d bytes in %v: got %v", row.bytes, row.took, got)
		}
	}
}

// FuzzHead: never a panic; the same verdict however the bytes are cut; what is
// accepted is accepted again, and equal, when written anew from its parts.
func FuzzHead(f *testing.F) {
	f.Add([]byte(browserHead))
	cases, err := httpcases.Load("../../tests/testdata/http")
	if err != nil {
		f.Fatal(err)
	}
	for i := range cases {
		if len(cases[i].Raw) < 2000 {
			f.Add(cases[i].Raw)
		}
	}
	limits := newRules(&Config{Limits: Limits{RequestLine: 100, Fields: 5, FieldSize: 60, HeadBytes: 300}})
	f.Fuzz(func(t *testing.T, in []byte) {
		for _, r := range []*rules{defaultRules(), &limits} {
			var whole, bytewise head
			n, cause := whole.feed(in, r)
			var n2 int
			var cause2 Cause
			for i := 1; i <= len(in) && n2 == 0 && cause2 == CauseNone; i++ {
				line := bytewise.line
				n2, cause2 = bytewise.feed(in[:i], r)
				if bytewise.line < line || bytewise.line > i {
					t.Fatalf("consumption went from %d to %d of %d", line, bytewise.line, i)
				}
			}
			if n != n2 || cause != cause2 {
				t.Fatalf("whole: %d %v, bytewise: %d %v", n, cause, n2, cause2)
			}
			if n == 0 {
				continue
			}
			if len(whole.fields) > r.fields || n > r.headBytes+2 {
				t.Fatalf("limits exceeded: %d fields, %d bytes", len(whole.fields), n)
			}
			_, framed := whole.frame(in, r)
			again := rewrite(&whole, in)
			var second head
			if m, cause := second.feed(again, r); m != len(again) || cause != CauseNone {
				t.Fatalf("rewritten form %q: %d %v", again, m, cause)
			}
			if _, f2 := second.frame(again, r); f2 != framed {
				t.Fatalf("framing %v, rewritten %v", framed, f2)
			}
			if third := rewrite(&second, again); !bytes.Equal(third, again) {
				t.Fatalf("rewritten %q, then %q", again, third)
			}
		}
	})
}

// rewrite serialises a parsed head.
func rewrite(h *head, b []byte) []byte {
	var out []byte
	out = append(out, h.method.of(b)...)
	out = append(out, ' ')
	out = append(out, h.target.of(b)...)
	out = append(out, " HTTP/1."...)
	out = append(out, '0'+h.minor, '\r', '\n')
	for _, f := range h.fields {
		out = append(out, f.name.of(b)...)
		out = append(out, ':')
		out = append(out, f.value.of(b)...)
		out = append(out, '\r', '\n')
	}
	return append(out, '\r', '\n')
}

// decode runs the chunked decoder over in, at most step bytes at a time.
func decode(in []byte, step int, r *rules) (body []byte, n int, done bool, cause Cause) {
	var d chunked
	for n < len(in) && d.state != chunkDone {
		data, k, cause := d.next(in[n:min(n+step, len(in))], r)
		n += k
		body = append(body, data...)
		if cause != CauseNone {
			return body, n, false, cause
		}
	}
	return body, n, d.state == chunkDone, CauseNone
}

// FuzzChunked: never a panic; the same result however the bytes are cut; and
// whatever we accept, the standard library's more lenient decoder reads as the
// same body.
func FuzzChunked(f *testing.F) {
	cases, err := httpcases.Load("../../tests/testdata/http")
	if err != nil {
		f.Fatal(err)
	}
	for i := range cases {
		if _, body, ok := bytes.Cut(cases[i].Raw, []byte("chunked\r\n\r\n")); ok && len(body) < 2000 {
			f.Add(body)
		}
	}
	r := defaultRules()
	f.Fuzz(func(t *testing.T, in []byte) {
		body, n, done, cause := decode(in, len(in)+1, r)
		body2, n2, done2, cause2 := decode(in, 1, r)
		if !bytes.Equal(body, body2) || n != n2 || done != done2 || cause != cause2 {
			t.Fatalf("whole: %q %d %v %v, bytewise: %q %d %v %v", body, n, done, cause, body2, n2, done2, cause2)
		}
		if !done {
			return
		}
		want, err := io.ReadAll(httputil.NewChunkedReader(bytes.NewReader(in)))
		if err != nil && (errors.Is(err, httputil.ErrLineTooLong) || strings.Contains(err.Error(), "too much non-data")) {
			return
		}
		if err != nil && (bytes.Contains(in, []byte(" ;")) || bytes.Contains(in, []byte("\t;"))) {
			return // RFC 9112 7.1.1 has BWS there, the standard library does not
		}
		if err != nil || !bytes.Equal(body, want) {
			t.Fatalf("got %q, the standard library %q, %v", body, want, err)
		}
	})
}

func BenchmarkHead(b *testing.B) {
	r, in := defaultRules(), []byte(browserHead)
	var h head
	b.SetBytes(int64(len(in)))
	b.ReportAllocs()
	for b.Loop() {
		h.reset()
		if n, _ := h.feed(in, r); n != len(in) {
			b.Fatal(n)
		}
	}
}
