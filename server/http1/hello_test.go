package http1_test

import (
	"bufio"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"

	"github.com/gounicorn/gounicorn/server/http1"
)

func hello(x *http1.Exchange) {
	_ = x.Start(200, nil)
	_ = x.Field([]byte("Content-Type"), []byte("text/plain"))
	_ = x.Finish([]byte("hello"))
}

func TestAsynchronousAnswerIsServed(t *testing.T) {
	addr, _ := start(t, http1.Config{ServerName: "gounicorn", Handler: http1.HandlerFunc(func(x *http1.Exchange) { go hello(x) })})
	nc, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	defer nc.Close()
	br := bufio.NewReader(nc)
	for range 3 {
		if _, err := io.WriteString(nc, "GET /a%20b?c HTTP/1.1\r\nHost: x\r\n\r\n"); err != nil {
			t.Fatal(err)
		}
		res, err := http.ReadResponse(br, nil)
		if err != nil {
			t.Fatal(err)
		}
		b, _ := io.ReadAll(res.Body)
		t.Log(res.Status, res.Header, string(b))
		if string(b) != "hello" {
			t.Fatalf("got %q", b)
		}
	}
	if _, err := io.WriteString(nc, strings.Repeat("POST /p HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n\r\nabc", 3)+"bad\r\n"); err != nil {
		t.Fatal(err)
	}
	for range 4 {
		res, err := http.ReadResponse(br, nil)
		if err != nil {
			t.Fatal(err)
		}
		b, _ := io.ReadAll(res.Body)
		t.Log(res.Status, res.Header, string(b))
	}
	if b, err := io.ReadAll(br); err != nil || len(b) > 0 {
		t.Fatal(b, err)
	}
}

func BenchmarkHello(b *testing.B) {
	for name, h := range map[string]http1.HandlerFunc{"inline": hello} {
		b.Run(name, func(b *testing.B) {
			addr, _ := start(b, http1.Config{Handler: h})
			nc, err := net.Dial("tcp", addr)
			if err != nil {
				b.Fatal(err)
			}
			defer nc.Close()
			req := []byte("GET / HTTP/1.1\r\nHost: x\r\nUser-Agent: bench\r\nAccept: */*\r\n\r\n")
			buf := make([]byte, 4096)
			b.ReportAllocs()
			for b.Loop() {
				if _, err := nc.Write(req); err != nil {
					b.Fatal(err)
				}
				if _, err := nc.Read(buf); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
