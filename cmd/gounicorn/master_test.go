package main

import (
	"os"
	"regexp"
	"strings"
	"testing"

	"github.com/gounicorn/gounicorn/prefork/lane"
	"github.com/gounicorn/gounicorn/server/settings"
)

func noEnv(string) (string, bool) { return "", false }

func parse(t *testing.T, args ...string) settings.Values {
	t.Helper()
	v, err := settings.Parse(append(args, "app:app"), noEnv)
	if err != nil {
		t.Fatal(err)
	}
	return v
}

func TestKeepAliveZeroClosesAfterEveryResponse(t *testing.T) {
	for text, requests := range map[string]int{"0": 1, "5": 0} {
		m := &master{v: parse(t, "--keep-alive", text)}
		if got := m.serverConfig().MaxKeepAliveRequests; got != requests {
			t.Errorf("--keep-alive %s: %d requests for each connection, want %d (0 is any number)", text, got, requests)
		}
	}
}

func TestWhatTheTableCannotCheckIsAnErrorAtStart(t *testing.T) {
	for want, args := range map[string][]string{
		"access_log_format":    {"--access-logfile", "-", "--access-logformat", "%(h"},
		"accel":                {"--accel", "/protected/"},
		"no such file":         {"--error-pages", "/nowhere"},
		"error_pages_override": {"--error-pages-override"},
		"compress":             {"--compress", "html"},
		"for how many seconds": {"--cache", "/=soon"},
		`Invalid value for lanes: GET nowhere=pdf (from --lane)`: {"--lane", "/ok=fast", "--lane", "GET nowhere=pdf"},
	} {
		if _, err := newIntent(parse(t, args...)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v, want %q", args, err, want)
		}
	}
	v, err := settings.Parse(nil, noEnv)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := newIntent(v); err == nil || !strings.Contains(err.Error(), "No application module specified.") {
		t.Errorf("without an application: %v", err)
	}
}

// What the documents tell people to type is understood.
func TestRulesInTheDocumentsAreUnderstood(t *testing.T) {
	text, err := os.ReadFile("../../docs/lanes.md")
	if err != nil {
		t.Fatal(err)
	}
	rules := regexp.MustCompile(`--lane '([^']+)'`).FindAllStringSubmatch(string(text)+settings.Lookup("lanes").Help, -1)
	for _, r := range rules {
		if strings.HasPrefix(r[1], "PATTERN=") { // the grammar
			continue
		}
		if _, err := lane.ParseRule(r[1]); err != nil {
			t.Errorf("%s: %v", r[1], err)
		}
	}
	if len(rules) < 8 {
		t.Errorf("%d rules found", len(rules))
	}
}

func TestBootDocumentTellsTheMostThreads(t *testing.T) {
	for args, want := range map[string]string{
		"":                            `"threads":1,"max_threads":1,`,
		"--threads 2":                 `"threads":2,"max_threads":2,`,
		"--threads 2 --max-threads 8": `"threads":2,"max_threads":8,`,
	} {
		v := parse(t, strings.Fields(args)...)
		text, err := newBootDocument(&v, 1, 1, -1, "", &ownership{uid: os.Geteuid(), gid: os.Getegid()})
		if err != nil || !strings.Contains(string(text), want) || !strings.Contains(string(text), `"slow_nice":10,`) {
			t.Errorf("%q: %v in %.200s", args, err, text)
		}
	}
}
