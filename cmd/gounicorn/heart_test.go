package main

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/gounicorn/gounicorn/server"
	"github.com/gounicorn/gounicorn/server/metrics"
)

// What blocks the goroutine of signals, or the one that accepts connections, is a reason not to tell the watchdog that we live.
func TestHeartStopsWhenSomethingIsBlocked(t *testing.T) {
	m := &master{calls: make(chan func()), left: make(chan struct{}), server: server.New(server.Config{
		Metrics: metrics.New(metrics.Build{}), Debugf: t.Logf, Warnf: t.Logf, Errorf: t.Logf,
	})}
	t.Cleanup(m.server.Close)
	vital := func() string {
		ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
		defer cancel()
		if err := m.vital(ctx); err != nil {
			return err.Error()
		}
		return ""
	}
	if got := vital(); got != "signals are not handled" {
		t.Errorf("without the goroutine of signals: %q", got)
	}
	ln, err := server.Listen(server.Address{Network: "tcp", Address: "127.0.0.1:0"}, server.Socket{})
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	m.sockets = []socket{{Listener: ln}}
	go func() {
		for call := range m.calls {
			call()
		}
	}()
	if got := vital(); !strings.Contains(got, ln.Addr().String()) || !strings.HasSuffix(got, " are not accepted") {
		t.Errorf("without the goroutine that accepts: %q", got)
	}
	close(m.left)
	for range 100 { // either case of the select may win
		if vital() == "" {
			return
		}
	}
	t.Error("a server that ends need not answer")
}

func TestSocketsAreToldApart(t *testing.T) {
	site, private, stored := divide([]given{
		{3, "http"}, {4, "gounicorn-127.0.0.1_80"}, {5, "admin"}, {6, ""}, {7, "metrics"}, {8, "gounicorn-127.0.0.1_80"}, {9, "site.socket"},
	})
	if len(site) != 4 || site[0].fd != 3 || site[1].fd != 6 || site[2].fd != 7 || site[3].fd != 9 || private == nil || private.fd != 5 {
		t.Errorf("site %v, metrics %v", site, private)
	}
	if fds := stored["gounicorn-127.0.0.1_80"]; len(stored) != 1 || len(fds) != 2 {
		t.Errorf("stored: %v", stored)
	}
	for place, want := range map[string]string{
		"127.0.0.1:80": "gounicorn-127.0.0.1_80", "http://[::1]:80": "gounicorn-http_//[__1]_80", "unix:/run/ä": "", "unix:/run/a b": "",
		"unix:" + strings.Repeat("x", 300): "gounicorn-unix_" + strings.Repeat("x", 240),
	} {
		if got := storeName(place); got != want {
			t.Errorf("%s is kept as %q, want %q", place, got, want)
		}
	}
}
