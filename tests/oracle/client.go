package oracle

import (
	"bufio"
	"bytes"
	"context"
	"crypto/rand"
	"crypto/tls"
	"fmt"
	"io"
	mrand "math/rand/v2"
	"net"
	"net/http"
	"sort"
	"strings"
	"time"
)

// outcome is what became of one request, before the application was asked.
type outcome uint8

const (
	answered outcome = iota
	status           // judged already
	broken           // 502, or the answer broke off
	silent           // no answer
)

// question is one request: all that can be told of it afterwards is kept in the client's list.
type question struct {
	nonce   string
	method  string
	path    string
	headers [][2]string
	body    []byte
}

// record is what is kept of a request.
type record struct {
	outcome outcome
	post    bool
}

// A client sends one request after the other.
type client struct {
	load   *Load
	number int
	peer   peer
	slow   bool
	sent   []record
	tally  Tally
}

// peer is a way to send a request: HTTP/1.1 by hand, so that nothing is repeated behind our back, or HTTP/2.
type peer interface {
	ask(q question) (code int, nonce string, body []byte, err error)
	close()
}

var whats = []string{"whole", "whole", "whole", "whole", "pieces", "written", "1"}

func (c *client) question() question {
	nonce := fmt.Sprintf("canary-%s-%d-%d-%s", c.load.run, c.number, len(c.sent), rand.Text()[:10])
	q := question{nonce: nonce, method: http.MethodGet, path: "/nonce/" + whats[mrand.IntN(len(whats))] + "/" + nonce}
	q.headers = append(q.headers, [2]string{"X-Nonce", nonce})
	for n := range mrand.IntN(4) { // fields that only some requests have: what another one left would be seen
		q.headers = append(q.headers, [2]string{fmt.Sprintf("X-Secret-%d", n), nonce})
	}
	switch p := mrand.IntN(100); {
	case p < 3, c.slow:
		q.method, q.body = http.MethodPost, bytes.Repeat([]byte(nonce), 40_000/len(nonce)+mrand.IntN(4000)) // in a descriptor
	case p < 35:
		q.method, q.body = http.MethodPost, bytes.Repeat([]byte(nonce), mrand.IntN(20))
	}
	return q
}

// want is the answer to a question: see tests/apps/canary.py.
func (q *question) want() []byte {
	lines := []string{"PATH_INFO=" + q.path, "RAW_URI=" + q.path}
	for _, h := range q.headers {
		lines = append(lines, "HTTP_"+strings.ToUpper(strings.ReplaceAll(h[0], "-", "_"))+"="+h[1])
	}
	sort.Strings(lines)
	return append([]byte(strings.Join(lines, "\n")+"\n\n"), q.body...)
}

func (c *client) one() {
	q := c.question()
	began := time.Now()
	code, nonce, body, err := c.peer.ask(q)
	r := record{post: q.method == http.MethodPost}
	t := &c.tally
	switch {
	case code == 0:
		r.outcome = silent
		t.note("no answer to %s %s after %v, at %s: %v", q.method, q.path, time.Since(began).Round(time.Millisecond), time.Now().Format("15:04:05.000"), err)
	case code == http.StatusOK && err != nil:
		r.outcome = broken
		t.Cut++
		if want := q.want(); !bytes.HasPrefix(want, body) {
			t.MixUps++
			t.note("MIX-UP: %s %s got, before it broke off, %.300q", q.method, q.path, body)
		}
	case code == http.StatusOK && (nonce != q.nonce || !bytes.Equal(body, q.want())):
		r.outcome = status
		t.MixUps++
		t.note("MIX-UP: %s %s got, with nonce %s, %.600q", q.method, q.path, nonce, body)
	case code == http.StatusOK:
		t.Answered++
	case code == http.StatusBadGateway:
		r.outcome = broken
		t.Died++
		t.note("502 for %s %s at %s", q.method, q.path, time.Now().Format("15:04:05.000"))
	case code == http.StatusServiceUnavailable:
		r.outcome = status
		t.Shed++
		t.note("503 for %s %s at %s: %.100q", q.method, q.path, time.Now().Format("15:04:05.000"), body)
	case code == http.StatusGatewayTimeout:
		r.outcome = status
		t.TimedOut++
		t.note("504 for %s %s at %s", q.method, q.path, time.Now().Format("15:04:05.000"))
	default:
		r.outcome = status
		t.Strange++
		t.note("%s %s got %d %.200q at %s: %v", q.method, q.path, code, body, time.Now().Format("15:04:05.000"), err)
	}
	c.sent = append(c.sent, r)
	if r.outcome != answered {
		c.load.failed.Add(1)
	}
}

// judge draws conclusions from how often each request was started.
func (c *client) judge(started []uint8) {
	for n, r := range c.sent {
		times := started[n]
		switch {
		case r.outcome == silent && times == 0:
			c.tally.Refused++
		case r.outcome == silent:
			c.tally.Lost++
		case r.outcome == broken && times == 0:
			c.tally.Unfair++
		case r.outcome == answered && times == 0:
			c.tally.Strange++
			c.tally.note("request %d of client %d was answered and never started", n, c.number)
		}
		switch {
		case times > 2, times > 1 && r.post:
			c.tally.Duplicates++
			c.tally.note("request %d of client %d was started %d times", n, c.number, times)
		case times > 1:
			c.tally.Retried++
		}
	}
}

