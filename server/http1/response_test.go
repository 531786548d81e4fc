package http1_test

import (
	"bytes"
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/gounicorn/gounicorn/server/exchange"
	"github.com/gounicorn/gounicorn/server/http1"
)

// handle is a Handler from a function, for servers of one test.
func handle(f func(*http1.Exchange)) http1.Config {
	return http1.Config{ServerName: "gounicorn", Handler: http1.HandlerFunc(f)}
}

func TestAnswerHasTheEnginesFields(t *testing.T) {
	addr, _ := start(t, handle(func(x *http1.Exchange) { respond(t, x, 200, "hello", "X-A", "b") }))
	c := dial(t, addr)
	for range 2 {
		c.send(get)
		a := c.want(200, "hello")
		for name, want := range map[string]string{"server": "gounicorn", "content-length": "5", "x-a": "b"} {
			if got := a.Field(name); len(got) != 1 || got[0] != want {
				t.Errorf("%s: got %q, want %q", name, got, want)
			}
		}
		if d := a.Field("date"); len(d) != 1 || !strings.HasSuffix(d[0], " GMT") {
			t.Errorf("date: got %q", d)
		}
		if got := a.Field("connection"); len(got) != 0 {
			t.Errorf("connection: got %q, want none", got)
		}
	}
	c = dial(t, addr)
	c.send("GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n")
	if got := c.want(200, "hello").Field("connection"); !slices.Equal(got, []string{"keep-alive"}) {
		t.Errorf("HTTP/1.0: got %q", got)
	}
	c.send("GET / HTTP/1.0\r\n\r\n")
	if got := c.want(200, "hello").Field("connection"); !slices.Equal(got, []string{"close"}) {
		t.Errorf("HTTP/1.0: got %q", got)
	}
	c.wantEnd()
}

func TestApplicationsDateAndServerReplaceOurs(t *testing.T) {
	addr, _ := start(t, handle(func(x *http1.Exchange) { respond(t, x, 200, "", "server", "a", "DATE", "d") }))
	c := dial(t, addr)
	c.send(get)
	a := c.want(200, "")
	if s, d := a.Field("server"), a.Field("date"); !slices.Equal(s, []string{"a"}) || !slices.Equal(d, []string{"d"}) {
		t.Errorf("got %q and %q", s, d)
	}
}

// Rows 39 to 41: nothing that an application gives can break the framing.
func TestFieldsThatBreakTheFramingAreRefused(t *testing.T) {
	cases := []struct {
		name, value string
		want        error
	}{
		{"A", "b\r\nX: y", exchange.ErrField}, {"A", "b\n", exchange.ErrField}, {"A", "b\x00", exchange.ErrField},
		{"A", "\x7f", exchange.ErrField}, {"A\r\n", "b", exchange.ErrField}, {"", "b", exchange.ErrField},
		{"A b", "c", exchange.ErrField}, {"A:", "b", exchange.ErrField}, {"\xe9", "b", exchange.ErrField},
		{"A", "\xe9\tb", nil}, {"A", "", nil},
		{"Connection", "close", exchange.ErrHopByHop}, {"keep-ALIVE", "x", exchange.ErrHopByHop},
		{"Transfer-Encoding", "chunked", exchange.ErrHopByHop}, {"TE", "x", exchange.ErrHopByHop},
		{"Trailer", "x", exchange.ErrHopByHop}, {"Trailers", "x", exchange.ErrHopByHop}, {"Upgrade", "x", exchange.ErrHopByHop},
		{"Proxy-Authenticate", "x", exchange.ErrHopByHop}, {"Proxy-Authorization", "x", exchange.ErrHopByHop}, {"Proxy-Connection", "x", exchange.ErrHopByHop},
		{"Content-Length", "x", exchange.ErrContentLength}, {"Content-Length", "", exchange.ErrContentLength},
		{"Content-Length", "+1", exchange.ErrContentLength}, {"Content-Length", "1, 1", exchange.ErrContentLength},
		{"Content-Length", "99999999999999999999", exchange.ErrContentLength}, {"Content-Length", "2", nil},
	}
	at := make(chan int, 1)
	addr, _ := start(t, handle(func(x *http1.Exchange) {
		row := cases[<-at]
		if err := x.Start(200, nil); err != nil {
			t.Error(err)
		}
		if err := x.Field([]byte(row.name), []byte(row.value)); !errors.Is(err, row.want) {
			t.Errorf("Field(%q, %q): got %v, want %v", row.name, row.value, err, row.want)
		} else if err != nil {
			x.Error(500, 0)
			return
		}
		if err := x.Finish([]byte("ok")); err != nil {
			t.Error(err)
		}
	}))
	c := dial(t, addr)
	for i, row := range cases {
		at <- i
		c.send(get)
		if row.want == nil {
			c.want(200, "ok")
			continue
		}
		a := c.want(500, "")
		for _, f := range a.Fields {
			if strings.HasPrefix(f, "X:") || strings.HasPrefix(f, "A") {
				t.Errorf("injected %q", f)
			}
		}
	}
}

