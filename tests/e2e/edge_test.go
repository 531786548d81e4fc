package e2e

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptrace"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"

	"github.com/gounicorn/gounicorn/tests/harness"
)

// users is a file of htpasswd with joe, whose password is geheim.
const users = "joe:$apr1$saltsalt$9/tMzdzSc6dIiPlJw6UTa.\n"

func basicAuth(password string) string {
	return "Basic " + base64.StdEncoding.EncodeToString([]byte("joe:"+password))
}

// edgeCase is one request and what is to come of it.
type edgeCase struct {
	name, method, path, body string
	headers                  []string
	status                   int
	field, value             string // of the answer
	by                       string // who answers, by the access log; "-": nothing is logged
}

var edgeCases = []edgeCase{
	{"alive", "GET", "/healthz", "", []string{"Host", "10.0.0.1"}, 200, "Content-Type", "application/json", "-"},
	{"ready", "HEAD", "/readyz", "", []string{"Host", "10.0.0.1"}, 200, "Content-Length", "33", "-"},
	{"only GET and HEAD", "POST", "/readyz", "x", nil, 405, "Allow", "GET, HEAD", "-"},
	{"host", "GET", "/", "", []string{"Host", "www.example.org:8000"}, 200, "", "", "app"},
	{"another host", "GET", "/", "", []string{"Host", "evil.example"}, 400, "Content-Type", "text/html; charset=utf-8", "edge"},
	{"another host, JSON", "GET", "/", "", []string{"Host", "evil.example", "Accept", "application/json"}, 400, "Content-Type", "application/json", "edge"},
	{"redirect of a host", "GET", "/a//b?c=%20", "", []string{"Host", "old.example.com"}, 301, "Location", "https://example.org/a//b?c=%20", "edge"},
	{"redirect of a path", "GET", "/was//evil.com?q", "", nil, 302, "Location", "/is/evil.com?q", "edge"},
	{"no password", "GET", "/admin/x", "", nil, 401, "Www-Authenticate", `Basic realm="/admin/", charset="UTF-8"`, "edge"},
	{"no password, another way", "GET", "/x/../admin/x", "", nil, 401, "", "", "edge"},
	{"wrong password", "GET", "/admin/x", "", []string{"Authorization", basicAuth("x")}, 401, "", "", "edge"},
	{"password", "GET", "/admin/x", "", []string{"Authorization", basicAuth("geheim")}, 200, "", "", "app"},
	{"shut out", "GET", "/inside", "", nil, 403, "", "", "edge"},
	{"let in", "GET", "/inside", "", []string{"X-Forwarded-For", "10.1.2.3"}, 200, "", "", "app"},
	{"denied", "GET", "/", "", []string{"X-Forwarded-For", "203.0.113.7"}, 403, "", "", "edge"},
	{"body", "POST", "/", strings.Repeat("x", 100), nil, 200, "", "", "app"},
	{"body too large", "POST", "/", strings.Repeat("x", 101), nil, 413, "Connection", "", "server"},
	{"larger body", "POST", "/up/load", strings.Repeat("x", 1000), nil, 200, "", "", "app"},
	{"larger body too large, JSON", "POST", "/up/load", strings.Repeat("x", 1025), []string{"Accept", "application/json"}, 413, "Content-Type", "application/json", "server"},
	{"first", "GET", "/login/", "", nil, 200, "", "", "app"},
	{"second", "GET", "/login", "", nil, 200, "", "", "app"},
	{"third", "GET", "/login/x", "", nil, 429, "Retry-After", "1800", "edge"},
	{"third of another", "GET", "/login/", "", []string{"X-Forwarded-For", "192.0.2.1"}, 200, "", "", "app"},
}

