package server

import (
	"errors"
	"io/fs"
	"iter"
	"net/http"
	"os"
	"strconv"

	"github.com/gounicorn/gounicorn/server/accel"
	"github.com/gounicorn/gounicorn/server/exchange"
	"github.com/gounicorn/gounicorn/server/static"
	"github.com/gounicorn/gounicorn/wsgi"
)

// sendNamed answers with the file that the application names in place of its answer.
func (c *Call) sendNamed(head *wsgi.Head, o *orders, end bool) {
	h := c.h
	if c.ticket != nil {
		c.ticket.Pass()
	}
	open := h.cfg.Files.Redirect
	if o.file == accel.Sendfile {
		open = h.cfg.Files.Sendfile
	}
	f, info, err := open(o.name)
	if err != nil {
		status := &exchange.StatusError{Status: 404}
		errors.As(err, &status)
		h.s.complain(h.s.cfg.Warnf, "%s: the file that the application names cannot be sent: %v", c, err)
		c.settle(end, func(x exchange.Exchange) { refuse(x, status.Status, status.RetryAfter) })
		return
	}
	c.settle(end, func(x exchange.Exchange) {
		ct := content(f, info, func(yield func(name, value []byte) bool) {
			for name, value := range head.Fields {
				if accel.Kept(name) && !yield(name, value) {
					return
				}
			}
		})
		if ct.Type == nil { // nginx's types have the word then
			ct.Type = []byte(static.TypeOf(f.Name(), h.cfg.Types))
		}
		static.Serve(pace(x, o.rate), ct)
	})
}

// sendWhole answers with a file that the application has given opened, in parts if the client wants that, and reports whether it has: the
// answer must be the whole of a regular file.
func (c *Call) sendWhole(f *os.File, off, n int64) bool {
	head, err := wsgi.ParseHead(200, c.kept)
	if err != nil {
		return false
	}
	info, err := f.Stat()
	if err != nil || !info.Mode().IsRegular() || off != 0 || n != info.Size() {
		return false
	}
	o, whole := ordersOf(&head), true
	head.Fields(func(name, value []byte) bool {
		switch {
		case exchange.Is(name, "content-range"), exchange.Is(name, "accept-ranges") && exchange.Is(value, "none"),
			exchange.Is(name, "content-length") && string(value) != strconv.FormatInt(n, 10):
			whole = false
		}
		return whole
	})
	if !whole || o.file != accel.None {
		return false
	}
	c.held = false
	if c.ticket != nil {
		c.ticket.Pass()
	}
	fields := iter.Seq2[[]byte, []byte](head.Fields)
	if o.any && !c.forwarded() {
		fields = withoutOrders(fields)
	}
	ct := content(f, info, fields)
	if ct.Type == nil { // a descriptor has no name
		ct.Type = octets
	}
	c.settle(true, func(x exchange.Exchange) { static.Serve(pace(x, o.rate), ct) })
	return true
}

// pace limits the body of what x is answered with, if rate says so.
func pace(x exchange.Exchange, rate int64) exchange.Exchange {
	if rate > 0 {
		return &slowed{x, rate}
	}
	return x
}

// content is a file with the fields that the application gave, Type only if it gave one. Its validators go before the file's.
func content(f *os.File, info fs.FileInfo, fields iter.Seq2[[]byte, []byte]) *static.Content {
	ct := &static.Content{File: f, Size: info.Size(), Release: func() { _ = f.Close() }}
	for name, value := range fields {
		switch {
		case exchange.Is(name, "content-length"), exchange.Is(name, "accept-ranges"):
		case exchange.Is(name, "content-type"):
			ct.Type = value
		case exchange.Is(name, "content-encoding"):
			ct.Encoding = value
		case exchange.Is(name, "etag"):
			ct.ETag = value
		case exchange.Is(name, "last-modified"):
			if at, err := http.ParseTime(string(value)); err == nil {
				ct.Modified = at
			}
		default:
			ct.Fields = append(ct.Fields, exchange.Field{Name: name, Value: value})
		}
	}
	if at := info.ModTime(); at.Unix() > 1 { // 0 and 1 are what build tools set so that it says nothing
		if ct.ETag == nil {
			ct.ETag = append(strconv.AppendInt(append(strconv.AppendInt([]byte{'"'}, at.UnixNano(), 16), '-'), info.Size(), 16), '"')
		}
		if ct.Modified.IsZero() {
			ct.Modified = at
		}
	}
	return ct
}

var octets = []byte("application/octet-stream")
