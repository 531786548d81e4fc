package static

import (
	"errors"
	"io"
	"os"
	"strconv"
	"time"

	"github.com/gounicorn/gounicorn/server/exchange"
)

// Content is what Serve answers with.
type Content struct {
	// File is an opened regular file; Data, if it is not nil, its bytes in memory.
	File *os.File
	Data []byte
	Size int64 // of both
	// Modified is Last-Modified; the zero time: it is not known.
	Modified time.Time
	// ETag has its quotes; empty: none.
	ETag []byte
	// Type and Encoding are Content-Type and Content-Encoding; empty: not sent.
	Type, Encoding []byte
	// Fields are sent with the file; those that fit it also with 304, see keptFor304, and all with 416. They have neither Content-Length nor
	// Content-Range.
	Fields []exchange.Field
	// Release, if set, is called once when File and Data are needed no more.
	Release func()
}

// Serve answers x, a GET or HEAD, with c: 200 or 206, 304, 412 or 416 as the preconditions and the range of the request say (RFC 9110
// 13.2.2). It ends the exchange.
func Serve(x exchange.Exchange, c *Content) {
	r := x.Request()
	lastModified := unixDate(c.Modified)
	switch check(r, c.ETag, lastModified) {
	case failed:
		c.release()
		bare(x, 412, c, lastModified, false)
		return
	case notModified:
		c.release()
		bare(x, 304, c, lastModified, true)
		return
	}
	var spans []span
	if string(r.Method) == "GET" {
		var ok bool
		if spans, ok = requested(r, c, lastModified); !ok {
			c.release()
			bare(x, 416, c, lastModified, false)
			return
		}
	}
	switch len(spans) {
	case 0:
		whole(x, c, lastModified)
	case 1:
		part(x, c, lastModified, spans[0])
	default:
		parts(x, c, lastModified, spans)
	}
}

func (c *Content) release() {
	if c.Release != nil {
		c.Release()
	}
}

// Names and values of fields.
var (
	nameType         = []byte("Content-Type")
	nameEncoding     = []byte("Content-Encoding")
	nameLength       = []byte("Content-Length")
	nameRange        = []byte("Content-Range")
	nameETag         = []byte("ETag")
	nameModified     = []byte("Last-Modified")
	nameAcceptRanges = []byte("Accept-Ranges")
	valueBytes       = []byte("bytes")
)

// head begins an answer that has content.
func head(x exchange.Exchange, status int, c *Content, mediaType []byte, lastModified int64) bool {
	ok := x.Start(status, nil) == nil
	if len(mediaType) > 0 {
		ok = ok && x.Field(nameType, mediaType) == nil
	}
	if len(c.Encoding) > 0 {
		ok = ok && x.Field(nameEncoding, c.Encoding) == nil
	}
	return ok && validators(x, c, lastModified) && fields(x, c.Fields) && x.Field(nameAcceptRanges, valueBytes) == nil
}

func validators(x exchange.Exchange, c *Content, lastModified int64) bool {
	if len(c.ETag) > 0 && x.Field(nameETag, c.ETag) != nil {
		return false
	}
	if lastModified == 0 {
		return true
	}
	var room [32]byte
	return x.Field(nameModified, appendDate(room[:0], lastModified)) == nil
}

func fields(x exchange.Exchange, list []exchange.Field) bool {
	for i := range list {
		if err := x.Field(list[i].Name, list[i].Value); err != nil && !errors.Is(err, exchange.ErrHopByHop) {
			return false
		}
	}
	return true
}

// whole answers with all of it.
func whole(x exchange.Exchange, c *Content, lastModified int64) {
	if !head(x, 200, c, c.Type, lastModified) {
		refuse(x, c)
		return
	}
	send(x, c, 0, c.Size)
}

// part answers with one range.
func part(x exchange.Exchange, c *Content, lastModified int64, s span) {
	var room [72]byte
	if !head(x, 206, c, c.Type, lastModified) || x.Field(nameRange, s.appendContentRange(room[:0], c.Size)) != nil {
		refuse(x, c)
		return
	}
	send(x, c, s.start, s.length)
}

// send ends an answer whose body is n bytes from off.
func send(x exchange.Exchange, c *Content, off, n int64) {
	if c.Data != nil {
		_ = x.Finish(c.Data[off : off+n]) // the length is that of the data
		c.release()
		return
	}
	if string(x.Request().Method) == "HEAD" || n == 0 {
		var room [20]byte
		if x.Field(nameLength, strconv.AppendInt(room[:0], n, 10)) != nil {
			refuse(x, c)
			return
		}
		_ = x.Finish(nil) // HEAD
		c.release()
		return
	}
	if err := x.Stream(n, &fileSource{c: c, off: off, left: n}); err != nil {
		x.Abort() // Stream has released c
	}
}

// refuse ends an answer whose fields the engine did not take: a value with control characters.
func refuse(x exchange.Exchange, c *Content) {
	c.release()
	if !x.Error(500, 0) {
		x.Abort()
	}
}

// bare answers without content: 304, 412 and 416.
func bare(x exchange.Exchange, status int, c *Content, lastModified int64, valid bool) {
	ok := x.Start(status, nil) == nil
	if valid {
		ok = ok && validators(x, c, lastModified)
	}
	if status == 416 {
		var room [40]byte
		ok = ok && x.Field(nameRange, strconv.AppendInt(append(room[:0], "bytes */"...), c.Size, 10)) == nil
	}
	for i := range c.Fields {
		if f := &c.Fields[i]; status == 416 && !isCaching(f.Name) || status == 304 && keptFor304(f.Name) || isCORS(f.Name) {
			ok = ok && fields(x, c.Fields[i:i+1])
		}
	}
	if !ok {
		if !x.Error(500, 0) {
			x.Abort()
		}
		return
	}
	_ = x.Finish(nil)
}

// keptFor304 reports whether a field of the file belongs into 304 (RFC 9110 15.4.5), or is about who may use the answer.
func keptFor304(name []byte) bool {
	for _, kept := range [...]string{"cache-control", "content-location", "expires", "vary", "set-cookie", "strict-transport-security"} {
		if exchange.Is(name, kept) {
			return true
		}
	}
	return false
}

// isCaching reports whether a field would let a cache keep an answer that is none.
func isCaching(name []byte) bool {
	return exchange.Is(name, "cache-control") || exchange.Is(name, "expires") || exchange.Is(name, "content-disposition")
}

func isCORS(name []byte) bool {
	const prefix = "access-control-"
	return len(name) > len(prefix) && exchange.Is(name[:len(prefix)], prefix)
}

// fileSource is a part of a file.
type fileSource struct {
	c         *Content
	off, left int64
}

// Next implements exchange.Source. The engine sends the part in small pieces, and breaks the answer off where the file has become shorter.
func (s *fileSource) Next() ([]byte, *os.File, int64, int64, error) {
	if s.left == 0 {
		return nil, nil, 0, 0, io.EOF
	}
	n := s.left
	s.left = 0
	return nil, s.c.File, s.off, n, nil
}

// Close implements exchange.Source.
func (s *fileSource) Close() { s.c.release() }
