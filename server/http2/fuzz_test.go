package http2_test

import (
	"bytes"
	"crypto/tls"
	"fmt"
	"io"
	"testing"
	"time"

	h2 "golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"

	"github.com/gounicorn/gounicorn/server/exchange"
	"github.com/gounicorn/gounicorn/server/http1"
	"github.com/gounicorn/gounicorn/server/http2"
)

// FuzzConnection sends anything behind the preface: the server lives, and nothing malformed reaches the handler.
func FuzzConnection(f *testing.F) {
	s := start(f, http2.Config{Timeouts: http1.Timeouts{Body: 50 * time.Millisecond, Send: 50 * time.Millisecond, Idle: 50 * time.Millisecond},
		OnPanic: func(_ *http2.Conn, v any, stack []byte) { panic(fmt.Sprintf("%v\n%s", v, stack)) },
		Handler: func(x *http2.Exchange) {
			q := x.Request()
			if len(q.Path) == 0 || q.Path[0] != '/' || bytes.ContainsAny(q.Line, "\r\n\x00") || len(q.Host) == 0 {
				panic(fmt.Sprintf("%q", q.Line))
			}
			for _, field := range q.Fields {
				if bytes.ContainsAny(field.Name, "\r\n\x00: _ABC") || bytes.ContainsAny(field.Value, "\r\n\x00") || exchange.Is(field.Name, "connection") {
					panic(fmt.Sprintf("%q", q.Fields))
				}
			}
			_, _ = io.Copy(io.Discard, x)
			if x.Start(200, nil) == nil {
				_ = x.Finish([]byte("x"))
			}
		}})
	var seed bytes.Buffer
	fr := h2.NewFramer(&seed, nil)
	_ = fr.WriteSettings()
	r := &raw{}
	r.enc = hpack.NewEncoder(&r.buf)
	_ = fr.WriteHeaders(h2.HeadersFrameParam{StreamID: 1, EndHeaders: true, BlockFragment: r.block(":method", "POST", ":scheme", "https", ":path", "/a?b", ":authority", "x", "a", "b")})
	_ = fr.WriteData(1, true, []byte("body"))
	f.Add(seed.Bytes())
	f.Add([]byte("GET / HTTP/1.1\r\n\r\n"))
	f.Fuzz(func(t *testing.T, b []byte) {
		tc, err := tls.Dial("tcp", s.addr, &tls.Config{InsecureSkipVerify: true, NextProtos: []string{"h2"}})
		if err != nil {
			t.Fatal(err)
		}
		defer tc.NetConn().Close()
		_ = tc.SetDeadline(time.Now().Add(fuzzTime))
		_, _ = io.WriteString(tc, h2.ClientPreface)
		_, _ = tc.Write(b)
		_, _ = io.Copy(io.Discard, tc)
	})
}

// fuzzTime is how long one input may be answered: net/http keeps a connection open for a second after an error.
const fuzzTime = 5 * time.Millisecond
