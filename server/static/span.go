package static

import (
	"bytes"
	"crypto/rand"
	"encoding/hex"
	"io"
	"math"
	"os"
	"strconv"

	"github.com/gounicorn/gounicorn/server/exchange"
)

// maxSpans is how many ranges a request may ask for; with more the whole file is sent.
const maxSpans = 16

// span is a range of a file.
type span struct{ start, length int64 }

// appendContentRange appends the value of Content-Range.
func (s span) appendContentRange(b []byte, size int64) []byte {
	b = append(b, "bytes "...)
	b = strconv.AppendInt(b, s.start, 10)
	b = append(b, '-')
	b = strconv.AppendInt(b, s.start+s.length-1, 10)
	b = append(b, '/')
	return strconv.AppendInt(b, size, 10)
}

// requested returns the ranges that a GET asks for, none if the whole file is to be sent: what is malformed, in another unit, too much, or
// was asked of another version of the file. ok is false if no range lies in the file (416).
func requested(r *exchange.Request, c *Content, lastModified int64) (_ []span, ok bool) {
	value := r.Get("range")
	if value == nil || c.Size == 0 || !rangeHolds(r, c.ETag, lastModified) {
		return nil, true
	}
	return parseRange(value, c.Size)
}

// parseRange reads the value of Range (RFC 9110 14.2) for a file of size bytes, which is not 0.
func parseRange(value []byte, size int64) (_ []span, ok bool) {
	const unit = "bytes="
	if len(value) < len(unit) || !exchange.Is(value[:len(unit)], unit) {
		return nil, true
	}
	if bytes.Count(value, []byte{','}) >= 4*maxSpans {
		return nil, true
	}
	var spans []span
	var total int64
	outside := false
	for list, more := value[len(unit):], true; more; {
		var item []byte
		item, list, more = bytes.Cut(list, []byte{','})
		if item = bytes.Trim(item, " \t"); len(item) == 0 {
			continue
		}
		s, in, valid := parseSpan(item, size)
		switch {
		case !valid:
			return nil, true
		case !in:
			outside = true
			continue
		case len(spans) == maxSpans:
			return nil, true
		}
		for _, other := range spans {
			if s.start < other.start+other.length && other.start < s.start+s.length {
				return nil, true // overlapping ranges are nothing that an honest client asks for
			}
		}
		spans, total = append(spans, s), total+s.length
	}
	switch {
	case len(spans) == 0:
		return nil, !outside
	case len(spans) > 1 && total >= size:
		return nil, true
	}
	return spans, true
}

// parseSpan reads one range; in is false when it lies behind the end.
func parseSpan(item []byte, size int64) (s span, in, valid bool) {
	first, last, found := bytes.Cut(item, []byte{'-'})
	if !found {
		return span{}, false, false
	}
	if len(first) == 0 { // the last so many bytes
		n, ok := digits(last)
		if !ok {
			return span{}, false, false
		}
		n = min(n, size)
		return span{size - n, n}, n > 0, true
	}
	start, ok := digits(first)
	if !ok {
		return span{}, false, false
	}
	end := int64(math.MaxInt64)
	if len(last) > 0 {
		if end, ok = digits(last); !ok || end < start {
			return span{}, false, false
		}
	}
	if start >= size {
		return span{}, false, true
	}
	return span{start, min(end, size-1) - start + 1}, true, true
}

// digits reads a decimal number; one that is too large is the largest.
func digits(b []byte) (n int64, ok bool) {
	if len(b) == 0 {
		return 0, false
	}
	for _, c := range b {
		if c < '0' || c > '9' {
			return 0, false
		}
		if n > (math.MaxInt64-9)/10 {
			n = math.MaxInt64 / 10
			continue
		}
		n = n*10 + int64(c-'0')
	}
	return n, true
}

// parts answers with several ranges as multipart/byteranges (RFC 9110 14.6).
func parts(x exchange.Exchange, c *Content, lastModified int64, spans []span) {
	var random [12]byte
	_, _ = rand.Read(random[:]) // it never fails
	boundary := hex.EncodeToString(random[:])
	source := &partsSource{c: c}
	for i, s := range spans {
		b := make([]byte, 0, 160)
		if i > 0 {
			b = append(b, "\r\n"...)
		}
		b = append(b, "--"+boundary+"\r\n"...)
		if len(c.Type) > 0 {
			b = append(append(append(b, "Content-Type: "...), c.Type...), "\r\n"...)
		}
		b = append(s.appendContentRange(append(b, "Content-Range: "...), c.Size), "\r\n\r\n"...)
		source.pieces = append(source.pieces, partPiece{text: b}, partPiece{span: s})
	}
	source.pieces = append(source.pieces, partPiece{text: []byte("\r\n--" + boundary + "--\r\n")})
	var length int64
	for _, p := range source.pieces {
		length += int64(len(p.text)) + p.span.length
	}
	if !head(x, 206, c, []byte("multipart/byteranges; boundary="+boundary), lastModified) {
		refuse(x, c)
		return
	}
	if err := x.Stream(length, source); err != nil {
		x.Abort() // Stream has released c
	}
}

// partsSource is the body of multipart/byteranges.
type partsSource struct {
	c      *Content
	pieces []partPiece
}

// partPiece is some text, or a range of the file.
type partPiece struct {
	text []byte
	span span
}

// Next implements exchange.Source.
func (s *partsSource) Next() ([]byte, *os.File, int64, int64, error) {
	if len(s.pieces) == 0 {
		return nil, nil, 0, 0, io.EOF
	}
	p := s.pieces[0]
	s.pieces = s.pieces[1:]
	switch {
	case p.text != nil:
		return p.text, nil, 0, 0, nil
	case s.c.Data != nil:
		return s.c.Data[p.span.start : p.span.start+p.span.length], nil, 0, 0, nil
	}
	return nil, s.c.File, p.span.start, p.span.length, nil
}

// Close implements exchange.Source.
func (s *partsSource) Close() { s.c.release() }
