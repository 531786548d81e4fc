package e2e

import (
	"encoding/json"
	"strings"
	"syscall"
	"testing"

	"github.com/gounicorn/gounicorn/tests/harness"
)

// The site decides whether it is ready, in a worker, whatever redirects and host checks it has; that it lives is not its to say.
func TestReadyCheckAsksTheApplication(t *testing.T) {
	t.Parallel()
	p := newShop(t, map[string]any{"ALLOWED_HOSTS": []string{".example.org"}, "SECURE_SSL_REDIRECT": true, "USE_X_FORWARDED_HOST": true})
	p.write("ready", "204")
	s := p.serve("--ready-check", "/ready/?deep=1")
	wait := func(what string, status int, reason string) {
		t.Helper()
		harness.Eventually(t, harness.EventBudget, what, func() bool {
			reply := s.Get("/readyz")
			var said struct{ Status, Reason string }
			if err := json.Unmarshal([]byte(reply.Body), &said); err != nil {
				t.Fatalf("%q: %v", reply.Body, err)
			}
			s.WantGet(t, "/healthz", 200)
			return reply.Status == status && strings.Contains(said.Reason, reason)
		})
	}
	wait("the check succeeds", 200, "ready")
	if asked := s.Marks("asked"); len(asked) == 0 || asked[0] != "https://example.org/ready/?deep=1" {
		t.Errorf("the application was asked %q", asked)
	}
	before := len(s.Marks("asked"))
	for range 20 {
		s.Get("/readyz")
	}
	if n := len(s.Marks("asked")) - before; n > 5 { // a second each, on a machine that is very slow
		t.Errorf("twenty probes ask the application %d times", n)
	}
	p.write("ready", "503")
	wait("the check fails", 503, "GET /ready/?deep=1 answered 503")
	s.Log.Wait(t, 0, "Not ready: the application's check GET /ready/?deep=1 answered 503", harness.EventBudget)

	p.write("ready", "wait") // the only worker does nothing else now
	wait("the check takes too long", 503, "has not answered within 900ms")
	p.write("ready", "200")
	s.Open(t, "go-on")
	wait("the application is itself again", 200, "ready")
	s.Log.Wait(t, 0, "Ready again", harness.EventBudget)

	from := s.Log.Len()
	p.set(map[string]any{"DEBUG": true, "MIDDLEWARE": []string{}}) // its hosts are those of localhost then
	s.Signal(syscall.SIGHUP)
	s.Log.Wait(t, from, "Ready: ", harness.StartBudget)
	harness.Eventually(t, harness.EventBudget, "the new generation's host", func() bool {
		s.Get("/readyz")
		asked := s.Marks("asked")
		return asked[len(asked)-1] == "https://localhost/ready/?deep=1"
	})
}
