package e2e

import (
	"fmt"
	"io"
	"strings"
	"testing"

	"github.com/gounicorn/gounicorn/tests/harness"
)

// Rows 18 and 19: no worker is touched by a client that is still sending.
func TestSlowUploadersOccupyNoWorker(t *testing.T) {
	t.Parallel()
	s := start(t, "echo:app", "-w", "1")
	const uploaders, size = 20, 100_000
	var conns []*harness.Conn
	for n := range uploaders {
		conn := s.Dial()
		conn.Send(fmt.Sprintf("POST /upload/%d HTTP/1.1\r\nHost: test\r\nContent-Length: %d\r\n\r\n%s", n, size, strings.Repeat("u", size-1)))
		conns = append(conns, conn)
	}
	for range 20 {
		s.WantGet(t, "/", 200)
	}
	for n, conn := range conns {
		conn.Send("!")
		echo := harness.ParseEcho(t, conn.MustRead("POST").Body)
		if echo.Length != size || echo.NoncePath != fmt.Sprintf("/upload/%d", n) {
			t.Errorf("upload %d: the application read %d bytes of %s", n, echo.Length, echo.NoncePath)
		}
	}
}

// Row 20: a client that does not read holds no worker, whatever the size of its response.
func TestSlowReaderReleasesTheWorker(t *testing.T) {
	t.Parallel()
	s := start(t, "faults:app", "-w", "1")
	const size = 64 << 20
	conn := s.Dial()
	conn.Get(fmt.Sprintf("/big/%d/slow", size))
	s.WaitMark(t, "taken-slow", 1) // the application has handed everything over, nobody has read a byte
	s.WaitMark(t, "closed-slow", 1)
	s.WantGet(t, "/pid", 200)
	response := conn.MustRead("GET")
	block := counted(251*262, 0)[:65536]
	if len(response.Body) != size || string(response.Body) != strings.Repeat(block, size/len(block)) {
		t.Errorf("the slow reader got %d bytes of %d, or other ones", len(response.Body), size)
	}
}

// What is spooled lies in unlinked files: nothing is left behind, and the descriptors go away.
func TestSpoolLeavesNothingBehind(t *testing.T) {
	t.Parallel()
	spool := t.TempDir()
	s := harness.Start(t, harness.Config{App: "faults:app", Args: []string{"-w", "1", "--spool-dir", spool, "--spool-memory", "1M"}})
	s.WantGet(t, "/pid", 200)
	before := len(harness.Descriptors(t, s.PID))
	var conns []*harness.Conn
	for n := range 4 {
		conn := s.Dial()
		conn.Get(fmt.Sprintf("/big/%d/spool%d", 16<<20, n))
		s.WaitMark(t, fmt.Sprintf("taken-spool%d", n), 1)
		conns = append(conns, conn)
	}
	for _, conn := range conns {
		conn.Reset()
	}
	if !harness.Poll(harness.EventBudget, func() bool { return len(harness.Descriptors(t, s.PID)) <= before }) {
		t.Errorf("%d descriptors, before %d: %v", len(harness.Descriptors(t, s.PID)), before, harness.Descriptors(t, s.PID))
	}
	s.WantGet(t, "/pid", 200)
	if left := listFiles(t, spool); len(left) > 0 {
		t.Errorf("files in the temporary directory: %v", left)
	}
}

// Server-sent events arrive as they are yielded: the application waits for the test to have seen each.
func TestStreamArrivesPieceByPiece(t *testing.T) {
	t.Parallel()
	s := start(t, "faults:app", "-w", "1")
	conn := s.Dial()
	conn.Get("/sse/live/3")
	head := conn.ReadUntil("\r\n\r\n")
	if !strings.HasPrefix(head, "HTTP/1.1 200 ") || !strings.Contains(head, "text/event-stream") {
		t.Fatalf("got %q", head)
	}
	for n := range 3 {
		conn.ReadUntil(fmt.Sprintf("data: %d\n\n", n))
		if s.Marked("ended-live") {
			t.Error("the generator has ended before its pieces were seen")
		}
		s.Open(t, fmt.Sprintf("seen-live-%d", n))
	}
	conn.ReadUntil("0\r\n\r\n")
	s.WaitMark(t, "closed-live", 1)
	canary(t, s, conn)
}

