package http1_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/gounicorn/gounicorn/tests/httpcases"
)

// TestFramingProduct plays every combination of Content-Length,
// Transfer-Encoding, version and Connection (rows 1 to 5), because the holes
// are in the combinations. The expectation follows RFC 9112 6.3 in its order.
func TestFramingProduct(t *testing.T) {
	lengths := []string{"", "Content-Length: 3\r\n", "Content-Length: 0\r\n", "Content-Length: 3\r\nContent-Length: 3\r\n", "Content-Length: +3\r\n", "Content-Length: 3, 3\r\n"}
	codings := []string{"", "Transfer-Encoding: chunked\r\n", "Transfer-Encoding: gzip, chunked\r\n", "Transfer-Encoding: xchunked\r\n", "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n"}
	conns := []string{"", "Connection: close\r\n", "Connection: keep-alive\r\n", "Connection: close, keep-alive\r\n"}
	b := &bench{t: t, servers: make(map[httpcases.Settings]*server)}
	for il, cl := range lengths {
		for it, te := range codings {
			for minor := range 2 {
				for _, conn := range conns {
					for _, order := range []string{cl + te, te + cl} {
						c := framingCase(il, it, minor, conn)
						body := map[bool]string{true: "3\r\nabc\r\n0\r\n\r\n", false: "abc"}[it > 0]
						if il == 0 && it == 0 || il == 2 && it == 0 {
							body = ""
						}
						c.Name = fmt.Sprintf("%q %q HTTP/1.%d", order, conn, minor)
						c.Raw = fmt.Appendf(nil, "POST /p HTTP/1.%d\r\nHost: x\r\n%s%s\r\n%s", minor, conn, order, body)
						b.run(t, &c)
					}
				}
			}
		}
	}
}

func framingCase(il, it, minor int, conn string) httpcases.Case {
	c := httpcases.Case{Rule: "RFC 9112 6.3", Close: true, Status: []int{400}}
	switch {
	case it == 0 && il <= 2:
		c.Status = []int{200}
		c.Saw = []string{"POST /p - " + []string{"-", "abc", "-"}[il]}
	case it == 1 && il == 0 && minor == 1:
		c.Status = []int{200}
		c.Saw = []string{"POST /p - abc"}
	case (it == 2 || it == 3) && il == 0 && minor == 1:
		c.Status = []int{501}
	}
	if c.Status[0] == 200 {
		c.Close = strings.Contains(conn, "close") || minor == 0 && !strings.Contains(conn, "keep-alive")
	}
	return c
}

// TestEveryBadByteAtEveryPosition sends each byte that the grammar does not
// allow before, inside and behind each part of a request (section 3). Only SP
// and HTAB are white space, and only where OWS stands.
func TestEveryBadByteAtEveryPosition(t *testing.T) {
	const token = "!#$%&'*+-.^_`|~"
	isToken := func(b byte) bool {
		return b|0x20 >= 'a' && b|0x20 <= 'z' || b >= '0' && b <= '9' || strings.IndexByte(token, b) >= 0
	}
	noToken := func(b byte) bool { return !isToken(b) }
	noTokenNorColon := func(b byte) bool { return !isToken(b) && b != ':' }
	control := func(b byte) bool { return b < 0x20 && b != '\t' || b == 0x7f }
	noDigit := func(b byte) bool { return b < '0' || b > '9' }
	noDigitNorSpace := func(b byte) bool { return noDigit(b) && b != ' ' && b != '\t' }
	noHex := func(b byte) bool {
		return noDigit(b) && (b|0x20 < 'a' || b|0x20 > 'f') && strings.IndexByte("; \t\r", b) < 0
	}
	const host, length, coding = "Host: x\r\n", "Content-Length: ", "Transfer-Encoding: chunked\r\n\r\n"
	positions := []struct {
		name, before, after string
		bad                 func(byte) bool
	}{
		{"before the method", "", "GET / HTTP/1.1\r\n" + host + "\r\n", func(b byte) bool { return noToken(b) && b != '\r' }},
		{"inside the method", "G", "T / HTTP/1.1\r\n" + host + "\r\n", func(b byte) bool { return noToken(b) && b != ' ' }},
		{"inside the target", "GET /a", "b HTTP/1.1\r\n" + host + "\r\n", func(b byte) bool { return b <= 0x20 || b == 0x7f || b == '#' }},
		{"inside the version", "GET / HTTP/1", "1\r\n" + host + "\r\n", func(b byte) bool { return b != '.' }},
		{"behind the version", "GET / HTTP/1.1", "\r\n" + host + "\r\n", func(b byte) bool { return b != '\r' }},
		{"before a name", "GET / HTTP/1.1\r\n" + host, "Name: value\r\n\r\n", noToken},
		{"inside a name", "GET / HTTP/1.1\r\n" + host + "Na", "me: value\r\n\r\n", noTokenNorColon},
		{"behind a name", "GET / HTTP/1.1\r\n" + host + "Name", ": value\r\n\r\n", noTokenNorColon},
		{"before a value", "GET / HTTP/1.1\r\n" + host + "Name:", "value\r\n\r\n", control},
		{"inside a value", "GET / HTTP/1.1\r\n" + host + "Name: va", "lue\r\n\r\n", control},
		{"behind a value", "GET / HTTP/1.1\r\n" + host + "Name: value", "\r\n\r\n", func(b byte) bool { return control(b) && b != '\r' || b == '\r' }},
		{"before a length", "POST / HTTP/1.1\r\n" + host + length, "3\r\n\r\nabc", noDigitNorSpace},
		{"inside a length", "POST / HTTP/1.1\r\n" + host + length + "0", "3\r\n\r\nabc", noDigit},
		{"behind a length", "POST / HTTP/1.1\r\n" + host + length + "3", "\r\n\r\nabc", noDigitNorSpace},
		{"before a coding", "POST / HTTP/1.1\r\n" + host + "Transfer-Encoding: ", "chunked\r\n\r\n0\r\n\r\n", func(b byte) bool { return b != ' ' && b != '\t' }},
		{"inside a coding", "POST / HTTP/1.1\r\n" + host + "Transfer-Encoding: chun", "ked\r\n\r\n0\r\n\r\n", func(byte) bool { return true }},
		{"behind a coding", "POST / HTTP/1.1\r\n" + host + "Transfer-Encoding: chunked", "\r\n\r\n0\r\n\r\n", func(b byte) bool { return b != ' ' && b != '\t' }},
		{"before a chunk size", "POST / HTTP/1.1\r\n" + host + coding, "3\r\nabc\r\n0\r\n\r\n", func(b byte) bool { return noHex(b) || strings.IndexByte("; \t\r", b) >= 0 }},
		{"behind a chunk size", "POST / HTTP/1.1\r\n" + host + coding + "3", "\r\nabc\r\n0\r\n\r\n", func(b byte) bool { return noHex(b) || b == '\r' }},
		{"inside an extension", "POST / HTTP/1.1\r\n" + host + coding + "3;n", "m\r\nabc\r\n0\r\n\r\n", func(b byte) bool { return noToken(b) && b != ';' && b != '=' }},
		{"inside a trailer name", "POST / HTTP/1.1\r\n" + host + coding + "0\r\nNa", "me: v\r\n\r\n", noTokenNorColon},
		{"inside a trailer value", "POST / HTTP/1.1\r\n" + host + coding + "0\r\nName: v", "v\r\n\r\n", control},
	}
	b := &bench{t: t, servers: make(map[httpcases.Settings]*server)}
	for _, p := range positions {
		for i := range 256 {
			if !p.bad(byte(i)) {
				continue
			}
			raw := p.before + string([]byte{byte(i)}) + p.after
			// The case must end for a server that reads on for a line end.
			c := httpcases.Case{Name: fmt.Sprintf("byte %#02x %s", i, p.name), Rule: "RFC 9110 5.6.2", Close: true, Raw: []byte(raw), HalfClose: true}
			if err := b.refused(&c); err != nil {
				t.Errorf("%s: %v\nsent %q", c.Name, err, raw)
			}
		}
	}
}

