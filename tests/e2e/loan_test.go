package e2e

import (
	"fmt"
	"strings"
	"testing"

	"github.com/gounicorn/gounicorn/tests/harness"
)

// Large answers in one piece are written by the worker, where nobody else has a say in them; they arrive like any other.
func TestLargeAnswersAreWrittenByTheWorker(t *testing.T) {
	t.Parallel()
	if peer() {
		t.Log("our own")
		return
	}
	block := counted(251*262, 0)[:65536]
	for name, c := range map[string]struct {
		args []string
		lent bool
	}{
		"plain":      {nil, true},
		"threads":    {[]string{"--threads", "2"}, true},
		"preload":    {[]string{"--preload"}, true},
		"compressed": {[]string{"--compress", "default"}, false},
	} {
		t.Run(name, func(t *testing.T) {
			s := start(t, "faults:app", append([]string{"-w", "1", "--metrics-bind", "127.0.0.1:0"}, c.args...)...)
			address := metricsAddress(t, s)
			total, conn := 0, s.Dial()
			for _, size := range []int{196_607, 196_608, 1 << 20, 1<<20 + 1} {
				if 196_608 <= size && size <= 1<<20 {
					total += size
				}
				for _, method := range []string{"GET", "HEAD"} {
					conn.Send(fmt.Sprintf("%s /whole/%d HTTP/1.1\r\nHost: test\r\n\r\n", method, size))
					reply := conn.MustRead(method)
					want := strings.Repeat(block, size/len(block)+1)[:size]
					if method == "HEAD" {
						want = ""
					}
					if reply.Status != 200 || string(reply.Body) != want {
						t.Errorf("%s of %d bytes: %d, %d bytes, equal: %v", method, size, reply.Status, len(reply.Body), string(reply.Body) == want)
					}
				}
			}
			if got := sum(t, scrape(t, address), "gounicorn_lent_bytes_total"); got > float64(total) || (got > 0) != c.lent {
				t.Errorf("workers have written %.0f bytes, want some of %d: %v", got, total, c.lent)
			}
		})
	}
}

// Row 20 for them: who does not read holds no worker, and gets it all later.
func TestLoansDoNotWaitForClients(t *testing.T) {
	t.Parallel()
	s := start(t, "faults:app", "-w", "1")
	const clients, each, size = 4, 16, 1 << 20
	var conns []*harness.Conn
	for range clients {
		conn := s.Dial()
		conn.Send(strings.Repeat(fmt.Sprintf("GET /whole/%d HTTP/1.1\r\nHost: test\r\n\r\n", size), each))
		conns = append(conns, conn)
	}
	for range 20 {
		s.WantGet(t, "/pid", 200)
	}
	block := counted(251*262, 0)[:65536]
	for i, conn := range conns {
		for n := range each {
			if reply := conn.MustRead("GET"); string(reply.Body) != strings.Repeat(block, size/len(block)) {
				t.Fatalf("client %d, answer %d: %d bytes, or other ones", i, n, len(reply.Body))
			}
		}
	}
	if workers := s.Booted(); len(workers) != 1 {
		t.Errorf("the worker was replaced: %v", workers)
	}
}