// patience bounds one exchange.
const patience = 30 * time.Second

// wire is one connection of HTTP/1.1.
type wire struct {
	options Options
	keep    bool
	slow    bool
	conn    net.Conn
	reader  *bufio.Reader
}

func (w *wire) dial() error {
	var conn net.Conn
	var err error
	dialer := &net.Dialer{Timeout: patience}
	if w.options.TLS == nil {
		conn, err = dialer.Dial("tcp", w.options.Addr)
	} else {
		config := w.options.TLS.Clone()
		config.NextProtos = []string{"http/1.1"}
		conn, err = tls.DialWithDialer(dialer, "tcp", w.options.Addr, config)
	}
	if err == nil {
		w.conn, w.reader = conn, bufio.NewReaderSize(conn, 16<<10)
		if w.slow {
			w.reader.Reset(slowly{conn})
		}
	}
	return err
}

func (w *wire) close() {
	if w.conn != nil {
		_ = w.conn.Close()
		w.conn = nil
	}
}

// gone reports that the server has closed a connection that was kept: whoever sees that before he sends opens another one.
func (w *wire) gone() bool {
	_ = w.conn.SetReadDeadline(time.Now().Add(time.Microsecond))
	_, err := w.reader.Peek(1)
	timeout, ok := err.(net.Error) //nolint:errorlint // net.Conn returns it as it is
	return !ok || !timeout.Timeout()
}

func (q *question) head() []byte {
	var b bytes.Buffer
	fmt.Fprintf(&b, "%s %s HTTP/1.1\r\nHost: test\r\n", q.method, q.path)
	for _, h := range q.headers {
		fmt.Fprintf(&b, "%s: %s\r\n", h[0], h[1])
	}
	if q.method == http.MethodPost {
		fmt.Fprintf(&b, "Content-Length: %d\r\n", len(q.body))
	}
	b.WriteString("\r\n")
	return b.Bytes()
}

// A slow client sends and takes this much in each of its steps.
const (
	slowBytes = 4 << 10
	slowPause = 10 * time.Millisecond
)

func (w *wire) send(request []byte) error {
	for w.slow && len(request) > slowBytes {
		if _, err := w.conn.Write(request[:slowBytes]); err != nil {
			return err
		}
		request = request[slowBytes:]
		<-time.After(slowPause)
	}
	_, err := w.conn.Write(request)
	return err
}

// slowly reads as a slow client does.
type slowly struct{ net.Conn }

func (s slowly) Read(p []byte) (int, error) {
	if len(p) > slowBytes {
		<-time.After(slowPause)
	}
	return s.Conn.Read(p[:min(len(p), slowBytes)])
}

func (w *wire) ask(q question) (code int, nonce string, body []byte, err error) {
	if w.conn != nil && w.gone() {
		w.close()
	}
	if w.conn == nil {
		if err := w.dial(); err != nil {
			return 0, "", nil, err
		}
	}
	_ = w.conn.SetDeadline(time.Now().Add(patience))
	werr := w.send(append(q.head(), q.body...)) // an answer that came early is read all the same
	response, err := http.ReadResponse(w.reader, &http.Request{Method: q.method})
	if err != nil {
		w.close()
		return 0, "", nil, fmt.Errorf("%w (write: %w)", err, werr)
	}
	body, err = io.ReadAll(response.Body)
	_ = response.Body.Close()
	if err != nil || response.Close || !w.keep || werr != nil {
		w.close()
	}
	return response.StatusCode, response.Header.Get("X-Nonce"), body, err
}

// two is one connection of HTTP/2 that clients share; a new one is opened when it ends.
type two struct {
	client *http.Client
	addr   string
}

func newHTTP2(o Options) *two {
	protocols := new(http.Protocols)
	protocols.SetHTTP2(true)
	transport := &http.Transport{TLSClientConfig: o.TLS, Protocols: protocols, DisableCompression: true}
	return &two{client: &http.Client{Transport: transport, Timeout: patience}, addr: o.Addr}
}

func (t *two) ask(q question) (code int, nonce string, body []byte, err error) {
	// For a method that is not idempotent the transport repeats nothing but what the server says it has not seen (GOAWAY).
	request, err := http.NewRequestWithContext(context.Background(), q.method, "https://"+t.addr+q.path, bytes.NewReader(q.body))
	if err != nil {
		return 0, "", nil, err
	}
	for _, h := range q.headers {
		request.Header.Set(h[0], h[1])
	}
	response, err := t.client.Do(request)
	if err != nil {
		return 0, "", nil, err
	}
	defer response.Body.Close()
	body, err = io.ReadAll(response.Body)
	return response.StatusCode, response.Header.Get("X-Nonce"), body, err
}

func (t *two) close() { t.client.CloseIdleConnections() }
