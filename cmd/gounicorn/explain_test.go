package main

import (
	"bytes"
	"encoding/json"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/gounicorn/gounicorn/cmd/gounicorn/insight"
	"github.com/gounicorn/gounicorn/prefork"
	"github.com/gounicorn/gounicorn/prefork/lane"
	"github.com/gounicorn/gounicorn/server"
)

// oracle is a pool that knows one slow route.
type oracle struct{}

func (oracle) look() (insight.Document, error) {
	return insight.Document{Version: version, PID: os.Getpid(), Uptime: 3600, Status: prefork.Status{Generation: 3}}, nil
}

func (oracle) Explain(key []byte, client uint64) lane.Explanation {
	x := lane.Explanation{Key: string(key), Lane: "new", Class: "new", Decision: "computing slot now", Why: []string{"No request like this has been seen."}}
	if string(key) == "GET /contract/:n/download" {
		x = lane.Explanation{
			Key: string(key), Route: "GET contract-pdf", Lane: "pdf", Class: "slow", Waits: true, Estimate: 0.42, Requests: 17,
			Decision: "waits", Wait: 1.234, Why: []string{"The rule decides.", "2 requests of the lane wait already."},
		}
	}
	if client == server.ClientOf([]byte("192.0.2.7")) {
		x.Why = append(x.Why, "It is 192.0.2.7.")
	}
	return x
}

// observe serves the oracle as a server would, at 127.0.0.1:0 or a unix socket, and returns the value of --metrics-bind.
func observe(t *testing.T, network, address string) string {
	t.Helper()
	ln, err := net.Listen(network, address)
	if err != nil {
		t.Fatal(err)
	}
	srv := &http.Server{Handler: observer(http.NotFoundHandler(), oracle{}.look, oracle{}), ReadHeaderTimeout: time.Second}
	go func() { _ = srv.Serve(ln) }()
	t.Cleanup(func() { _ = srv.Close() })
	if network == "unix" {
		return "unix:" + address
	}
	return ln.Addr().String()
}

// asked runs the program and returns its exit code and what it printed.
func ran(env map[string]string, args ...string) (code int, stdout, stderr string) {
	var out, complaint bytes.Buffer
	code = run(&process{}, args, func(name string) (string, bool) { v, ok := env[name]; return v, ok }, &out, &complaint)
	return code, out.String(), complaint.String()
}

func TestExplainSaysInWordsWhatTheServerWouldDo(t *testing.T) {
	at := observe(t, "tcp", "127.0.0.1:0")
	want := `GET /contract/7/download?page=2
  lane      pdf (slow; leaves the reserved slots to others; it waits rather than computes)
  route     GET contract-pdf
  estimate  420ms of its own, from 17 requests
  now       it would wait for about 1.2s
  because   The rule decides.
            2 requests of the lane wait already.
`
	socket := observe(t, "unix", filepath.Join(t.TempDir(), "m.sock"))
	_, port, err := net.SplitHostPort(at)
	if err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		env  map[string]string
		args []string
	}{
		"flag":              {nil, []string{"--metrics-bind", at, "GET /contract/7/download?page=2"}},
		"flag last, joined": {nil, []string{"/contract/7/download?page=2", "--metrics-bind=" + at}},
		"two words":         {nil, []string{"--metrics-bind", at, "get", "/contract/7/download?page=2"}},
		"unix socket":       {nil, []string{"--metrics-bind", socket, "/contract/7/download?page=2"}},
		"all interfaces":    {nil, []string{"--metrics-bind", ":" + port, "/contract/7/download?page=2"}},
		"variable":          {map[string]string{"GOUNICORN_METRICS_BIND": at}, []string{"/contract/7/download?page=2"}},
		"arguments":         {map[string]string{"GOUNICORN_CMD_ARGS": "-w 4 --metrics-bind " + at}, []string{"/contract/7/download?page=2"}},
		"flag over the variable": {
			map[string]string{"GOUNICORN_METRICS_BIND": "127.0.0.1:1"}, []string{"--metrics-bind", at, "/contract/7/download?page=2"},
		},
	} {
		code, out, complaint := ran(c.env, append([]string{"explain"}, c.args...)...)
		if code != exitOK || out != want || complaint != "" {
			t.Errorf("%s: exit code %d, complaint %q, got\n%s\nwant\n%s", name, code, complaint, out, want)
		}
	}
	if _, out, _ := ran(nil, "explain", "--metrics-bind", at, "--client", "192.0.2.7", "/nowhere"); !strings.Contains(out, "It is 192.0.2.7.") ||
		!strings.Contains(out, "never seen") || !strings.Contains(out, "would start at once") || !strings.Contains(out, "none yet") {
		t.Errorf("got\n%s", out)
	}
}

