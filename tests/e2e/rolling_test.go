package e2e

import (
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/gounicorn/gounicorn/tests/harness"
)

// rolled asks for at least so many pages while something happens, half of them on connections that are kept and half on new ones, and wants every
// one answered. They are POSTs, which no client sends a second time by itself.
func rolled(t *testing.T, s *harness.Server, least int64, happens func()) {
	t.Helper()
	const clients = 4
	var asked atomic.Int64
	var all sync.WaitGroup
	happened := make(chan struct{})
	over := func() bool {
		select {
		case <-happened:
			return asked.Load() >= least
		default:
			return false
		}
	}
	url := s.URL("/pid")
	for i := range clients {
		client := &http.Client{Timeout: harness.EventBudget, Transport: &http.Transport{DisableKeepAlives: i%2 == 1}}
		all.Go(func() {
			defer client.CloseIdleConnections()
			for !over() {
				asked.Add(1)
				response, err := client.Post(url, "text/plain", strings.NewReader("x"))
				if err != nil {
					t.Errorf("lost, new connections %v: %v", i%2 == 1, err)
					return
				}
				text, err := io.ReadAll(response.Body)
				_ = response.Body.Close()
				if err != nil || response.StatusCode != http.StatusOK || len(text) == 0 {
					t.Errorf("lost, new connections %v: %d %q %v", i%2 == 1, response.StatusCode, text, err)
					return
				}
			}
		})
	}
	happens()
	close(happened)
	all.Wait()
}

// Check 9 of the acceptance list: workers replaced one at a time, a reload and an upgrade lose none of 10,000 requests each; nor does a reload
// of workers one by one.
func TestRollingLosesNoneOf10000Requests(t *testing.T) {
	t.Parallel()
	const many = 10_000
	pidFile := filepath.Join(t.TempDir(), "pid")
	config := filepath.Join(t.TempDir(), "gunicorn.conf.py")
	writeFile(t, config, "max_requests = 1000\nmax_requests_jitter = 200\n")
	s := start(t, "faults:app", "-c", config, "-w", "2", "-p", pidFile)

	rolled(t, s, many, func() {})
	onlyOneAtATime(t, s.Log.Lines())

	reloads := func() {
		for range 2 {
			from := s.Log.Len()
			s.Signal(syscall.SIGHUP)
			s.Log.Wait(t, from, "Ready: ", harness.StartBudget)
		}
	}
	rolled(t, s, many, reloads)
	writeFile(t, config, "gounicorn_reload_one_by_one = True\n") // of the generation that is to come
	from := s.Log.Len()
	rolled(t, s, many/4, reloads)
	s.Log.Wait(t, from, "Ready: 1 of 2 workers; the others follow", harness.EventBudget)

	next := 0
	rolled(t, s, many, func() {
		from := s.Log.Len()
		s.Signal(syscall.SIGUSR2)
		s.Log.Wait(t, from, "Ready: 2 workers", harness.StartBudget)
		next = pidIn(t, pidFile+".2", 0)
		if code := s.Stop(syscall.SIGTERM); code != 0 {
			t.Errorf("the first master: exit code %d", code)
		}
		s.Log.Wait(t, from, "Master has been promoted.", harness.EventBudget)
	})
	end(t, next, syscall.SIGTERM)
}

var recycled = regexp.MustCompile(`\[(\d+)\] \[INFO\] (Autorestarting worker|Worker exiting)`)

// onlyOneAtATime reads from a log that a worker was replaced only when the one before it had left, and that some were.
func onlyOneAtATime(t *testing.T, log []string) {
	t.Helper()
	leaving, n := "", 0
	for _, line := range log {
		switch m := recycled.FindStringSubmatch(line); {
		case m == nil:
		case m[2] == "Worker exiting":
			if m[1] != leaving {
				t.Errorf("%s leaves while %s is replaced", m[1], leaving)
			}
			leaving = ""
		case leaving != "":
			t.Errorf("%s is replaced while %s is", m[1], leaving)
		default:
			leaving, n = m[1], n+1
		}
	}
	if n < 3 {
		t.Errorf("%d workers were replaced in 10,000 requests", n)
	}
}

