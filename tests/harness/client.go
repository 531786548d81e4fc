package harness

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"
)

// ioTimeout bounds each step of a raw connection; nothing in the tests legitimately takes that long.
const ioTimeout = 20 * time.Second

// A Conn is a raw client connection: bytes are written as the test says and responses read one by one.
type Conn struct {
	net.Conn
	tb     testing.TB
	reader *bufio.Reader
}

// A Response is one response as it came over a raw connection, its body read to the end.
type Response struct {
	Status  int
	Proto   string
	Header  http.Header
	Body    []byte
	Chunked bool
	Close   bool
}

// Dial opens a raw connection; it is closed when the test ends.
func Dial(tb testing.TB, network, address string) *Conn {
	tb.Helper()
	conn, err := net.DialTimeout(network, address, ioTimeout)
	if err != nil {
		tb.Fatalf("connect: %v", err)
	}
	tb.Cleanup(func() { conn.Close() })
	return &Conn{Conn: conn, tb: tb, reader: bufio.NewReaderSize(conn, 1<<16)}
}

// Send writes all of text at once.
func (c *Conn) Send(text string) {
	c.tb.Helper()
	c.SetWriteDeadline(time.Now().Add(ioTimeout))
	if _, err := io.WriteString(c.Conn, text); err != nil {
		c.tb.Fatalf("send: %v", err)
	}
}

// SendBytewise writes text in segments of one byte.
func (c *Conn) SendBytewise(text string) {
	c.tb.Helper()
	for i := range len(text) {
		c.Send(text[i : i+1])
	}
}

// SendSplit writes text in two segments, the first of them `at` bytes long.
func (c *Conn) SendSplit(text string, at int) {
	c.tb.Helper()
	c.Send(text[:at])
	c.Send(text[at:])
}

// Get sends a GET request with the given extra header lines, each ending in CRLF.
func (c *Conn) Get(path string, headers ...string) {
	c.tb.Helper()
	c.Send("GET " + path + " HTTP/1.1\r\nHost: test\r\n" + strings.Join(headers, "") + "\r\n")
}

// Read reads one whole response to a request with the given method.
func (c *Conn) Read(method string) (*Response, error) {
	c.SetReadDeadline(time.Now().Add(ioTimeout))
	got, err := http.ReadResponse(c.reader, &http.Request{Method: method})
	if err != nil {
		return nil, fmt.Errorf("read response: %w", err)
	}
	defer got.Body.Close()
	response := &Response{
		Status: got.StatusCode, Proto: got.Proto, Header: got.Header, Close: got.Close,
		Chunked: len(got.TransferEncoding) > 0,
	}
	response.Body, err = io.ReadAll(got.Body)
	if err != nil {
		return response, fmt.Errorf("read body after %d bytes: %w", len(response.Body), err)
	}
	return response, nil
}

// MustRead is Read for a test that cannot go on without the response.
func (c *Conn) MustRead(method string) *Response {
	c.tb.Helper()
	response, err := c.Read(method)
	if err != nil {
		c.tb.Fatal(err)
	}
	return response
}

// ReadLine reads one line of whatever the server sends.
func (c *Conn) ReadLine() (string, error) {
	c.SetReadDeadline(time.Now().Add(ioTimeout))
	line, err := c.reader.ReadString('\n')
	return strings.TrimRight(line, "\r\n"), err
}

// ReadBytes reads so many bytes of whatever the server sends; with an error it returns those that came.
func (c *Conn) ReadBytes(n int) ([]byte, error) {
	c.SetReadDeadline(time.Now().Add(ioTimeout))
	return io.ReadAll(io.LimitReader(c.reader, int64(n)))
}

// ReadUntil reads until the text has come, and returns everything up to its end.
func (c *Conn) ReadUntil(text string) string {
	c.tb.Helper()
	c.SetReadDeadline(time.Now().Add(ioTimeout))
	var got strings.Builder
	for !strings.HasSuffix(got.String(), text) {
		b, err := c.reader.ReadByte()
		if err != nil {
			c.tb.Fatalf("waiting for %q after %q: %v", text, got.String(), err)
		}
		got.WriteByte(b)
	}
	return got.String()
}

// ReadRest reads until the server closes the connection. A reset counts as a close.
func (c *Conn) ReadRest() string {
	c.tb.Helper()
	c.SetReadDeadline(time.Now().Add(ioTimeout))
	rest, err := io.ReadAll(c.reader)
	if timeout, ok := errors.AsType[net.Error](err); ok && timeout.Timeout() {
		c.tb.Fatalf("the server does not close the connection; so far it sent %q", rest)
	}
	return string(rest)
}

// CloseWrite closes the sending direction only.
func (c *Conn) CloseWrite() {
	c.tb.Helper()
	half, ok := c.Conn.(interface{ CloseWrite() error })
	if !ok {
		c.tb.Fatalf("a %T cannot be half closed", c.Conn)
	}
	if err := half.CloseWrite(); err != nil {
		c.tb.Fatalf("half close: %v", err)
	}
}

// Reset closes the connection with a reset in place of an orderly end.
func (c *Conn) Reset() {
	c.tb.Helper()
	if tcp, ok := c.Conn.(*net.TCPConn); ok {
		if err := tcp.SetLinger(0); err != nil {
			c.tb.Fatalf("reset: %v", err)
		}
	}
	c.Close()
}
