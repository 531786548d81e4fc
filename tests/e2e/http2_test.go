package e2e

import (
	"bytes"
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"encoding/xml"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"net/http/httptrace"
	"net/textproto"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"

	"github.com/gounicorn/gounicorn/tests/harness"
)

// second returns a client with one connection of its own, by HTTP/2.
func (s *https) second(t *testing.T) *http.Client {
	t.Helper()
	tr := &http.Transport{TLSClientConfig: s.client.Clone(), Protocols: new(http.Protocols), DisableCompression: true}
	tr.Protocols.SetHTTP2(true)
	t.Cleanup(tr.CloseIdleConnections)
	c := &http.Client{Transport: tr, Timeout: harness.StopBudget}
	r, err := c.Get(s.URL("/"))
	if err != nil {
		t.Fatal(err)
	}
	_, _ = io.Copy(io.Discard, r.Body)
	_ = r.Body.Close()
	if r.ProtoMajor != 2 {
		t.Fatalf("got %s", r.Proto)
	}
	return c
}

func TestHTTP2(t *testing.T) {
	t.Parallel()
	s := startHTTPS(t, harness.Config{App: "echo:app", Args: []string{
		"-w", "3", "--access-logfile", "-", "--access-logformat", `%(r)s %(s)s %(H)s`, "--limit-request-body", "20M", "--http2-max-concurrent-streams", "50",
	}})
	c := s.second(t)
	t.Run("environ", func(t *testing.T) {
		q, _ := http.NewRequest("GET", s.URL("/a%20b?x=1"), nil)
		q.Header = http.Header{"Cookie": {"a=1", "b=2"}, "X-Two": {"1", "2"}, "Under_score": {"x"}, "Proxy": {"x"}, "Version": {"9"}}
		r, err := c.Do(q)
		if err != nil {
			t.Fatal(err)
		}
		defer r.Body.Close()
		b, _ := io.ReadAll(r.Body)
		environ := harness.ParseEcho(t, b).Environ
		for name, want := range map[string]string{
			"SERVER_PROTOCOL": "HTTP/2.0", "wsgi.url_scheme": "https", "PATH_INFO": "/a b", "QUERY_STRING": "x=1", "RAW_URI": "/a%20b?x=1", "HTTP_HOST": s.Addr(),
			"HTTP_COOKIE": "a=1; b=2", "HTTP_X_TWO": "1,2", "HTTP_VERSION": "2", "REMOTE_ADDR": "127.0.0.1", "REQUEST_METHOD": "GET",
		} {
			if got := environ[name].Value; got != want {
				t.Errorf("%s is %v, want %v", name, got, want)
			}
		}
		for name := range environ {
			if strings.Contains(name, ":") || slices.Contains([]string{"HTTP_UNDER_SCORE", "HTTP_PROXY", "HTTP_CONNECTION"}, name) {
				t.Errorf("the environ has %s", name)
			}
		}
		s.Out.Wait(t, 0, "GET /a%20b?x=1 HTTP/2.0 200 HTTP/2.0", harness.EventBudget)
	})
	t.Run("streams run on all workers", func(t *testing.T) {
		var all sync.WaitGroup
		var mu sync.Mutex
		pids := map[int]bool{}
		for i := range 3 { // each waits until all have begun
			all.Go(func() {
				r, err := c.Get(s.URL(fmt.Sprintf("/gate/h2-%d", i)))
				if err != nil {
					t.Error(err)
					return
				}
				defer r.Body.Close()
				b, _ := io.ReadAll(r.Body)
				mu.Lock()
				defer mu.Unlock()
				pids[harness.ParseEcho(t, b).PID] = true
			})
		}
		for i := range 3 {
			s.WaitMark(t, fmt.Sprintf("entered-h2-%d", i), 1)
		}
		for i := range 3 {
			s.Open(t, fmt.Sprintf("open-h2-%d", i))
		}
		all.Wait()
		if len(pids) != 3 {
			t.Errorf("ran on %v, want three workers", pids)
		}
	})
	t.Run("uploads", func(t *testing.T) {
		for _, size := range []int{0, 1, 100_000, 8 << 20, 21 << 20} {
			for _, announced := range []bool{true, false} {
				body := make([]byte, size)
				_, _ = rand.Read(body)
				q, _ := http.NewRequest("POST", s.URL("/"), bytes.NewReader(body))
				if !announced {
					q.Body, q.ContentLength = io.NopCloser(io.MultiReader(bytes.NewReader(body))), -1
				}
				r, err := c.Do(q)
				if err != nil {
					t.Fatal(err)
				}
				b, _ := io.ReadAll(r.Body)
				_ = r.Body.Close()
				if size > 20<<20 {
					if r.StatusCode != http.StatusRequestEntityTooLarge {
						t.Errorf("%d bytes, announced %v: got %d", size, announced, r.StatusCode)
					}
					continue
				}
				hash := sha256.Sum256(body)
				if r.StatusCode != 200 || harness.ParseEcho(t, b).SHA256 != hex.EncodeToString(hash[:]) {
					t.Errorf("%d bytes, announced %v: got %d, %.200q", size, announced, r.StatusCode, b)
				}
			}
		}
	})
	t.Run("curl", func(t *testing.T) {
		out, err := exec.CommandContext(t.Context(), "curl", "-sS", "--http2", "--cacert", s.authority.File, "-d", "hello", "-w", "\n%{http_version} %{http_code}", s.URL("/")).CombinedOutput()
		if err != nil || !bytes.HasSuffix(out, []byte("\n2 200")) || !bytes.Contains(out, []byte(`"body": "hello"`)) {
			t.Errorf("%v\n%s", err, out)
		}
	})
	t.Run("http/1.1 beside it", func(t *testing.T) {
		if r, _, err := s.get(s.client, "/"); err != nil || r.ProtoMajor != 1 {
			t.Errorf("got %v, %v", r, err)
		}
	})
	t.Run("a client that leaves frees its place in the queue", func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		var all sync.WaitGroup
		for range 30 {
			all.Go(func() {
				q, _ := http.NewRequestWithContext(ctx, "GET", s.URL("/gate/never"), nil)
				if r, err := c.Do(q); err == nil {
					_ = r.Body.Close()
				}
			})
		}
		s.WaitMark(t, "entered-never", 3)
		cancel()
		all.Wait()
		s.Open(t, "open-never")
		r, err := s.second(t).Get(s.URL("/"))
		if err != nil || r.StatusCode != 200 {
			t.Fatalf("got %v, %v", r, err)
		}
		_ = r.Body.Close()
	})
}

