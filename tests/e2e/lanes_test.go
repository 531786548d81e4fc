package e2e

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/gounicorn/gounicorn/tests/harness"
)

// A status is what programs of others read in the answer of GET /status; keys may be added to it.
type status struct {
	Version    string  `json:"version"`
	PID        int     `json:"pid"`
	Uptime     float64 `json:"uptime_seconds"`
	Generation int     `json:"generation"`
	Workers    []struct {
		PID      int     `json:"pid"`
		State    string  `json:"state"`
		Overflow bool    `json:"overflow"`
		Threads  int     `json:"threads"`
		Age      float64 `json:"age_seconds"`
		Requests []struct {
			Request string  `json:"request"`
			Lane    string  `json:"lane"`
			Class   string  `json:"class"`
			Seconds float64 `json:"seconds"`
		} `json:"requests"`
	} `json:"workers"`
	Slots struct {
		Computing     int `json:"computing"`
		ComputingBusy int `json:"computing_busy"`
		Spare         int `json:"spare"`
		SpareBusy     int `json:"spare_busy"`
		Reserve       int `json:"reserve"`
	} `json:"slots"`
	Lanes  []statusLane `json:"lanes"`
	Routes []struct {
		Key      string  `json:"key"`
		Lane     string  `json:"lane"`
		Class    string  `json:"class"`
		Waits    bool    `json:"waits"`
		Requests uint64  `json:"requests"`
		OwnP50   float64 `json:"own_p50"`
		OwnP90   float64 `json:"own_p90"`
		OwnP99   float64 `json:"own_p99"`
		CPUMean  float64 `json:"cpu_mean"`
		Estimate float64 `json:"estimate"`
		Aliases  int     `json:"aliases"`
	} `json:"routes"`
	Prior float64 `json:"prior"`
}

// A statusLane is one lane of it.
type statusLane struct {
	Name        string  `json:"name"`
	Priority    int     `json:"priority"`
	Concurrency int     `json:"concurrency"`
	Running     int     `json:"running"`
	Waiting     int     `json:"waiting"`
	Oldest      float64 `json:"oldest_seconds"`
	Sent        uint64  `json:"sent"`
	Refused     uint64  `json:"refused"`
	Expired     uint64  `json:"expired"`
}

// An explanation is the answer of GET /explain.
type explanation struct {
	Key      string   `json:"key"`
	Route    string   `json:"route"`
	Rule     string   `json:"rule"`
	Lane     string   `json:"lane"`
	Class    string   `json:"class"`
	Waits    bool     `json:"waits"`
	Estimate float64  `json:"estimate_seconds"`
	Requests uint64   `json:"requests"`
	Decision string   `json:"decision"`
	Wait     float64  `json:"expected_wait_seconds"`
	Why      []string `json:"why"`
}

// strictly decodes a document that must have each field of the value; it may have more.
func strictly(t *testing.T, text []byte, value any) {
	t.Helper()
	if err := json.Unmarshal(text, value); err != nil {
		t.Fatalf("%v in %s", err, text)
	}
	again, err := json.Marshal(value)
	if err != nil {
		t.Fatal(err)
	}
	var want, got any
	for document, into := range map[string]*any{string(again): &want, string(text): &got} {
		if err := json.Unmarshal([]byte(document), into); err != nil {
			t.Fatal(err)
		}
	}
	if diff := cmp.Diff(want, only(want, got)); diff != "" {
		t.Errorf("fields are missing (-documented +answer):\n%s", diff)
	}
}

// only returns what a document has of the fields of another one.
func only(of, document any) any {
	switch of := of.(type) {
	case map[string]any:
		fields, _ := document.(map[string]any)
		kept := map[string]any{}
		for name, value := range of {
			if found, ok := fields[name]; ok {
				kept[name] = only(value, found)
			}
		}
		return kept
	case []any:
		items, _ := document.([]any)
		kept := make([]any, min(len(of), len(items)))
		for i := range kept {
			kept[i] = only(of[i], items[i])
		}
		return kept
	}
	return document
}

// fetchJSON gets a document of the private listener.
func fetchJSON(t *testing.T, url string, value any) {
	t.Helper()
	response, err := http.Get(url)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	if err != nil || response.StatusCode != http.StatusOK || response.Header.Get("Content-Type") != "application/json" {
		t.Fatalf("%s: status %d, error %v, %s", url, response.StatusCode, err, text)
	}
	strictly(t, text, value)
}