func TestEdgeRules(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	passwords, config := filepath.Join(dir, "users"), filepath.Join(dir, "gunicorn.conf.py")
	writeFile(t, passwords, users)
	rules := fmt.Sprintf(`
gounicorn_allowed_hosts = [".example.org", "127.0.0.1"]
gounicorn_redirects = ["old.example.com=https://example.org", "/was/=/is/ 302"]
gounicorn_basic_auth = ["/admin/=%s"]
gounicorn_allow = ["/inside/=10.0.0.0/8"]
gounicorn_deny = ["/=203.0.113.0/24"]
gounicorn_rate_limits = ["/login/=2/h"]
gounicorn_limit_request_body = "100"
gounicorn_limit_request_body_at = ["/up/=1K"]
`, passwords)
	writeFile(t, config, rules)
	s := harness.Start(t, harness.Config{App: "echo:app", Args: []string{"-c", config, "-w", "1", "--log-format", "json", "--access-logfile", "-", "--metrics-bind", "127.0.0.1:0"}})
	want := []string{}
	for _, c := range edgeCases {
		headers := slices.Clone(c.headers)
		request, err := http.NewRequest(c.method, s.URL("/"), strings.NewReader(c.body))
		if err != nil {
			t.Fatal(err)
		}
		target, query, _ := strings.Cut(c.path, "?")
		request.URL.Opaque, request.URL.RawQuery = target, query
		for i := 0; i < len(headers); i += 2 {
			if request.Header.Add(headers[i], headers[i+1]); headers[i] == "Host" {
				request.Host = headers[i+1]
			}
		}
		reply := s.Do(request)
		if reply.Err != nil || reply.Status != c.status || c.field != "" && reply.Header.Get(c.field) != c.value {
			t.Errorf("%s: %d %v %v, want %d with %s %q", c.name, reply.Status, reply.Header, reply.Err, c.status, c.field, c.value)
		}
		if c.name == "password" {
			if user := s.WantEcho(t, reply).Environ["REMOTE_USER"]; user.Value != "joe" {
				t.Errorf("REMOTE_USER is %v", user)
			}
		}
		if c.by != "-" {
			want = append(want, fmt.Sprintf("%d %s", c.status, c.by))
		}
	}
	chunked := s.Dial()
	chunked.Send("POST /up/ HTTP/1.1\r\nHost: example.org\r\nTransfer-Encoding: chunked\r\n\r\n401\r\n" + strings.Repeat("x", 0x401) + "\r\n")
	if reply := chunked.MustRead("POST"); reply.Status != 413 || !reply.Close {
		t.Errorf("a body in pieces: %d, close %v", reply.Status, reply.Close)
	}
	absolute := s.Dial()
	absolute.Send("GET http://evil.example/ HTTP/1.1\r\nHost: example.org\r\n\r\n") // rows 25, 28: the target wins
	if reply := absolute.MustRead("GET"); reply.Status != 400 {
		t.Errorf("another host in the target: %d", reply.Status)
	}
	counted := scrape(t, metricsAddress(t, s))
	for rule, times := range map[string]float64{"redirect": 2, "host": 3, "password": 3, "address": 2, "rate": 1, "connection": 0} {
		if got := sum(t, counted, "gounicorn_edge_rules_total", "rule", rule); got != times {
			t.Errorf("%s is counted %v times, want %v", rule, got, times)
		}
	}
	if got := sum(t, counted, "gounicorn_answers_total", "by", "health"); got != 3 {
		t.Errorf("%v answers of health", got)
	}

	// Other rules, at once, on connections that are open already.
	writeFile(t, config, "gounicorn_redirects = ['/login/=/elsewhere']\ngounicorn_health_path = ''\n")
	open := s.Dial()
	open.Get("/login")
	if reply := open.MustRead("GET"); reply.Status != 400 {
		t.Errorf("before the reload: %d", reply.Status)
	}
	from := s.Log.Len()
	s.Signal(syscall.SIGHUP)
	s.Log.Wait(t, from, "Ready: ", harness.StartBudget)
	harness.Eventually(t, harness.EventBudget, "the redirect", func() bool { return s.Get("/login").Status == 301 })
	open.Get("/inside")
	if reply := open.MustRead("GET"); reply.Status != 200 {
		t.Errorf("after the reload: %d", reply.Status)
	}
	if echo := s.WantEcho(t, s.Get("/healthz")); echo.Length != 0 {
		t.Error("the application does not get its own health path")
	}
	s.Stop(syscall.SIGTERM)
	var got []string
	for _, line := range s.Out.Lines() {
		var entry struct {
			Status int
			By     string
		}
		if err := json.Unmarshal([]byte(line), &entry); err != nil {
			t.Fatalf("%s: %v", line, err)
		}
		got = append(got, fmt.Sprintf("%d %s", entry.Status, entry.By))
	}
	if len(got) < len(want) || !slices.Equal(got[:len(want)], want) {
		t.Errorf("the access log has\n%q, want\n%q", got, want)
	}
}

