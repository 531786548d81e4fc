package http1_test

import (
	"bufio"
	"crypto/tls"
	"io"
	"net"
	"testing"
	"time"

	"github.com/gounicorn/gounicorn/server/http1"
	"github.com/gounicorn/gounicorn/tests/httpcases"
)

// budget bounds what a test waits for.
const budget = 10 * time.Second

// client is one raw connection to a server.
type client struct {
	t  testing.TB
	nc *net.TCPConn
	w  io.Writer
	br *bufio.Reader
}

func dial(t testing.TB, addr string) *client {
	t.Helper()
	nc, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	return dialed(t, nc.(*net.TCPConn))
}

func dialed(t testing.TB, nc *net.TCPConn) *client {
	t.Helper()
	t.Cleanup(func() { _ = nc.Close() })
	if err := nc.SetDeadline(time.Now().Add(budget)); err != nil {
		t.Fatal(err)
	}
	return &client{t, nc, nc, bufio.NewReader(nc)}
}

// upgrade speaks TLS from now on.
func (c *client) upgrade() {
	tc := tls.Client(c.nc, &tls.Config{InsecureSkipVerify: true})
	c.w, c.br = tc, bufio.NewReader(tc)
}

func (c *client) send(s string) {
	c.t.Helper()
	if _, err := io.WriteString(c.w, s); err != nil {
		c.t.Fatalf("send: %v", err)
	}
}

func (c *client) answer() *httpcases.Answer {
	c.t.Helper()
	a, err := httpcases.ReadAnswer(c.br, false)
	if err != nil {
		c.t.Fatalf("answer: %v", err)
	}
	return a
}

// want reads an answer and compares it.
func (c *client) want(status int, body string) *httpcases.Answer {
	c.t.Helper()
	a := c.answer()
	if a.Status != status || body != "" && string(a.Body) != body {
		c.t.Fatalf("got %d %.200q, want %d %q", a.Status, a.Body, status, body)
	}
	return a
}

// wantEnd expects an orderly end without further bytes.
func (c *client) wantEnd() {
	c.t.Helper()
	if b, err := io.ReadAll(c.br); err != nil || len(b) > 0 {
		c.t.Fatalf("got %.200q, %v, want the end", b, err)
	}
}

// receive waits for a value on ch.
func receive[T any](t testing.TB, ch <-chan T) (v T) {
	t.Helper()
	select {
	case v = <-ch:
	case <-time.After(budget):
		t.Fatal("nothing arrived within the budget")
	}
	return v
}

// respond answers with fields given as name, value pairs.
func respond(t testing.TB, x *http1.Exchange, status int, body string, fields ...string) {
	if err := x.Start(status, nil); err != nil {
		t.Errorf("Start: %v", err)
	}
	for i := 0; i+1 < len(fields); i += 2 {
		if err := x.Field([]byte(fields[i]), []byte(fields[i+1])); err != nil {
			t.Errorf("Field %s: %v", fields[i], err)
		}
	}
	if err := x.Finish([]byte(body)); err != nil {
		t.Errorf("Finish: %v", err)
	}
}

const get = "GET / HTTP/1.1\r\nHost: x\r\n\r\n"

// readHead reads an answer that has no body.
func readHead(c *client) (*httpcases.Answer, error) { return httpcases.ReadAnswer(c.br, true) }

// readAnswer reads an answer, for goroutines that must not end the test.
func readAnswer(c *client) (*httpcases.Answer, error) { return httpcases.ReadAnswer(c.br, false) }
