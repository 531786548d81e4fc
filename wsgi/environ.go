package wsgi

import (
	"encoding/binary"
	"strings"
	"sync"
)

// Environ collects the environ entries of one request as the payload of a REQUEST packet. The zero value is ready; Reset makes it
// ready again and keeps its memory, so that a connection that reuses it allocates nothing. Not for concurrent use.
type Environ struct {
	buf      []byte
	pairs    int
	seen     [4]uint64 // well-known keys already present
	literals []literal // names spelt out, to find repeats
}

// literal remembers where a repeated field would have to be joined.
type literal struct{ name, value int } // offsets of the name and of the value's length

const bodyLength = 8 // bytes that precede the pairs

// Reset forgets all entries.
func (e *Environ) Reset() {
	e.buf = append(e.buf[:0], 0, 0, 0, 0, 0, 0, 0, 0)
	e.pairs = 0
	e.seen = [4]uint64{}
	e.literals = e.literals[:0]
}

// keptEnviron is the size in bytes for which an Environ keeps memory that waits for its next use.
const keptEnviron = 8 << 10

// largeEnviron is the size of the memory in large, in bytes.
const largeEnviron = 48 << 10

// large has the memory of payloads that are larger, up to one with the largest body that goes along.
var large = sync.Pool{New: func() any { b := make([]byte, 0, largeEnviron); return &b }}

// Trim forgets all entries and keeps little memory. Reset makes it ready again.
func (e *Environ) Trim() {
	if cap(e.buf) <= keptEnviron {
		return
	}
	if b := e.buf[:0]; cap(b) == largeEnviron {
		large.Put(&b)
	}
	e.buf, e.pairs = nil, 0
}

// Pairs is the number of entries so far.
func (e *Environ) Pairs() int { return e.pairs }

// Set adds a well-known entry; value is latin-1. The caller sets each key at most once and before any Field.
func (e *Environ) Set(k Key, value []byte) {
	e.mark(k)
	e.buf = append(e.buf, byte(k))
	e.buf = binary.LittleEndian.AppendUint32(e.buf, uint32(len(value)))
	e.buf = append(e.buf, value...)
}

// SetString is Set for a string.
func (e *Environ) SetString(k Key, value string) {
	e.mark(k)
	e.buf = append(e.buf, byte(k))
	e.buf = binary.LittleEndian.AppendUint32(e.buf, uint32(len(value)))
	e.buf = append(e.buf, value...)
}

func (e *Environ) mark(k Key) {
	e.seen[k>>6] |= 1 << (k & 63)
	e.pairs++
}

// SetName adds an entry under a name that is not in the table, with the same conditions as Set. The name must not be one that Field
// gives.
func (e *Environ) SetName(name string, value []byte) {
	e.buf = append(e.buf, byte(KeyLiteral))
	e.buf = binary.LittleEndian.AppendUint16(e.buf, uint16(len(name)))
	e.buf = append(e.buf, name...)
	e.buf = binary.LittleEndian.AppendUint32(e.buf, uint32(len(value)))
	e.buf = append(e.buf, value...)
	e.pairs++
}

