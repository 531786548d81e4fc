package http2_test

import (
	"bytes"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"runtime"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	h2 "golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"

	"github.com/gounicorn/gounicorn/server/exchange"
	"github.com/gounicorn/gounicorn/server/http1"
	"github.com/gounicorn/gounicorn/server/http2"
	"github.com/gounicorn/gounicorn/tests/harness"
)

// raw is a client that sends what it likes.
type raw struct {
	*h2.Framer
	t   testing.TB
	tc  *tls.Conn
	enc *hpack.Encoder
	buf bytes.Buffer
	off bool // GOAWAY has come
}

// window0 is a client that takes no byte of a body.
var window0 = h2.Setting{ID: h2.SettingInitialWindowSize, Val: 0}

func (s *site) raw() *raw {
	s.t.Helper()
	tc, err := tls.Dial("tcp", s.addr, &tls.Config{InsecureSkipVerify: true, NextProtos: []string{"h2"}})
	if err != nil {
		s.t.Fatal(err)
	}
	s.t.Cleanup(func() { _ = tc.NetConn().Close() })
	_ = tc.SetDeadline(time.Now().Add(budget))
	r := &raw{t: s.t, tc: tc, Framer: h2.NewFramer(tc, tc)}
	r.ReadMetaHeaders = hpack.NewDecoder(4096, nil)
	r.AllowIllegalWrites = true
	r.enc = hpack.NewEncoder(&r.buf)
	return r
}

// settle sends the preface and settings.
func (r *raw) settle(settings ...h2.Setting) {
	r.t.Helper()
	if _, err := io.WriteString(r.tc, h2.ClientPreface); err != nil {
		r.t.Fatal(err)
	}
	if err := errors.Join(r.WriteSettings(settings...), r.WriteSettingsAck()); err != nil {
		r.t.Fatal(err)
	}
}

// block encodes fields given as name, value pairs.
func (r *raw) block(fields ...string) []byte {
	r.buf.Reset()
	for i := 0; i+1 < len(fields); i += 2 {
		_ = r.enc.WriteField(hpack.HeaderField{Name: fields[i], Value: fields[i+1]})
	}
	return r.buf.Bytes()
}

// request sends a head.
func (r *raw) request(id uint32, end bool, fields ...string) {
	r.t.Helper()
	if err := r.WriteHeaders(h2.HeadersFrameParam{StreamID: id, BlockFragment: r.block(fields...), EndStream: end, EndHeaders: true}); err != nil {
		r.t.Fatalf("request: %v", err)
	}
}

// until reads frames until one is wanted.
func (r *raw) until(what string, wanted func(f h2.Frame) bool) {
	r.t.Helper()
	for {
		f, err := r.ReadFrame()
		if err != nil {
			r.t.Fatalf("%s: %v", what, err)
		}
		if _, ok := f.(*h2.GoAwayFrame); ok {
			r.off = true
		}
		if wanted(f) {
			return
		}
	}
}

// headers reads the next head on a stream.
func (r *raw) headers(id uint32) map[string]string {
	r.t.Helper()
	fields := make(map[string]string)
	r.until("a head", func(f h2.Frame) bool {
		m, ok := f.(*h2.MetaHeadersFrame)
		if !ok || m.StreamID != id {
			return false
		}
		for _, f := range m.Fields {
			fields[f.Name] = f.Value
		}
		return true
	})
	return fields
}

func (r *raw) wantReset(id uint32) {
	r.t.Helper()
	r.until("a reset", func(f h2.Frame) bool {
		reset, ok := f.(*h2.RSTStreamFrame)
		return ok && reset.StreamID == id
	})
}

func (r *raw) wantGoAway(code h2.ErrCode) {
	r.t.Helper()
	if r.off {
		return // it came with the answer before
	}
	r.until("GOAWAY", func(f h2.Frame) bool {
		away, ok := f.(*h2.GoAwayFrame)
		if ok && away.ErrCode != code {
			r.t.Errorf("GOAWAY %v, want %v", away.ErrCode, code)
		}
		return ok
	})
}

// outcome is what becomes of a stream: its status, "RST code", "GOAWAY code" or "closed".
func (r *raw) outcome(id uint32) string {
	for {
		f, err := r.ReadFrame()
		if err != nil {
			return "closed"
		}
		switch f := f.(type) {
		case *h2.MetaHeadersFrame:
			if f.StreamID == id {
				return f.PseudoValue("status")
			}
		case *h2.RSTStreamFrame:
			if f.StreamID == id {
				return "RST " + f.ErrCode.String()
			}
		case *h2.GoAwayFrame:
			return "GOAWAY " + f.ErrCode.String()
		}
	}
}

