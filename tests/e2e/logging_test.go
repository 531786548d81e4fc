package e2e

import (
	"encoding/json"
	"net"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/gounicorn/gounicorn/tests/harness"
)

// both runs a test under gunicorn and under gounicorn and compares what it returns.
func both(t *testing.T, run func(t *testing.T, kind harness.Kind) []string) {
	t.Helper()
	theirs, ours := run(t, harness.Gunicorn), run(t, harness.Gounicorn)
	if !slices.Equal(theirs, ours) {
		t.Errorf("gunicorn:\n  %s\ngounicorn:\n  %s", strings.Join(theirs, "\n  "), strings.Join(ours, "\n  "))
	}
}

// received collects what arrives at a datagram socket.
type received struct {
	mu   sync.Mutex // guards all
	all  []string
	conn net.PacketConn
}

func receive(t *testing.T, network, address string) *received {
	t.Helper()
	conn, err := net.ListenPacket(network, address)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	r := &received{conn: conn}
	go func() {
		b := make([]byte, 1<<16)
		for {
			n, _, err := conn.ReadFrom(b)
			if err != nil {
				return
			}
			r.mu.Lock()
			r.all = append(r.all, string(b[:n]))
			r.mu.Unlock()
		}
	}()
	return r
}

// grep returns what matches, once it is at least n.
func (r *received) grep(t *testing.T, pattern string, n int) (found []string) {
	t.Helper()
	re := regexp.MustCompile(pattern)
	harness.Eventually(t, harness.EventBudget, pattern, func() bool {
		r.mu.Lock()
		defer r.mu.Unlock()
		found = nil
		for _, text := range r.all {
			if re.MatchString(text) {
				found = append(found, text)
			}
		}
		return len(found) >= n
	})
	return found
}

// ask makes the requests of the tests below, with an answer in between so that their order is known.
func askLogged(s *harness.Server) {
	s.Get("/one?q=1")
	s.Get("/boom")
}

var duration = regexp.MustCompile(`duration:\d+\.\d+\|ms`)

func TestStatsdPacketsAreGunicorns(t *testing.T) {
	t.Parallel()
	for _, network := range []string{"udp", "unixgram"} {
		t.Run(network, func(t *testing.T) {
			t.Parallel()
			both(t, func(t *testing.T, kind harness.Kind) []string {
				address, flag := "127.0.0.1:0", ""
				if network == "unixgram" {
					address = filepath.Join(t.TempDir(), "s")
					flag = "unix://" + address
				}
				in := receive(t, network, address)
				if flag == "" {
					flag = in.conn.LocalAddr().String()
				}
				s := harness.Start(t, harness.Config{App: "logged:app", Kind: kind, Args: []string{
					"-w", "2", "--statsd-host", flag, "--statsd-prefix", "shop", "--dogstatsd-tags", "env:test,a", "--enable-backlog-metric",
				}})
				in.grep(t, `workers:2\|g`, 1)
				askLogged(s)
				all := in.grep(t, `request|log\.`, 7)
				slices.Sort(all) // two workers, so the order is not fixed
				all = append(all, in.grep(t, `backlog`, 1)[0], in.grep(t, `workers:2\|g`, 1)[0])
				for i := range all {
					all[i] = duration.ReplaceAllString(all[i], "duration:N|ms")
				}
				s.Stop(syscall.SIGTERM)
				return slices.Sorted(slices.Values(all))
			})
		})
	}
}

var (
	pids  = regexp.MustCompile(`\[\d+\]`)
	times = regexp.MustCompile(`\[\d\d/[A-Z][a-z]{2}/\d{4}:[^]]*\]`)
)

// The bytes on the wire, with the NUL at the end.
func TestSyslogRecordsAreGunicorns(t *testing.T) {
	t.Parallel()
	for _, network := range []string{"udp", "unixgram"} {
		t.Run(network, func(t *testing.T) {
			t.Parallel()
			both(t, func(t *testing.T, kind harness.Kind) []string {
				address, flag := "127.0.0.1:0", ""
				if network == "unixgram" {
					address = filepath.Join(t.TempDir(), "log")
					flag = "unix://" + address
				}
				in := receive(t, network, address)
				if flag == "" {
					flag = "udp://" + in.conn.LocalAddr().String()
				}
				s := harness.Start(t, harness.Config{App: "logged:app", Kind: kind, Args: []string{
					"--log-syslog", "--log-syslog-to", flag, "--log-syslog-facility", "local3",
					"--access-logformat", `%(h)s %(l)s %(u)s %(t)s "%(r)s" %(s)s`,
				}})
				askLogged(s)
				all := in.grep(t, `access: `, 2)
				all = append(all, in.grep(t, `Error handling`, 1)...)
				all = append(all, in.grep(t, `Using worker`, 1)...)
				for i := range all {
					all[i] = times.ReplaceAllString(pids.ReplaceAllString(all[i], "[pid]"), "[time]")
					if first, rest, more := strings.Cut(all[i], "\n"); more { // the frames of a traceback differ
						all[i] = first + "..." + rest[strings.LastIndexByte(rest, '\n')+1:]
					}
				}
				s.Stop(syscall.SIGTERM)
				return all
			})
		})
	}
}