func TestHTTP2Answers(t *testing.T) {
	t.Parallel()
	s := startHTTPS(t, harness.Config{App: "faults:app", Args: []string{"-w", "2"}})
	c := s.second(t)
	get := func(ctx context.Context, path string) (int, int, error) {
		q, _ := http.NewRequestWithContext(ctx, "GET", s.URL(path), nil)
		r, err := c.Do(q)
		if err != nil {
			return 0, 0, err
		}
		defer r.Body.Close()
		n, err := io.Copy(io.Discard, r.Body)
		return r.StatusCode, int(n), err
	}
	var hints []string
	ctx := httptrace.WithClientTrace(t.Context(), &httptrace.ClientTrace{Got1xxResponse: func(code int, h textproto.MIMEHeader) error {
		hints = append(hints, fmt.Sprint(code, " ", h.Get("Link")))
		return nil
	}})
	if status, n, err := get(ctx, "/early-hints"); status != 200 || n != 6 || err != nil || !slices.Equal(hints, []string{"103 </style.css>; rel=preload"}) {
		t.Errorf("early hints: got %d, %d bytes, %v, hints %q", status, n, err, hints)
	}
	if status, _, err := get(t.Context(), "/raise-before"); status != 500 || err != nil {
		t.Errorf("raise before: got %d, %v", status, err)
	}
	if status, _, err := get(t.Context(), "/raise-mid/h2"); status != 200 || err == nil {
		t.Errorf("raise in the middle: got %d, %v", status, err)
	}
	if status, n, err := get(t.Context(), "/file-wrapper"); status != 200 || n == 0 || err != nil {
		t.Errorf("file wrapper: got %d, %d bytes, %v", status, n, err)
	}
	if status, n, err := get(t.Context(), "/big/50000000"); status != 200 || n != 50_000_000 || err != nil {
		t.Errorf("big: got %d, %d bytes, %v", status, n, err)
	}

	// A graceful stop: what runs is finished, and nobody waits for idle clients.
	r, err := c.Get(s.URL("/sse/h2/1"))
	if err != nil {
		t.Fatal(err)
	}
	defer r.Body.Close()
	first := make([]byte, len("data: 0\n\n"))
	if _, err := io.ReadFull(r.Body, first); err != nil { // which came without an end of the body in sight
		t.Fatal(err)
	}
	s.second(t) // and stays open
	s.Signal(syscall.SIGTERM)
	s.Log.Wait(t, 0, "Handling signal: term", harness.EventBudget)
	s.Open(t, "seen-h2-0")
	if b, err := io.ReadAll(r.Body); err != nil || len(b) > 0 {
		t.Errorf("got %q, %v", b, err)
	}
	if code := s.Wait(harness.StopBudget); code != 0 {
		t.Errorf("exit %d", code)
	}
}

