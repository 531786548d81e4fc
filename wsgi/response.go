package wsgi

import (
	"encoding/binary"
	"errors"
)

// ErrHead means that a worker sent a response head that does not follow the protocol; its stream must be destroyed.
var ErrHead = errors.New("wsgi: malformed response head")

// Head is the head of a response as a worker sent it. All slices alias the frame's payload.
type Head struct {
	Status int    // the three digits, 100 to 999
	Reason []byte // reason phrase, latin-1, may be empty
	Body   []byte // body bytes that came in the same frame

	fields []byte
	count  int
}

const headFixed = 8 // head length, reason length, field count

// ParseHead splits the payload of a HEAD or INTERIM frame. Every length is checked here, so that Fields cannot fail; names and
// values are not looked at (the HTTP engine refuses what may not go on the wire).
func ParseHead(status int, payload []byte) (Head, error) {
	if len(payload) < headFixed || status < 100 || status > 999 {
		return Head{}, ErrHead
	}
	size := int(binary.LittleEndian.Uint32(payload))
	reason := int(binary.LittleEndian.Uint16(payload[4:]))
	count := int(binary.LittleEndian.Uint16(payload[6:]))
	if size > len(payload) || headFixed+reason > size {
		return Head{}, ErrHead
	}
	fields := payload[headFixed+reason : size]
	rest := fields
	for range count {
		if len(rest) < 6 {
			return Head{}, ErrHead
		}
		name, value := int(binary.LittleEndian.Uint16(rest)), int(binary.LittleEndian.Uint32(rest[2:]))
		if value > len(rest) || 6+name+value > len(rest) {
			return Head{}, ErrHead
		}
		rest = rest[6+name+value:]
	}
	if len(rest) != 0 {
		return Head{}, ErrHead
	}
	return Head{
		Status: status, Reason: payload[headFixed : headFixed+reason],
		Body: payload[size:], fields: fields, count: count,
	}, nil
}

// Len is the number of fields.
func (h *Head) Len() int { return h.count }

// Fields yields name and value of each field, in the order of start_response.
func (h *Head) Fields(yield func(name, value []byte) bool) {
	rest := h.fields
	for range h.count {
		name, value := int(binary.LittleEndian.Uint16(rest)), int(binary.LittleEndian.Uint32(rest[2:]))
		if !yield(rest[6:6+name], rest[6+name:6+name+value]) {
			return
		}
		rest = rest[6+name+value:]
	}
}
