package hostile

import (
	"context"
	"crypto/tls"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/gounicorn/gounicorn/tests/harness"
	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/common/model"
)

// private asks on connections of their own, so that none of them is counted among what clients leave behind.
var private = http.Client{Transport: &http.Transport{DisableKeepAlives: true}, Timeout: patience}

// A site is a server and what it tells about itself.
type site struct {
	*harness.Server
	private string // the address of metrics and status
}

func startSite(t testing.TB, args ...string) *site {
	t.Helper()
	private := harness.FreePort(t)
	files := t.TempDir()
	if err := os.WriteFile(filepath.Join(files, "large"), make([]byte, 8<<20), 0o644); err != nil {
		t.Fatal(err)
	}
	// No overflow worker: its descriptors would count as what clients leave behind.
	args = append([]string{"-w", "2", "--max-workers", "2", "--metrics-bind", private, "--static", "/files/=" + files}, args...)
	s := harness.Start(t, harness.Config{App: "faults:app", Args: args})
	s.Log.Wait(t, 0, "Metrics at:", harness.EventBudget)
	return &site{s, private}
}

// secure is the address of the listener with TLS.
func (s *site) secure(t testing.TB) string {
	t.Helper()
	for _, addr := range s.Addrs {
		if rest, ok := strings.CutPrefix(addr, "https://"); ok {
			return rest
		}
	}
	t.Fatalf("no https among %q", s.Addrs)
	return ""
}

// gauge adds the values of a metric.
func (s *site) gauge(t testing.TB, name string) (sum float64) {
	t.Helper()
	response, err := private.Get("http://" + s.private + "/metrics")
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	parser := expfmt.NewTextParser(model.UTF8Validation)
	families, err := parser.TextToMetricFamilies(response.Body)
	if err != nil || families[name] == nil {
		t.Fatalf("metric %s: %v", name, err)
	}
	for _, m := range families[name].GetMetric() {
		sum += m.GetGauge().GetValue()
	}
	return sum
}

// busy counts the requests that workers run, and those that have done so for longer than any request of the tests takes.
func (s *site) busy(t testing.TB) (running, stuck int) {
	t.Helper()
	response, err := private.Get("http://" + s.private + "/status")
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	var status struct {
		Workers []struct {
			Requests []struct {
				Seconds float64 `json:"seconds"`
			} `json:"requests"`
		} `json:"workers"`
	}
	if err := json.NewDecoder(response.Body).Decode(&status); err != nil || len(status.Workers) == 0 {
		t.Fatalf("status: %v, %d workers", err, len(status.Workers))
	}
	for _, w := range status.Workers {
		for _, r := range w.Requests {
			running++
			if r.Seconds > 5 {
				stuck++
			}
		}
	}
	return running, stuck
}

// wantNothingHeld waits until clients that have left hold nothing any more: no request, connection, buffer and descriptor.
func (s *site) wantNothingHeld(t testing.TB, descriptors int) {
	t.Helper()
	var left string
	released := harness.Poll(harness.EventBudget, func() bool {
		running, _ := s.busy(t)
		connections, spool, open := s.gauge(t, "gounicorn_connections"), s.gauge(t, "gounicorn_spool_bytes"), len(harness.Descriptors(t, s.PID))
		left = fmt.Sprintf("%d requests run, %v connections, %v bytes in buffers, %d descriptors after %d", running, connections, spool, open, descriptors)
		return running == 0 && connections == 0 && spool == 0 && open <= descriptors
	})
	if !released {
		t.Errorf("what is left of clients that are gone: %s", left)
	}
}

// crowd brings everybody, or each kind as often as the share allows, and returns when the server has them all, and a function that makes
// them leave.
func crowd(t testing.TB, s *site, dial dialer, kinds []kind, share int) (size int, leave func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	served := len(s.Marks("taken-crowd")) // for a crowd before this one
	arrived := make(chan error)
	var all sync.WaitGroup
	wants := 0
	for i := range kinds {
		k := &kinds[i]
		for range k.count / share {
			all.Go(func() { k.attend(ctx, dial, arrived) })
		}
		size += k.count / share
		wants += k.count / share * k.wants
	}
	leave = sync.OnceFunc(func() { cancel(); all.Wait() })
	t.Cleanup(leave)
	for range size {
		if err := <-arrived; err != nil {
			t.Error(err)
		}
	}
	harness.Eventually(t, harness.StartBudget, "the application has handed over what slow readers asked for", func() bool {
		return len(s.Marks("taken-crowd")) >= served+wants
	})
	return size, leave
}

