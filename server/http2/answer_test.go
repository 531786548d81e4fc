package http2_test

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/gounicorn/gounicorn/server/exchange"
	"github.com/gounicorn/gounicorn/server/http1"
	"github.com/gounicorn/gounicorn/server/http2"
)

// list is a source of pieces.
type list struct {
	pieces [][]byte
	file   *os.File
	size   int64
	err    error
	closed atomic.Int32
}

func (l *list) Next() (p []byte, f *os.File, off, n int64, err error) {
	if len(l.pieces) > 0 {
		p, l.pieces = l.pieces[0], l.pieces[1:]
		return p, nil, 0, 0, nil
	}
	if f := l.file; f != nil {
		l.file = nil
		return nil, f, 10, l.size - 10, nil
	}
	if l.err != nil {
		return nil, nil, 0, 0, l.err
	}
	return nil, nil, 0, 0, io.EOF
}

func (l *list) Close() { l.closed.Add(1) }

func TestWaysOfAnswering(t *testing.T) {
	large := bytes.Repeat([]byte("0123456789abcdef"), 1<<16) // 1 MiB
	path := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(path, large, 0o600); err != nil {
		t.Fatal(err)
	}
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = f.Close() })
	page := func(status int) string {
		_, body := http1.NewRules(http1.Config{}).Page(status, "", nil)
		return string(body)
	}
	for name, c := range map[string]struct {
		method string
		answer func(x *http2.Exchange) error
		status int
		length int64
		body   string
		broken bool
		result exchange.Result // Sent is that of the body unless it is broken
	}{
		"empty":       {answer: func(x *http2.Exchange) error { return x.Finish(nil) }, status: 200},
		"large":       {answer: func(x *http2.Exchange) error { return x.Finish(large) }, status: 200, length: 1 << 20, body: string(large)},
		"head":        {method: "HEAD", answer: func(x *http2.Exchange) error { return x.Finish(large) }, status: 200, length: 1 << 20},
		"head length": {method: "HEAD", answer: func(x *http2.Exchange) error { return errors.Join(field(x, "Content-Length", "7"), x.Finish(nil)) }, status: 200, length: 7},
		"cut": {answer: func(x *http2.Exchange) error {
			if err := errors.Join(field(x, "Content-Length", "3"), x.Finish([]byte("abcdef"))); !errors.Is(err, exchange.ErrLongBody) {
				return fmt.Errorf("got %w", err)
			}
			return nil
		}, status: 200, length: 3, body: "abc"},
		"short": {answer: func(x *http2.Exchange) error {
			if err := errors.Join(field(x, "Content-Length", "7"), x.Finish([]byte("abc"))); !errors.Is(err, exchange.ErrShortBody) {
				return fmt.Errorf("got %w", err)
			}
			return nil
		}, broken: true, result: exchange.Result{Err: exchange.ErrShortBody}},
		"spooled": {answer: func(x *http2.Exchange) error {
			return x.FinishLarge(large, func(rest []byte) exchange.Source { return &list{pieces: [][]byte{bytes.Clone(rest)}} })
		}, status: 200, length: 1 << 20, body: string(large)},
		"stream":        {answer: func(x *http2.Exchange) error { return x.Stream(-1, pieces("abc", "", "def")) }, status: 200, length: -1, body: "abcdef"},
		"stream length": {answer: func(x *http2.Exchange) error { return x.Stream(6, pieces("abc", "def")) }, status: 200, length: 6, body: "abcdef"},
		"stream empty":  {answer: func(x *http2.Exchange) error { return x.Stream(-1, pieces()) }, status: 200},
		"stream head":   {method: "HEAD", answer: func(x *http2.Exchange) error { return x.Stream(6, pieces("abc", "def")) }, status: 200, length: 6},
		"stream 304":    {answer: func(x *http2.Exchange) error { return x.Stream(-1, pieces("abc")) }, status: 304, length: 0},
		"stream long": {answer: func(x *http2.Exchange) error { return x.Stream(4, pieces("abc", "def")) }, status: 200, length: 4, body: "abcd",
			result: exchange.Result{Err: exchange.ErrLongBody}},
		"stream short": {answer: func(x *http2.Exchange) error { return x.Stream(7, pieces("abc", "def")) }, status: 200, length: 7, body: "abcdef", broken: true,
			result: exchange.Result{Status: 200, Sent: 6, Err: exchange.ErrShortBody}},
		"file": {answer: func(x *http2.Exchange) error {
			return x.Stream(-1, &list{pieces: [][]byte{[]byte("first")}, file: f, size: 1 << 20})
		}, status: 200, length: -1, body: "first" + string(large[10:])},
		"file ends": {answer: func(x *http2.Exchange) error { return x.Stream(2<<20, &list{file: f, size: 2<<20 + 10}) }, status: 200, length: 2 << 20,
			body: string(large[10:]), broken: true, result: exchange.Result{Status: 200, Sent: 1<<20 - 10, Err: io.ErrUnexpectedEOF}},
		"page": {answer: func(x *http2.Exchange) error { x.Error(503, 7); return nil }, status: 503, length: int64(len(page(503))), body: page(503)},
		"status in time": {answer: func(x *http2.Exchange) error {
			return x.Stream(-1, &list{err: &exchange.StatusError{Status: 502}})
		}, status: 502, length: int64(len(page(502))), body: page(502)},
		"status too late": {answer: func(x *http2.Exchange) error {
			return x.Stream(-1, &list{pieces: [][]byte{[]byte("abc")}, err: &exchange.StatusError{Status: 502}})
		}, status: 200, length: -1, body: "abc", broken: true, result: exchange.Result{Status: 200, Sent: 3, Err: &exchange.StatusError{Status: 502}}},
		"abort": {answer: func(x *http2.Exchange) error { x.Abort(); return nil }, broken: true, result: exchange.Result{Err: exchange.ErrAborted}},
		"panic": {answer: func(*http2.Exchange) error { panic("in the handler") }, broken: true, result: exchange.Result{Err: exchange.ErrAborted}},
		"refused field": {answer: func(x *http2.Exchange) error {
			for _, c := range []struct {
				name, value string
				err         error
			}{{"a b", "c", exchange.ErrField}, {"a", "b\r\nc: d", exchange.ErrField}, {"Connection", "close", exchange.ErrHopByHop},
				{"Transfer-Encoding", "chunked", exchange.ErrHopByHop}, {"Content-Length", "1_0", exchange.ErrContentLength}} {
				if err := field(x, c.name, c.value); !errors.Is(err, c.err) {
					return fmt.Errorf("%s: got %w", c.name, err)
				}
			}
			return x.Finish(nil)
		}, status: 200},
	} {
		for _, away := range []bool{false, true} {
			t.Run(fmt.Sprint(name, " away=", away), func(t *testing.T) {
				t.Parallel()
				result := make(chan exchange.Result, 2)
				s := start(t, http2.Config{
					OnPanic: func(*http2.Conn, any, []byte) {},
					Handler: func(x *http2.Exchange) {
						x.SetDone(func(y exchange.Exchange, r exchange.Result) {
							if v, ok := y.ResponseField("date"); c.status == 200 && (!ok || len(v) == 0) {
								t.Error("no Date")
							}
							result <- r
						})
						status := 200
						if c.status == 304 {
							status = 304
						}
						if err := x.Start(status, []byte("Fine")); err != nil {
							t.Error(err)
						}
						give := func() {
							if err := c.answer(x); err != nil {
								t.Error(err)
							}
						}
						if away && name != "panic" {
							go give()
						} else {
							give()
						}
					},
				})
				method := c.method
				if method == "" {
					method = "GET"
				}
				q, _ := http.NewRequest(method, s.url("/"), nil)
				r, err := s.client().Do(q)
				var body []byte
				if err == nil {
					body, err = io.ReadAll(r.Body)
					if r.StatusCode != c.status || r.ContentLength != c.length {
						t.Errorf("got %d, length %d", r.StatusCode, r.ContentLength)
					}
				}
				if (err != nil) != c.broken || string(body) != c.body && !c.broken || len(body) > len(c.body) {
					t.Errorf("got %d bytes, %v; want %d", len(body), err, len(c.body))
				}
				got := <-result
				want := c.result
				if !c.broken {
					want.Status, want.Sent = c.status, int64(len(c.body))
				}
				if got.Status != want.Status || got.Sent != want.Sent || fmt.Sprint(got.Err) != fmt.Sprint(want.Err) {
					t.Errorf("got %+v, want %+v", got, want)
				}
			})
		}
	}
}

