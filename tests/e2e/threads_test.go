package e2e

import (
	"strings"
	"testing"

	"github.com/gounicorn/gounicorn/tests/harness"
)

func TestOneThreadServesInTheMainThread(t *testing.T) {
	t.Parallel()
	for _, args := range [][]string{{"-w", "1"}, {"-w", "1", "--threads", "1"}, {"-w", "1", "--preload"}} {
		s := start(t, "faults:app", args...)
		for range 3 {
			if reply := s.WantGet(t, "/main-thread", 200); reply.Body != "main_thread=True handlers=True\n" {
				t.Errorf("%v: got %q", args, reply.Body)
			}
		}
	}
}

func TestThreadsServeSideBySideInOneWorker(t *testing.T) {
	t.Parallel()
	s := start(t, "faults:app", "-w", "1", "--threads", "4", "--slow-reserve", "0")
	var waiting []<-chan harness.Reply
	for range 4 {
		waiting = append(waiting, s.Go("/gate/together"))
	}
	s.WaitMark(t, "entered-together", 4) // all four are inside at once
	queued := s.Go("/pid")
	if len(s.Workers()) != 1 {
		t.Errorf("workers: %v", s.Workers())
	}
	s.Open(t, "open-together")
	for _, reply := range waiting {
		if reply := <-reply; reply.Status != 200 {
			t.Errorf("got %d %v", reply.Status, reply.Err)
		}
	}
	if reply := <-queued; reply.Status != 200 {
		t.Errorf("the fifth request got %d %v", reply.Status, reply.Err)
	}
}

func TestEachThreadKeepsItsThreadLocals(t *testing.T) {
	t.Parallel()
	s := start(t, "faults:app", "-w", "1", "--threads", "4")
	// Rounds of four at once, so that every thread takes part.
	last := map[string]int{}
	for range 10 {
		var replies []<-chan harness.Reply
		for range 4 {
			replies = append(replies, s.Go("/thread-local"))
		}
		for _, reply := range replies {
			reply := <-reply
			fields := strings.Fields(reply.Body)
			if reply.Status != 200 || len(fields) < 3 {
				t.Fatalf("got %d %q %v", reply.Status, reply.Body, reply.Err)
			}
			last[fields[1]] = max(last[fields[1]], mustInt(t, fields[2]))
		}
	}
	sum := 0
	for thread, count := range last {
		if count == 0 {
			t.Errorf("thread %s lost its count", thread)
		}
		sum += count
	}
	if sum != 40 || len(last) > 4 {
		t.Errorf("%d threads counted %d requests, want at most 4 threads and 40: %v", len(last), sum, last)
	}
}

func TestThreadLocalsLiveAsLongAsTheWorker(t *testing.T) {
	t.Parallel()
	s := start(t, "faults:app", "-w", "1", "--threads", "2")
	for range 20 {
		s.WantGet(t, "/thread-dies", 200)
	}
	if made := len(s.Marks("thread-local-made")); made > 2 {
		t.Errorf("%d thread-locals were made by two threads", made)
	}
	if s.Marked("thread-local-destroyed") {
		t.Error("a thread-local was destroyed while its thread still serves")
	}
}

func TestEnvironSaysWhetherThereAreThreads(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		args                      []string
		multithread, multiprocess bool
	}{
		{[]string{"-w", "1"}, false, false},
		{[]string{"-w", "2"}, false, true},
		{[]string{"-w", "1", "--threads", "2"}, true, false},
		{[]string{"-w", "2", "--threads", "2"}, true, true},
	} {
		s := start(t, "echo:app", test.args...)
		environ := s.WantEcho(t, s.Get("/")).Environ
		if environ["wsgi.multithread"].Value != test.multithread || environ["wsgi.multiprocess"].Value != test.multiprocess {
			t.Errorf("%v: multithread %v, multiprocess %v", test.args, environ["wsgi.multithread"].Value, environ["wsgi.multiprocess"].Value)
		}
	}
}

// One queue: a request never waits behind a busy worker while another is idle.
func TestNoRequestWaitsWhileAWorkerIsIdle(t *testing.T) {
	t.Parallel()
	s := start(t, "faults:app", "-w", "4")
	var stuck []<-chan harness.Reply
	for range 3 {
		stuck = append(stuck, s.Go("/gate/busy"))
	}
	s.WaitMark(t, "entered-busy", 3)
	for range 50 {
		s.WantGet(t, "/pid", 200)
	}
	s.Open(t, "open-busy")
	for _, reply := range stuck {
		if reply := <-reply; reply.Status != 200 {
			t.Errorf("got %d %v", reply.Status, reply.Err)
		}
	}
}