var printedBudget = regexp.MustCompile(`Buffers: bodies at most (\d+)([KMG]) in memory, at most \S+ on disk; large heads and streams at most (\d+)([KMG]); (\d+) connections \d+[KMG] idle, at most (\d+)([KMG])` +
	`(?:, with TLS \d+[KMG] idle, at most (\d+)([KMG]), by HTTP/2 at most (\d+)([KMG]))?`)

// budgets are what the start log says about memory, in kB.
type budgets struct{ bodies, requests, plain, tls, second int } // the last three for one connection

func budget(t testing.TB, s *site) (b budgets) {
	t.Helper()
	found := printedBudget.FindStringSubmatch(s.Log.Wait(t, 0, "Buffers: ", harness.EventBudget))
	if found == nil {
		t.Fatalf("no budget in the log:\n%s", s.Log)
	}
	kb := func(at int) int {
		n, _ := strconv.Atoi(found[at]) // digits, or nothing
		return n * map[string]int{"K": 1, "M": 1 << 10, "G": 1 << 20}[found[at+1]]
	}
	connections, _ := strconv.Atoi(found[5])
	return budgets{kb(1), kb(3), kb(6) / connections, kb(8) / connections, kb(10) / connections}
}

// Rows 18, 19, 20, 21, 69: 1,350 clients of every slow kind at once take neither a worker nor more memory than the log
// says, and the page is there for everybody else. When they have left, nothing of them is left. Fewer do the same
// over TLS, and by HTTP/2 200 streams on four connections.
func TestSlowCrowdDisturbsNobody(t *testing.T) {
	t.Parallel()
	for _, row := range []struct {
		name  string
		tls   bool
		kinds []kind
		share int
	}{{"plain", false, kinds, 1}, {"TLS", true, kinds, 5}, {"HTTP/2", true, secondKinds, 1}} {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			args := []string{"--spool-memory", "16M", "--request-memory", "8M", "--spool-dir", t.TempDir(), "--body-timeout", "60", "--keep-alive", "60", "--header-timeout", "60"}
			authority := harness.NewAuthority(t)
			if row.tls {
				cert, key := authority.Write(t.TempDir(), "site", harness.Leaf{Hosts: []string{"127.0.0.1"}})
				args = append(args, "--certfile", cert, "--keyfile", key, "--http-bind", "127.0.0.1:0")
			}
			s := startSite(t, args...)
			dial, allowed := plain(s.Addr()), budget(t, s)
			connection := allowed.plain
			if row.tls {
				client := &tls.Config{RootCAs: authority.Pool}
				connection = allowed.tls
				if row.name == "HTTP/2" {
					client.NextProtos = []string{"h2"}
					connection = allowed.second
				}
				dial = encrypted(s.secure(t), client)
			}
			disturb(t, s, dial, row.kinds, row.share, allowed.bodies+allowed.requests, connection)
		})
	}
}

// uncollected is what the master's collector may not have got round to, in kB, whoever comes.
const uncollected = 16 << 10