// A warm-up that fails keeps a new generation from serving; a worker that joins others is only warned of.
func TestWarmupGatesAReload(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	cold := filepath.Join(dir, "cold")
	writeFile(t, filepath.Join(dir, "warm.py"), fmt.Sprintf(`
import os
warmed = []
def app(environ, start_response):
    if environ["PATH_INFO"].encode("latin-1").decode() == "/warm é" and environ["QUERY_STRING"] == "a=1":
        if os.path.exists(%q):
            raise RuntimeError("the cache is cold")
        warmed.append(environ["wsgi.url_scheme"] + "://" + environ["HTTP_HOST"])
    start_response("404 Not Found" if environ["PATH_INFO"] == "/nothing" else "200 OK", [])
    return [" ".join(warmed).encode()]
`, cold))
	s := harness.Start(t, harness.Config{App: "warm:app", Dir: dir, Args: []string{
		"-w", "2", "--warmup", "/warm%20%C3%A9?a=1", "--warmup", "https://shop.example:444/warm%20%C3%A9?a=1", "--warmup", "/nothing",
	}})
	const warm = "http://localhost https://shop.example:444"
	if reply := s.WantGet(t, "/", 200); reply.Body != warm {
		t.Errorf("warmed with %q, want %q", reply.Body, warm)
	}
	s.Log.Wait(t, 0, "Warm-up GET http://localhost/nothing: the answer is 404", harness.EventBudget)
	if err := os.WriteFile(cold, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	from := s.Log.Len()
	s.Signal(syscall.SIGHUP)
	s.Log.Wait(t, from, "Worker failed to boot: Warm-up GET http://localhost/warm%20%C3%A9?a=1 failed.", harness.StartBudget)
	s.Log.Wait(t, from, "RuntimeError: the cache is cold", harness.EventBudget)
	s.Log.Wait(t, from, "Reload failed", harness.EventBudget)
	if reply := s.WantGet(t, "/", 200); reply.Body != warm {
		t.Errorf("after the failed reload the answer is %q", reply.Body)
	}
	from = s.Log.Len()
	old := workerCount(t, s, 2)
	if err := syscall.Kill(old[0], syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	s.Log.Wait(t, from, "RuntimeError: the cache is cold", harness.StartBudget)
	workerCount(t, s, 2, old[0])
	if err := os.Remove(cold); err != nil {
		t.Fatal(err)
	}
	from = s.Log.Len()
	s.Signal(syscall.SIGHUP)
	s.Log.Wait(t, from, "Ready: 2 workers", harness.StartBudget)
}

func TestWorkerIsReplacedForItsMemory(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	writeFile(t, filepath.Join(dir, "leaky.py"), `
import os
leak = []
def app(environ, start_response):
    if environ["PATH_INFO"] == "/leak":
        leak.append(b"x" * (2 << 20))
    start_response("200 OK", [])
    return [b"%d" % os.getpid()]
`)
	s := harness.Start(t, harness.Config{App: "leaky:app", Dir: dir, Args: []string{"-w", "1", "--max-workers", "1", "--max-worker-memory", "100M"}})
	first := s.WantGet(t, "/", 200).Body
	// Slowly, for what it has when it is measured first counts as loaded.
	harness.EventuallyEvery(t, 20*time.Millisecond, harness.EventBudget, "the worker has too much", func() bool {
		return s.Get("/leak").Body != first || len(s.Log.Grep("Autorestarting worker: ")) > 0
	})
	line := s.Log.Wait(t, 0, "Autorestarting worker: ", harness.EventBudget)
	if !strings.Contains(line, "["+first+"]") || !strings.HasSuffix(line, " MB used, --max-worker-memory is 100M") {
		t.Errorf("logged %q", line)
	}
	harness.Eventually(t, harness.EventBudget, "another worker serves", func() bool { return s.Get("/").Body != first })
}

// A request of a path comes as the Django site wants it: from an allowed host, and by https where that is all that there is.
func TestWarmupOfADjangoSite(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	writeFile(t, filepath.Join(dir, "settings.json"),
		`{"ALLOWED_HOSTS": ["*", ".shop.example"], "SECURE_SSL_REDIRECT": true, "SECURE_PROXY_SSL_HEADER": ["HTTP_X_FORWARDED_PROTO", "https"]}`)
	ready := filepath.Join(dir, "ready")
	writeFile(t, ready, "200")
	s := harness.Start(t, harness.Config{
		App: "site_app:app", Args: []string{"-w", "1", "--warmup", "/ready/"}, Env: []string{"SITE_DIR=" + dir},
	})
	if marks := s.Marks("asked"); len(marks) != 1 || marks[0] != "https://shop.example/ready/" {
		t.Errorf("the site was asked for %q", marks)
	}
	if err := os.Remove(ready); err != nil {
		t.Fatal(err)
	}
	s.Signal(syscall.SIGHUP)
	for _, text := range []string{
		"Worker failed to boot: Warm-up GET https://shop.example/ready/ failed: 500 Internal Server Error", "FileNotFoundError", "Reload failed",
	} {
		s.Log.Wait(t, 0, text, harness.StartBudget)
	}
}