func TestWrongEdgeRuleNamesTheFix(t *testing.T) {
	t.Parallel()
	for flag, fix := range map[string]string{
		"--redirect=/a=//b": "neither a path that begins with one /", "--limit-request-body-at=/up=x": "not a size", "--health-path=x": "a path such as /healthz",
		"--ready-check=ready": "a path of the application such as /ready/",
	} {
		s := harness.Launch(t, harness.Config{App: "hello:app", Args: []string{flag}, Exit: 1})
		if code := s.Wait(bootLimit); code != 1 {
			t.Errorf("%s: exit code %d", flag, code)
		}
		s.Log.Wait(t, 0, fix, harness.EventBudget)
	}
}

// After TERM, --drain-delay goes by before anything but the answer of --ready-path changes.
func TestDrainDelay(t *testing.T) {
	t.Parallel()
	s := start(t, "hello:app", "-w", "1", "--drain-delay", "1")
	s.WantGet(t, "/readyz", 200)
	s.Signal(syscall.SIGTERM)
	s.Log.Wait(t, 0, "The graceful stop begins in 1s", harness.EventBudget)
	if reply := s.WantGet(t, "/readyz", 503); !strings.Contains(reply.Body, "the server stops") {
		t.Errorf("the reason is %q", reply.Body)
	}
	s.WantGet(t, "/healthz", 200)
	s.WantGet(t, "/", 200)
	s.Signal(syscall.SIGTERM) // sent twice, as some process managers do
	if code := s.Wait(harness.StopBudget); code != 0 {
		t.Errorf("exit code %d", code)
	}
}