// disturb asks for the page while a crowd is there, and looks at what the crowd costs, which may be so many kB for all and for each connection.
func disturb(t *testing.T, s *site, dial dialer, kinds []kind, share, all, connection int) {
	t.Helper()
	for range 20 {
		s.WantGet(t, "/pid", 200)
	}
	memory := harness.MemoryKB(t, s.PID, "Rss")
	descriptors := len(harness.Descriptors(t, s.PID))
	size, leave := crowd(t, s, dial, kinds, share)
	if open := s.gauge(t, "gounicorn_connections"); int(open) < size-150/share { // those that are half closed have been served, and of those with large heads only some fit
		t.Errorf("the server holds %v connections of a crowd of %d", open, size)
	}
	harness.Eventually(t, harness.EventBudget, "no worker is busy with the crowd", func() bool { running, _ := s.busy(t); return running == 0 })
	for n := range 100 {
		s.WantGet(t, "/pid", 200)
		if n%20 == 0 {
			if _, stuck := s.busy(t); stuck > 0 {
				t.Errorf("workers are busy with %d requests of slow clients", stuck)
			}
		}
	}
	if spooled := s.gauge(t, "gounicorn_spool_bytes"); spooled < 1<<20 {
		t.Errorf("only %v bytes are spooled: the slow readers are not slow", spooled)
	}
	grown := harness.MemoryKB(t, s.PID, "Rss") - memory
	t.Logf("%d slow connections: the master grew by %d kB; the log allows %d kB for all and %d kB for each", size, grown, all, connection)
	if most := all + size*connection + uncollected; grown > most {
		t.Errorf("the master grew by %d kB, the log says at most %d kB", grown, most)
	}
	leave()
	s.wantNothingHeld(t, descriptors)
	s.WantGet(t, "/pid", 200)
}

// Row 69: idle connections are small, also those that have posted something.
func TestIdleConnectionsAreSmall(t *testing.T) {
	t.Parallel()
	authority := harness.NewAuthority(t)
	cert, key := authority.Write(t.TempDir(), "site", harness.Leaf{Hosts: []string{"127.0.0.1"}})
	s := startSite(t, "--keep-alive", "60", "--certfile", cert, "--keyfile", key, "--http-bind", "127.0.0.1:0")
	secure := s.secure(t)
	client := &tls.Config{RootCAs: authority.Pool}
	for range 50 {
		s.WantGet(t, "/pid", 200)
	}
	for _, row := range []struct {
		name        string
		count, most int // kB each
		posts       int // bytes
		dial        dialer
	}{{"plain", 1000, 20, 30_000, plain(s.Addr())}, {"TLS", 800, 80, 0, encrypted(secure, client)}} {
		memory := harness.MemoryKB(t, s.PID, "Rss")
		for range row.count {
			nc, err := row.dial(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { nc.Close() })
			if err := post(nc, row.posts); err != nil {
				t.Fatal(err)
			}
		}
		grown := harness.MemoryKB(t, s.PID, "Rss") - memory
		t.Logf("%d idle connections, %s: %.1f kB each", row.count, row.name, float64(grown)/float64(row.count))
		if grown > row.count*row.most {
			t.Errorf("%d idle connections, %s, take %d kB, more than %d kB each", row.count, row.name, grown, row.most)
		}
	}
}

// post sends a small body, and reads the answer.
func post(nc net.Conn, bytes int) error {
	_ = nc.SetDeadline(time.Now().Add(patience))
	if err := write(fmt.Sprintf("POST /pid HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n%s", bytes, strings.Repeat("p", bytes)))(nc); err != nil {
		return err
	}
	return answered(nc)
}

// Row 21: wherever a client resets its connection, inside its request or inside the answer, the server goes on and keeps nothing.
func TestResetAtEveryPoint(t *testing.T) {
	t.Parallel()
	s := startSite(t)
	s.WantGet(t, "/pid", 200)
	descriptors := len(harness.Descriptors(t, s.PID))
	upload := "POST /crowd HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n"
	for at := range len(upload) + 1 {
		nc := s.Dial()
		nc.Send(upload[:at])
		nc.Reset()
	}
	for _, path := range []string{"/pid", "/big/1000000/reset", "/yield-slow/5/0.01/reset"} {
		for _, taken := range []int{0, 1, 17, 100, 5000, 70000} {
			nc := s.Dial()
			nc.Get(path)
			if taken > 0 {
				if _, err := nc.Conn.Read(make([]byte, taken)); err != nil {
					t.Errorf("%s: %v", path, err)
				}
			}
			nc.Reset()
		}
	}
	s.wantNothingHeld(t, descriptors)
	s.WantGet(t, "/pid", 200)
	if n := len(s.Log.Grep("Traceback")) + len(s.Log.Grep("panic")); n > 0 {
		t.Errorf("%d tracebacks in the log", n)
	}
}