// explain runs the verb and returns its exit code, standard output and standard error.
func explain(t *testing.T, env []string, args ...string) (int, string, string) {
	t.Helper()
	cmd := exec.Command(harness.Binary(t), append([]string{"explain"}, args...)...)
	cmd.Env = env
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	err := cmd.Run()
	if exit, failed := errors.AsType[*exec.ExitError](err); err != nil && !failed {
		t.Fatal(err)
	} else if failed {
		return exit.ExitCode(), stdout.String(), stderr.String()
	}
	return 0, stdout.String(), stderr.String()
}

// wantWords fails the test unless explain says each of the texts.
func wantWords(t *testing.T, bind, request string, texts ...string) {
	t.Helper()
	code, out, complaint := explain(t, nil, "--metrics-bind", bind, request)
	for _, text := range texts {
		if code != 0 || !strings.Contains(out, text) {
			t.Errorf("explain %s: exit code %d, %s does not say %q in\n%s", request, code, complaint, text, out)
		}
	}
}

func TestStatusShowsWorkersLanesAndRoutes(t *testing.T) {
	t.Parallel()
	s := start(t, "faults:app", "-w", "2", "--max-workers", "2", "--metrics-bind", "127.0.0.1:0", "--lane", "/gate/**=held,concurrency=1,priority=30")
	address := metricsAddress(t, s)
	for range 6 {
		s.WantGet(t, "/pid", 200)
	}
	held := []<-chan harness.Reply{s.Go("/gate/held?x=1")}
	s.WaitMark(t, "entered-held", 1)
	held = append(held, s.Go("/gate/held?x=2"))
	var st status
	harness.Eventually(t, harness.EventBudget, "one request is held and one waits", func() bool {
		st = status{}
		fetchJSON(t, "http://"+address+"/status", &st)
		return slices.ContainsFunc(st.Lanes, func(l statusLane) bool {
			return l.Name == "held" && l.Running == 1 && l.Waiting == 1 && l.Concurrency == 1 && l.Priority == 30
		})
	})
	if st.PID != s.PID || st.Version == "" || st.Uptime <= 0 || st.Generation != 1 || len(st.Workers) != 2 || st.Slots.Computing != 2 {
		t.Errorf("got %+v", st)
	}
	var names, running, known []string
	for _, l := range st.Lanes {
		names = append(names, l.Name)
	}
	for _, w := range st.Workers {
		for _, r := range w.Requests {
			running = append(running, r.Request+" in "+r.Lane)
		}
		if !slices.Contains(s.Workers(), w.PID) || w.State != "ready" || w.Threads != 1 || w.Overflow {
			t.Errorf("worker %+v", w)
		}
	}
	for _, r := range st.Routes {
		known = append(known, r.Key+" is "+r.Class)
	}
	if want := []string{"fast", "new", "slow", "held"}; !slices.Equal(names, want) {
		t.Errorf("lanes %q, want %q", names, want)
	}
	if want := []string{"GET /gate/held?x=1 in held"}; !slices.Equal(running, want) {
		t.Errorf("running %q, want %q", running, want)
	}
	if !slices.Contains(known, "GET /pid is fast") {
		t.Errorf("routes %q", known)
	}
	families := scrape(t, address)
	for _, c := range []struct {
		want   float64
		name   string
		labels []string
	}{
		{1, "gounicorn_queue_length", []string{"lane", "held"}},
		{0, "gounicorn_queue_length", []string{"lane", "slow"}},
		{1, "gounicorn_threads", []string{"kind", "computing", "state", "busy"}},
		{1, "gounicorn_threads", []string{"kind", "computing", "state", "idle"}},
		{0, "gounicorn_threads", []string{"kind", "spare"}},
		{0, "gounicorn_workers_overflow", nil},
		{0, "gounicorn_soft_timeouts_total", nil},
		{6, "gounicorn_requests_total", []string{"code", "200"}},
		{0, "gounicorn_requests_total", []string{"lane", "held"}},
	} {
		if got := sum(t, families, c.name, c.labels...); got != c.want {
			t.Errorf("%s%q is %v, want %v", c.name, c.labels, got, c.want)
		}
	}
	s.Open(t, "open-held")
	for _, reply := range held {
		if r := <-reply; r.Status != 200 {
			t.Errorf("got %d %v", r.Status, r.Err)
		}
	}
	harness.Eventually(t, harness.EventBudget, "both are counted for their lane", func() bool {
		families = scrape(t, address)
		return sum(t, families, "gounicorn_requests_total", "lane", "held", "code", "200") == 2 &&
			sum(t, families, "gounicorn_request_run_duration_seconds", "lane", "held") == 2
	})
}

