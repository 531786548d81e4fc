package http1

import (
	"testing"
	"unsafe"

	"github.com/gounicorn/gounicorn/server/exchange"
)

// Row 16: a connection holds no more than it has for itself and what it counts in the Room.
func TestConnectionMemoryAndRoomCoverTheLargestHead(t *testing.T) {
	if size := 2 * unsafe.Sizeof(exchange.Field{}); size > fieldMemory {
		t.Errorf("a field takes %d bytes", size)
	}
	for _, bytes := range []int{1, 8 << 10, 64 << 10, maxHeadBytes} {
		room := &Room{}
		c := &Conn{srv: &Server{}, terms: &terms{Config: Config{Room: room}}}
		c.room()
		for c.w < bytes { // a head that does not end
			c.w = min(len(c.buf.b), bytes)
			if c.w < bytes {
				c.room()
			}
			if !c.holdHead() {
				t.Fatal("a Room without a limit has no room")
			}
		}
		if most := (Limits{HeadBytes: bytes}).ConnectionMemory() + room.Used(); int64(2*len(c.buf.b)) > most {
			t.Errorf("a head of %d bytes is read into %d, and ConnectionMemory and Room say %d", bytes, len(c.buf.b), most)
		}
		if c.releaseBuffers(); room.Used() != 0 {
			t.Errorf("%d bytes are never given back", room.Used())
		}
	}
}