// Row 46 for streams: the generator of a live stream is closed soon after its reader has left.
func TestStreamEndsWhenItsReaderLeaves(t *testing.T) {
	t.Parallel()
	s := start(t, "faults:app", "-w", "1")
	conn := s.Dial()
	conn.Get("/yield-slow/1000/0.05/gone", "Accept: text/event-stream\r\n")
	conn.ReadUntil("piece 0\n")
	conn.Reset()
	s.WaitMark(t, "closed-gone", 1)
	s.WantGet(t, "/pid", 200)
}

// Row 17 to 19: large uploads go through a file, whole, from several clients at once.
func TestLargeUploadsAreSpooled(t *testing.T) {
	t.Parallel()
	spool := t.TempDir()
	s := harness.Start(t, harness.Config{App: "echo:app", Args: []string{"-w", "2", "--spool-dir", spool, "--spool-memory", "1M"}})
	sent := strings.Repeat(string(body(65536)), 16<<20/65536)
	replies := make(chan harness.Reply)
	for range 3 {
		go func() { replies <- s.Request("POST", "/input/read/65536", sent) }()
	}
	for range 3 {
		if echo := s.WantEcho(t, <-replies); echo.Length != len(sent) {
			t.Errorf("the application read %d bytes of %d", echo.Length, len(sent))
		}
	}
	if left := listFiles(t, spool); len(left) > 0 {
		t.Errorf("files in the temporary directory: %v", left)
	}
}

// Row 13: a body that does not come whole never reaches the application.
func TestUnfinishedUploadNeverReachesTheApplication(t *testing.T) {
	t.Parallel()
	s := start(t, "echo:app", "-w", "1")
	for _, raw := range []string{
		"POST /started/length HTTP/1.1\r\nHost: test\r\nContent-Length: 100\r\n\r\nshort",
		"POST /started/chunked HTTP/1.1\r\nHost: test\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nshort\r\n",
		"POST /started/inside HTTP/1.1\r\nHost: test\r\nTransfer-Encoding: chunked\r\n\r\n50\r\nshort",
	} {
		conn := s.Dial()
		conn.Send(raw)
		conn.CloseWrite()
		if rest := conn.ReadRest(); strings.HasPrefix(rest, "HTTP/1.1 200") {
			t.Errorf("%.30q: got %.100q", raw, rest)
		}
	}
	s.WantGet(t, "/", 200)
	if started := s.Marks("started"); len(started) > 0 {
		t.Errorf("the application was called for %v", started)
	}
}

// Row 24: 100 Continue is sent when the body is wanted, not before, and the body then arrives.
func TestExpectContinue(t *testing.T) {
	t.Parallel()
	s := start(t, "echo:app")
	conn := s.Dial()
	conn.Send("POST / HTTP/1.1\r\nHost: test\r\nContent-Length: 4\r\nExpect: 100-continue\r\n\r\n")
	if got := conn.ReadUntil("\r\n\r\n"); got != "HTTP/1.1 100 Continue\r\n\r\n" {
		t.Fatalf("got %q", got)
	}
	conn.Send("body")
	if echo := harness.ParseEcho(t, conn.MustRead("POST").Body); echo.Body != "body" {
		t.Errorf("the application read %q", echo.Body)
	}
}

// Early hints go out as a 103 before the response, and not at all to HTTP/1.0.
func TestEarlyHintsPrecedeTheResponse(t *testing.T) {
	t.Parallel()
	s := start(t, "faults:app")
	conn := s.Dial()
	conn.Get("/early-hints", "Connection: close\r\n")
	raw := conn.ReadRest()
	if !strings.HasPrefix(raw, "HTTP/1.1 103 ") || !strings.Contains(raw, "Link: </style.css>; rel=preload") ||
		!strings.Contains(raw, "HTTP/1.1 200 OK") || !strings.HasSuffix(raw, "\r\n\r\nhints\n") {
		t.Errorf("got %q", raw)
	}
	conn = s.Dial()
	io.WriteString(conn, "GET /early-hints HTTP/1.0\r\n\r\n")
	if raw := conn.ReadRest(); strings.Contains(raw, " 103 ") || !strings.HasSuffix(raw, "hints\n") {
		t.Errorf("HTTP/1.0: got %q", raw)
	}
}