// A load without a single request lost, with windows of the usual size and with tiny ones.
func TestH2load(t *testing.T) {
	t.Parallel()
	tool := harness.Tool(t, "h2load")
	s := startHTTPS(t, harness.Config{App: "echo:app", Args: []string{"-w", "2"}})
	for _, flags := range [][]string{{"-n2000", "-c10", "-m30"}, {"-n100", "-c10", "-m10", "-w4", "-W4"}} {
		flags = append(flags, s.URL("/"))
		out, err := exec.CommandContext(t.Context(), tool, flags...).CombinedOutput()
		if n := flags[0][2:]; err != nil || !bytes.Contains(out, []byte(n+" done, "+n+" succeeded, 0 failed, 0 errored, 0 timeout")) ||
			!bytes.Contains(out, []byte("status codes: "+n+" 2xx")) {
			t.Errorf("h2load %q: %v\n%s", flags, err, out)
		}
	}
}

// suite is what h2spec writes about its cases.
type suite struct {
	Suites []struct {
		Package string `xml:"package,attr"`
		Cases   []struct {
			ID      string    `xml:"classname,attr"`
			Package string    `xml:"package,attr"`
			Failure *struct{} `xml:"failure"`
			Error   *struct{} `xml:"error"`
		} `xml:"testcase"`
	} `xml:"testsuite"`
}

// h2spec runs the conformance test and returns how many cases there were, and which failed.
func h2spec(t *testing.T, addr string) (cases int, failed []string) {
	t.Helper()
	_, port, _ := net.SplitHostPort(addr)
	report := filepath.Join(t.TempDir(), "report.xml")
	cmd := exec.CommandContext(t.Context(), "go", "tool", "h2spec", "-t", "-k", "-h", "127.0.0.1", "-p", port, "-o", "2", "-j", report)
	cmd.Dir = filepath.Join(harness.Root(t), "tests", "h2spec")
	out, _ := cmd.CombinedOutput() // it fails when a case does
	text, err := os.ReadFile(report)
	if err != nil {
		t.Errorf("%v\n%s", err, out)
		return 0, nil
	}
	var all suite
	if err := xml.Unmarshal(text, &all); err != nil {
		t.Error(err)
	}
	for _, s := range all.Suites {
		for _, c := range s.Cases {
			cases++
			if c.Failure != nil || c.Error != nil {
				failed = append(failed, s.Package+": "+c.ID)
			}
		}
	}
	return cases, failed
}

// TestH2spec compares with net/http beside us: what fails there is a choice of Go's, as allowed by RFC 9113 (an answer of 400 instead of a
// reset, for instance); nothing else may fail.
func TestH2spec(t *testing.T) {
	t.Parallel()
	s := startHTTPS(t, harness.Config{App: "hello:app", Args: []string{"-w", "1"}})
	peer := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "hello\n") }))
	peer.EnableHTTP2 = true
	peer.Config.ErrorLog = log.New(io.Discard, "", 0)
	peer.StartTLS()
	defer peer.Close()
	var all sync.WaitGroup
	var theirs []string
	all.Go(func() { _, theirs = h2spec(t, peer.Listener.Addr().String()) })
	cases, ours := h2spec(t, s.Addr())
	all.Wait()
	t.Logf("%d cases; fail here: %q; fail in net/http: %q", cases, ours, theirs)
	if cases < 145 || len(theirs) > 6 {
		t.Errorf("%d cases, %d fail in net/http", cases, len(theirs))
	}
	for _, name := range ours {
		if !slices.Contains(theirs, name) {
			t.Errorf("%s fails, and not in net/http", name)
		}
	}
}
