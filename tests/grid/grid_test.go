package grid

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"path/filepath"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/gounicorn/gounicorn/tests/harness"
	"github.com/gounicorn/gounicorn/tests/httpcases"
)

// Rows 1 to 34: whatever bytes a client sends, what a front makes of them and forwards is read by us as the front meant
// it, or refused; and where both of us get the client's own bytes, we divide them into the same requests for as long as
// both of us go on.
func TestNothingThatFrontsForwardIsFramedDifferently(t *testing.T) {
	cases := load(t)
	ours := harness.Start(t, harness.Config{App: "grid_echo:app", Args: []string{"-w", "1", "--max-workers", "1", "--limit-request-line", "8190"}})
	gunicorn := harness.Start(t, harness.Config{
		Kind: harness.Gunicorn, App: "grid_echo:app", Args: []string{"-w", "1", "-k", "gthread", "--threads", "8", "--timeout", "60"},
	})
	fronts := append(startNginx(t), startGo(t))

	g := &grid{cases: cases}
	g.add("gounicorn", playAll(t, ours.Addr(), cases), seenBy(t, ours))
	g.add("gunicorn", playAll(t, gunicorn.Addr(), cases), seenBy(t, gunicorn))
	for _, f := range fronts {
		g.add(f.Name, playAll(t, f.Addr, cases), func() map[string][]Request { return f.Recorder.Close() })
	}

	var forwarded []httpcases.Case // by the fronts, each once, as bytes for us
	var meant []Request
	known := map[string]bool{}
	for i := range cases {
		c, own := &cases[i], g.columns[0].saw[i]
		if len(own) != len(c.Saw) {
			t.Errorf("%s: %s: our application saw %d requests, the table says %d: %v", c.File, c.Name, len(own), len(c.Saw), own)
		}
		for n, f := range fronts {
			saw := g.columns[2+n].saw[i]
			for k := range min(len(saw), len(own)) {
				if !saw[k].same(own[k]) {
					t.Errorf("%s: %s: request %d: %s forwards %+v, and we read the same bytes as %+v", c.File, c.Name, k, f.Name, saw[k], own[k])
				}
			}
			for _, r := range saw {
				if raw := string(r.Raw); !known[raw] {
					known[raw] = true
					forwarded = append(forwarded, httpcases.Case{Name: f.Name + ": " + c.Name, Raw: r.Raw})
					meant = append(meant, r)
				}
			}
		}
	}
	again := &grid{cases: forwarded}
	again.add("gounicorn", playAll(t, ours.Addr(), forwarded), seenBy(t, ours))
	served := 0
	for i, saw := range again.columns[0].saw {
		switch {
		case len(saw) == 0:
			t.Logf("refused: %s: %.150q", forwarded[i].Name, forwarded[i].Raw)
		case len(saw) > 1 || !saw[0].same(meant[i]):
			t.Errorf("%s: forwarded as %q, which we read as %+v instead of %+v", forwarded[i].Name, forwarded[i].Raw, saw, meant[i])
		default:
			served++
		}
	}
	t.Logf("%d cases; of %d different requests that fronts forward we serve %d and refuse %d", len(cases), len(forwarded), served, len(forwarded)-served)
	if len(cases) < 150 || served < 100 {
		t.Errorf("%d cases, %d forwarded requests served: the grid proves nothing", len(cases), served)
	}
	g.compare(t, fmt.Sprintf("nginx %s, gunicorn %s", versionOf(t, harness.Tool(t, "nginx"), "-v"),
		versionOf(t, filepath.Join(harness.Venv(t), "bin", "gunicorn"), "--version")))
}

// load returns the cases that need no particular settings.
func load(t *testing.T) []httpcases.Case {
	t.Helper()
	cases, err := httpcases.Load(filepath.Join(harness.Root(t), "tests", "testdata", "http"))
	if err != nil {
		t.Fatal(err)
	}
	return slices.DeleteFunc(cases, func(c httpcases.Case) bool { return c.Settings != httpcases.Settings{} })
}

// playAll sends every case on a connection of its own and returns the client's ports.
func playAll(t *testing.T, addr string, cases []httpcases.Case) []string {
	t.Helper()
	const clients = 16
	ports := make([]string, len(cases))
	next := make(chan int)
	var all sync.WaitGroup
	for range clients {
		all.Go(func() {
			for i := range next {
				port, err := send(addr, cases[i].Raw)
				if err != nil {
					t.Errorf("%s: %v", cases[i].Name, err)
				}
				ports[i] = port
			}
		})
	}
	for i := range cases {
		next <- i
	}
	close(next)
	all.Wait()
	return ports
}

// send writes the bytes, ends its side and waits for the end of the connection. What the server answers is not looked at:
// a reset may overtake it.
func send(addr string, raw []byte) (port string, err error) {
	nc, err := net.Dial("tcp", addr)
	if err != nil {
		return "", err
	}
	defer nc.Close()
	if err := nc.SetDeadline(time.Now().Add(patience)); err != nil {
		return "", err
	}
	_, port, _ = net.SplitHostPort(nc.LocalAddr().String())
	if _, err := nc.Write(raw); err == nil {
		_ = nc.(*net.TCPConn).CloseWrite() // fails if refused early
	}
	if _, err := io.Copy(io.Discard, nc); isTimeout(err) {
		return port, fmt.Errorf("%s does not end the connection: %w", addr, err)
	}
	return port, nil
}

func isTimeout(err error) bool {
	t, ok := errors.AsType[net.Error](err)
	return ok && t.Timeout()
}

// seenBy asks grid_echo.py.
func seenBy(t *testing.T, s *harness.Server) func() map[string][]Request {
	t.Helper()
	return func() map[string][]Request {
		var seen map[string][]Request
		if err := json.Unmarshal([]byte(s.WantGet(t, "/grid/seen", 200).Body), &seen); err != nil {
			t.Fatal(err)
		}
		for _, all := range seen {
			for i := range all {
				all[i].Target = origin(latin1(all[i].Target))
			}
		}
		return seen
	}
}

// latin1 gives the bytes of a string of a WSGI environ.
func latin1(text string) string {
	var bytes []byte
	for _, r := range text {
		bytes = append(bytes, byte(r))
	}
	return string(bytes)
}