// Rows 60 and 69: when the disk budget is used up, whoever needs more of it is turned away, and nobody else; what
// was let in is served whole, and later there is room again.
func TestSpoolBudgetTurnsAwayWhatDoesNotFit(t *testing.T) {
	t.Parallel()
	s := start(t, "echo:app", "-w", "1", "--spool-dir", t.TempDir(), "--spool-memory", "64K", "--spool-disk", "3M")
	const size = 2 << 20
	first := s.Dial()
	first.Send(fmt.Sprintf("POST /input/read HTTP/1.1\r\nHost: test\r\nContent-Length: %d\r\n\r\n%s", size, strings.Repeat("1", size-1)))
	harness.Eventually(t, harness.EventBudget, "the first upload has been taken in", func() bool { return unread(t, s) == 0 })
	reply := s.Request("POST", "/input/read", strings.Repeat("2", size))
	if reply.Err != nil || reply.Status != 503 && reply.Status != 507 || reply.Header.Get("Retry-After") == "" {
		t.Errorf("the second upload got %d, Retry-After %q, error %v", reply.Status, reply.Header.Get("Retry-After"), reply.Err)
	}
	s.WantGet(t, "/", 200)
	first.Send("1")
	if echo := harness.ParseEcho(t, first.MustRead("POST").Body); echo.Length != size {
		t.Errorf("of the first upload the application read %d bytes", echo.Length)
	}
	if echo := s.WantEcho(t, s.Request("POST", "/input/read", strings.Repeat("3", size))); echo.Length != size {
		t.Errorf("of the third upload the application read %d bytes", echo.Length)
	}
}

// Row 17: a body over the limit is refused before it is read if its length was announced, else as soon as it is over.
func TestBodyOverTheLimitNeverReachesTheApplication(t *testing.T) {
	t.Parallel()
	s := start(t, "echo:app", "-w", "1", "--limit-request-body", "1000")
	for length, status := range map[int]int{999: 200, 1000: 200, 1001: 413, 1 << 30: 413} {
		conn := s.Dial()
		conn.Send(fmt.Sprintf("POST /started/%d HTTP/1.1\r\nHost: test\r\nContent-Length: %d\r\n\r\n", status, length))
		if status == 200 {
			conn.Send(strings.Repeat("b", length))
		}
		if response := conn.MustRead("POST"); response.Status != status {
			t.Errorf("%d bytes: got %d, want %d", length, response.Status, status)
		}
	}
	conn := s.Dial()
	conn.Send("POST /started/413 HTTP/1.1\r\nHost: test\r\nTransfer-Encoding: chunked\r\n\r\n3e8\r\n" + strings.Repeat("b", 1000) + "\r\n1\r\nb\r\n0\r\n\r\n")
	if response := conn.MustRead("POST"); response.Status != 413 {
		t.Errorf("chunked: got %d, want 413", response.Status)
	}
	for _, token := range s.Marks("started") {
		if token != "200" {
			t.Errorf("the application was called for %s", token)
		}
	}
}

// Rows 18 and 19: whoever does not get on with its request is cut off, and meanwhile disturbs nobody.
func TestClientsThatDoNotGetOnAreCutOff(t *testing.T) {
	t.Parallel()
	s := start(t, "echo:app", "-w", "1", "--header-timeout", "1", "--body-timeout", "1", "--keep-alive", "1")
	silent, head, upload, idle := s.Dial(), s.Dial(), s.Dial(), s.Dial()
	head.Send("GET / HTTP/1.1\r\nHost: te")
	upload.Send("POST / HTTP/1.1\r\nHost: test\r\nContent-Length: 10\r\n\r\nhalf")
	idle.Get("/")
	idle.MustRead("GET")
	s.WantGet(t, "/", 200)
	for name, conn := range map[string]*harness.Conn{"head": head, "upload": upload} {
		if rest := conn.ReadRest(); rest != "" && !strings.HasPrefix(rest, "HTTP/1.1 408 ") {
			t.Errorf("%s: got %q, want 408 or nothing", name, rest)
		}
	}
	for name, conn := range map[string]*harness.Conn{"silent": silent, "idle": idle} {
		if rest := conn.ReadRest(); rest != "" && !strings.HasPrefix(rest, "HTTP/1.1 408 ") {
			t.Errorf("%s: got %q", name, rest)
		}
	}
}

// Row 20: a client that takes nothing of its response is cut off after the send timeout.
func TestReaderThatTakesNothingIsCutOff(t *testing.T) {
	t.Parallel()
	s := start(t, "faults:app", "-w", "1", "--send-timeout", "4")
	conn := s.Dial()
	conn.Get("/big/50000000/taken")
	s.WaitMark(t, "taken-taken", 1)
	harness.Eventually(t, harness.EventBudget, "the connection is given up", func() bool {
		return harness.Established(t, s.Addr()) == 0
	})
	s.WantGet(t, "/pid", 200)
}
