package server

import (
	"context"
	"net"
	"sync"
	"testing"
	"time"

	"github.com/gounicorn/gounicorn/server/courtesy"
	"github.com/gounicorn/gounicorn/tests/harness"
)

// The gate of the files is told of every request that the application has, and of its end however it ends.
func TestCourtesyKnowsWhatTheApplicationHas(t *testing.T) {
	gate := &courtesy.Gate{}
	begun, end := make(chan struct{}), make(chan struct{})
	release := sync.OnceFunc(func() { close(end) })
	addr, _ := start(t, &fakeApp{serve: func(c *Call) {
		go func() {
			c.Report = Report{Run: 10 * time.Millisecond, Waited: 5 * time.Millisecond}
			switch string(c.req.Path) {
			case "/held":
				begun <- struct{}{}
				<-end
			case "/fails":
				c.Fail(Failure{Status: 502})
				return
			case "/slow":
				c.Report.Slow = true
			}
			_ = c.Head(200, head("OK", nil, ""), nil, true)
		}()
	}}, func(cfg *Config) { cfg.Courtesy = gate })
	ask := func(ctx context.Context, path string) {
		conn, err := new(net.Dialer).DialContext(ctx, "tcp", addr)
		if err != nil {
			t.Error(err)
			return
		}
		defer conn.Close()
		_, _ = conn.Write([]byte("GET " + path + " HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"))
		if path == "/gone" {
			return
		}
		buffer := make([]byte, 1024)
		for err == nil {
			_, err = conn.Read(buffer)
		}
	}
	// held reports whether files are held back now.
	held := func() bool {
		before := gate.Held()
		for range 40 { // more than it may have saved
			gate.Leave(gate.Enter().Add(-time.Second))
		}
		return gate.Held() > before
	}
	for _, path := range []string{"/", "/fails", "/slow", "/gone", "/", "/"} {
		ask(t.Context(), path)
	}
	defer release()
	go ask(t.Context(), "/held")
	<-begun
	harness.Eventually(t, harness.EventBudget, "files are held back while the application has a request", held)
	release()
	harness.Eventually(t, harness.EventBudget, "the gate is open when all requests have ended", func() bool { return !held() })
}
