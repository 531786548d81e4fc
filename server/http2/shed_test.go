package http2_test

import (
	"testing"

	"github.com/gounicorn/gounicorn/server/http1"
	"github.com/gounicorn/gounicorn/server/http2"
	"github.com/gounicorn/gounicorn/tests/harness"
	h2 "golang.org/x/net/http2"
)

// Row 35: streams take room for their heads, and find none when it is used up; those whose clients do nothing make room.
func TestStreamsShareARoom(t *testing.T) {
	room := &http1.Room{}
	room.SetLimit(100 << 10) // ten streams or so
	s := start(t, http2.Config{Room: room, Streams: 50, Handler: func(x *http2.Exchange) {
		if x.Request().ContentLength != 0 {
			_, _ = x.Read(make([]byte, 1)) // its end is the engine's to answer
			return
		}
		respond(t, x, 200, "fine")
	}})
	c := s.client()
	for range 20 { // what they take comes back
		if r, body := s.get(c, "/"); r.StatusCode != 200 || body != "fine" {
			t.Fatalf("got %d %q", r.StatusCode, body)
		}
	}
	r := s.raw()
	r.settle()
	statuses := map[string]int{}
	const streams, fit = 30, 12
	for id := uint32(1); id < 2*streams; id += 2 {
		r.request(id, false, ":method", "POST", ":scheme", "https", ":path", "/", ":authority", "x")
	}
	heads := func(status string, n int) {
		t.Helper()
		r.until(status, func(f h2.Frame) bool {
			if m, ok := f.(*h2.MetaHeadersFrame); ok {
				statuses[m.PseudoValue("status")]++
			}
			return statuses[status] == n
		})
	}
	heads("503", streams-fit)
	if used := room.Used(); used > 100<<10 || used < fit*(8<<10) {
		t.Errorf("%d bytes are used", used)
	}
	harness.Eventually(t, budget, "those that wait have made room", func() bool {
		r, _ := s.get(c, "/")
		return r.StatusCode == 200
	})
	heads("408", fit)
	if statuses["503"] != streams-fit {
		t.Errorf("got %v", statuses)
	}
}
