package e2e

import (
	"maps"
	"os"
	"regexp"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/gounicorn/gounicorn/tests/harness"
)

// Row 49: a worker that dies gives its own request 502 and nobody else anything.
func TestDyingWorkerFailsOnlyItsOwnRequest(t *testing.T) {
	t.Parallel()
	for fault, cause := range map[string]string{
		"segv":   `(?i)SIGSEGV|segmentation|signal 11`,
		"abort":  `(?i)SIGABRT|aborted|signal 6`,
		"kill9":  `(?i)SIGKILL|killed|signal 9`,
		"exit/0": `(?i)code 0|status 0|worker died`,
		"exit/3": `(?i)code 3|status 3`,
		"exit/4": `(?i)code 4|status 4`,
	} {
		t.Run(fault, func(t *testing.T) {
			t.Parallel()
			s := start(t, "faults:app", "-w", "2")
			first := workerCount(t, s, 2)
			other := s.Go("/gate/other")
			s.WaitMark(t, "entered-other", 1)
			mark := s.Log.Len()
			// POST is not idempotent, so it is not tried again.
			if reply := s.Request("POST", "/"+fault, "x"); reply.Status != 502 {
				t.Errorf("got status %d, error %v, want 502", reply.Status, reply.Err)
			}
			s.Open(t, "open-other")
			if reply := <-other; reply.Status != 200 {
				t.Errorf("the request of the other worker got %d %v", reply.Status, reply.Err)
			}
			harness.Eventually(t, harness.EventBudget, "a replacement", func() bool {
				return len(s.Workers()) == 2 && !slices.Equal(s.Workers(), first)
			})
			for range 10 {
				canary(t, s, nil)
			}
			text := strings.Join(s.Log.Lines()[mark:], "\n")
			if !regexp.MustCompile(cause).MatchString(text) {
				t.Errorf("the log does not name the cause (%s)", cause)
			}
			if !strings.Contains(text, "POST /"+fault) {
				t.Errorf("the log does not name the request")
			}
		})
	}
}

// Rows 51 and 52: a request that is silent for --timeout seconds gives 504, the stacks, and a new worker; also when
// C code never lets the GIL go.
func TestSilentRequestTimesOut(t *testing.T) {
	t.Parallel()
	for fault, stack := range map[string]string{
		"spin":           "_spin_forever_for_the_stack_dump",
		"sleep/3600":     "in sleep",
		"deadlock":       "in deadlock",
		"gil-sleep/3600": "",
		"stop":           "", // row 53
	} {
		t.Run(fault, func(t *testing.T) {
			t.Parallel()
			s := start(t, "faults:app", "-w", "2", "-t", "1")
			first := workerCount(t, s, 2)
			began := time.Now()
			reply := s.Get("/" + fault)
			if took := time.Since(began); reply.Status != 504 || took < time.Second || took > 6*time.Second {
				t.Errorf("got status %d, error %v after %v, want 504 after one second", reply.Status, reply.Err, took)
			}
			s.Log.Wait(t, 0, "WORKER TIMEOUT", harness.EventBudget)
			s.Log.Wait(t, 0, "/"+fault, harness.EventBudget)
			if stack != "" {
				s.Log.Wait(t, 0, stack, harness.EventBudget)
			}
			harness.Eventually(t, harness.EventBudget, "a replacement", func() bool {
				return len(s.Workers()) == 2 && !slices.Equal(s.Workers(), first)
			})
			for range 10 {
				canary(t, s, nil)
			}
		})
	}
}

// Row 51: requests of other threads in the killed worker get 502 and are named as collateral.
func TestOtherThreadsOfATimedOutWorkerGet502(t *testing.T) {
	t.Parallel()
	s := start(t, "faults:app", "-w", "1", "--threads", "3", "-t", "2")
	stuck := s.Go("/sleep/3600")
	s.WaitMark(t, "sleeping", 1)
	s.WantGet(t, "/sleep/1", 200) // so that the next request is younger than the stuck one
	other := make(chan harness.Reply, 1)
	go func() { other <- s.Request("POST", "/gate/collateral", "x") }()
	s.WaitMark(t, "entered-collateral", 1)
	if reply := <-stuck; reply.Status != 504 {
		t.Errorf("the stuck request got %d %v, want 504", reply.Status, reply.Err)
	}
	if reply := <-other; reply.Status != 502 {
		t.Errorf("the other request got %d %v, want 502", reply.Status, reply.Err)
	}
	s.Log.Wait(t, 0, "/gate/collateral", harness.EventBudget)
	canary(t, s, nil)
}

func TestLiveStreamOutlivesTheTimeout(t *testing.T) {
	t.Parallel()
	s := start(t, "faults:app", "-w", "1", "-t", "1")
	reply := s.WantGet(t, "/yield-slow/6/0.4", 200)
	if want := "piece 0\npiece 1\npiece 2\npiece 3\npiece 4\npiece 5\n"; reply.Body != want || reply.Err != nil {
		t.Errorf("got %q, error %v", reply.Body, reply.Err)
	}
	if len(s.Booted()) != 1 {
		t.Error("the worker was replaced")
	}
}

