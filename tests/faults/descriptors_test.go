package faults

import (
	"os"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/gounicorn/gounicorn/tests/harness"
)

// processorTime is what a process has computed so far.
func processorTime(tb testing.TB, pid int) time.Duration {
	tb.Helper()
	text, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/stat")
	if err != nil {
		tb.Fatal(err)
	}
	fields := strings.Fields(string(text[strings.LastIndexByte(string(text), ')')+1:]))
	user, err1 := strconv.Atoi(fields[11])
	system, err2 := strconv.Atoi(fields[12])
	if err1 != nil || err2 != nil {
		tb.Fatalf("strange stat: %s", text)
	}
	return time.Duration(user+system) * 10 * time.Millisecond
}

// Row 59: a master without descriptors stops accepting, answers those that it has, does not spin, says so once and recovers by itself.
func TestMasterWithoutDescriptors(t *testing.T) {
	t.Parallel()
	s := harness.Start(t, harness.Config{
		App: "canary:app", Args: []string{"-w", "1", "--no-control-socket"}, Binary: script(t, "exec prlimit --nofile=64:64 GOUNICORN"),
	})
	idle := s.Dial()
	idle.Get("/pid")
	idle.MustRead("GET")
	var crowd []*harness.Conn
	for range 100 { // the kernel takes what the server does not accept
		conn := s.Dial()
		conn.Send("POST /body-length HTTP/1.1\r\nHost: x\r\n") // in the middle of a head: not idle
		crowd = append(crowd, conn)
	}
	s.Log.Wait(t, 0, "too many open files", harness.EventBudget)
	before := processorTime(t, s.PID)
	const while = 1500 * time.Millisecond
	pause(while)
	if spent := processorTime(t, s.PID) - before; spent > while/10 {
		t.Errorf("the master computed for %v of %v while it had nothing to do", spent, while)
	}
	if rest := idle.ReadRest(); rest != "" { // it has made room
		t.Errorf("the idle connection got %q", rest)
	}
	// What needs a descriptor is refused with a reason, what needs none is answered; nobody gets half a body.
	for n, size := range []int{0, 1000, 200_000} {
		crowd[n].Send("Content-Length: " + strconv.Itoa(size) + "\r\n\r\n" + strings.Repeat("b", size))
		got, err := crowd[n].Read("POST")
		if err != nil {
			t.Errorf("a body of %d bytes: %v", size, err)
			continue
		}
		whole := got.Status == 200 && string(got.Body) == strconv.Itoa(size)
		refused := size > 32<<10 && got.Status == 503 && got.Header.Get("Retry-After") != ""
		if !whole && !refused {
			t.Errorf("a body of %d bytes: %d, Retry-After %q, %.100q", size, got.Status, got.Header.Get("Retry-After"), got.Body)
		}
	}
	if n := len(s.Log.Grep("too many open files")); n > 2 { // one report of accepting, one of the body
		t.Errorf("the log says it %d times", n)
	}
	for _, conn := range crowd {
		conn.Close()
	}
	harness.Eventually(t, harness.EventBudget, "the server recovers", func() bool { return s.Get("/pid").Status == 200 })
}

// Row 59: a worker without descriptors cannot be given a body in one; it must not take that for no body.
func TestWorkerWithoutDescriptors(t *testing.T) {
	t.Parallel()
	s := start(t, "-w", "1")
	body := strings.Repeat("b", 200_000)
	if reply := s.Request("POST", "/body-length", body); reply.Status != 200 || reply.Body != "200000" {
		t.Fatalf("got %d %q", reply.Status, reply.Body)
	}
	s.WantGet(t, "/fill-descriptors", 200)
	for range 3 {
		reply := s.Request("POST", "/body-length", body)
		if !(reply.Status == 200 && reply.Body == "200000") && reply.Status != 502 && reply.Status != 503 {
			t.Errorf("got %d %q, error %v", reply.Status, reply.Body, reply.Err)
		}
		s.WantGet(t, "/pid", 200)
	}
}
