package main

import (
	"context"
	"net"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"
	"time"
)

func TestSumCountsWhoStillWaits(t *testing.T) {
	visits := []visitor{
		{took: []time.Duration{time.Second, 3 * time.Second}},
		{waiting: 8 * time.Second},
	}
	got := sum(visits, 4*time.Second)
	if got.Answered != 2 || got.PerSecond != 0.5 || got.Mean != 4000 || got.Max != 8000 || got.Fewest != 0 || got.Most != 2 {
		t.Errorf("sum = %+v", got)
	}
}

// TestMixed asks a real server: every slow question has an address of its own, visitors of both kinds come from different
// clients, and what no answer came for in the measured time is no goodput.
func TestMixed(t *testing.T) {
	var mu sync.Mutex
	paths, clients := map[string]int{}, map[string]int{}
	server := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		mu.Lock()
		paths[r.URL.Path]++
		host, _, _ := net.SplitHostPort(r.RemoteAddr)
		clients[host]++
		mu.Unlock()
		if r.URL.Path == "/never" {
			<-r.Context().Done()
		}
	}))
	defer server.Close()

	c := mixedConfig{
		url:      server.URL + "/never",
		rate:     50,
		slowURL:  server.URL + "/slow/{}/",
		visitors: 2,
		slowRate: 50,
		measure:  300 * time.Millisecond,
		timeout:  10 * time.Second,
		cut:      true,
	}
	got, err := mixed(context.Background(), c)
	if err != nil {
		t.Fatal(err)
	}
	if got.Home.Due != 0 || got.Home.Goodput != 0 {
		t.Errorf("cut counts open questions: %+v", got.Home)
	}
	if got.Slow.Answered == 0 || got.SlowRate.Answered == 0 || got.SlowRate.Goodput == 0 {
		t.Errorf("slow %+v, at a rate %+v: want answers", got.Slow, got.SlowRate)
	}
	mu.Lock()
	defer mu.Unlock()
	for path, times := range paths {
		if path != "/never" && times > 1 {
			t.Errorf("%s was asked for %d times", path, times)
		}
	}
	for _, host := range []string{"127.1.0.1", "127.1.0.2", "127.2.0.1"} {
		if clients[host] == 0 {
			t.Errorf("nobody came from %s, only from %v", host, clients)
		}
	}
}
