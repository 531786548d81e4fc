package http1_test

import (
	"bytes"
	"errors"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/gounicorn/gounicorn/server/exchange"
	"github.com/gounicorn/gounicorn/server/http1"
)

// loan plays whoever has the body: it writes at most so many bytes of it to the connection.
type loan struct {
	body   []byte
	most   int
	asked  int // times
	lent   bool
	sent   int
	lost   error
	refuse error // of Lend
}

func (l *loan) Size() int { return len(l.body) }

func (l *loan) Lend(fd int) error {
	l.asked++
	if l.refuse != nil {
		return l.refuse
	}
	if l.lent = fd >= 0; l.lent {
		if n, err := unix.Write(fd, l.body[:min(l.most, len(l.body))]); err == nil {
			l.sent = n
		}
	}
	return nil
}

func (l *loan) Back() (int, []byte, error) {
	if l.lost != nil {
		return 0, nil, l.lost
	}
	return l.sent, l.body[l.sent:], nil
}

var errLost = errors.New("the body is lost")

// lending answers GET /loan by a loan, and anything else with its path.
func lending(t *testing.T, length string, loans chan<- *loan, results chan<- exchange.Result, make func() *loan) http1.Config {
	return handle(func(x *http1.Exchange) {
		if string(x.Request().Path) != "/loan" {
			respond(t, x, 200, string(x.Request().Path))
			return
		}
		x.SetDone(func(_ exchange.Exchange, r exchange.Result) { results <- r })
		if !x.Lends() {
			t.Error("the connection cannot be lent")
		}
		if err := x.Start(200, nil); err != nil {
			t.Error(err)
		}
		if length != "" {
			if err := x.Field([]byte("Content-Length"), []byte(length)); err != nil {
				t.Error(err)
			}
		}
		l := make()
		go func() { // as the application's goroutine does
			_ = x.FinishLoan(l, func(rest []byte) exchange.Source { return &pieces{list: [][]byte{bytes.Clone(rest)}} })
			loans <- l
		}()
	})
}

func TestLoanIsAnAnswerAsAnyOther(t *testing.T) {
	body := strings.Repeat("0123456789", 30_000)
	for name, c := range map[string]struct {
		most   int
		length string
	}{
		"all of it":              {most: len(body)},
		"with a length":          {most: len(body), length: "300000"},
		"nothing":                {},
		"a part":                 {most: 1234},
		"a part with its length": {most: 1234, length: "300000"},
	} {
		t.Run(name, func(t *testing.T) {
			loans, results := make(chan *loan, 1), make(chan exchange.Result, 1)
			addr, _ := start(t, lending(t, c.length, loans, results, func() *loan { return &loan{body: []byte(body), most: c.most} }))
			cl := dial(t, addr)
			for range 3 {
				cl.send("GET /loan HTTP/1.1\r\nHost: x\r\n\r\nGET /next HTTP/1.1\r\nHost: x\r\n\r\n")
				a := cl.want(200, body)
				if got := a.Field("content-length"); len(got) != 1 || got[0] != "300000" {
					t.Errorf("Content-Length: %q", got)
				}
				cl.want(200, "/next")
				if r := <-results; r.Status != 200 || r.Sent != int64(len(body)) || r.Err != nil {
					t.Errorf("%+v", r)
				}
				if l := <-loans; l.asked != 1 || !l.lent {
					t.Errorf("asked %d times, lent: %v", l.asked, l.lent)
				}
			}
		})
	}
}