// Row 36: each of these is refused, and reaches no handler. What the fields without a colon are is the head after the method, which is
// complete if a case does not say otherwise.
func TestMalformedRequestsReachNobody(t *testing.T) {
	const protocol = "RST PROTOCOL_ERROR"
	head := func(more ...string) []string {
		return append([]string{":method", "GET", ":scheme", "https", ":path", "/", ":authority", "x"}, more...)
	}
	with := func(name, value string) []string {
		fields := head()
		for i := 0; i < len(fields); i += 2 {
			if fields[i] == name {
				fields[i+1] = value
			}
		}
		return fields
	}
	var fields [][2]any
	add := func(want string, f []string) { fields = append(fields, [2]any{want, f}) }
	for _, f := range [][]string{
		head("Upper", "x"), head("a b", "x"), head("a\r\nb", "x"), head("a\x00", "x"), head("", "x"), head("a:b", "x"), head("a", "b\r\nc: d"), head("a", "b\nc"),
		head("a", "b\x00"), head("a", "\x7f"), with(":path", "evil"), with(":path", ""), with(":path", "/\r\nx: y"), with(":path", "/%zz"), with(":authority", "u@x"),
		with(":method", ""), with(":scheme", "ftp"), head(":path", "/b"), head(":method", "POST"), head(":authority", "y"), head(":status", "200"),
		head(":unknown", "x"), append([]string{"a", "b"}, head()...), head()[2:], {":method", "GET", ":scheme", "https", ":authority", "x"},
		{":method", "GET", ":path", "/", ":authority", "x"}, {":method", "CONNECT", ":path", "/", ":scheme", "https", ":authority", "x"},
		head(":protocol", "websocket"),
	} {
		add(protocol, f)
	}
	for _, f := range [][]string{
		head("connection", "x"), head("connection", "close"), head("keep-alive", "1"), head("transfer-encoding", "chunked"), head("upgrade", "h2c"),
		head("proxy-connection", "close"), head("te", "gzip"), head("host", "y"), head("host", "x", "host", "x"), head()[:6], with(":authority", "a b"),
		with(":authority", "x/y"), with(":authority", "x:99999"), with(":method", "get"), with(":method", "G T"), with(":method", "A"),
		with(":path", "/a b"), with(":path", "/#x"), with(":path", "*"), with(":path", "http://x/"), head("content-length", "1"), head("content-length", "x"), head("content-length", "+1"),
		head("content-length", "0", "content-length", "0"), head("content-length", "0, 0"), head("content-type", "a", "content-type", "b"),
	} {
		add("400", f)
	}
	add("405", []string{":method", "CONNECT", ":authority", "x:443"})
	add("405", with(":method", "TRACE"))
	add("417", head("expect", "cake"))
	add("414", with(":path", "/"+strings.Repeat("a", 9000)))
	add("431", head("a", strings.Repeat("a", 9000)))
	add("431", head("a", strings.Repeat("a", 8000), "b", strings.Repeat("a", 8000), "c", strings.Repeat("a", 8000), "d", strings.Repeat("a", 8000),
		"e", strings.Repeat("a", 8000), "f", strings.Repeat("a", 8000), "g", strings.Repeat("a", 8000), "h", strings.Repeat("a", 8000), "i", strings.Repeat("a", 8000)))
	many := head()
	for i := range 101 {
		many = append(many, fmt.Sprint("a", i), "")
	}
	add("431", many)
	var reached atomic.Int32
	refused := make(chan http1.Verdict, 2*len(fields))
	s := start(t, http2.Config{
		OnError: func(_ *http2.Exchange, v http1.Verdict) { refused <- v },
		Handler: func(x *http2.Exchange) {
			if string(x.Request().Path) != "/fine" {
				t.Errorf("reached: %q %q", x.Request().Line, x.Request().Fields)
			}
			reached.Add(1)
			respond(t, x, 200, "")
		},
	})
	r := s.raw()
	r.settle()
	id := uint32(1)
	for _, c := range fields {
		f := c[1].([]string)
		block := r.block(f...)
		p := h2.HeadersFrameParam{StreamID: id, BlockFragment: block, EndStream: true, EndHeaders: len(block) <= 16384}
		if !p.EndHeaders {
			p.BlockFragment = block[:16384]
		}
		_ = r.WriteHeaders(p)
		if rest := block[len(p.BlockFragment):]; len(rest) > 0 {
			for len(rest) > 16384 {
				_ = r.WriteContinuation(id, false, rest[:16384])
				rest = rest[16384:]
			}
			_ = r.WriteContinuation(id, true, rest)
		}
		if got := r.outcome(id); got != c[0].(string) {
			t.Errorf("%.300q: got %s, want %s", f, got, c[0])
		}
		id += 2
	}
	r.request(id, true, with(":path", "/fine")...)
	if got := r.outcome(id); got != "200" || reached.Load() != 1 { // the connection has lived through it all
		t.Errorf("got %s, %d requests reached the handler", got, reached.Load())
	}
	if len(refused) < 20 {
		t.Errorf("%d refusals were reported", len(refused))
	}
}