func TestMalformedStatusIsRefused(t *testing.T) {
	addr, _ := start(t, handle(func(x *http1.Exchange) {
		for _, status := range []int{0, 99, 100, 101, 199, 1000, -1} {
			if err := x.Start(status, nil); !errors.Is(err, exchange.ErrStatus) {
				t.Errorf("Start(%d): got %v", status, err)
			}
		}
		for _, reason := range []string{"a\r\nb", "a\x00", "\n"} {
			if err := x.Start(200, []byte(reason)); !errors.Is(err, exchange.ErrStatus) {
				t.Errorf("Start(%q): got %v", reason, err)
			}
		}
		respond(t, x, 299, "ok")
		if err := x.Start(200, nil); !errors.Is(err, exchange.ErrState) {
			t.Errorf("second Start: got %v", err)
		}
	}))
	c := dial(t, addr)
	c.send(get)
	c.want(299, "ok")
}

// Row 43.
func TestStatusesAndMethodsWithoutBody(t *testing.T) {
	addr, _ := start(t, handle(func(x *http1.Exchange) {
		status := map[string]int{"/204": 204, "/304": 304}[string(x.Request().Path)]
		if status == 0 {
			status = 200
		}
		var fields []string
		if string(x.Request().RawQuery) == "cl" {
			fields = []string{"Content-Length", "7"}
		}
		respond(t, x, status, map[bool]string{true: "", false: "dropped"}[string(x.Request().RawQuery) == "cl"], fields...)
	}))
	for _, row := range []struct{ method, target, length string }{
		{"GET", "/204", ""}, {"GET", "/204?cl", ""}, {"GET", "/304", "7"}, {"GET", "/304?cl", "7"}, {"HEAD", "/", "7"}, {"HEAD", "/?cl", "7"}, {"HEAD", "/204", ""},
	} {
		c := dial(t, addr)
		for range 2 { // a body would take the place of the second answer
			c.send(row.method + " " + row.target + " HTTP/1.1\r\nHost: x\r\n\r\n")
			a, err := readHead(c)
			if err != nil {
				t.Fatal(err)
			}
			if got := strings.Join(a.Field("content-length"), ","); got != row.length {
				t.Errorf("%s %s: Content-Length %q, want %q", row.method, row.target, got, row.length)
			}
		}
	}
}

// Row 42.
func TestContentLengthOfTheApplicationIsHeld(t *testing.T) {
	results := make(chan exchange.Result, 1)
	addr, _ := start(t, handle(func(x *http1.Exchange) {
		x.SetDone(func(_ exchange.Exchange, r exchange.Result) { results <- r })
		if err := x.Start(200, nil); err != nil {
			t.Error(err)
		}
		if err := x.Field([]byte("Content-Length"), x.Request().RawQuery); err != nil {
			t.Error(err)
		}
		err := x.Finish([]byte("12345"))
		want := map[string]error{"4": exchange.ErrLongBody, "5": nil, "6": exchange.ErrShortBody}[string(x.Request().RawQuery)]
		if !errors.Is(err, want) {
			t.Errorf("Finish: got %v, want %v", err, want)
		}
	}))
	c := dial(t, addr)
	c.send("GET /?5 HTTP/1.1\r\nHost: x\r\n\r\n")
	c.want(200, "12345")
	receive(t, results)
	c.send("GET /?4 HTTP/1.1\r\nHost: x\r\n\r\n")
	c.want(200, "1234")
	c.wantEnd()
	if r := receive(t, results); r.Sent != 4 || r.Status != 200 || r.Err != nil {
		t.Errorf("got %+v", r)
	}
	c = dial(t, addr)
	c.send("GET /?6 HTTP/1.1\r\nHost: x\r\n\r\n")
	if _, err := c.br.ReadByte(); err == nil {
		t.Error("a body that is too short was answered")
	}
	if r := receive(t, results); !errors.Is(r.Err, exchange.ErrShortBody) {
		t.Errorf("got %+v", r)
	}
}

