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

var metricsLine = regexp.MustCompile(`(?i)metrics.*http://(\S+?)(/metrics)?[\s,)]*(\(|$)`)

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
	for _, line := range s.Log.Lines() {
		if found := metricsLine.FindStringSubmatch(line); found != nil {
			return found[1]
		}
	}
	t.Fatalf("the log does not say where metrics are served:\n%s", s.Log)
	return ""
}

// sum adds the counters, gauges or sample counts of a family whose labels contain the given values.
func sum(family *dto.MetricFamily, values ...string) float64 {
	total := 0.0
	for _, metric := range family.GetMetric() {
		labels := ""
		for _, label := range metric.GetLabel() {
			labels += label.GetName() + "=" + label.GetValue() + ";"
		}
		matches := true
		for _, value := range values {
			matches = matches && strings.Contains(labels, value)
		}
		if matches {
			total += metric.GetCounter().GetValue() + metric.GetGauge().GetValue() + float64(metric.GetHistogram().GetSampleCount())
		}
	}
	return total
}

// find returns the one family whose name contains all of the words.
func find(t *testing.T, families map[string]*dto.MetricFamily, words ...string) *dto.MetricFamily {
	t.Helper()
	var names []string
	for name, family := range families {
		all := strings.HasPrefix(name, "gounicorn_")
		for _, word := range words {
			all = all && strings.Contains(name, word)
		}
		if all {
			return family
		}
		names = append(names, name)
	}
	t.Errorf("no metric gounicorn_*%s* among %v", strings.Join(words, "*"), names)
	return nil
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
	harness.Eventually(t, harness.EventBudget, "both restarts are counted", func() bool {
		families = scrape(t, address)
		return sum(find(t, families, "restarts")) >= 2
	})
	total := find(t, families, "requests_total")
	for status, least := range map[string]float64{"200": 5, "500": 1, "502": 1, "504": 1} {
		if got := sum(total, status[:1]); got < least {
			t.Errorf("%v requests with status %s are counted, want at least %v", got, status, least)
		}
	}
	queue, run := find(t, families, "queue", "seconds"), find(t, families, "run", "seconds")
	if queue.GetType() != dto.MetricType_HISTOGRAM || run.GetType() != dto.MetricType_HISTOGRAM {
		t.Errorf("queue time is a %v, run time a %v, want histograms", queue.GetType(), run.GetType())
	}
	if sum(queue) < 6 || sum(run) < 6 {
		t.Errorf("%v queue times and %v run times are counted", sum(queue), sum(run))
	}
	if workers := find(t, families, "workers"); sum(workers) != 2 {
		t.Errorf("%v workers are counted", sum(workers))
	}
	find(t, families, "spool", "bytes")
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
	if workers := find(t, scrape(t, metricsAddress(t, s)), "workers"); sum(workers) != 1 {
		t.Errorf("%v workers", sum(workers))
	}
	s.Open(t, "open-stuck")
	<-stuck
}
