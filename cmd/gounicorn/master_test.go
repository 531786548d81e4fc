package main

import (
	"bytes"
	"strings"
	"testing"

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

func TestMalformedAccessLogFormatIsAnErrorAtStart(t *testing.T) {
	var out, complaint bytes.Buffer
	code := run([]string{"--access-logfile", "-", "--access-logformat", "%(h", "app:app"}, noEnv, &out, &complaint)
	if code != exitError || !strings.Contains(complaint.String(), "access_log_format") || !strings.Contains(complaint.String(), "--access-logformat") {
		t.Errorf("exit code %d, %q", code, complaint.String())
	}
}