// refused plays a case that must be refused, whatever the status.
func (b *bench) refused(c *httpcases.Case) error {
	s := b.server(c.Settings)
	s.echo.take()
	for _, status := range []int{400, 431, 501, 505} {
		c.Status = []int{status}
		if _, err := c.Play(s.addr, httpcases.Segments(c.Raw, 0)); err == nil {
			break
		} else if status == 505 {
			return err
		}
	}
	if saw := s.echo.take(); len(saw) > 0 {
		return fmt.Errorf("application saw %q", saw)
	}
	return nil
}

// TestLimitsHoldToTheByte plays every length around each limit (rows 15 to 17).
func TestLimitsHoldToTheByte(t *testing.T) {
	b := &bench{t: t, servers: make(map[httpcases.Settings]*server)}
	play := func(name string, set httpcases.Settings, fits bool, status int, raw, saw string) {
		t.Helper()
		c := httpcases.Case{Name: name, Rule: "rows 15 to 17", Settings: set, Raw: []byte(raw)}
		if fits {
			c.Status, c.Saw = []int{200}, []string{saw}
		} else {
			c.Status, c.Close = []int{status}, true
		}
		b.run(t, &c)
	}
	const line = "GET / HTTP/1.1\r\nHost: x\r\n"
	for n := 20; n <= 28; n++ {
		fits, pad := n <= 24, strings.Repeat("a", n-14)
		play(fmt.Sprint("request line of ", n), httpcases.Settings{RequestLine: 24}, fits, 414, "GET /"+pad+" HTTP/1.1\r\nHost: x\r\n\r\n", "GET /"+pad+" - -")
		play(fmt.Sprint("field line of ", n), httpcases.Settings{FieldSize: 24}, fits, 431, line+"A: "+strings.Repeat("b", n-3)+"\r\n\r\n", "GET / - -")
		play(fmt.Sprint("fields ", n), httpcases.Settings{Fields: 24}, fits, 431, line+strings.Repeat("A: b\r\n", n-1)+"\r\n", "GET / - -")
		play(fmt.Sprint("head of ", n+40), httpcases.Settings{HeadBytes: 64}, fits, 431, line+"A: "+strings.Repeat("b", n+40-len(line)-3-4)+"\r\n\r\n", "GET / - -")
		play(fmt.Sprint("body of ", n), httpcases.Settings{Body: 24}, fits, 413, fmt.Sprintf("POST / HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n%s", n, pad+strings.Repeat("a", 14)), "POST / - "+strings.Repeat("a", n))
		play(fmt.Sprint("chunked body of ", n), httpcases.Settings{Body: 24}, fits, 413, fmt.Sprintf("POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n%x\r\n%s\r\n0\r\n\r\n", n, pad+strings.Repeat("a", 14)), "POST / - "+strings.Repeat("a", n))
	}
}
