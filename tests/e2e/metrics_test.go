package e2e

import (
	"io"
	"net/http"
	"regexp"
	"strings"
	"testing"

	"github.com/gounicorn/gounicorn/tests/harness"
	dto "github.com/prometheus/client_model/go"
	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/common/model"
)

var metricsLine = regexp.MustCompile(`(?i)metrics.*http://([^\s/",)]+)`)

// scrape fetches and parses /metrics.
func scrape(t *testing.T, address string) map[string]*dto.MetricFamily {
	t.Helper()
	response, err := http.Get("http://" + address + "/metrics")
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusOK {
		t.Fatalf("got status %d", response.StatusCode)
	}
	parser := expfmt.NewTextParser(model.UTF8Validation)
	families, err := parser.TextToMetricFamilies(response.Body)
	if err != nil {
		t.Fatalf("parse: %v", err)
	}
	return families
}

// metricsAddress is where the log says that metrics are served.
func metricsAddress(t *testing.T, s *harness.Server) string {
	t.Helper()
	s.Log.Wait(t, 0, "Metrics at:", harness.EventBudget) // it may come after the readiness line
	for _, line := range s.Log.Lines() {
		if found := metricsLine.FindStringSubmatch(line); found != nil {
			return found[1]
		}
	}
	t.Fatalf("the log does not say where metrics are served:\n%s", s.Log)
	return ""
}

// sum adds the counters, gauges or sample counts of a family whose labels are as given: name, value, name, value ...
func sum(t *testing.T, families map[string]*dto.MetricFamily, name string, labels ...string) float64 {
	t.Helper()
	family, ok := families[name]
	if !ok {
		t.Fatalf("no metric %s", name)
	}
	total := 0.0
	for _, metric := range family.GetMetric() {
		has := map[string]string{}
		for _, label := range metric.GetLabel() {
			has[label.GetName()] = label.GetValue()
		}
		matches := true
		for i := 0; i+1 < len(labels); i += 2 {
			matches = matches && has[labels[i]] == labels[i+1]
		}
		if matches {
			total += metric.GetCounter().GetValue() + metric.GetGauge().GetValue() + float64(metric.GetHistogram().GetSampleCount())
		}
	}
	return total
}

func TestMetricsTellWhatHappened(t *testing.T) {
	t.Parallel()
	s := start(t, "faults:app", "-w", "2", "-t", "1", "--metrics-bind", "127.0.0.1:0")
	address := metricsAddress(t, s)
	for range 5 {
		s.WantGet(t, "/pid", 200)
	}
	s.WantGet(t, "/fail", 500)
	s.Request("POST", "/kill9", "x")
	s.Get("/sleep/3600")
	workerCount(t, s, 2)
	var families map[string]*dto.MetricFamily
	harness.Eventually(t, harness.EventBudget, "both restarts are counted, by cause", func() bool {
		families = scrape(t, address)
		return sum(t, families, "gounicorn_worker_restarts_total", "cause", "signal") == 1 &&
			sum(t, families, "gounicorn_worker_restarts_total", "cause", "timeout") == 1
	})
	for code, want := range map[string]float64{"200": 5, "500": 1, "502": 1, "504": 1} {
		if got := sum(t, families, "gounicorn_requests_total", "code", code); got != want {
			t.Errorf("%v requests with status %s are counted, want %v", got, code, want)
		}
	}
	for _, name := range []string{"gounicorn_request_queue_duration_seconds", "gounicorn_request_run_duration_seconds"} {
		if families[name].GetType() != dto.MetricType_HISTOGRAM {
			t.Errorf("%s is a %v, want a histogram", name, families[name].GetType())
		}
		if got := sum(t, families, name); got < 6 || got > 8 {
			t.Errorf("%s has %v samples, want one per request", name, got)
		}
	}
	harness.Eventually(t, harness.EventBudget, "both workers are counted as idle", func() bool {
		return sum(t, scrape(t, address), "gounicorn_workers", "state", "idle") == 2
	})
	for _, name := range []string{
		"gounicorn_spool_bytes", "gounicorn_requests_in_flight", "gounicorn_queue_length", "gounicorn_connections",
		"gounicorn_sent_bytes_total", "gounicorn_received_bytes_total", "gounicorn_build_info", "go_goroutines", "process_open_fds",
	} {
		sum(t, families, name)
	}
}

func TestProfilesAreServedIfAskedFor(t *testing.T) {
	t.Parallel()
	s := start(t, "faults:app", "--metrics-bind", "127.0.0.1:0", "--metrics-pprof")
	response, err := http.Get("http://" + metricsAddress(t, s) + "/debug/pprof/goroutine?debug=1")
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	if text, err := io.ReadAll(response.Body); response.StatusCode != http.StatusOK || !strings.Contains(string(text), "goroutine profile") {
		t.Errorf("got %d, error %v", response.StatusCode, err)
	}
}

func TestMetricsAreServedOnTheirOwnListenerOnly(t *testing.T) {
	t.Parallel()
	s := start(t, "faults:app", "--metrics-bind", "127.0.0.1:0")
	address := metricsAddress(t, s)
	if reply := s.Get("/metrics"); reply.Status != 404 || !strings.Contains(reply.Body, "no such fault") {
		t.Errorf("the site's /metrics is answered by the server: %d %q", reply.Status, reply.Body)
	}
	for _, path := range []string{"/debug/pprof/", "/debug/pprof/profile?seconds=1", "/debug/pprof/cmdline"} {
		response, err := http.Get("http://" + address + path)
		if err != nil {
			t.Fatal(err)
		}
		io.Copy(io.Discard, response.Body)
		response.Body.Close()
		if response.StatusCode != http.StatusNotFound {
			t.Errorf("%s: got %d without being asked for, want 404", path, response.StatusCode)
		}
	}
}

// Metrics answer while every worker is stuck: they are what one looks at then.
func TestMetricsAnswerWhileEveryWorkerIsBusy(t *testing.T) {
	t.Parallel()
	s := start(t, "faults:app", "-w", "1", "--metrics-bind", "127.0.0.1:0")
	stuck := s.Go("/gate/stuck")
	s.WaitMark(t, "entered-stuck", 1)
	harness.Eventually(t, harness.EventBudget, "the worker is counted as busy", func() bool {
		return sum(t, scrape(t, metricsAddress(t, s)), "gounicorn_workers", "state", "busy") == 1
	})
	s.Open(t, "open-stuck")
	<-stuck
}