func TestExplainSaysWhatTheServerKnows(t *testing.T) {
	t.Parallel()
	s := start(t, "faults:app", "-w", "2", "--max-workers", "2", "--metrics-bind", "127.0.0.1:0", "--lane", "/gate/**=held,concurrency=1")
	address := metricsAddress(t, s)
	wantWords(t, address, "GET /pid", "GET /pid\n", "lane", "new", "never seen", "would start at once", "none yet")
	for range 6 {
		s.WantGet(t, "/pid", 200)
	}
	wantWords(t, address, "/pid?x=1", "fast", "GET /pid\n", "requests", "--slow-after")
	s.WantGet(t, "/sleep/1", 200)
	wantWords(t, address, "/sleep/7", "slow", "GET /sleep/:n", "1 request\n", "waits rather than computes")
	waiting := s.Go("/gate/a")
	s.WaitMark(t, "entered-a", 1)
	wantWords(t, address, "GET /gate/b", "held", "/gate/**=held,concurrency=1", "would wait", "1 of 1")

	code, out, complaint := explain(t, []string{"GOUNICORN_CMD_ARGS=-w 2 --metrics-bind " + address}, "--json", "--client", "192.0.2.1", "POST /gate/b")
	if code != 0 {
		t.Fatalf("exit code %d, %s", code, complaint)
	}
	var said, served explanation
	strictly(t, []byte(out), &said)
	fetchJSON(t, "http://"+address+"/explain?method=POST&target=/gate/b&client=192.0.2.1", &served)
	if diff := cmp.Diff(served, said); diff != "" {
		t.Errorf("the verb and GET /explain differ:\n%s", diff)
	}
	if said.Key != "POST /gate/b" || said.Lane != "held" || said.Class != "slow" || said.Decision != "waits" || len(said.Why) == 0 {
		t.Errorf("got %+v", said)
	}
	if got := s.Marks("entered-b"); len(got) > 0 {
		t.Errorf("explain ran the request")
	}
	s.Open(t, "open-a")
	<-waiting
	if code, _, complaint := explain(t, nil, "/"); code != 1 || !strings.Contains(complaint, "--metrics-bind") {
		t.Errorf("without an address: exit code %d, %q", code, complaint)
	}
	if code, _, complaint := explain(t, nil, "--metrics-bind", address); code != 2 || !strings.Contains(complaint, "name the request") {
		t.Errorf("without a request: exit code %d, %q", code, complaint)
	}
}

func TestExplainReachesAUnixSocket(t *testing.T) {
	t.Parallel()
	bind := "unix:" + filepath.Join(t.TempDir(), "metrics.sock")
	s := start(t, "hello:app", "--metrics-bind", bind)
	s.Log.Wait(t, 0, "Metrics at: "+bind, harness.EventBudget)
	wantWords(t, bind, "/", "new", "would start at once")
}

// A module called explain is served like any other.
func TestExplainIsAlsoTheNameOfAModule(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	writeFile(t, filepath.Join(dir, "explain.py"), "def app(environ, start_response):\n    start_response('200 OK', [])\n    return [b'a module']\n")
	s := harness.Start(t, harness.Config{App: "explain:app", Dir: dir})
	if reply := s.WantGet(t, "/", 200); reply.Body != "a module" {
		t.Errorf("got %q", reply.Body)
	}
}

// The keys of a real framework's routes: what Django calls one route is one for the server too.
func TestExplainKnowsDjangosRoutes(t *testing.T) {
	t.Parallel()
	s := start(t, "django_app:app", "-w", "1", "--metrics-bind", "127.0.0.1:0")
	for _, word := range []string{"one", "two", "three", "four", "five", "six"} {
		s.WantGet(t, "/echo/"+word, 200)
	}
	wantWords(t, metricsAddress(t, s), "/echo/seven", "GET echo/<str:word>", "6 requests")
}