// Field adds a request field under its CGI name: upper-case, '-' as '_', HTTP_ in front except for Content-Type and Content-Length
// (RFC 3875 4.1.18). A repeated field is joined to the first with a comma, as gunicorn does. A name that contains '_' aliases
// another field unless the caller has dropped or refused it (hostile input 10); it never becomes CONTENT_TYPE or CONTENT_LENGTH. value
// is latin-1 as received.
func (e *Environ) Field(name, value []byte) {
	start := len(e.buf)
	e.buf = append(e.buf, 0, 0, 0) // key and name length
	e.buf = append(e.buf, "HTTP_"...)
	for _, c := range name {
		switch {
		case c >= 'a' && c <= 'z':
			c -= 'a' - 'A'
		case c == '-':
			c = '_'
		}
		e.buf = append(e.buf, c)
	}
	cgi := e.buf[start+3:]
	switch string(cgi[5:]) {
	case "CONTENT_TYPE", "CONTENT_LENGTH":
		if name[7] == '-' {
			cgi = cgi[5:]
		}
	}
	if k, ok := keyOf[string(cgi)]; ok {
		e.buf = e.buf[:start]
		if e.seen[k>>6]&(1<<(k&63)) != 0 {
			e.join(e.find(k), value)
			return
		}
		e.Set(k, value)
		return
	}
	if at, ok := e.repeated(cgi); ok {
		e.buf = e.buf[:start]
		e.join(at, value)
		return
	}
	binary.LittleEndian.PutUint16(e.buf[start+1:], uint16(len(cgi)))
	e.literals = append(e.literals, literal{name: start, value: len(e.buf)})
	e.buf = binary.LittleEndian.AppendUint32(e.buf, uint32(len(value)))
	e.buf = append(e.buf, value...)
	e.pairs++
}

// repeated finds an earlier literal entry of the same name and returns the offset of its value length. It is linear in the
// literals: the engine's limits on the head bound the square.
func (e *Environ) repeated(cgi []byte) (int, bool) {
	for _, l := range e.literals {
		if n := l.value - l.name - 3; n == len(cgi) && string(e.buf[l.name+3:l.value]) == string(cgi) {
			return l.value, true
		}
	}
	return 0, false
}

// find walks the pairs to the entry of a well-known key and returns the offset of its value length.
func (e *Environ) find(k Key) int {
	at := bodyLength
	for {
		key := Key(e.buf[at])
		at++
		if key == KeyLiteral {
			at += 2 + int(binary.LittleEndian.Uint16(e.buf[at:]))
		}
		if key == k {
			return at
		}
		at += 4 + int(binary.LittleEndian.Uint32(e.buf[at:]))
	}
}

// join appends ",value" to the value whose length stands at offset at.
func (e *Environ) join(at int, value []byte) {
	n := int(binary.LittleEndian.Uint32(e.buf[at:]))
	end := at + 4 + n
	grow := 1 + len(value)
	tail := len(e.buf) - end
	e.buf = append(e.buf, ',')
	e.buf = append(e.buf, value...)
	copy(e.buf[end+grow:], e.buf[end:end+tail])
	e.buf[end] = ','
	copy(e.buf[end+1:], value)
	binary.LittleEndian.PutUint32(e.buf[at:], uint32(n+grow))
	for i := range e.literals {
		if e.literals[i].name >= end {
			e.literals[i].name += grow
			e.literals[i].value += grow
		}
	}
}

// Payload completes the payload of a REQUEST packet. length is the size of the whole body in bytes; inline is the body itself, or
// empty when it crosses as a descriptor. The result is valid until Reset.
func (e *Environ) Payload(length uint64, inline []byte) []byte {
	binary.LittleEndian.PutUint64(e.buf, length)
	if n := len(e.buf) + len(inline); n > cap(e.buf) && n > keptEnviron && n <= largeEnviron {
		e.buf = append(*large.Get().(*[]byte), e.buf...)
	}
	e.buf = append(e.buf, inline...)
	return e.buf
}

// Lookup returns the value of the entry with the given name, compared without regard to case, for the access log.
func (e *Environ) Lookup(name string) ([]byte, bool) {
	at := bodyLength
	for range e.pairs {
		k := Key(e.buf[at])
		at++
		found := k != KeyLiteral && strings.EqualFold(k.String(), name)
		if k == KeyLiteral {
			n := int(binary.LittleEndian.Uint16(e.buf[at:]))
			found = strings.EqualFold(string(e.buf[at+2:at+2+n]), name)
			at += 2 + n
		}
		n := int(binary.LittleEndian.Uint32(e.buf[at:]))
		if found {
			return e.buf[at+4 : at+4+n], true
		}
		at += 4 + n
	}
	return nil, false
}