// Without a worker the site is not ready, and alive all the same.
func TestReadinessIsThatOfTheWorkers(t *testing.T) {
	t.Parallel()
	s := harness.Launch(t, harness.Config{App: "slow_boot:app", Args: []string{"-w", "1"}})
	s.Open(t, "open-boot")
	s.WaitReady()
	s.WantGet(t, "/readyz", 200)
	if err := os.Remove(filepath.Join(s.Dir, "open-boot")); err != nil {
		t.Fatal(err)
	}
	if err := syscall.Kill(s.Workers()[0], syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	harness.Eventually(t, harness.EventBudget, "the site is not ready", func() bool {
		reply := s.Get("/readyz")
		return reply.Status == 503 && strings.Contains(reply.Body, "no worker is ready")
	})
	s.WantGet(t, "/healthz", 200)
	s.Open(t, "open-boot")
	harness.Eventually(t, harness.EventBudget, "the site is ready", func() bool { return s.Get("/readyz").Status == 200 })
}

func TestConnectionsOfOneClient(t *testing.T) {
	t.Parallel()
	s := start(t, "hello:app", "--max-connections-per-client", "3", "--forwarded-allow-ips", "192.0.2.1")
	served := func(c *harness.Conn) bool {
		_, err := io.WriteString(c, "GET / HTTP/1.1\r\nHost: x\r\n\r\n")
		if err != nil {
			return false
		}
		reply, err := c.Read("GET")
		return err == nil && reply.Status == 200
	}
	var conns []*harness.Conn
	for range 3 {
		conns = append(conns, s.Dial())
		if !served(conns[len(conns)-1]) {
			t.Fatal("one of the first three is not served")
		}
	}
	if served(s.Dial()) {
		t.Error("the fourth is served")
	}
	other, err := (&net.Dialer{LocalAddr: &net.TCPAddr{IP: net.IPv4(127, 0, 0, 2)}}).Dial("tcp", s.Addr())
	if err != nil {
		t.Fatal(err)
	}
	defer other.Close()
	fmt.Fprint(other, "GET / HTTP/1.0\r\n\r\n")
	if all, err := io.ReadAll(other); err != nil || !strings.HasPrefix(string(all), "HTTP/1.1 200") {
		t.Errorf("another client: %q, %v", all, err)
	}
	conns[0].Close()
	harness.Eventually(t, harness.EventBudget, "there is room again", func() bool {
		c := s.Dial()
		defer c.Close()
		return served(c)
	})
}

// Over TLS and by HTTP/2 a connection counts once, whatever its streams do, and each stream counts as a request.
func TestClientLimitsOverTLS(t *testing.T) {
	t.Parallel()
	s := startHTTPS(t, harness.Config{App: "hello:app", Args: []string{"-w", "1", "--max-connections-per-client", "2", "--rate-limit", "/login/=3/h", "--forwarded-allow-ips", "192.0.2.1"}})
	first, second := s.second(t), s.second(t)
	var all sync.WaitGroup
	var refused atomic.Int32
	for i := range 20 {
		all.Go(func() {
			r, err := []*http.Client{first, second}[i%2].Get(s.URL("/login/"))
			if err != nil {
				t.Error(err)
				return
			}
			defer r.Body.Close()
			if r.StatusCode == 429 && r.Header.Get("Retry-After") == "1200" {
				refused.Add(1)
			} else if r.StatusCode != 200 || r.ProtoMajor != 2 {
				t.Errorf("got %s %s", r.Proto, r.Status)
			}
		})
	}
	all.Wait()
	if refused.Load() != 17 {
		t.Errorf("%d of 20 streams are refused, 3 in an hour are allowed", refused.Load())
	}
	if r, _, err := s.get(s.client, "/"); err == nil {
		t.Errorf("a third connection is served with %s", r.Status)
	}
	second.CloseIdleConnections()
	harness.Eventually(t, harness.EventBudget, "there is room again, also for HTTP/1.1", func() bool {
		r, _, err := s.get(s.client, "/")
		return err == nil && r.StatusCode == 200
	})
}

// A connection ends after so many requests, or at its age, as with nginx's keepalive_requests and keepalive_time.
func TestConnectionsDoNotLiveForEver(t *testing.T) {
	t.Parallel()
	for _, limit := range [][]string{{"--keep-alive-requests", "3", "--keep-alive-time", "0"}, {"--keep-alive-time", "0.4"}} {
		s := startHTTPS(t, harness.Config{App: "hello:app", Args: append([]string{"-w", "1"}, limit...)})
		first := &http.Client{Transport: &http.Transport{TLSClientConfig: s.client.Clone()}}
		t.Cleanup(first.CloseIdleConnections)
		for major, client := range map[int]*http.Client{1: first, 2: s.second(t)} {
			kept, begun := 0, false
			harness.Eventually(t, harness.EventBudget, "another connection", func() bool {
				ctx := httptrace.WithClientTrace(t.Context(), &httptrace.ClientTrace{GotConn: func(info httptrace.GotConnInfo) { begun = !info.Reused }})
				request, _ := http.NewRequestWithContext(ctx, http.MethodGet, s.URL("/"), nil)
				reply, err := client.Do(request)
				if err != nil {
					t.Fatal(err)
				}
				_, _ = io.Copy(io.Discard, reply.Body)
				_ = reply.Body.Close()
				if reply.StatusCode != 200 || reply.ProtoMajor != major {
					t.Errorf("got %s %s", reply.Proto, reply.Status)
				}
				kept++
				return begun && kept > 1
			})
			if limit[1] == "3" && kept != map[int]int{1: 4, 2: 3}[major] { // the second client has asked before
				t.Errorf("HTTP/%d: the next connection came with request %d", major, kept)
			}
		}
	}
}

// Django's view sends early hints through the environ, and the client has them before the page.
func TestEarlyHintsOfDjango(t *testing.T) {
	t.Parallel()
	s := start(t, "django_app:app", "-w", "1")
	c := s.Dial()
	c.Get("/early")
	if head := c.ReadUntil("\r\n\r\n"); head != "HTTP/1.1 103 Early Hints\r\nLink: </style.css>; rel=preload; as=style\r\n\r\n" {
		t.Errorf("first comes %q", head)
	}
	if reply := c.MustRead("GET"); reply.Status != 200 || string(reply.Body) != "after hints" {
		t.Errorf("then %d %q", reply.Status, reply.Body)
	}
}

// What nginx's limit_req, auth_basic, allow and deny answer, ours answer too.
func TestEdgeRulesBesideNginx(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	passwords, addr := filepath.Join(dir, "users"), harness.FreePort(t)
	writeFile(t, passwords, users)
	for _, name := range []string{"limited", "secret", "inside", "outside"} {
		if err := os.Mkdir(filepath.Join(dir, name), 0o755); err != nil {
			t.Fatal(err)
		}
		writeFile(t, filepath.Join(dir, name, "x"), "x")
	}
	writeFile(t, filepath.Join(dir, "nginx.conf"), fmt.Sprintf(`
daemon off; master_process off; pid %[1]s/pid; error_log %[1]s/error.log;
events {}
http {
    access_log off; root %[1]s;
    client_body_temp_path %[1]s/t; proxy_temp_path %[1]s/t; fastcgi_temp_path %[1]s/t; uwsgi_temp_path %[1]s/t; scgi_temp_path %[1]s/t;
    limit_req_zone $binary_remote_addr zone=one:1m rate=1r/m; limit_req_status 429;
    server {
        listen %[2]s;
        location /limited/ { limit_req zone=one burst=4 nodelay; }
        location /secret/ { auth_basic x; auth_basic_user_file %[3]s; }
        location /inside/ { allow 10.0.0.0/8; allow 127.0.0.1; deny all; }
        location /outside/ { allow 10.0.0.0/8; deny all; }
    }
}`, dir, addr, passwords))
	nginx := exec.Command(harness.Tool(t, "nginx"), "-e", filepath.Join(dir, "error.log"), "-c", filepath.Join(dir, "nginx.conf"))
	nginx.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if err := nginx.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() {
		_ = nginx.Process.Kill()
		_ = nginx.Wait()
	}()
	harness.Eventually(t, harness.EventBudget, "nginx listens", func() bool {
		c, err := net.Dial("tcp", addr)
		if err == nil {
			c.Close()
		}
		return err == nil
	})
	s := start(t, "hello:app", "--rate-limit", "/limited/=1/m burst=4", "--basic-auth", "/secret/="+passwords, "--allow", "/inside/=10.0.0.0/8,127.0.0.1", "--allow", "/outside/=10.0.0.0/8")
	ask := func(base, path, authorization string) int {
		request, err := http.NewRequest("GET", base+path, nil)
		if err != nil {
			t.Fatal(err)
		}
		if authorization != "" {
			request.Header.Set("Authorization", authorization)
		}
		reply := s.Do(request)
		if reply.Err != nil {
			t.Fatal(reply.Err)
		}
		return reply.Status
	}
	for _, c := range [][2]string{
		{"/limited/x"}, {"/limited/x"}, {"/limited/x"}, {"/limited/x"}, {"/limited/x"}, {"/limited/x"}, {"/limited/x"}, {"/inside/x"}, {"/outside/x"},
		{"/secret/x"}, {"/secret/x", basicAuth("geheim")}, {"/secret/x", basicAuth("Geheim")}, {"/secret/x", strings.Replace(basicAuth("geheim"), "Basic", "basic", 1)},
		{"/secret/x", "Basic"}, {"/secret/x", "Basic !"}, {"/secret/x", "Bearer x"}, {"/inside/../outside/x"}, {"/inside/../secret/x"},
	} {
		if theirs, ours := ask("http://"+addr, c[0], c[1]), ask(strings.TrimSuffix(s.URL("/"), "/"), c[0], c[1]); theirs != ours {
			t.Errorf("%q: nginx %d, we %d", c, theirs, ours)
		}
	}
}

// Scanners that ask a Django site for another host cost no worker and no mail; the site may have it otherwise.
func TestHostsOfDjangoAreAnsweredInFrontOfIt(t *testing.T) {
	t.Parallel()
	p := newShop(t, map[string]any{"ALLOWED_HOSTS": []string{".shop.example"}})
	s := p.serve("--access-logfile", "-", "--access-logformat", "%(r)s %(s)s %({by}x)s", "--health-path", "/alive")
	for i, c := range []struct {
		host, path, want string
	}{
		{"evil.example", "/", "400 edge"}, {"www.shop.example:99", "/nowhere", "404 app"}, {"evil.example", "/static/x", "400 edge"},
	} {
		if reply := s.Request("GET", c.path, "", "Host", c.host); reply.Err != nil {
			t.Fatal(reply.Err)
		}
		if line := s.Out.Wait(t, i, "HTTP/1.1", harness.EventBudget); !strings.HasSuffix(line, c.want) {
			t.Errorf("%s%s: %q, want %s", c.host, c.path, line, c.want)
		}
	}
	if reply := s.Request("GET", "/alive", "", "Host", "10.0.0.1"); reply.Status != 200 {
		t.Errorf("a probe by address: %d", reply.Status)
	}
	p.reload(s, map[string]any{"ALLOWED_HOSTS": []string{"*"}, "USE_X_FORWARDED_HOST": true})
	if reply := s.Request("GET", "/nowhere", "", "Host", "evil.example"); reply.Status != 404 {
		t.Errorf("after the reload: %d", reply.Status)
	}
}