func TestErrorPageIsSmallAndNotStored(t *testing.T) {
	addr, _ := start(t, handle(func(x *http1.Exchange) {
		if err := x.Start(200, nil); err != nil {
			t.Error(err)
		}
		if err := x.Field([]byte("X-Secret"), []byte("a")); err != nil {
			t.Error(err)
		}
		if !x.Error(503, 7) || x.Error(500, 0) {
			t.Error("Error must answer once")
		}
	}))
	c := dial(t, addr)
	c.send(get + get)
	for range 2 {
		a := c.want(503, "")
		if !slices.Equal(a.Field("retry-after"), []string{"7"}) || !slices.Equal(a.Field("cache-control"), []string{"no-store"}) ||
			len(a.Field("x-secret")) > 0 || !bytes.Contains(a.Body, []byte("Service Unavailable")) {
			t.Errorf("got %q %q", a.Fields, a.Body)
		}
	}
}

func TestInterimAnswersPrecedeTheFinalOne(t *testing.T) {
	addr, _ := start(t, handle(func(x *http1.Exchange) {
		if err := x.Interim(103, []exchange.Field{{Name: []byte("Link"), Value: []byte("</a>")}}); err != nil {
			t.Error(err)
		}
		if err := x.Interim(101, nil); !errors.Is(err, exchange.ErrStatus) {
			t.Errorf("101: got %v", err)
		}
		respond(t, x, 200, "ok")
	}))
	c := dial(t, addr)
	c.send(get)
	c.want(103, "")
	c.want(200, "ok")
	c.send("GET / HTTP/1.0\r\n\r\n")
	c.want(200, "ok")
}

func TestPanicIsAnsweredAndReported(t *testing.T) {
	reports := make(chan any, 4)
	config := handle(func(x *http1.Exchange) {
		switch string(x.Request().Path) {
		case "/building":
			_ = x.Start(200, nil)
			panic("b")
		case "/done":
			respond(t, x, 200, "ok")
			panic("c")
		case "/ok":
			respond(t, x, 200, "ok")
			return
		}
		panic("a")
	})
	config.OnPanic = func(_ *http1.Conn, v any, stack []byte) {
		if len(stack) == 0 {
			t.Error("no stack")
		}
		reports <- v
	}
	addr, _ := start(t, config)
	c := dial(t, addr)
	c.send(get)
	c.want(500, "")
	c.wantEnd()
	if v := receive(t, reports); v != "a" {
		t.Errorf("got %v", v)
	}
	c = dial(t, addr)
	c.send("GET /building HTTP/1.1\r\nHost: x\r\n\r\n")
	if _, err := c.br.ReadByte(); err == nil {
		t.Error("a half-built answer was sent")
	}
	receive(t, reports)
	c = dial(t, addr)
	c.send("GET /done HTTP/1.1\r\nHost: x\r\n\r\n")
	c.want(200, "ok")
	receive(t, reports)
	c = dial(t, addr)
	c.send("GET /ok HTTP/1.1\r\nHost: x\r\n\r\n")
	c.want(200, "ok")
}

func TestLargeBodyNeverBlocksItsGiver(t *testing.T) {
	big := strings.Repeat("0123456789abcdef", 1<<19) // 8 MiB
	finished := make(chan struct{}, 2)
	results := make(chan exchange.Result, 2)
	addr, _ := start(t, handle(func(x *http1.Exchange) {
		x.SetDone(func(_ exchange.Exchange, r exchange.Result) { results <- r })
		respond(t, x, 200, big)
		finished <- struct{}{}
	}))
	c := dial(t, addr)
	c.send(get + get)
	receive(t, finished) // although nothing was read yet
	for range 2 {
		if a := c.answer(); string(a.Body) != big {
			t.Fatal("body differs")
		}
		if r := receive(t, results); r.Sent != int64(len(big)) || r.Err != nil {
			t.Errorf("got %+v", r)
		}
	}
}
