package static

import (
	"crypto/rand"
	"net/http"
	"os"
	"strconv"
	"time"

	"github.com/gounicorn/gounicorn/server/exchange"
)

// Content is what Serve answers with.
type Content struct {
	// File is an open regular file; Data, if it is not nil, its bytes in memory, and never changed.
	File *os.File
	Data []byte
	Size int64 // of both, in bytes
	// Modified is sent as Last-Modified; the zero time and the first two seconds of 1970 are not known times.
	Modified time.Time
	// ETag has its quotes, and "W/" if it is weak; empty: none.
	ETag []byte
	// Type and Encoding are Content-Type and Content-Encoding; empty: not sent.
	Type, Encoding []byte
	// Fields are further fields, copied. Those that follow from the file (Content-Length, Content-Range, Accept-Ranges, ETag,
	// Last-Modified) must not be among them. 304, 412 and 416 leave out those that describe the content.
	Fields []exchange.Field
	// Release, if set, is called once when File and Data are needed no more.
	Release func()
}

// Serve answers x with c, ends the exchange and releases c. GET and HEAD get what their preconditions (RFC 9110 13.2.2) and, GET, their
// Range (14.2) ask for: 200, 206, 304, 412 or 416; other methods get the whole. No answer must have been begun. A field that x does not
// take is an error of the caller's, and is answered with 500.
func Serve(x exchange.Exchange, c *Content) {
	fields := make([]exchange.Field, 0, len(c.Fields)+2)
	if len(c.Type) > 0 {
		fields = append(fields, exchange.Field{Name: nameContentType, Value: c.Type})
	}
	if len(c.Encoding) > 0 {
		fields = append(fields, exchange.Field{Name: nameContentEncoding, Value: c.Encoding})
	}
	r := representation{body: body{content: c.Data, size: c.Size, release: c.Release}, fields: append(fields, c.Fields...)}
	if c.Data == nil {
		r.file = c.File
	}
	if len(c.ETag) > 0 {
		r.etag = c.ETag
	}
	if known(c.Modified) {
		r.modified, r.lastModified = c.Modified.Unix(), httpDate(c.Modified.Unix())
	}
	for i := range c.Fields {
		if !isContent(c.Fields[i].Name) {
			r.brief = append(r.brief, c.Fields[i])
		}
	}
	var a asked
	if method := x.Request().Method; string(method) == "GET" || string(method) == "HEAD" {
		a.read(x.Request().Fields)
	}
	r.answer(x, &a)
}

// known tells times of modification from what images and file systems without times say: 0 or 1 second after the beginning of 1970.
func known(modified time.Time) bool { return !modified.IsZero() && modified.Unix() > 1 }

// httpDate is a date as HTTP has it (RFC 9110 5.6.7).
func httpDate(modified int64) []byte {
	return time.Unix(modified, 0).UTC().AppendFormat(nil, "Mon, 02 Jan 2006 15:04:05 GMT")
}

// isContent reports whether a field describes the content, so that answers without it leave it out. Cache-Control stays for 304.
func isContent(name []byte) bool {
	return len(name) > 8 && exchange.Is(name[:8], "content-") && !exchange.Is(name[8:], "security-policy")
}

// body is where the bytes of a representation are.
type body struct {
	content []byte // in memory, if file is nil; never changed
	file    *os.File
	size    int64
	pages   *os.File // has content too, for sendfile; may be nil. The garbage collector closes it when the last answer has let go of it
	release func()   // if set, called once at the end
}

// leastSendfile is the length in bytes from which the kernel's own pages cost less than a copy of ours: a fifth of the CPU at 20 KB.
const leastSendfile = 8 << 10

// representation is a file in one coding, ready to be sent.
type representation struct {
	body
	validators
	fields []exchange.Field // of 200 and 206, without those that follow from the request and the validators
	brief  []exchange.Field // of 304, 412 and 416
}

// answer ends the exchange with the representation, or with what the preconditions and ranges make of it.
func (r *representation) answer(x exchange.Exchange, a *asked) {
	req := x.Request()
	if r.modified != 0 && r.modified >= req.Received.Unix() {
		// A file from the future, or one that may change again within the second: RFC 9110 8.8.2.1, and never later than Date.
		r.modified, r.lastModified = 0, nil
	}
	switch status := r.preconditions(a); status {
	case 304:
		r.notModified(x)
		return
	case 412:
		r.close()
		problem(x, 412, r.brief)
		return
	}
	if a.ranges != nil && string(req.Method) == "GET" && r.rangeHolds(a) {
		parts, verdict := parseRanges(make([]span, 0, maxRanges), a.ranges, r.size)
		switch {
		case verdict == rangeUnsatisfiable:
			r.close()
			of := append([]byte("bytes */"), strconv.FormatInt(r.size, 10)...)
			problem(x, 416, append(r.brief[:len(r.brief):len(r.brief)], exchange.Field{Name: nameContentRange, Value: of}))
			return
		case verdict == rangePartial && len(parts) == 1:
			r.part(x, parts[0])
			return
		case verdict == rangePartial:
			r.parts(x, parts)
			return
		}
	}
	r.whole(x)
}

var (
	nameContentLength   = []byte("Content-Length")
	nameContentRange    = []byte("Content-Range")
	nameContentType     = []byte("Content-Type")
	nameContentEncoding = []byte("Content-Encoding")
	nameAcceptRanges    = []byte("Accept-Ranges")
	nameETag            = []byte("ETag")
	nameLastModified    = []byte("Last-Modified")
	valueBytes          = []byte("bytes")
)