func field(x *http2.Exchange, name, value string) error { return x.Field([]byte(name), []byte(value)) }

func pieces(list_ ...string) *list {
	l := &list{}
	for _, s := range list_ {
		l.pieces = append(l.pieces, []byte(s))
	}
	return l
}

func TestInterimAnswersComeFirst(t *testing.T) {
	s := start(t, http2.Config{Handler: func(x *http2.Exchange) {
		go func() {
			for _, link := range []string{"</a>", "</b>"} {
				if err := x.Interim(103, []exchange.Field{{Name: []byte("link"), Value: []byte(link)}}); err != nil {
					t.Error(err)
				}
			}
			if err := x.Interim(101, nil); !errors.Is(err, exchange.ErrStatus) {
				t.Errorf("got %v", err)
			}
			respond(t, x, 200, "body")
		}()
	}})
	r := s.raw()
	r.settle()
	r.request(1, true, ":method", "GET", ":scheme", "https", ":path", "/", ":authority", "x")
	for _, want := range []string{"103 link=</a>", "103 link=</b>", "200 link="} {
		h := r.headers(1)
		if got := h[":status"] + " link=" + h["link"]; got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
}

// Row 20.
func TestSlowReaderIsResetAndFreesItsSource(t *testing.T) {
	for _, size := range []int{1000, 1 << 20} {
		result := make(chan exchange.Result, 1)
		src := &list{pieces: [][]byte{bytes.Repeat([]byte("x"), size)}}
		s := start(t, http2.Config{Timeouts: http1.Timeouts{Send: 100 * time.Millisecond}, Handler: func(x *http2.Exchange) {
			x.SetDone(func(_ exchange.Exchange, r exchange.Result) { result <- r })
			_ = x.Start(200, nil)
			if size < 4096 { // net/http keeps it
				_ = x.Finish(src.pieces[0])
				src.Close()
				return
			}
			_ = x.Stream(-1, src)
		}})
		r := s.raw()
		r.settle(window0)
		r.request(1, true, ":method", "GET", ":scheme", "https", ":path", "/", ":authority", "x")
		r.headers(1)
		r.wantReset(1)
		if got := <-result; got.Err == nil && size > 4096 || src.closed.Load() != 1 {
			t.Errorf("got %+v, closed %d", got, src.closed.Load())
		}
	}
}

func TestBodiesHaveLimits(t *testing.T) {
	var held sync.WaitGroup
	held.Add(1)
	holds := make(chan struct{})
	s := start(t, http2.Config{
		BodyShare: 1000, Rules: http1.NewRules(http1.Config{Limits: http1.Limits{Body: 5000}}),
		Timeouts: http1.Timeouts{Body: 100 * time.Millisecond},
		Handler: func(x *http2.Exchange) {
			_, err := io.ReadAll(x)
			switch {
			case errors.Is(err, http2.ErrShare):
				x.Error(503, 5)
				return
			case err != nil:
				return
			}
			go func() {
				if string(x.Request().Path) == "/hold" {
					close(holds)
					held.Wait()
				}
				respond(t, x, 200, "")
			}()
		},
	})
	c := s.client()
	s.getOnly(c)
	post := func(path string, body io.Reader) string {
		r, err := c.Post(s.url(path), "text/plain", body)
		if err != nil {
			return err.Error()
		}
		defer r.Body.Close()
		b, _ := io.ReadAll(r.Body)
		if r.StatusCode == 200 {
			return "200"
		}
		return fmt.Sprint(r.StatusCode, " ", strings.Contains(string(b), "too large"), strings.Contains(string(b), "too long"))
	}
	if got := post("/", strings.NewReader(strings.Repeat("x", 5001))); got != "413 true false" {
		t.Errorf("announced: got %s", got)
	}
	if got := post("/", io.MultiReader(strings.NewReader(strings.Repeat("x", 5001)))); got != "413 true false" {
		t.Errorf("not announced: got %s", got)
	}
	slow, end := io.Pipe()
	if got := post("/", slow); got != "408 false true" {
		t.Errorf("slow: got %s", got)
	}
	_ = end.Close()
	var all sync.WaitGroup
	all.Go(func() {
		if got := post("/hold", strings.NewReader(strings.Repeat("x", 4000))); got != "200" { // alone, it may
			t.Errorf("got %s", got)
		}
	})
	<-holds
	if got := post("/", strings.NewReader("x")); got != "503 false false" {
		t.Errorf("beside it: got %s", got)
	}
	held.Done()
	all.Wait()
	if got := post("/", strings.NewReader(strings.Repeat("x", 2000))); got != "200" {
		t.Errorf("afterwards: got %s", got)
	}
}
