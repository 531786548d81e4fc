package server

import (
	"encoding/binary"
	"encoding/hex"
	"math/rand/v2"
)

// The field that names a request, as clients and proxies send it; compared in lower case.
const requestIDField = "x-request-id"

var requestIDName = []byte("X-Request-Id")

// longestRequestID bounds an id that a client chose. Ids in use have 16 to 64 characters.
const longestRequestID = 128

// identify gives the call the id that the client sent, or a new one of 128 random bits in place of none or one that could do harm in
// a log. It is no secret, so the generator need not be one for keys; it does not block.
func (c *Call) identify(sent []byte) {
	if saneRequestID(sent) {
		c.requestID = append(c.requestID[:0], sent...)
		return
	}
	var b [16]byte
	binary.BigEndian.PutUint64(b[:], rand.Uint64())
	binary.BigEndian.PutUint64(b[8:], rand.Uint64())
	c.requestID = hex.AppendEncode(c.requestID[:0], b[:])
}

func saneRequestID(id []byte) bool {
	if len(id) == 0 || len(id) > longestRequestID {
		return false
	}
	for _, c := range id {
		switch {
		case c >= '0' && c <= '9', c >= 'a' && c <= 'z', c >= 'A' && c <= 'Z':
		case c == '-', c == '_', c == '.', c == '~', c == '+', c == '/', c == '=', c == ':', c == '@':
		default:
			return false
		}
	}
	return true
}
