package machine

import (
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/gounicorn/gounicorn/tests/harness"
)

// The whole life of a service, as its manager is told of it: a slow boot, a reload, one that fails, the upgrade of the program, the end.
func TestServiceManagerIsToldTheWholeLife(t *testing.T) {
	t.Parallel()
	m := newManager(t)
	s := harness.Launch(t, harness.Config{App: "slow_boot:app", Binary: launcher(t, "export WATCHDOG_PID=$$"), Env: []string{"NOTIFY_SOCKET=" + m.path, "WATCHDOG_USEC=200000"}, Args: []string{"-w", "1"}})
	s.WaitListening()
	s.WaitMark(t, "entered-boot", 1)
	m.wait("EXTEND_TIMEOUT_USEC=", 3) // a boot that takes its time asks for more, again and again
	if n := m.count("READY=1"); n != 0 || m.count("STATUS=loads the application") == 0 {
		t.Errorf("before a worker can serve the manager was told %q", m.transcript())
	}
	s.Open(t, "open-boot")
	m.wait("READY=1\nSTATUS=serves with 1 workers", 1)
	if reply := s.Get("/"); reply.Status != 200 {
		t.Errorf("after READY: %+v", reply)
	}
	s.WaitReady()
	s.Signal(syscall.SIGHUP)
	m.wait("RELOADING=1\nMONOTONIC_USEC=", 1)
	m.wait("READY=1", 2)
	s.Signal(syscall.SIGUSR2)
	s.Log.Wait(t, 0, "Starting a second master with pid: ", harness.EventBudget)
	line := s.Log.Grep("Starting a second master with pid: ")[0]
	var next int
	if _, err := fmt.Sscan(line[strings.LastIndex(line, " ")+1:], &next); err != nil {
		t.Fatal(err)
	}
	m.wait("READY=1", 3)
	if code := s.Stop(syscall.SIGTERM); code != 0 {
		t.Errorf("the first master: exit code %d", code)
	}
	m.wait(fmt.Sprintf("MAINPID=%d", next), 2) // by the old one when it leaves, and by the new one
	m.wait("READY=1", 4)
	before := m.beatsSoFar()
	harness.Eventually(t, harness.EventBudget, "the second master tells the watchdog", func() bool { return m.beatsSoFar() > before+1 })
	if names, files := m.kept(); !slices.Equal(names, []string{"gounicorn-127.0.0.1_0"}) {
		t.Errorf("the manager keeps %q", names)
	} else {
		files[0].Close()
	}
	if err := syscall.Kill(next, syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	harness.Eventually(t, harness.StopBudget, "the second master ends", func() bool { return !harness.Alive(next) })
	m.wait("STOPPING=1", 1)
	m.wait("FDSTOREREMOVE=1", 1)
	order := []string{"STATUS=loads", "EXTEND", "FDSTORE=1", "READY", "RELOADING", "READY", "READY", "MAINPID", "READY", "STOPPING", "FDSTOREREMOVE"}
	all := m.transcript()
	for _, text := range all {
		if len(order) > 0 && strings.HasPrefix(text, order[0]) {
			order = order[1:]
		}
	}
	if len(order) > 0 {
		t.Errorf("%q is missing, in this order, from %q", order, all)
	}
	for _, text := range all { // what goes together is one message, and no message says anything else
		if !regexp.MustCompile(`^(READY=1\nSTATUS=[^\n]+|STATUS=[^\n]+|RELOADING=1\nMONOTONIC_USEC=\d+|STOPPING=1|MAINPID=\d+|EXTEND_TIMEOUT_USEC=\d+|FDSTORE(REMOVE)?=1\nFDNAME=[^\n]+)$`).MatchString(text) {
			t.Errorf("the manager was told %q", text)
		}
	}
}

// A reload that fails is over too, and the status says how.
func TestReloadThatFailsIsReadyAgainAndSaysSo(t *testing.T) {
	t.Parallel()
	m, dir := newManager(t), t.TempDir()
	write := func(text string) {
		t.Helper()
		if err := os.WriteFile(filepath.Join(dir, "site_of_test.py"), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write("def app(e, s):\n    s('200 OK', [])\n    return [b'x']\n")
	s := harness.Start(t, harness.Config{App: "site_of_test:app", Dir: dir, Env: []string{"NOTIFY_SOCKET=" + m.path}, Args: []string{"-w", "1"}})
	write("a syntax error")
	s.Signal(syscall.SIGHUP)
	m.wait("the last reload failed", 1)
	if m.count("READY=1") != 2 || s.Get("/").Status != 200 {
		t.Errorf("the manager was told %q", m.transcript())
	}
}

// The watchdog hears of us while a worker answers, also one whose application keeps the GIL, and not while all are stopped.
func TestWatchdogHearsOfUsWhileAWorkerAnswers(t *testing.T) {
	t.Parallel()
	m := newManager(t)
	const every = 300 * time.Millisecond
	s := harness.Start(t, harness.Config{
		App: "faults:app", Env: []string{"NOTIFY_SOCKET=" + m.path, fmt.Sprintf("WATCHDOG_USEC=%d", every.Microseconds())}, Args: []string{"-w", "2", "--max-workers", "2"},
	})
	beats := func(what string) {
		t.Helper()
		before := m.beatsSoFar()
		harness.Eventually(t, harness.EventBudget, "signs of life "+what, func() bool { return m.beatsSoFar() > before+2 })
	}
	signal := func(sig syscall.Signal, pids ...int) {
		t.Helper()
		for _, pid := range pids {
			if err := syscall.Kill(pid, sig); err != nil {
				t.Fatal(err)
			}
		}
	}
	beats("of an idle server")
	workers := s.Workers()
	held := []<-chan harness.Reply{s.Go("/gil-sleep/2"), s.Go("/gil-sleep/2")}
	s.WaitMark(t, "holding-the-gil", 1)
	beats("beside applications that keep the GIL")
	signal(syscall.SIGSTOP, workers[0])
	beats("with one worker of two")
	signal(syscall.SIGSTOP, workers[1])
	s.Log.Wait(t, 0, "The watchdog is not told that the server lives: no worker answers.", harness.EventBudget)
	silent := m.beatsSoFar()
	if harness.Poll(3*every, func() bool { return m.beatsSoFar() != silent }) {
		t.Error("a sign of life from a server of which no worker answers")
	}
	signal(syscall.SIGCONT, workers...)
	s.Log.Wait(t, 0, "The watchdog is told again", harness.EventBudget)
	beats("when they go on")
	for _, reply := range held {
		if r := <-reply; r.Status != 200 {
			t.Errorf("a request that was stopped on the way: %+v", r)
		}
	}
}

// A master that dies, however suddenly, leaves its sockets with the service manager: who connects then is served by the next one (row 62).
func TestClientsWaitForTheSuccessorOfAMasterThatDied(t *testing.T) {
	t.Parallel()
	m := newManager(t)
	path := filepath.Join(t.TempDir(), "s.sock")
	config := harness.Config{
		App: "hello:app", Bind: []string{"127.0.0.1:0", "unix:" + path, "127.0.0.1:0"}, Env: []string{"NOTIFY_SOCKET=" + m.path}, Args: []string{"-w", "1"},
	}
	first := harness.Start(t, config)
	first.Signal(syscall.SIGKILL)
	first.Wait(harness.StopBudget)
	names, files := m.kept()
	place := "gounicorn-127.0.0.1_0"
	if want := []string{place, place, "gounicorn-unix_" + path}; !slices.Equal(names, want) {
		t.Fatalf("the manager keeps %q, want %q", names, want)
	}
	var waiting []*harness.Conn
	for _, at := range first.Addrs {
		network, address := "unix", strings.TrimPrefix(at, "unix:")
		if tcp, ok := strings.CutPrefix(at, "http://"); ok {
			network, address = "tcp", tcp
		}
		c := harness.Dial(t, network, address)
		c.Get("/")
		waiting = append(waiting, c)
	}
	// The one that comes has one address less, and one more that nobody has kept.
	config.Bind, config.ExtraFiles = []string{"127.0.0.1:0", "unix:" + path, "localhost:0"}, files
	config.Binary = launcher(t, activation(names))
	second := harness.Start(t, config)
	for _, f := range files {
		f.Close()
	}
	answered := 0
	for _, c := range waiting {
		if r, err := c.Read("GET"); err == nil && r.Status == 200 {
			answered++
		}
	}
	if answered != 2 || len(second.Addrs) != 3 || !slices.Contains(second.Addrs, "unix:"+path) {
		t.Errorf("%d of those who waited were answered, want those of the two addresses that are still there: %q, then %q", answered, first.Addrs, second.Addrs)
	}
	if !slices.Contains(second.Addrs, first.Addrs[0]) && !slices.Contains(second.Addrs, first.Addrs[2]) {
		t.Errorf("neither port of before is there: %q, then %q", first.Addrs, second.Addrs)
	}
	if code := second.Stop(syscall.SIGTERM); code != 0 {
		t.Errorf("exit code %d", code)
	}
	harness.Eventually(t, harness.EventBudget, "what is closed is not kept", func() bool {
		names, files := m.kept()
		for _, f := range files {
			f.Close()
		}
		return len(names) == 0
	})
	if _, err := os.Stat(path); !os.IsNotExist(err) {
		t.Errorf("the file of the unix socket is still there: %v", err)
	}
}

// systemd's own tool opens the sockets; their names say what each is for, also after the upgrade of the program.
func TestActivatedSocketsAreToldApartByTheirNames(t *testing.T) {
	t.Parallel()
	activate := harness.Tool(t, "systemd-socket-activate")
	ca := harness.NewAuthority(t)
	cert, key := ca.Write(t.TempDir(), "site", harness.Leaf{Hosts: []string{"localhost"}})
	var at [3]string
	for i := range at {
		at[i] = harness.FreePort(t)
	}
	dir := t.TempDir()
	wrapper := filepath.Join(dir, "run")
	script := fmt.Sprintf("#!/bin/sh\nexec %s -l %s -l %s -l %s --fdname=https:http:metrics -E GOUNICORN_TEST_DIR -E PYTHONDONTWRITEBYTECODE -E GOUNICORN_TEST_ID '%s' \"$@\"\n",
		activate, at[0], at[1], at[2], harness.Binary(t))
	if err := os.WriteFile(wrapper, []byte(script), 0o700); err != nil {
		t.Fatal(err)
	}
	pidFile := filepath.Join(dir, "pid")
	s := harness.Launch(t, harness.Config{App: "hello:app", Binary: wrapper, Args: []string{"-w", "1", "--certfile", cert, "--keyfile", key, "-p", pidFile}})
	s.Log.Wait(t, 0, "Listening on", harness.StartBudget)
	client := &http.Client{Timeout: harness.StartBudget, Transport: &http.Transport{DisableKeepAlives: true, TLSClientConfig: &tls.Config{RootCAs: ca.Pool}}}
	get := func(url string) (status int, body string) {
		t.Helper()
		r, err := client.Get(url)
		if err != nil {
			t.Fatalf("%s: %v", url, err)
		}
		defer r.Body.Close()
		text, _ := io.ReadAll(r.Body)
		return r.StatusCode, string(text)
	}
	port := func(i int) string { _, p, _ := net.SplitHostPort(at[i]); return p }
	look := func() {
		t.Helper()
		for i, url := range []string{"https://localhost:" + port(0) + "/", "http://" + at[1] + "/", "http://" + at[2] + "/metrics"} {
			if status, body := get(url); status != 200 || i == 2 && !strings.Contains(body, "gounicorn_requests_total") {
				t.Errorf("%s is answered with %d %.200q", url, status, body)
			}
		}
	}
	look() // the first client starts the server
	s.WaitReady()
	if len(s.Addrs) != 2 {
		t.Errorf("it serves at %q", s.Addrs)
	}
	from := s.Log.Len()
	s.Signal(syscall.SIGUSR2)
	s.Log.Wait(t, from, "Ready: 1 workers", harness.StartBudget)
	text, err := os.ReadFile(pidFile + ".2")
	if err != nil {
		t.Fatal(err)
	}
	var next int
	fmt.Sscan(string(text), &next)
	s.Stop(syscall.SIGTERM)
	s.Log.Wait(t, from, "Metrics at: http://"+at[2], harness.EventBudget)
	look()
	if err := syscall.Kill(next, syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	harness.Eventually(t, harness.StopBudget, "the second master ends", func() bool { return !harness.Alive(next) })
}