func TestAccessLogNamesTheLane(t *testing.T) {
	t.Parallel()
	s := start(t, "faults:app", "-w", "2", "--access-logfile", "-", "--access-logformat", "%(U)s lane=%({lane}x)s queue=%({queue}x)s run=%({run}x)s worker=%({worker}x)s",
		"--lane", "/sleep/*=naps", "--limit-request-body", "10")
	s.WantGet(t, "/sleep/0", 200)
	if line := s.Out.Wait(t, 0, "/sleep/0", harness.EventBudget); !regexp.MustCompile(`^/sleep/0 lane=naps queue=\d+ run=\d+ worker=\d+$`).MatchString(line) {
		t.Errorf("got %s", line)
	}
	s.Request("POST", "/pid", "more than ten bytes")
	s.Out.Wait(t, 0, "lane=- queue=0 run=0 worker=-", harness.EventBudget) // refused for its length, before it had a lane
}

func TestRefusedRequestsAreCountedByLaneAndCause(t *testing.T) {
	t.Parallel()
	s := start(t, "faults:app", "-w", "2", "--max-workers", "2", "--metrics-bind", "127.0.0.1:0",
		"--lane", "/gate/**=held,concurrency=1,queue=1,deadline=0.5")
	address := metricsAddress(t, s)
	running := s.Go("/gate/a")
	s.WaitMark(t, "entered-a", 1)
	late := s.Go("/gate/b")
	harness.Eventually(t, harness.EventBudget, "one waits", func() bool {
		return sum(t, scrape(t, address), "gounicorn_queue_length", "lane", "held") == 1
	})
	for name, reply := range map[string]harness.Reply{"full": s.Get("/gate/c"), "late": <-late} {
		if reply.Status != 503 || reply.Header.Get("Retry-After") == "" {
			t.Errorf("%s: got %d %v, Retry-After %q", name, reply.Status, reply.Err, reply.Header.Get("Retry-After"))
		}
	}
	families := scrape(t, address)
	if got := sum(t, families, "gounicorn_requests_refused_total", "lane", "held"); got != 2 {
		t.Errorf("%v refusals of the lane, want 2", got)
	}
	if got := sum(t, families, "gounicorn_requests_refused_total", "cause", "full"); got != 1 {
		t.Errorf("%v refusals because it was full, want 1", got)
	}
	s.Open(t, "open-a")
	<-running
}

func TestSoftTimeoutsAreCounted(t *testing.T) {
	t.Parallel()
	s := start(t, "faults:app", "-w", "1", "--max-workers", "1", "--soft-timeout", "0.3", "--metrics-bind", "127.0.0.1:0")
	address := metricsAddress(t, s)
	s.WantGet(t, "/sleep/3600", 500)
	s.Log.Wait(t, 0, "SoftTimeout", harness.EventBudget)
	harness.Eventually(t, harness.EventBudget, "it is counted, and the worker lives", func() bool {
		families := scrape(t, address)
		return sum(t, families, "gounicorn_soft_timeouts_total") == 1 && sum(t, families, "gounicorn_workers", "state", "idle") == 1 &&
			sum(t, families, "gounicorn_worker_restarts_total") == 0
	})
}

func TestThreadsAreCountedByKind(t *testing.T) {
	t.Parallel()
	s := start(t, "faults:app", "-w", "1", "--max-workers", "1", "--threads", "3", "--metrics-bind", "127.0.0.1:0")
	address := metricsAddress(t, s)
	threads := func(kind, state string) float64 {
		return sum(t, scrape(t, address), "gounicorn_threads", "kind", kind, "state", state)
	}
	if computing, spare := threads("computing", "idle"), threads("spare", "idle"); computing != 1 || spare != 2 {
		t.Errorf("%v computing and %v spare threads, want 1 and 2", computing, spare)
	}
	s.WantGet(t, "/sleep/1", 200) // from here on the route is known to wait
	waiting := s.Go("/sleep/2")
	harness.Eventually(t, harness.EventBudget, "the one that waits is in a spare thread", func() bool {
		return threads("spare", "busy") == 1 && threads("computing", "busy") == 0
	})
	<-waiting
}
