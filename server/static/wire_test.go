package static_test

import (
	"time"

	"github.com/gounicorn/gounicorn/server/exchange"
)

// wire is an exchange that keeps nothing.
type wire struct {
	exchange.Exchange
	req            exchange.Request
	status, fields int
	body           int
}

func (w *wire) Request() *exchange.Request { return &w.req }

func (w *wire) Start(status int, _ []byte) error {
	w.status, w.fields, w.body = status, 0, 0
	return nil
}

func (w *wire) Field(_, _ []byte) error {
	w.fields++
	return nil
}

func (w *wire) Finish(body []byte) error {
	w.body = len(body)
	return nil
}

func (w *wire) FinishLarge(body []byte, _ func([]byte) exchange.Source) error { return w.Finish(body) }

func (w *wire) Error(status, _ int) bool { panic(status) }

// browser is what a browser asks with; further fields come behind.
func browser(path string, fields ...exchange.Field) *wire {
	w := &wire{req: exchange.Request{Method: []byte("GET"), Path: []byte(path), RawPath: []byte(path), Received: time.Now()}}
	for _, f := range [][2]string{
		{"Host", "example.org"}, {"User-Agent", "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0"}, {"Accept", "text/css,*/*;q=0.1"},
		{"Accept-Language", "en-GB,en;q=0.5"}, {"Accept-Encoding", "gzip, deflate, br, zstd"}, {"Connection", "keep-alive"}, {"Referer", "https://example.org/"},
	} {
		w.req.Fields = append(w.req.Fields, exchange.Field{Name: []byte(f[0]), Value: []byte(f[1])})
	}
	w.req.Fields = append(w.req.Fields, fields...)
	return w
}