// begin starts the answer with the fields of the representation. If it returns false it has released it and ended the exchange.
func (r *representation) begin(x exchange.Exchange, status int, fields []exchange.Field) bool {
	err := x.Start(status, nil)
	for i := 0; i < len(fields) && err == nil; i++ {
		err = x.Field(fields[i].Name, fields[i].Value)
	}
	if err == nil && r.etag != nil {
		err = x.Field(nameETag, r.etag)
	}
	if err == nil && r.lastModified != nil && (status != 304 || r.etag == nil) {
		err = x.Field(nameLastModified, r.lastModified)
	}
	if err == nil && (status == 200 || status == 206) {
		err = x.Field(nameAcceptRanges, valueBytes)
	}
	if err != nil {
		r.close()
		x.Error(500, 0)
		return false
	}
	return true
}

func (r *representation) close() {
	if r.release != nil {
		r.release()
	}
}

func (r *representation) notModified(x exchange.Exchange) {
	if r.begin(x, 304, r.brief) {
		r.close()
		_ = x.Finish(nil) // an empty body fits
	}
}

func (r *representation) whole(x exchange.Exchange) {
	if r.begin(x, 200, r.fields) {
		r.send(x, span{0, r.size})
	}
}

// part answers one range (RFC 9110 15.3.7.1).
func (r *representation) part(x exchange.Exchange, p span) {
	if !r.begin(x, 206, r.fields) {
		return
	}
	_ = x.Field(nameContentRange, contentRange(nil, p, r.size)) // well formed
	r.send(x, p)
}

func contentRange(dst []byte, p span, size int64) []byte {
	dst = strconv.AppendInt(append(dst, "bytes "...), p.start, 10)
	dst = strconv.AppendInt(append(dst, '-'), p.start+p.length-1, 10)
	return strconv.AppendInt(append(dst, '/'), size, 10)
}

// send ends the answer with a part of the body.
func (r *representation) send(x exchange.Exchange, p span) {
	if string(x.Request().Method) == "HEAD" || p.length == 0 {
		r.close()
		_ = x.Field(nameContentLength, strconv.AppendInt(nil, p.length, 10))
		_ = x.Finish(nil)
		return
	}
	if r.pages != nil && p.length >= leastSendfile && x.Conn().TLS() == nil {
		r.stream(x, p.length, &exchange.File{File: r.pages, Off: p.start, N: p.length})
		return
	}
	if r.file == nil {
		// No length was announced that could differ.
		if content := r.content[p.start : p.start+p.length]; r.release == nil {
			_ = x.FinishLarge(content, kept)
		} else {
			_ = x.Finish(content)
			r.release()
		}
		return
	}
	r.stream(x, p.length, &exchange.File{File: r.file, Off: p.start, N: p.length, Release: r.release})
}

func (r *representation) stream(x exchange.Exchange, length int64, src exchange.Source) {
	if err := x.Stream(length, src); err != nil {
		x.Error(500, 0)
	}
}

// kept is the rest of a body that stays in memory anyway: nothing is copied for a slow client.
func kept(rest []byte) exchange.Source {
	return &source{body: body{content: rest}, segments: []segment{{length: int64(len(rest))}}}
}

// parts answers several ranges as multipart/byteranges (RFC 9110 15.3.7.2, 14.6).
func (r *representation) parts(x exchange.Exchange, parts []span) {
	boundary := rand.Text()
	fields := make([]exchange.Field, 0, len(r.fields)+1)
	fields = append(fields, exchange.Field{Name: nameContentType, Value: []byte("multipart/byteranges; boundary=" + boundary)})
	var ctype []byte
	for _, f := range r.fields {
		if exchange.Is(f.Name, "content-type") {
			ctype = f.Value
			continue
		}
		fields = append(fields, f)
	}
	src := &source{body: r.body}
	var length int64
	text := func(b []byte) {
		src.segments = append(src.segments, segment{bytes: b})
		length += int64(len(b))
	}
	for i, p := range parts {
		head := []byte("\r\n--" + boundary + "\r\n")
		if i == 0 {
			head = head[2:]
		}
		if ctype != nil {
			head = append(append(append(head, "Content-Type: "...), ctype...), "\r\n"...)
		}
		head = contentRange(append(head, "Content-Range: "...), p, r.size)
		text(append(head, "\r\n\r\n"...))
		src.segments = append(src.segments, segment{offset: p.start, length: p.length})
		length += p.length
	}
	text([]byte("\r\n--" + boundary + "--\r\n"))
	if r.begin(x, 206, fields) {
		r.stream(x, length, src)
	}
}

// problem answers without a file: with a small page that nobody keeps, or the operator's.
func problem(x exchange.Exchange, status int, fields []exchange.Field) {
	q := x.Request()
	if x.Start(status, nil) != nil {
		x.Error(500, 0)
		return
	}
	for i := range fields {
		if !exchange.Is(fields[i].Name, "cache-control") {
			_ = x.Field(fields[i].Name, fields[i].Value)
		}
	}
	mime, body := exchange.Page(status, http.StatusText(status), "", q.Get("accept"), q.Pages)
	_ = x.Field(nameContentType, []byte(mime))
	_ = x.Field(nameCacheControl, noStore)
	_ = x.Finish(body)
}

var nameCacheControl, noStore = []byte("Cache-Control"), []byte("no-store")
