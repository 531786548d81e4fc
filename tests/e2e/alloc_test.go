package e2e

import (
	"io"
	"net"
	"net/http"
	"regexp"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/gounicorn/gounicorn/tests/harness"
)

var mallocs = regexp.MustCompile(`(?m)^# Mallocs = (\d+)$`)

// allocated is the number of objects that the master has allocated so far.
func allocated(t *testing.T, address string) int {
	t.Helper()
	response, err := http.Get("http://" + address + "/debug/pprof/heap?debug=1")
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	found := mallocs.FindSubmatch(text)
	if found == nil {
		t.Fatalf("no count of allocations in:\n%.300s", text)
	}
	n, err := strconv.Atoi(string(found[1]))
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// A connection that is kept costs the master no allocation for a further request, whether requests travel alone or share a packet.
func TestTheMasterDoesNotAllocateForASteadyRequest(t *testing.T) {
	deaf, err := net.ListenPacket("udp", "127.0.0.1:0") // the system drops what is not read
	if err != nil {
		t.Fatal(err)
	}
	defer deaf.Close()
	for name, logs := range map[string][]string{
		"no access log": nil, "text": {"--access-logfile", "/dev/null"}, "JSON": {"--access-logfile", "/dev/null", "--log-format", "json"},
		"statsd and syslog": {"--statsd-host", deaf.LocalAddr().String(), "--log-syslog", "--log-syslog-to", "udp://" + deaf.LocalAddr().String()},
	} {
		t.Run(name, func(t *testing.T) { steady(t, logs...) })
	}
}

func steady(t *testing.T, logs ...string) {
	t.Helper()
	s := start(t, "hello:app", append([]string{"-w", "2", "--metrics-bind", "127.0.0.1:0", "--metrics-pprof"}, logs...)...)
	address := metricsAddress(t, s)
	for name, request := range map[string]string{
		"GET":  "GET / HTTP/1.1\r\nHost: x\r\nUser-Agent: test\r\nAccept: */*\r\nCookie: a=b\r\n\r\n",
		"POST": "POST / HTTP/1.1\r\nHost: x\r\nContent-Type: text/plain\r\nContent-Length: 5\r\n\r\nhello",
	} {
		for _, connections := range []int{1, 16} {
			const each = 4000
			ask(t, s, request, connections, each/4) // buffers, routes
			// New connections have their share, and so has what runs in the background: the sweeps, a collection. The background
			// only adds, and more of it on a busy machine: the best of a few rounds counts. One allocation for a request is 4000 in each.
			limit, best := each/20+100*connections, -1
			for round := 0; round < 5 && (best < 0 || best > limit); round++ {
				before := allocated(t, address)
				reading := allocated(t, address) - before
				before += reading
				ask(t, s, request, connections, each/connections)
				if got := allocated(t, address) - before - reading; best < 0 || got < best {
					best = got
				}
			}
			if best > limit {
				t.Errorf("%s over %d connections: %d allocations for %d requests", name, connections, best, each)
			}
		}
	}
}

// ask sends the request again and again over some connections, each time when it has been answered.
func ask(t *testing.T, s *harness.Server, request string, connections, each int) {
	t.Helper()
	var all sync.WaitGroup
	for range connections {
		all.Go(func() {
			c, err := net.Dial("tcp", s.Addr())
			if err != nil {
				t.Error(err)
				return
			}
			defer c.Close()
			_ = c.SetDeadline(time.Now().Add(harness.EventBudget))
			answer := make([]byte, 4096)
			for range each {
				if _, err := io.WriteString(c, request); err != nil {
					t.Error(err)
					return
				}
				if _, err := c.Read(answer); err != nil { // a short answer is one write
					t.Error(err)
					return
				}
			}
		})
	}
	all.Wait()
}