// What the application said of its body and what there is differ: the body is got and judged as any other.
func TestLoanOfAnotherLengthThanAnnounced(t *testing.T) {
	for length, want := range map[string]error{"4": exchange.ErrLongBody, "6": exchange.ErrShortBody} {
		loans, results := make(chan *loan, 1), make(chan exchange.Result, 1)
		addr, _ := start(t, lending(t, length, loans, results, func() *loan { return &loan{body: []byte("12345"), most: 5} }))
		cl := dial(t, addr)
		cl.send("GET /loan HTTP/1.1\r\nHost: x\r\n\r\n")
		if errors.Is(want, exchange.ErrLongBody) {
			cl.want(200, "1234")
			cl.wantEnd()
		} else if _, err := readAnswer(cl); err == nil {
			t.Error("a body that is too short ended cleanly")
		}
		if r := <-results; errors.Is(want, exchange.ErrShortBody) && !errors.Is(r.Err, want) {
			t.Errorf("%+v", r)
		}
		if l := <-loans; l.lent {
			t.Errorf("Content-Length: %s: the connection was lent", length)
		}
	}
}

func TestLostLoanCutsTheConnection(t *testing.T) {
	for name, l := range map[string]*loan{
		"before":    {body: make([]byte, 300_000), refuse: errLost, lost: errLost},
		"meanwhile": {body: make([]byte, 300_000), most: 1000, lost: errLost},
	} {
		loans, results := make(chan *loan, 1), make(chan exchange.Result, 1)
		addr, _ := start(t, lending(t, "", loans, results, func() *loan { return l }))
		cl := dial(t, addr)
		cl.send("GET /loan HTTP/1.1\r\nHost: x\r\n\r\n")
		if _, err := readAnswer(cl); err == nil {
			t.Errorf("%s: half an answer ended cleanly", name)
		}
		if r := <-results; !errors.Is(r.Err, errLost) {
			t.Errorf("%s: %+v", name, r)
		}
	}
}

// A client that does not read gets what is left later, and whoever had the body has not waited for it.
func TestLoanForASlowClient(t *testing.T) {
	body := bytes.Repeat([]byte("0123456789"), 2_000_000)
	loans, results := make(chan *loan, 1), make(chan exchange.Result, 1)
	addr, _ := start(t, lending(t, "", loans, results, func() *loan { return &loan{body: body, most: len(body)} }))
	cl := dial(t, addr)
	cl.send("GET /loan HTTP/1.1\r\nHost: x\r\n\r\n")
	l := <-loans // it has been given back
	if l.sent == 0 || l.sent == len(body) {
		t.Errorf("the client that reads nothing took %d of %d bytes", l.sent, len(body))
	}
	if a := cl.answer(); !bytes.Equal([]byte(a.Body), body) {
		t.Errorf("%d bytes came, want %d", len(a.Body), len(body))
	}
	if r := <-results; r.Sent != int64(len(body)) {
		t.Errorf("%+v", r)
	}
}

func TestClientThatLeavesBeforeALoan(t *testing.T) {
	loans, results := make(chan *loan, 1), make(chan exchange.Result, 1)
	left := make(chan struct{})
	addr, _ := start(t, lending(t, "", loans, results, func() *loan {
		<-left
		return &loan{body: make([]byte, 1<<20), most: 1 << 20}
	}))
	cl := dial(t, addr)
	cl.send("GET /loan HTTP/1.1\r\nHost: x\r\n\r\n")
	_ = cl.nc.SetLinger(0)
	_ = cl.nc.Close()
	close(left)
	if l := <-loans; l.asked != 1 {
		t.Errorf("asked %d times", l.asked)
	}
	<-results
	cl = dial(t, addr)
	cl.send("GET /next HTTP/1.1\r\nHost: x\r\n\r\n")
	cl.want(200, "/next")
}

func TestWhatCannotBeLent(t *testing.T) {
	lends := make(chan bool, 1)
	addr, _ := start(t, handle(func(x *http1.Exchange) {
		lends <- x.Lends()
		respond(t, x, 200, "")
	}))
	cl := dial(t, addr)
	for method, want := range map[string]bool{"GET": true, "POST": true, "HEAD": false} {
		cl.send(method + " / HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n")
		if _, err := readHead(cl); err != nil {
			t.Fatal(err)
		}
		if got := <-lends; got != want {
			t.Errorf("%s: %v, want %v", method, got, want)
		}
	}
}
