package httpcases

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"net"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Patience bounds each exchange with the server.
const Patience = 10 * time.Second

// canary is the request that must work after every case.
const canary = "GET /canary HTTP/1.1\r\nHost: canary\r\n\r\n"

// Answer is one answer of the server.
type Answer struct {
	Status int
	Fields []string // lines
	Body   []byte
}

// Field returns the values of a field; name must be lower-case.
func (a *Answer) Field(name string) (values []string) {
	for _, f := range a.Fields {
		if k, v, _ := strings.Cut(f, ":"); strings.ToLower(k) == name {
			values = append(values, strings.TrimSpace(v))
		}
	}
	return values
}

// Segments cuts raw into one piece (0), single bytes (-1), or at an offset.
// Long inputs are cut into at most a thousand pieces.
func Segments(raw []byte, at int) [][]byte {
	switch {
	case at == 0:
		return [][]byte{raw}
	case at > 0:
		return [][]byte{raw[:at], raw[at:]}
	}
	return slices.Collect(slices.Chunk(raw, max(1, len(raw)/1000)))
}

// Play sends the case in segments, and compares the answers and the fate of the
// connection with the expectation. It then sends a canary, on the same
// connection if that is to stay open and on a new one in any case. The answers
// of 200 are returned in saw; whether the application saw more is for the
// caller to check.
func (c *Case) Play(addr string, segments [][]byte) (saw []string, err error) {
	nc, err := net.Dial("tcp", addr)
	if err != nil {
		return nil, err
	}
	defer nc.Close()
	if err := nc.SetDeadline(time.Now().Add(Patience)); err != nil {
		return nil, err
	}
	for _, s := range segments {
		if _, err := nc.Write(s); err != nil {
			break // refused early: the answer is what counts
		}
	}
	if c.HalfClose {
		_ = nc.(*net.TCPConn).CloseWrite() // fails if refused early
	}
	br := bufio.NewReader(nc)
	var got []int
	for range c.Status {
		a, err := ReadAnswer(br, c.Head)
		if err != nil {
			return saw, fmt.Errorf("got statuses %v, want %v: then %w", got, c.Status, err)
		}
		got = append(got, a.Status)
		if a.Status == 200 && !c.Head {
			saw = append(saw, string(a.Body))
		}
	}
	if !slices.Equal(got, c.Status) {
		return saw, fmt.Errorf("got statuses %v, want %v", got, c.Status)
	}
	if c.Close {
		rest, err := io.ReadAll(br)
		if err != nil {
			return saw, fmt.Errorf("connection does not end after %v: %w", got, err)
		}
		if len(rest) > 0 {
			return saw, fmt.Errorf("connection does not end after %v: %q", got, rest)
		}
	} else if err := playCanary(nc, br); err != nil {
		return saw, fmt.Errorf("canary on the same connection after %v: %w", got, err)
	}
	return saw, Canary(addr)
}

// Canary checks that the server serves a plain request on a new connection.
func Canary(addr string) error {
	nc, err := net.Dial("tcp", addr)
	if err != nil {
		return err
	}
	defer nc.Close()
	if err := nc.SetDeadline(time.Now().Add(Patience)); err != nil {
		return err
	}
	if err := playCanary(nc, bufio.NewReader(nc)); err != nil {
		return fmt.Errorf("canary on a new connection: %w", err)
	}
	return nil
}

func playCanary(nc net.Conn, br *bufio.Reader) error {
	if _, err := io.WriteString(nc, canary); err != nil {
		return err
	}
	a, err := ReadAnswer(br, false)
	if err != nil {
		return err
	}
	if want := "GET /canary - -"; a.Status != 200 || string(a.Body) != want {
		return fmt.Errorf("got %d %q, want 200 %q", a.Status, a.Body, want)
	}
	return nil
}

// ReadAnswer reads one answer, interim ones too, strictly: CRLF everywhere, one
// framing field, no body where there may be none.
func ReadAnswer(br *bufio.Reader, head bool) (*Answer, error) {
	line, err := readLine(br)
	if err != nil {
		return nil, err
	}
	a := &Answer{}
	if len(line) < 13 || !strings.HasPrefix(line, "HTTP/1.1 ") || line[12] != ' ' {
		return nil, fmt.Errorf("malformed status line %q", line)
	}
	if a.Status, err = strconv.Atoi(line[9:12]); err != nil {
		return nil, err
	}
	for {
		if line, err = readLine(br); err != nil {
			return nil, err
		}
		if line == "" {
			break
		}
		if i := strings.IndexByte(line, ':'); i <= 0 || strings.ContainsAny(line[:i], " \t") {
			return nil, fmt.Errorf("malformed field line %q", line)
		}
		a.Fields = append(a.Fields, line)
	}
	return a, a.readBody(br, head)
}

func (a *Answer) readBody(br *bufio.Reader, head bool) error {
	lengths, codings := a.Field("content-length"), a.Field("transfer-encoding")
	switch {
	case a.Status < 200 || a.Status == 204:
		if len(lengths)+len(codings) > 0 {
			return fmt.Errorf("framing fields in a %d", a.Status)
		}
		return nil
	case head || a.Status == 304:
		return nil
	case len(lengths) == 1 && len(codings) == 0:
		n, err := strconv.Atoi(lengths[0])
		if err != nil {
			return err
		}
		a.Body = make([]byte, n)
		_, err = io.ReadFull(br, a.Body)
		return err
	case len(codings) == 1 && len(lengths) == 0 && codings[0] == "chunked":
		return a.readChunks(br)
	case len(codings) == 0 && len(lengths) == 0 && slices.Contains(a.Field("connection"), "close"):
		var err error
		a.Body, err = io.ReadAll(br)
		return err
	}
	return fmt.Errorf("framing fields %q, %q", lengths, codings)
}

func (a *Answer) readChunks(br *bufio.Reader) error {
	for {
		line, err := readLine(br)
		if err != nil {
			return err
		}
		n, err := strconv.ParseUint(line, 16, 31)
		if err != nil {
			return err
		}
		b := make([]byte, n+2)
		if _, err := io.ReadFull(br, b); err != nil {
			return err
		}
		if !bytes.HasSuffix(b, []byte("\r\n")) {
			return errors.New("chunk without line end")
		}
		if n == 0 {
			return nil
		}
		a.Body = append(a.Body, b[:n]...)
	}
}

func readLine(br *bufio.Reader) (string, error) {
	line, err := br.ReadString('\n')
	if err != nil {
		return "", err
	}
	if !strings.HasSuffix(line, "\r\n") {
		return "", fmt.Errorf("line without CRLF: %q", line)
	}
	return line[:len(line)-2], nil
}
