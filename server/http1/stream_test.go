package http1_test

import (
	"bytes"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/gounicorn/gounicorn/server/exchange"
	"github.com/gounicorn/gounicorn/server/http1"
)

// pieces is a Source of byte slices that ends with err.
type pieces struct {
	list   [][]byte
	file   *os.File
	size   int64
	err    error
	panics bool
	closed atomic.Int32
	done   chan struct{}
}

func (p *pieces) Next() ([]byte, *os.File, int64, int64, error) {
	switch {
	case p.panics:
		panic("source")
	case len(p.list) > 0:
		b := p.list[0]
		p.list = p.list[1:]
		return b, nil, 0, 0, nil
	case p.file != nil:
		f := p.file
		p.file = nil
		return nil, f, 1, p.size - 1, nil
	case p.err == nil:
		return nil, nil, 0, 0, io.EOF
	}
	return nil, nil, 0, 0, p.err
}

func (p *pieces) Close() {
	if p.closed.Add(1) == 1 && p.done != nil {
		close(p.done)
	}
}

// stream answers with a source made by the test.
func stream(t testing.TB, length int64, src func() *pieces, results chan exchange.Result) http1.Config {
	return handle(func(x *http1.Exchange) {
		x.SetDone(func(_ exchange.Exchange, r exchange.Result) { results <- r })
		if err := x.Start(200, nil); err != nil {
			t.Error(err)
		}
		if err := x.Stream(length, src()); err != nil {
			t.Error(err)
		}
	})
}

func split(s ...string) (out [][]byte) {
	for _, p := range s {
		out = append(out, []byte(p))
	}
	return out
}

func TestStreamIsChunkedOnlyForHTTP11(t *testing.T) {
	results := make(chan exchange.Result, 4)
	big := strings.Repeat("x", 100_000)
	addr, _ := start(t, stream(t, -1, func() *pieces { return &pieces{list: split("ab", "", "c", big)} }, results))
	c := dial(t, addr)
	for range 2 {
		c.send(get)
		a := c.want(200, "abc"+big)
		if te := a.Field("transfer-encoding"); len(te) != 1 {
			t.Errorf("got %q", te)
		}
		if r := receive(t, results); r.Err != nil || r.Sent != int64(3+len(big)) {
			t.Errorf("got %+v", r)
		}
	}
	c.send("GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n")
	a := c.want(200, "abc"+big)
	if te := a.Field("transfer-encoding"); len(te) != 0 {
		t.Errorf("got %q", te)
	}
	c.wantEnd()
}

func TestStreamOfKnownLengthKeepsTheConnection(t *testing.T) {
	results := make(chan exchange.Result, 2)
	addr, _ := start(t, stream(t, 3, func() *pieces { return &pieces{list: split("ab", "c")} }, results))
	c := dial(t, addr)
	c.send(get + get)
	c.want(200, "abc")
	c.want(200, "abc")
}

func TestStreamOfHeadSendsNoBody(t *testing.T) {
	results := make(chan exchange.Result, 2)
	src := &pieces{list: split("abc"), done: make(chan struct{})}
	addr, _ := start(t, stream(t, 3, func() *pieces { return src }, results))
	c := dial(t, addr)
	c.send("HEAD / HTTP/1.1\r\nHost: x\r\n\r\n")
	a, err := readHead(c)
	if err != nil || strings.Join(a.Field("content-length"), "") != "3" {
		t.Fatal(a, err)
	}
	receive(t, src.done)
	c.send("OPTIONS * HTTP/1.1\r\nHost: x\r\n\r\n")
	c.want(200, "")
}

// Rows 42 and 44: half an answer never looks like a whole one.
func TestBrokenStreamNeverEndsCleanly(t *testing.T) {
	boom := errors.New("boom")
	for name, row := range map[string]struct {
		length int64
		src    *pieces
		want   error
	}{
		"error in a chunked body": {-1, &pieces{list: split("abc"), err: boom}, boom},
		"error before any byte":   {-1, &pieces{err: boom}, boom},
		"short of its length":     {4, &pieces{list: split("abc")}, exchange.ErrShortBody},
		"panic":                   {-1, &pieces{panics: true}, nil},
	} {
		t.Run(name, func(t *testing.T) {
			results := make(chan exchange.Result, 2)
			src := row.src
			src.done = make(chan struct{})
			addr, _ := start(t, stream(t, row.length, func() *pieces { return src }, results))
			c := dial(t, addr)
			c.send(get)
			if b, err := io.ReadAll(c.br); err == nil || bytes.HasSuffix(b, []byte("0\r\n\r\n")) {
				t.Errorf("got %q and an orderly end", b)
			}
			r := receive(t, results)
			if r.Err == nil || row.want != nil && !errors.Is(r.Err, row.want) {
				t.Errorf("got %+v, want %v", r, row.want)
			}
			receive(t, src.done)
			if n := src.closed.Load(); n != 1 {
				t.Errorf("closed %d times", n)
			}
		})
	}
}

