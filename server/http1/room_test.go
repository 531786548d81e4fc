package http1_test

import (
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/gounicorn/gounicorn/server/http1"
	"github.com/gounicorn/gounicorn/tests/harness"
)

// largeHead is a head of 40 KiB without its end, and what it takes of a Room: it stands in a buffer of 128 KiB, once more as environ, and
// every connection has 8 KiB for itself.
var largeHead = "GET / HTTP/1.1\r\nHost: x\r\n" + strings.Repeat("X-Large: "+strings.Repeat("x", 8000)+"\r\n", 5)

const largeHeadTakes = 2 * (128<<10 - 8<<10)

// Rows 16, 18: large heads share one Room. Those that do not come to their end make room, the oldest first, for those that do; only when
// all of it is in use by requests that run does a new one get 503. Small heads do not mind.
func TestLargeHeadsShareARoom(t *testing.T) {
	room := &http1.Room{}
	room.SetLimit(4 * largeHeadTakes)
	entered, leave := make(chan bool), make(chan bool)
	config := handle(func(x *http1.Exchange) {
		if x.Request().Get("x-wait") != nil {
			select {
			case entered <- true:
				<-leave
			case <-leave:
			}
		}
		respond(t, x, 200, "fine")
	})
	config.Room = room
	config.Limits.HeadBytes = 128 << 10
	addr, _ := start(t, config)
	release := sync.OnceFunc(func() { close(leave) })
	t.Cleanup(release) // before the server waits for its handlers
	settled := func(what string, bytes int64) {
		t.Helper()
		harness.Eventually(t, harness.EventBudget, what, func() bool {
			used := room.Used()
			if used > 4*largeHeadTakes {
				t.Fatalf("%s: %d bytes are used", what, used)
			}
			return used == bytes
		})
	}
	var slow []*client
	for n := range 12 {
		c := dial(t, addr)
		c.send(largeHead)
		slow = append(slow, c)
		if n >= 4 {
			slow[n-4].want(408, "") // the oldest
		}
		settled("another", int64(min(n+1, 4))*largeHeadTakes)
	}
	for range 3 { // the first makes one more leave, and leaves its room behind
		c := dial(t, addr)
		c.send(get)
		c.want(200, "fine")
		c.send(largeHead + "\r\n")
		c.want(200, "fine")
		settled("one has left", 3*largeHeadTakes)
	}
	var busy []*client
	for range 4 {
		c := dial(t, addr)
		c.send(largeHead + "X-Wait: x\r\n\r\n")
		receive(t, entered)
		busy = append(busy, c)
	}
	for _, c := range slow[8:] {
		c.want(408, "")
	}
	c := dial(t, addr)
	c.send(largeHead)
	if a := c.want(503, ""); !slices.Equal(a.Field("retry-after"), []string{"1"}) {
		t.Errorf("503 without Retry-After: %q", a.Fields)
	}
	dial(t, addr).send(get)
	release()
	for _, c := range busy {
		c.want(200, "fine")
	}
	settled("all have left", 0)
}
