package http1

import (
	"testing"
	"unsafe"

	"github.com/gounicorn/gounicorn/server/exchange"
)

// Row 16: what is said of the memory of a connection is what reading the largest head takes.
func TestConnectionMemoryCoversTheLargestHead(t *testing.T) {
	if size := 2 * unsafe.Sizeof(exchange.Field{}); size > fieldMemory {
		t.Errorf("a field takes %d bytes", size)
	}
	for _, bytes := range []int{1, 8 << 10, 64 << 10, maxHeadBytes} {
		c := &Conn{srv: &Server{}}
		c.room()
		for c.w < bytes { // a head that does not end
			c.w = min(len(c.buf.b), bytes)
			if c.w < bytes {
				c.room()
			}
		}
		l := Limits{HeadBytes: bytes}
		if most := l.ConnectionMemory(); int64(len(c.buf.b)) > most || most > int64(4*bytes+IdleMemory+4*smallBuffer+100*fieldMemory) {
			t.Errorf("a head of %d bytes is read into %d, and ConnectionMemory says %d", bytes, len(c.buf.b), most)
		}
	}
}