// Row 36: the body must be what Content-Length says.
func TestBodyMustBeAsLongAsAnnounced(t *testing.T) {
	for name, c := range map[string]struct {
		length string
		data   []string
		want   string
	}{
		"short":  {"5", []string{"abc"}, "400"},
		"long":   {"2", []string{"abc"}, "RST PROTOCOL_ERROR"},
		"longer": {"5", []string{"abc", "def"}, "RST PROTOCOL_ERROR"},
		"right":  {"6", []string{"abc", "def"}, "200"},
		"empty":  {"3", []string{"", "abc", "", ""}, "200"},
	} {
		t.Run(name, func(t *testing.T) {
			s := start(t, http2.Config{Handler: tell(t)})
			r := s.raw()
			r.settle()
			r.request(1, false, ":method", "POST", ":scheme", "https", ":path", "/", ":authority", "x", "content-length", c.length)
			for i, p := range c.data {
				_ = r.WriteData(1, i+1 == len(c.data), []byte(p))
			}
			if got := r.outcome(1); got != c.want {
				t.Errorf("got %s, want %s", got, c.want)
			}
		})
	}
}

// Row 35: a client that opens streams and breaks them off is asked to go, and never has more than its streams with the application.
func TestRapidReset(t *testing.T) {
	for _, paced := range []bool{true, false} {
		const streams = 10
		var begun, running, most atomic.Int32
		s := start(t, http2.Config{Streams: streams, Handler: func(x *http2.Exchange) {
			defer begun.Add(1)
			n := running.Add(1)
			for old := most.Load(); n > old && !most.CompareAndSwap(old, n); old = most.Load() {
			}
			x.SetDone(func(exchange.Exchange, exchange.Result) { running.Add(-1) })
			x.SetGone(func(exchange.Gone) { time.AfterFunc(time.Millisecond, x.Abort) }) // the worker frees the slot a little later
		}})
		r := s.raw()
		r.settle()
		go func() {
			block := bytes.Clone(r.block(":method", "GET", ":scheme", "https", ":path", "/", ":authority", "x"))
			for id := uint32(1); id < 1<<20; id += 2 {
				before := begun.Load()
				if r.WriteHeaders(h2.HeadersFrameParam{StreamID: id, BlockFragment: block, EndStream: true, EndHeaders: true}) != nil {
					return
				}
				if paced { // every stream begins
					harness.Poll(100*time.Millisecond, func() bool { return begun.Load() > before })
				}
				if r.WriteRSTStream(id, h2.ErrCodeCancel) != nil {
					return
				}
			}
		}()
		if paced {
			r.wantGoAway(h2.ErrCodeNo)
		} else { // whoever notices first
			r.until("GOAWAY", func(f h2.Frame) bool { _, ok := f.(*h2.GoAwayFrame); return ok })
		}
		harness.Eventually(t, budget, "the connection ends", func() bool { return s.open.Load() == 0 })
		if n := most.Load(); n > streams {
			t.Errorf("%d at once, want at most %d", n, streams)
		}
	}
}

// Row 35: none of these floods ends the server, keeps memory, or keeps others from being served.
func TestFloods(t *testing.T) {
	floods := map[string]func(r *raw) error{
		"settings":   func(r *raw) error { return r.WriteSettings(window0) },
		"ping":       func(r *raw) error { return r.WritePing(false, [8]byte{}) },
		"priority":   func(r *raw) error { return r.WritePriority(1, h2.PriorityParam{StreamDep: 3, Weight: 7}) },
		"empty data": func(r *raw) error { return r.WriteData(1, false, nil) },
		"windows":    func(r *raw) error { return r.WriteWindowUpdate(1, 1) },
		"continuation": func(r *raw) error {
			return r.WriteContinuation(3, false, bytes.Repeat([]byte{0x40, 1, 'a', 1, 'b'}, 1000))
		},
		"hpack bomb": func(r *raw) error {
			return r.WriteContinuation(3, false, bytes.Repeat([]byte{0x80 | 62}, 16000)) // one large field of the table again and again
		},
		"unknown": func(r *raw) error { return r.WriteRawFrame(0x77, 0, 1, make([]byte, 1000)) },
	}
	s := start(t, http2.Config{Timeouts: http1.Timeouts{Body: 300 * time.Millisecond, Send: 300 * time.Millisecond, Idle: 300 * time.Millisecond}, Handler: tell(t)})
	for name, send := range floods {
		t.Run(name, func(t *testing.T) {
			r := s.raw()
			r.t = t
			r.settle()
			go func() { _, _ = io.Copy(io.Discard, r.tc) }()
			r.request(1, false, ":method", "POST", ":scheme", "https", ":path", "/", ":authority", "x")
			switch name {
			case "continuation":
				_ = r.WriteHeaders(h2.HeadersFrameParam{StreamID: 3, BlockFragment: r.block(":method", "GET")})
			case "hpack bomb":
				_ = r.WriteHeaders(h2.HeadersFrameParam{StreamID: 3, BlockFragment: r.block(":method", "GET", "large", strings.Repeat("x", 3900))})
			}
			for range 4_000 {
				if send(r) != nil {
					break
				}
			}
			if _, body := s.get(s.client(), "/fine"); !strings.HasPrefix(body, "GET /fine") {
				t.Errorf("got %q", body)
			}
		})
	}
	harness.Eventually(t, budget, "no flooder stays", func() bool { return s.open.Load() == 0 })
	var m runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&m)
	if m.HeapInuse > 64<<20 {
		t.Errorf("%d MiB of heap in use", m.HeapInuse>>20)
	}
}