func TestTimeoutZeroIsNever(t *testing.T) {
	t.Parallel()
	s := start(t, "faults:app", "-w", "1", "-t", "0")
	if reply := s.WantGet(t, "/sleep/2.5", 200); reply.Body != "slept\n" {
		t.Errorf("got %q", reply.Body)
	}
	if len(s.Booted()) != 1 {
		t.Error("the worker was replaced")
	}
}

func TestIdempotentRequestWhoseWorkerDiedIsTriedOnceMore(t *testing.T) {
	t.Parallel()
	s := start(t, "faults:app", "-w", "2")
	for _, test := range []struct {
		method, path string
		status       int
		body         string
		attempts     int
	}{
		{"GET", "die-once/get", 200, "attempt 2\n", 2},
		{"HEAD", "die-once/head", 200, "", 2},
		{"POST", "die-once/post", 502, "", 1},
		{"GET", "die-always/always", 502, "", 2},
	} {
		body := ""
		if test.method == "POST" {
			body = "x"
		}
		reply := s.Request(test.method, "/"+test.path, body)
		if reply.Status != test.status || test.body != "" && reply.Body != test.body {
			t.Errorf("%s %s: got %d %q, error %v, want %d %q", test.method, test.path, reply.Status, reply.Body, reply.Err, test.status, test.body)
		}
		_, token, _ := strings.Cut(test.path, "/")
		if n := len(s.Marks("attempts-" + token)); n != test.attempts {
			t.Errorf("%s %s was started %d times, want %d", test.method, test.path, n, test.attempts)
		}
	}
}

func TestRequestThatHasAnsweredIsNotTriedAgain(t *testing.T) {
	t.Parallel()
	s := start(t, "faults:app", "-w", "1")
	conn := s.Dial()
	conn.Get("/die-after-first-piece/stream")
	conn.ReadUntil("first\n")
	s.Open(t, "die-stream")
	if rest := conn.ReadRest(); strings.Contains(rest, "0\r\n\r\n") || strings.Contains(rest, "first") {
		t.Errorf("after the worker died the client got %q", rest)
	}
	canary(t, s, nil)
	if n := len(s.Marks("attempts-stream")); n != 1 {
		t.Errorf("the application was called %d times", n)
	}
}

// Row 48: leaving exceptions are failures of that request, never orders to the server.
func TestExitExceptionsAreFailuresOfTheRequest(t *testing.T) {
	t.Parallel()
	s := start(t, "faults:app", "-w", "2")
	other := s.Go("/gate/other")
	s.WaitMark(t, "entered-other", 1)
	for _, path := range []string{"/sysexit/3", "/kbdint", "/genexit"} {
		if reply := s.Request("POST", path, "x"); reply.Status != 500 {
			t.Errorf("%s: got %d, error %v, want 500", path, reply.Status, reply.Err)
		}
		canary(t, s, nil)
	}
	s.Open(t, "open-other")
	if reply := <-other; reply.Status != 200 {
		t.Errorf("the request of the other worker got %d %v", reply.Status, reply.Err)
	}
}

// Row 54: a child that returns into the server loop neither answers nor serves.
func TestForkedChildOfAViewNeitherAnswersNorServes(t *testing.T) {
	t.Parallel()
	s := start(t, "faults:app", "-w", "1")
	conn := s.Dial()
	for range 3 {
		conn.Get("/fork")
		response := conn.MustRead("GET")
		if response.Status != 200 || string(response.Body) != "parent\n" {
			t.Fatalf("got %d %q", response.Status, response.Body)
		}
		if response.Close {
			conn = s.Dial()
		}
	}
	if n := len(s.Marks("forked-child")); n != 3 {
		t.Errorf("%d children were forked", n)
	}
	worker := workerCount(t, s, 1)[0]
	if children := harness.Children(worker); len(children) > 0 {
		t.Errorf("the worker has children: %v", children)
	}
	canary(t, s, conn)
	if reply := s.WantGet(t, "/multiprocessing", 200); reply.Body != "[1, 2, 3]" {
		t.Errorf("multiprocessing: got %q", reply.Body)
	}
}