func TestLongStreamIsCutAndClosed(t *testing.T) {
	results := make(chan exchange.Result, 2)
	addr, _ := start(t, stream(t, 4, func() *pieces { return &pieces{list: split("abc", "def", "ghi")} }, results))
	c := dial(t, addr)
	c.send(get)
	c.want(200, "abcd")
	c.wantEnd()
	if r := receive(t, results); !errors.Is(r.Err, exchange.ErrLongBody) || r.Sent != 4 {
		t.Errorf("got %+v", r)
	}
}

func TestStatusErrorBeforeTheFirstByteIsAPage(t *testing.T) {
	results := make(chan exchange.Result, 2)
	addr, _ := start(t, stream(t, -1, func() *pieces {
		return &pieces{err: &exchange.StatusError{Status: 502, RetryAfter: 3, Err: errors.New("died")}}
	}, results))
	c := dial(t, addr)
	c.send(get + get)
	for range 2 {
		if a := c.want(502, ""); strings.Join(a.Field("retry-after"), "") != "3" {
			t.Errorf("got %q", a.Fields)
		}
		if r := receive(t, results); r.Status != 502 || r.Err != nil {
			t.Errorf("got %+v", r)
		}
	}
}

func TestFilesAreSentFromTheirOffset(t *testing.T) {
	content := bytes.Repeat([]byte("0123456789"), 100_000)
	name := filepath.Join(t.TempDir(), "f")
	if err := os.WriteFile(name, content, 0o600); err != nil {
		t.Fatal(err)
	}
	f, err := os.Open(name)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	for _, length := range []int64{-1, int64(len(content)) + 1} {
		results := make(chan exchange.Result, 2)
		addr, _ := start(t, stream(t, length, func() *pieces {
			return &pieces{list: split("ab"), file: f, size: int64(len(content))}
		}, results))
		c := dial(t, addr)
		c.send(get + get)
		for range 2 {
			c.want(200, "ab"+string(content[1:]))
			if r := receive(t, results); r.Err != nil || r.Sent != int64(len(content))+1 {
				t.Errorf("got %+v", r)
			}
		}
	}
}

// Row 67.
func TestTruncatedFileBreaksTheAnswerOff(t *testing.T) {
	name := filepath.Join(t.TempDir(), "f")
	if err := os.WriteFile(name, []byte("0123456789"), 0o600); err != nil {
		t.Fatal(err)
	}
	f, err := os.Open(name)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	results := make(chan exchange.Result, 2)
	addr, _ := start(t, stream(t, 19, func() *pieces { return &pieces{file: f, size: 20} }, results))
	c := dial(t, addr)
	c.send(get)
	if _, err := io.ReadAll(c.br); err == nil {
		t.Error("an orderly end")
	}
	if r := receive(t, results); !errors.Is(r.Err, io.ErrUnexpectedEOF) {
		t.Errorf("got %+v", r)
	}
}

// A part of a file goes out whole, whatever of it the socket takes at once, over kept connections; one that has become shorter breaks
// the answer off.
func TestFileIsSentWholeOrBrokenOff(t *testing.T) {
	content := bytes.Repeat([]byte("0123456789abcdef"), 1<<16) // 1 MiB
	name := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(name, content, 0o600); err != nil {
		t.Fatal(err)
	}
	f, err := os.Open(name)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	released := make(chan struct{}, 8)
	results := make(chan exchange.Result, 8)
	lengths := make(chan int64, 8)
	addr, _ := start(t, handle(func(x *http1.Exchange) {
		x.SetDone(func(_ exchange.Exchange, r exchange.Result) { results <- r })
		_ = x.Start(200, nil)
		n := <-lengths
		if err := x.Stream(n, &exchange.File{File: f, Off: 3, N: n, Release: func() { released <- struct{}{} }}); err != nil {
			t.Error(err)
		}
	}))
	c := dial(t, addr)
	for _, n := range []int64{0, 1, 20_000, int64(len(content)) - 3} {
		lengths <- n
		c.send(get)
		if a := c.want(200, string(content[3:3+n])); a.Field("content-length")[0] != strconv.FormatInt(n, 10) {
			t.Errorf("%d bytes: Content-Length %q", n, a.Field("content-length"))
		}
		if r := receive(t, results); r.Err != nil || r.Sent != n {
			t.Errorf("%d bytes: %+v", n, r)
		}
		receive(t, released)
	}
	lengths <- int64(len(content)) // three bytes too many
	c.send(get)
	if r := receive(t, results); !errors.Is(r.Err, io.ErrUnexpectedEOF) || r.Sent != int64(len(content))-3 {
		t.Errorf("a file that is too short: %+v", r)
	}
	receive(t, released)
}
