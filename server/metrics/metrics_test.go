package metrics_test

import (
	"context"
	"errors"
	"flag"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus/testutil"

	"github.com/gounicorn/gounicorn/server/metrics"
)

var update = flag.Bool("update", false, "rewrite the golden file")

func newMetrics() *metrics.Metrics {
	return metrics.New(metrics.Build{Version: "0.1", GoVersion: "go1.26", Python: "3.11.2"}, "fast", "slow", "pdf", "fast")
}

// exercise makes every metric have at least one child.
func exercise(m *metrics.Metrics) {
	m.Request("fast", 200)
	m.Request("slow", 504)
	m.Queued("fast", 3*time.Millisecond)
	m.Ran("slow", 2*time.Second)
	m.Refused("pdf", metrics.RefusedOverload)
	m.Refused("pdf", metrics.NotRefused)
	m.Retried()
	m.ClientGone(metrics.StageQueued)
	m.BadRequest("header-name")
	m.Answered("static")
	m.Answered("who?")
	m.Applied("rate")
	m.Restarted(metrics.RestartTimeout)
	m.Accepted()
	m.Handshake(metrics.HandshakeDone)
	m.Received(100)
	m.Sent(2000)
	m.Lent(1000)
	m.AddSource(func(s *metrics.State) {
		s.InFlight += 3
		s.QueueLength["slow"] += 4
		s.Connections[metrics.ConnIdle] += 5
		s.Workers[metrics.WorkerBusy] += 2
		s.Overflow++
		s.Threads[metrics.Spare][metrics.ThreadBusy] += 6
		s.SoftTimeout += 8
		s.Held += 1500 * time.Millisecond
		s.OOMKills += 9
		s.Companions = append(s.Companions, metrics.Companion{Program: "beat", Processes: map[string]int{"running": 2}, Restarts: 3, Memory: 4 << 20})
	})
	m.AddSource(func(s *metrics.State) {
		s.InFlight++
		s.Spool[metrics.Disk] += 1 << 20
		s.LogDropped[metrics.AccessLog] += 7
	})
}

func TestNamesAndHelpPassPromlint(t *testing.T) {
	m := newMetrics()
	exercise(m)
	problems, err := testutil.GatherAndLint(m.Gatherer())
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range problems {
		t.Errorf("%s: %s", p.Metric, p.Text)
	}
}

func TestTableAndRegistryAgree(t *testing.T) {
	m := newMetrics()
	exercise(m)
	families, err := m.Gatherer().Gather()
	if err != nil {
		t.Fatal(err)
	}
	rows := map[string]metrics.Metric{}
	for _, row := range metrics.All {
		if _, twice := rows[row.Name]; twice {
			t.Errorf("%s stands twice", row.Name)
		}
		rows[row.Name] = row
	}
	for _, f := range families {
		if !strings.HasPrefix(f.GetName(), "gounicorn_") {
			continue
		}
		row, ok := rows[f.GetName()]
		if !ok {
			t.Errorf("%s is not in the table", f.GetName())
			continue
		}
		delete(rows, row.Name)
		if got := strings.ToLower(f.GetType().String()); got != string(row.Type) {
			t.Errorf("%s is a %s, the table says %s", row.Name, got, row.Type)
		}
		if f.GetHelp() != row.Help || !strings.HasSuffix(row.Help, ".") {
			t.Errorf("%s: help %q, the table says %q", row.Name, f.GetHelp(), row.Help)
		}
		if row.Unit != "" && !strings.Contains(row.Name, row.Unit) {
			t.Errorf("%s does not name its unit %s", row.Name, row.Unit)
		}
		for _, child := range f.GetMetric() {
			for _, pair := range child.GetLabel() {
				i := slices.IndexFunc(row.Labels, func(l metrics.Label) bool { return l.Name == pair.GetName() })
				if i < 0 {
					t.Errorf("%s: label %s is not in the table", row.Name, pair.GetName())
				} else if v := row.Labels[i].Values; v != nil && !slices.Contains(v, pair.GetValue()) {
					t.Errorf("%s: value %q of label %s is not in the table", row.Name, pair.GetValue(), pair.GetName())
				}
			}
		}
	}
	for name := range rows {
		t.Errorf("%s is in the table only", name)
	}
}

func TestLabelValuesHaveNames(t *testing.T) {
	for _, row := range metrics.All {
		for _, l := range row.Labels {
			for _, v := range l.Values {
				if !regexp.MustCompile(`^[a-z_]+$`).MatchString(v) {
					t.Errorf("%s: label %s has the value %q", row.Name, l.Name, v)
				}
			}
		}
	}
}

func get(t *testing.T, h http.Handler, path string) (int, string) {
	t.Helper()
	r := httptest.NewRecorder()
	h.ServeHTTP(r, httptest.NewRequestWithContext(t.Context(), http.MethodGet, path, nil))
	return r.Code, r.Body.String()
}