func TestSyslogOverTCPSurvivesARestartOfItsServer(t *testing.T) {
	t.Parallel()
	in, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer in.Close()
	s := start(t, "logged:app", "--log-syslog", "--log-syslog-to", "tcp://"+in.Addr().String())
	for range 2 {
		// The error log and the access log have a connection each; whichever this is, the next record makes another.
		s.WantGet(t, "/", 200)
		_ = in.(*net.TCPListener).SetDeadline(time.Now().Add(harness.EventBudget))
		conn, err := in.Accept()
		if err != nil {
			t.Fatal(err)
		}
		b := make([]byte, 4096)
		_ = conn.SetReadDeadline(time.Now().Add(harness.EventBudget))
		n, err := conn.Read(b)
		if err != nil || !strings.HasPrefix(string(b[:n]), "<14>gunicorn.logged.app.") {
			t.Errorf("got %q, %v", b[:n], err)
		}
		_ = conn.Close()
	}
}

// What goes where: prints to our standard streams, wsgi.errors to the error log, all to the log with capture_output.
func TestPrintsGoWhereGunicornPutsThem(t *testing.T) {
	t.Parallel()
	for _, capture := range []bool{false, true} {
		both(t, func(t *testing.T, kind harness.Kind) (where []string) {
			path := filepath.Join(t.TempDir(), "error.log")
			args := []string{"--error-logfile", path}
			if capture {
				args = append(args, "--capture-output")
			}
			s := harness.Launch(t, harness.Config{App: "logged:app", Kind: kind, Args: args, Bind: []string{harness.FreePort(t)}})
			s.UseBind()
			harness.Eventually(t, harness.StartBudget, "the server answers", func() bool { return s.Get("/").Status == 200 })
			s.WantGet(t, "/print", 200)
			s.Stop(syscall.SIGTERM)
			text, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			for _, print := range []string{"to stdout", "to stderr", "to wsgi.errors"} {
				for name, stream := range map[string]string{"file": string(text), "stderr": s.Log.String(), "stdout": s.Out.String()} {
					if strings.Contains(stream, print+"\n") {
						where = append(where, print+" in "+name)
					}
				}
			}
			return where
		})
	}
}

func TestAccessLinesAreGunicorns(t *testing.T) {
	t.Parallel()
	const format = `%(h)s|%(l)s|%(u)s|%(r)s|%(m)s|%(U)s|%(q)s|%(H)s|%(s)s|%(B)s|%(b)s|%(f)s|%(a)s|%(T)5s|%(T)05d|%(B)x|%(m)-6s|%(m).2s|%(m)r|%(p).1s|` +
		`%({x-in}i)s|%({X-OUT}o)s|%({content-length}o)s|%({remote_addr}e)s|%({wsgi.multithread}e)s|%({wsgi.url_scheme}e)s|%({nope}e)s|%(zz)s|%({x}z)s|%%`
	both(t, func(t *testing.T, kind harness.Kind) []string {
		s := harness.Start(t, harness.Config{App: "logged:app", Kind: kind, Args: []string{"--access-logfile", "-", "--access-logformat", format}})
		s.Request("GET", "/a%20b?q=1", "", "Authorization", "Basic am9lOng=", "User-Agent", `a"b`, "Referer", "http://f/", "X-In", `i"n`)
		s.Request("GET", "/two", "", "User-Agent", "", "Authorization", "Basic am*9lOng=")
		s.Request("POST", "/three?", "body", "User-Agent", "x", "Authorization", "Bearer x")
		s.Out.Wait(t, 0, "/three", harness.EventBudget)
		s.Stop(syscall.SIGTERM)
		return s.Out.Lines()
	})
}

func TestJSONLogs(t *testing.T) {
	t.Parallel()
	s := start(t, "logged:app", "--log-format", "json", "--access-logfile", "-", "--capture-output")
	reply := s.Request("GET", "/id?a=%22", "", "User-Agent", "a\"\\b")
	named := s.Request("GET", "/id", "", "X-Request-ID", "abc-1:2")
	forged := s.Request("GET", "/id", "", "X-Request-ID", `a" b`)
	s.Get("/boom")
	s.Get("/print")
	if named.Body != "abc-1:2" || len(reply.Body) != 32 || len(forged.Body) != 32 {
		t.Errorf("ids %q, %q, %q", reply.Body, named.Body, forged.Body)
	}
	s.Out.Wait(t, 0, `"/print"`, harness.EventBudget)
	s.Log.Wait(t, 0, "to stderr", harness.EventBudget)
	s.Stop(syscall.SIGTERM)
	objects := func(lines []string) (all []map[string]any) {
		for _, line := range lines {
			var o map[string]any
			if err := json.Unmarshal([]byte(line), &o); err != nil {
				t.Errorf("%s: %v", line, err)
				continue
			}
			if _, err := time.Parse(time.RFC3339, o["time"].(string)); err != nil {
				t.Error(err)
			}
			all = append(all, o)
		}
		return all
	}
	var access []map[string]any
	traced := false
	for _, o := range append(objects(s.Out.Lines()), objects(s.Log.Lines())...) {
		if o["logger"] == "gunicorn.access" {
			access = append(access, o)
		}
		if text, ok := o["traceback"].(string); ok && o["level"] == "ERROR" && o["message"] == "Error handling request GET /boom" {
			traced = strings.HasSuffix(text, "ValueError: boom")
		}
	}
	if !traced {
		t.Error("no object with the traceback")
	}
	if len(access) != 5 || access[0]["request_id"] != reply.Body || access[0]["user_agent"] != "a\"\\b" || access[0]["status"] != 200.0 ||
		access[1]["request_id"] != "abc-1:2" || access[0]["app_ms"].(float64) <= 0 {
		t.Errorf("got %v", access)
	}
}
