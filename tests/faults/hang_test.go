package faults

import (
	"regexp"
	"strings"
	"testing"

	"github.com/gounicorn/gounicorn/tests/harness"
	"github.com/gounicorn/gounicorn/tests/oracle"
)

// Rows 51, 52, 53 and 58: a request that hangs, be it in Python, in C with the GIL or because its process was stopped, gets 504 and costs
// its worker; the requests of everybody else get their answers meanwhile, and a late answer goes nowhere.
func TestHangsUnderLoad(t *testing.T) {
	t.Parallel()
	s := start(t, "-w", "6", "--max-workers", "6", "-t", "2")
	load := oracle.Begin(t, s, oracle.Options{})
	load.Await(t, 20)
	before := s.Booted()
	type hang struct{ path, stack string }
	hangs := []hang{
		{"/spin", "_spin_forever_for_the_stack_dump"},
		{"/deadlock", "in deadlock"},
		{"/gil-sleep/3600", ""},
		{"/stop", ""},
		{"/sleep/2.3", "in sleep"}, // answers just after it has timed out
	}
	replies := make([]<-chan harness.Reply, len(hangs))
	for n, h := range hangs { // all at once: one worker is left to the load
		reply := make(chan harness.Reply, 1)
		go func() { reply <- s.Request("POST", h.path, "x") }()
		replies[n] = reply
	}
	for n, h := range hangs {
		if reply := <-replies[n]; reply.Status != 504 {
			t.Errorf("%s: got %d, error %v, want 504", h.path, reply.Status, reply.Err)
		}
	}
	workers(t, s, 6)
	text := s.Log.String()
	for _, h := range hangs {
		if !strings.Contains(text, "too long: POST "+h.path) {
			t.Errorf("%s: the log does not name the request", h.path)
		}
		if !strings.Contains(text, h.stack) {
			t.Errorf("%s: the log does not show where it hangs", h.path)
		}
	}
	if n := len(regexp.MustCompile(`WORKER TIMEOUT \(pid:\d+\)`).FindAllString(text, -1)); n != len(hangs) {
		t.Errorf("%d workers timed out, want %d", n, len(hangs))
	}
	if n := len(s.Booted()) - len(before); n != len(hangs) {
		t.Errorf("%d workers were replaced, want %d", n, len(hangs))
	}
	load.Await(t, 20)
	wantAll(t, load)
}