func TestExplainPrintsTheServersJSON(t *testing.T) {
	at := observe(t, "tcp", "127.0.0.1:0")
	code, out, _ := ran(nil, "explain", "--json", "--metrics-bind", at, "/contract/7/download")
	decoder := json.NewDecoder(strings.NewReader(out))
	decoder.DisallowUnknownFields()
	var x lane.Explanation
	if err := decoder.Decode(&x); code != exitOK || err != nil || x.Key != "GET /contract/:n/download" || x.Requests != 17 {
		t.Errorf("exit code %d, error %v, %s", code, err, out)
	}
}

func TestExplainNamesTheFix(t *testing.T) {
	at := observe(t, "tcp", "127.0.0.1:0")
	other := "127.0.0.1:0"
	ln, err := net.Listen("tcp", other)
	if err != nil {
		t.Fatal(err)
	}
	other = ln.Addr().String()
	srv := &http.Server{Handler: http.NotFoundHandler(), ReadHeaderTimeout: time.Second}
	go func() { _ = srv.Serve(ln) }()
	t.Cleanup(func() { _ = srv.Close() })
	for _, c := range []struct {
		args string
		code int
		want string
	}{
		{"/", exitError, "Start it with --metrics-bind 127.0.0.1:9100"},
		{"--metrics-bind 127.0.0.1:1 /", exitError, `connection refused): start it with --metrics-bind 127.0.0.1:1, or name the address that its log shows as "Metrics at"`},
		{"--metrics-bind unix:/no/such/socket /", exitError, "no such file or directory"},
		{"--metrics-bind 127.0.0.1:0 /", exitError, "any free port"},
		{"--metrics-bind fd://7 /", exitError, "descriptor of the server"},
		{"--metrics-bind :x /", exitError, "not a port number"},
		{"--metrics-bind " + other + " /", exitError, "is it the --metrics-bind of a gounicorn?"},
		{"--metrics-bind " + at + " /%zz", exitError, "no such request"},
		{"--metrics-bind " + at + " --client nobody /", exitError, `client "nobody" is no IP address`},
		{"--metrics-bind " + at, exitUsage, "name the request"},
		{"", exitUsage, "name the request"},
		{"--metrics-bind", exitUsage, "expected one argument"},
		{"contract/7", exitUsage, "must begin with /"},
		{"GET /a /b", exitUsage, "one request at a time"},
		{"--nope /", exitUsage, "unrecognized arguments: --nope"},
	} {
		code, out, complaint := ran(nil, append([]string{"explain"}, strings.Fields(c.args)...)...)
		if code != c.code || !strings.Contains(complaint, c.want) || out != "" {
			t.Errorf("explain %s: exit code %d, want %d; %q does not say %q; stdout %q", c.args, code, c.code, complaint, c.want, out)
		}
	}
	if code, out, _ := ran(nil, "explain", "--help"); code != exitOK || !strings.Contains(out, "Examples") || !strings.Contains(out, "explain:application") {
		t.Errorf("--help: exit code %d, %q", code, out)
	}
}

// A module called explain is served as any other.
func TestExplainIsAVerbOnlyAsTheFirstWord(t *testing.T) {
	for _, args := range []string{"explain:app --python /no/such/python", "-w 2 explain --python /no/such/python"} {
		if code, _, complaint := ran(nil, strings.Fields(args)...); code != exitError || !strings.Contains(complaint, "/no/such/python") {
			t.Errorf("%s: exit code %d, %q", args, code, complaint)
		}
	}
}

func TestQuestionsThatCannotBeAnsweredAreRefused(t *testing.T) {
	at := observe(t, "tcp", "127.0.0.1:0")
	for query, want := range map[string]string{
		"":                             "name the request as target",
		"target=/&metod=GET":           `there is no parameter "metod"`,
		"target=/&client=x":            "is no IP address",
		"target=x":                     "no such request",
		"target=/&method=G%20T":        "no such request",
		"target=%2F%0A":                "no such request",
		"target=/;x=1":                 "query",
		"target=/contract/7&method=ab": "",
	} {
		res, err := http.Get("http://" + at + "/explain?" + query)
		if err != nil {
			t.Fatal(err)
		}
		var got refusal
		err = json.NewDecoder(res.Body).Decode(&got)
		_ = res.Body.Close()
		status := http.StatusBadRequest
		if want == "" {
			status = http.StatusOK
		}
		if err != nil || res.StatusCode != status || !strings.Contains(got.Error, want) || res.Header.Get("Content-Type") != "application/json" {
			t.Errorf("%q: status %d, error %v, %q", query, res.StatusCode, err, got.Error)
		}
	}
}