// TestScrape compares with testdata/scrape.golden, without the figures of the
// Go runtime and the process. The flag -update rewrites it.
func TestScrape(t *testing.T) {
	m := newMetrics()
	exercise(m)
	status, body := get(t, m.Handler(false), "/metrics")
	if status != http.StatusOK {
		t.Fatalf("status %d", status)
	}
	var ours strings.Builder
	for line := range strings.Lines(body) {
		if strings.Contains(line, "gounicorn_") {
			ours.WriteString(line)
		}
	}
	const golden = "testdata/scrape.golden"
	if *update {
		if err := os.WriteFile(golden, []byte(ours.String()), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(golden)
	if err != nil {
		t.Fatal(err)
	}
	if ours.String() != string(want) {
		t.Errorf("got\n%s\nwant\n%s", ours.String(), want)
	}
	for _, name := range []string{"go_goroutines", "process_open_fds"} {
		if !strings.Contains(body, name) {
			t.Errorf("%s is missing", name)
		}
	}
}

func TestPprofOnlyIfAsked(t *testing.T) {
	m := newMetrics()
	for path, want := range map[string]int{"/debug/pprof/": 404, "/debug/pprof/cmdline": 404, "/": 404, "/metrics": 200} {
		if got, _ := get(t, m.Handler(false), path); got != want {
			t.Errorf("without pprof %s: %d, want %d", path, got, want)
		}
	}
	for path, want := range map[string]int{"/debug/pprof/": 200, "/debug/pprof/heap": 200, "/": 404, "/metrics": 200} {
		if got, _ := get(t, m.Handler(true), path); got != want {
			t.Errorf("with pprof %s: %d, want %d", path, got, want)
		}
	}
}

func TestUnknownValuesDoNotPanic(t *testing.T) {
	m := newMetrics()
	m.Request("no such lane", -1)
	m.Request("no such lane", 1000)
	m.Queued("", -time.Second)
	m.Ran("none", 0)
	m.Refused("pdf", 99)
	m.ClientGone(99)
	m.Restarted(99)
	m.Received(-1)
	m.Sent(-1)
	_, body := get(t, m.Handler(false), "/metrics")
	if want := `gounicorn_requests_total{code="599",lane="none"} 2`; !strings.Contains(body, want) {
		t.Errorf("%s is missing", want)
	}
}

func TestCountingNeedsNoMemory(t *testing.T) {
	m := newMetrics()
	count := func() {
		m.Request("fast", 200)
		m.Queued("fast", time.Millisecond)
		m.Ran("fast", time.Millisecond)
		m.Received(100)
		m.Sent(200)
		m.Refused("pdf", metrics.RefusedFull)
		m.Retried()
		m.ClientGone(metrics.StageSending)
		m.Restarted(metrics.RestartExit)
		m.Accepted()
	}
	if n := testing.AllocsPerRun(100, count); n != 0 {
		t.Errorf("%v allocations, want 0", n)
	}
}

func TestCountingAndScrapingAtOnce(t *testing.T) {
	m := newMetrics()
	h := m.Handler(false)
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			for i := range 200 {
				m.Request("fast", 200+i%3)
				m.Ran("slow", time.Millisecond)
				m.BadRequest("cause")
			}
		})
	}
	wg.Go(func() {
		for range 5 {
			m.AddSource(func(s *metrics.State) { s.InFlight++ })
			get(t, h, "/metrics")
		}
	})
	wg.Wait()
	_, body := get(t, h, "/metrics")
	if want := `gounicorn_bad_requests_total{cause="cause"} 800`; !strings.Contains(body, want) {
		t.Errorf("%s is missing", want)
	}
}

func TestServeEndsWithItsContext(t *testing.T) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- metrics.Serve(ctx, ln, newMetrics().Handler(false)) }()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://"+ln.Addr().String()+"/metrics", nil)
	if err != nil {
		t.Fatal(err)
	}
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	resp, err := client.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := io.Copy(io.Discard, resp.Body); err != nil || resp.StatusCode != http.StatusOK {
		t.Errorf("status %d, %v", resp.StatusCode, err)
	}
	_ = resp.Body.Close()
	cancel()
	if err := <-ended; err != nil {
		t.Errorf("Serve: %v", err)
	}
}

func TestServeReportsABrokenListener(t *testing.T) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	if err := ln.Close(); err != nil {
		t.Fatal(err)
	}
	if err := metrics.Serve(t.Context(), ln, http.NotFoundHandler()); !errors.Is(err, net.ErrClosed) {
		t.Errorf("Serve: %v, want %v", err, net.ErrClosed)
	}
}

func BenchmarkRequest(b *testing.B) {
	m := newMetrics()
	b.ReportAllocs()
	for b.Loop() {
		m.Request("fast", 200)
		m.Queued("fast", 40*time.Microsecond)
		m.Ran("fast", 300*time.Microsecond)
		m.Received(300)
		m.Sent(800)
	}
}