// Row 54: what the application starts inherits no descriptor of ours and does not hold up the stop.
func TestGrandchildInheritsNothingAndDoesNotBlockTheStop(t *testing.T) {
	t.Parallel()
	s := start(t, "faults:app", "-w", "1")
	s.WantGet(t, "/fork-exec", 200)
	grandchild := mustInt(t, s.Marks("grandchild")[0])
	// What the test itself inherited from whoever started it may pass through; what the server opened may not.
	mine := map[string]bool{}
	for _, target := range harness.Descriptors(t, os.Getpid()) {
		mine[target] = true
	}
	var leaked map[int]string
	if !harness.Poll(harness.EventBudget, func() bool {
		leaked = harness.Descriptors(t, grandchild)
		maps.DeleteFunc(leaked, func(fd int, target string) bool { return fd <= 2 || mine[target] })
		return len(leaked) == 0
	}) {
		t.Errorf("the grandchild holds %v", leaked)
	}
	if code := s.Stop(syscall.SIGTERM); code != 0 {
		t.Errorf("exit code %d", code)
	}
	if harness.Alive(grandchild) { // started by the application, which may want it to live on
		_ = syscall.Kill(grandchild, syscall.SIGKILL)
	}
}

// Row 55: threads and exit handlers of the application cannot hold up the stop for ever.
func TestStopIsBoundedWhateverTheApplicationLeftRunning(t *testing.T) {
	t.Parallel()
	for _, path := range []string{"/thread-left-running/daemon", "/thread-left-running/other", "/atexit-hang", "/signals-ignored"} {
		t.Run(path, func(t *testing.T) {
			t.Parallel()
			s := start(t, "faults:app", "-w", "1", "--graceful-timeout", "2")
			s.WantGet(t, path, 200)
			began := time.Now()
			if code := s.Stop(syscall.SIGTERM); code != 0 {
				t.Errorf("exit code %d", code)
			}
			if took := time.Since(began); took > 8*time.Second {
				t.Errorf("the stop took %v", took)
			}
		})
	}
}

func TestExitHandlersRunOnceOnAGracefulStop(t *testing.T) {
	t.Parallel()
	s := start(t, "faults:app", "-w", "1")
	s.WantGet(t, "/atexit-mark", 200)
	s.Stop(syscall.SIGTERM)
	if n := len(s.Marks("atexit")); n != 1 {
		t.Errorf("the exit handler ran %d times", n)
	}
}

// Rows 50, 56 and 57: a worker may wreck itself, not the server.
func TestWorkerThatWrecksItselfHarmsNobodyElse(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		path     string
		statuses []int
	}{
		{"/close-fds", []int{200, 502, 504}},
		{"/close-stdio", []int{200}},
		{"/garbage-to-fd", []int{200, 502, 504}},
		{"/chdir", []int{200}},
		{"/umask", []int{200}},
		{"/stdout-replaced", []int{200}},
		{"/recursion", []int{500}},
		{"/deep-recursion", []int{500, 502}},
		{"/limit-memory", []int{500, 502}},
	} {
		t.Run(test.path, func(t *testing.T) {
			t.Parallel()
			s := start(t, "faults:app", "-w", "2", "-t", "3", "--graceful-timeout", "3")
			other := s.Go("/gate/other")
			s.WaitMark(t, "entered-other", 1)
			if reply := s.Request("POST", test.path, "x"); !slices.Contains(test.statuses, reply.Status) {
				t.Errorf("got %d, error %v, want one of %v", reply.Status, reply.Err, test.statuses)
			}
			s.Open(t, "open-other")
			if reply := <-other; reply.Status != 200 || reply.Err != nil {
				t.Errorf("a request of the other worker got %d %v", reply.Status, reply.Err)
			}
			for range 10 {
				canary(t, s, nil)
			}
			for _, path := range []string{"/big/300000", "/file-wrapper/200000"} {
				s.WantGet(t, path, 200)
			}
			workerCount(t, s, 2)
		})
	}
}

func TestWorkerThatIsKilledWhileIdleCostsNoRequest(t *testing.T) {
	t.Parallel()
	s := start(t, "faults:app", "-w", "2")
	for range 3 {
		victim := workerCount(t, s, 2)[0]
		if err := syscall.Kill(victim, syscall.SIGKILL); err != nil {
			t.Fatal(err)
		}
		for range 5 {
			s.WantGet(t, "/pid", 200)
		}
		workerCount(t, s, 2, victim)
	}
}

// Work that waits in the queue survives the death of every worker.
func TestQueuedRequestsSurviveTheDeathOfTheirWorker(t *testing.T) {
	t.Parallel()
	s := start(t, "faults:app", "-w", "1")
	blocker := make(chan harness.Reply, 1)
	go func() { blocker <- s.Request("POST", "/gate/blocker", "x") }()
	s.WaitMark(t, "entered-blocker", 1)
	var queued []<-chan harness.Reply
	for range 10 {
		reply := make(chan harness.Reply, 1)
		go func() { reply <- s.Request("POST", "/pid", "x") }()
		queued = append(queued, reply)
	}
	if err := syscall.Kill(workerCount(t, s, 1)[0], syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	if reply := <-blocker; reply.Status != 502 {
		t.Errorf("the request that ran got %d %v, want 502", reply.Status, reply.Err)
	}
	for n, reply := range queued {
		if reply := <-reply; reply.Status != 200 {
			t.Errorf("queued request %d got %d %v", n, reply.Status, reply.Err)
		}
	}
}
