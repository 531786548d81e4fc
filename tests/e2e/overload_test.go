package e2e

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"sync/atomic"
	"testing"
	"time"
)

// TestOverloadRunsWhatSomebodyWaitsFor asks for three times what one worker can do, as clients do who close the connection after two
// seconds. Behind a queue in which nobody is refused every request that runs would be one whose client has left, for ever.
func TestOverloadRunsWhatSomebodyWaitsFor(t *testing.T) {
	t.Parallel()
	const (
		patience = 2 * time.Second
		every    = 33 * time.Millisecond // a request runs for 100 ms
		asked    = 300
	)
	s := start(t, "faults:app", "-w", "1", "--max-workers", "1", "--slow-reserve", "0", "--slow-after", "0.05", "--queue-target", "1")
	for range 8 {
		s.WantGet(t, "/sleep/0.1", 200)
	}

	var answered, refused atomic.Int32
	ran := func() int { return len(s.Marks("sleeping")) }
	done := make(chan struct{}, asked)
	ticks := time.NewTicker(every)
	defer ticks.Stop()
	before := 0
	for i := range asked {
		<-ticks.C
		if i == asked/2 {
			before = ran()
			answered.Store(0)
			refused.Store(0)
		}
		go func() {
			defer func() { done <- struct{}{} }()
			switch status := askFor(s.Addr(), "/sleep/0.1", patience); status {
			case 200:
				answered.Add(1)
			case 503:
				refused.Add(1)
			}
		}()
	}
	started, heard := ran()-before, int(answered.Load())
	for range asked {
		<-done
	}
	if started == 0 || heard*2 < started {
		t.Errorf("of %d requests that ran, %d were answered to somebody", started, heard)
	}
	if refused.Load() == 0 {
		t.Error("nobody was refused although three times too much was asked for")
	}
}

// askFor asks with a connection of its own, which it closes after so long, and returns the status, or 0.
func askFor(addr, path string, patience time.Duration) int {
	conn, err := net.DialTimeout("tcp", addr, patience)
	if err != nil {
		return 0
	}
	defer conn.Close()
	_ = conn.SetDeadline(time.Now().Add(patience))
	fmt.Fprintf(conn, "GET %s HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n", path)
	response, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil {
		return 0
	}
	_, _ = io.Copy(io.Discard, response.Body)
	return response.StatusCode
}
