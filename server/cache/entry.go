package cache

import (
	"bytes"
	"net/http"
	"time"

	"github.com/gounicorn/gounicorn/server/accel"
	"github.com/gounicorn/gounicorn/server/exchange"
)

// Entry is one kept answer. It does not change; its bytes must not be written to.
type Entry struct {
	Status int
	Reason []byte
	Body   []byte

	fields []exchange.Field
	terms  terms
	stored time.Time
	values string // of the request, for the names in terms.vary
	size   int64
}

// overhead is what an entry or a resource takes beside the bytes that it holds, in bytes, roughly.
const overhead = 512

// entry makes a copy of the head of an answer.
func entry(status int, reason []byte, fields Fields) *Entry {
	size, count := len(reason), 0
	for name, value := range fields {
		size += len(name) + len(value)
		count++
	}
	text := append(make([]byte, 0, size), reason...)
	e := &Entry{Status: status, Reason: text[:len(reason):len(reason)], fields: make([]exchange.Field, 0, count)}
	keep := func(p []byte) []byte {
		text = append(text, p...)
		return text[len(text)-len(p) : len(text) : len(text)]
	}
	for name, value := range fields {
		if exchange.Is(name, "age") || exchange.Is(name, "content-length") || accel.Is(name) != accel.None {
			continue // ours to say, or for us alone
		}
		e.fields = append(e.fields, exchange.Field{Name: keep(name), Value: keep(value)})
	}
	e.size = int64(overhead + size + 48*count)
	return e
}

// Fields yields the fields, without Age and Content-Length.
func (e *Entry) Fields(yield func(name, value []byte) bool) {
	for i := range e.fields {
		if !yield(e.fields[i].Name, e.fields[i].Value) {
			return
		}
	}
}

// Age is how old the answer is at now, in whole seconds (RFC 9111 5.1).
func (e *Entry) Age(now time.Time) int64 {
	return int64(max(now.Sub(e.stored)+e.terms.age, 0) / time.Second)
}

// TTL is for how many seconds the answer is still fresh at now; negative if it is stale.
func (e *Entry) TTL(now time.Time) int64 {
	left := e.terms.fresh - now.Sub(e.stored)
	if left < 0 {
		return int64((left - time.Second + 1) / time.Second)
	}
	return int64(left / time.Second)
}

// within reports whether the answer is at most that long past its freshness.
func (e *Entry) within(now time.Time, beyond time.Duration) bool {
	return now.Sub(e.stored) < e.terms.fresh+beyond
}

// NotModified reports whether the copy that the client says it has is this answer (RFC 9110 13.1.2, 13.1.3).
func (e *Entry) NotModified(r *exchange.Request) bool {
	if e.Status != 200 {
		return false
	}
	asked := false
	for i := range r.Fields {
		if f := &r.Fields[i]; exchange.Is(f.Name, "if-none-match") {
			asked = true
			if listed(f.Value, e.get("etag")) {
				return true
			}
		}
	}
	since := r.Get("if-modified-since")
	if asked || since == nil {
		return false
	}
	at, err := http.ParseTime(string(since))
	if err != nil {
		return false
	}
	modified, err := http.ParseTime(string(e.get("last-modified")))
	return err == nil && !modified.After(at)
}

func (e *Entry) get(lower string) []byte {
	for i := range e.fields {
		if exchange.Is(e.fields[i].Name, lower) {
			return e.fields[i].Value
		}
	}
	return nil
}

// listed reports whether the tag is in the list of an If-None-Match field, by weak comparison. What is no list of tags has nothing in it.
func listed(list, tag []byte) bool {
	tag = bytes.TrimPrefix(tag, []byte("W/"))
	if len(tag) < 2 || tag[0] != '"' {
		return string(bytes.TrimSpace(list)) == "*"
	}
	for {
		list = bytes.TrimLeft(list, " \t,")
		if string(bytes.TrimSpace(list)) == "*" {
			return true
		}
		list = bytes.TrimPrefix(list, []byte("W/"))
		if len(list) == 0 || list[0] != '"' {
			return false
		}
		end := bytes.IndexByte(list[1:], '"')
		if end < 0 {
			return false
		}
		if bytes.Equal(list[:end+2], tag) {
			return true
		}
		list = list[end+2:]
	}
}
