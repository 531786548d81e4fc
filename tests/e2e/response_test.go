package e2e

import (
	"crypto/sha256"
	"fmt"
	"strings"
	"testing"

	"github.com/gounicorn/gounicorn/tests/harness"
)

// counted is the content of the files and large bodies of the fault application: n modulo 251 for each n.
func counted(size, offset int) string {
	text := make([]byte, 0, size)
	for n := offset; n < size; n++ {
		text = append(text, byte(n%251))
	}
	return string(text)
}

// Rows 43 and 47 and the legal half of PEP 3333: what a correct application sends arrives.
func TestLegalResponsesArrive(t *testing.T) {
	t.Parallel()
	s := start(t, "faults:app", "-w", "2")
	for _, test := range []struct {
		path, method string
		status       int
		body         string
		headers      map[string]string // "" is absent
	}{
		{path: "/head", body: "body\nbody", headers: map[string]string{"Content-Length": "9"}},
		{path: "/head", method: "HEAD", headers: map[string]string{"Content-Length": "9"}},
		{path: "/head-without-length", method: "HEAD"},
		{path: "/body-on/204", status: 204, headers: map[string]string{"Content-Length": "", "Transfer-Encoding": ""}},
		{path: "/body-on/304", status: 304},
		{path: "/one-byte-yields/5000", body: strings.Repeat("x", 5000)},
		{path: "/empty-yields", body: "ab"},
		{path: "/empty-before-start", body: "body\n"},
		{path: "/late-start", body: "started late\n", headers: map[string]string{"X-Started": "late"}},
		{path: "/exc-info-restart", status: 503, body: "restarted\n", headers: map[string]string{"X-Second": "1", "X-First": ""}},
		{path: "/write-callable", body: "written first, then returned\n"},
		{path: "/write-only", body: "only", headers: map[string]string{"Content-Length": "4"}},
		{path: "/close-counted/plain", body: "hello"},
		{path: "/good-start/latin", body: "accepted\n", headers: map[string]string{"X-Latin": "caf\xe9"}},
		{path: "/good-start/no-reason", body: "accepted\n"},
		{path: "/good-start/repeated", body: "accepted\n", headers: map[string]string{"Set-Cookie": "a=1|b=2"}},
		{path: "/good-start/empty-value", body: "accepted\n"},
		{path: "/good-start/tab-value", body: "accepted\n", headers: map[string]string{"X-Tab": "a\tb"}},
		{path: "/good-start/status-599", status: 599, body: "accepted\n"},
		{path: "/file-wrapper/0", body: "", headers: map[string]string{"Content-Length": "0"}},
		{path: "/file-wrapper/1", body: counted(1, 0)},
		{path: "/file-wrapper/100000", body: counted(100000, 0), headers: map[string]string{"Content-Length": "100000"}},
		{path: "/file-wrapper/100000/777", body: counted(100000, 777)},
		{path: "/file-wrapper/3000000/5/none", body: counted(3000000, 5)},
		{path: "/file-wrapper/100000/0/500", body: counted(500, 0), headers: map[string]string{"Content-Length": "500"}},
		{path: "/file-wrapper/100000", method: "HEAD", headers: map[string]string{"Content-Length": "100000"}},
		{path: "/file-wrapper-bytesio/100000", body: counted(100000, 0)},
		{path: "/file-wrapper-pipe", body: "through a pipe\n"},
		{path: "/file-wrapper-unused", body: "unwrapped\n"},
		{path: "/subprocess", body: "from a child\n"},
	} {
		if test.status == 0 {
			test.status = 200
		}
		if test.method == "" {
			test.method = "GET"
		}
		t.Run(test.method+test.path, func(t *testing.T) {
			t.Parallel()
			for _, version := range []string{"1.1", "1.0"} {
				conn := s.DialFor(t)
				conn.Send(test.method + " " + test.path + " HTTP/" + version + "\r\nHost: test\r\n\r\n")
				response, err := conn.Read(test.method)
				if err != nil {
					t.Fatalf("HTTP/%s: %v", version, err)
				}
				if response.Status != test.status || string(response.Body) != test.body {
					t.Errorf("HTTP/%s: got %d and %d bytes (sha256 %x) %.100q, want %d and %d bytes", version, response.Status,
						len(response.Body), sha256.Sum256(response.Body), response.Body, test.status, len(test.body))
				}
				if response.Chunked && version == "1.0" {
					t.Error("a chunked response to HTTP/1.0")
				}
				for name, want := range test.headers {
					if got := strings.Join(response.Header.Values(name), "|"); got != want {
						t.Errorf("HTTP/%s: %s is %q, want %q", version, name, got, want)
					}
				}
				for _, name := range []string{"Date", "Server"} {
					if n := len(response.Header.Values(name)); n != 1 {
						t.Errorf("HTTP/%s: %d %s headers", version, n, name)
					}
				}
				if response.Close {
					conn = nil
				}
				canary(t, s, conn)
			}
		})
	}
}

// Rows 39 to 45: what breaks PEP 3333 gives the client a clean 500, the log its reason, and the next request nothing.
func TestBrokenApplicationsAnswer500(t *testing.T) {
	t.Parallel()
	s := start(t, "faults:app", "-w", "2")
	for path, reason := range map[string]string{
		"/raise-before":       "raised before start_response",
		"/raise-after-start":  "raised after start_response",
		"/never-start":        "start_response",
		"/start-twice":        "start_response",
		"/yield-before-start": "start_response",
		"/return-none":        "None",
		"/return-int":         "int",
		"/return-str":         "str",
		"/yield-str":          "str",
		"/write-str":          "str",
		"/bad-cl/ten":         "ten",
		"/bad-cl/-1":          "-1",
		"/bad-cl/+10":         "+10",
		"/bad-cl/1_0":         "1_0",
		"/dup-cl":             "ontent-",
		"/fail":               "a failure with a name of its own",
		"/recursion":          "RecursionError",
	} {
		t.Run(path, func(t *testing.T) {
			t.Parallel()
			conn := s.DialFor(t)
			conn.Get(path)
			response, err := conn.Read("GET")
			if err != nil {
				t.Fatal(err)
			}
			if response.Status != 500 {
				t.Errorf("got status %d and body %.200q, want 500", response.Status, response.Body)
			}
			if strings.Contains(string(response.Body), "Traceback") {
				t.Error("the traceback is shown to the client")
			}
			s.Log.Wait(t, 0, reason, harness.EventBudget)
			s.Log.Wait(t, 0, "GET "+path, harness.EventBudget)
			if response.Close {
				conn = nil
			}
			canary(t, s, conn)
		})
	}
}

// Rows 39 and 40: start_response itself refuses what cannot be a status or a header, and nothing is injected.
func TestStartResponseRefusesWhatCannotBeSent(t *testing.T) {
	t.Parallel()
	s := start(t, "faults:app", "-w", "2")
	for _, kind := range []string{
		"crlf-value", "lf-value", "nul-value", "crlf-name", "space-name", "colon-name", "empty-name", "crlf-status",
		"nonlatin-value", "nonlatin-name", "nonlatin-status", "bytes-value", "bytes-name", "bytes-status", "int-value",
		"int-status", "none-value", "status-99", "status-1000", "status-empty", "status-words", "headers-none",
		"headers-short", "headers-str",
	} {
		t.Run(kind, func(t *testing.T) {
			t.Parallel()
			conn := s.DialFor(t)
			conn.Get("/header/"+kind, "Connection: close\r\n")
			raw := conn.ReadRest()
			if !strings.HasPrefix(raw, "HTTP/1.1 500 ") {
				t.Errorf("got %.200q, want a 500", raw)
			}
			if strings.Contains(strings.ToLower(raw), "\nx-injected") {
				t.Errorf("a header was injected: %q", raw)
			}
			caught := s.Get("/caught/header/" + kind)
			name, _, _ := strings.Cut(caught.Body, ":")
			if name != "TypeError" && name != "ValueError" && name != "AssertionError" {
				t.Errorf("start_response did not raise: the application got %q", caught.Body)
			}
			if strings.HasSuffix(kind, "-value") { // the message names the header, so that it can be found
				s.Log.Wait(t, 0, map[string]string{
					"crlf-value": "X-Bad-Crlf", "lf-value": "X-Bad-Lf", "nul-value": "X-Bad-Nul", "nonlatin-value": "X-Bad-Nonlatin",
					"bytes-value": "X-Bad-Bytes", "int-value": "X-Bad-Int", "none-value": "X-Bad-None",
				}[kind], harness.EventBudget)
			}
			canary(t, s, nil)
		})
	}
}

// Row 41: framing is always ours.
func TestHopByHopHeadersOfTheApplicationAreDropped(t *testing.T) {
	t.Parallel()
	s := start(t, "faults:app")
	conn := s.Dial()
	conn.Get("/hop-by-hop")
	response := conn.MustRead("GET")
	if response.Status != 200 || string(response.Body) != "framed by the server\n" {
		t.Errorf("got %d %q", response.Status, response.Body)
	}
	for name, values := range response.Header {
		for _, value := range values {
			for _, bad := range []string{"x-evil", "1000", "gzip", "evil/1", "X-Later", "trailers", "Basic"} {
				if strings.Contains(value, bad) {
					t.Errorf("the application's own %s: %s was sent", name, value)
				}
			}
		}
	}
	if response.Close {
		conn = nil
	}
	canary(t, s, conn)
}

// Row 42: a body that is too long is cut at Content-Length, one that is too short is never taken for whole.
func TestContentLengthIsEnforced(t *testing.T) {
	t.Parallel()
	s := start(t, "faults:app")
	for difference, want := range map[string]string{"-1": "012345678", "-10": "", "+0": "0123456789"} {
		conn := s.Dial()
		conn.Get("/wrong-cl/" + difference)
		response := conn.MustRead("GET")
		if response.Status != 200 || string(response.Body) != want {
			t.Errorf("Content-Length%s: got %d %q, want %q", difference, response.Status, response.Body, want)
		}
		if response.Close {
			conn = nil
		}
		canary(t, s, conn)
	}
	for _, path := range []string{"/wrong-cl/+1", "/wrong-cl/+1000", "/wrong-cl/+1000000"} {
		conn := s.Dial()
		conn.Get(path)
		response, err := conn.Read("GET")
		if err == nil && response.Status < 500 {
			t.Errorf("%s: the client takes %d bytes for a whole response", path, len(response.Body))
		}
		if err != nil {
			if rest := conn.ReadRest(); rest != "" {
				t.Errorf("%s: after the short body the server sent %q", path, rest)
			}
		}
		canary(t, s, nil)
	}
}

// Row 44: what broke in the middle is not mistaken for whole, by this client or a cache.
func TestResponseThatBreaksInTheMiddleIsNotWhole(t *testing.T) {
	t.Parallel()
	s := start(t, "faults:app")
	for _, path := range []string{"/raise-mid/chunked/chunked", "/raise-mid/length/length", "/raise-mid-streaming/streaming", "/exc-info-after-body/exc"} {
		conn := s.Dial()
		s.Open(t, "raise-streaming")
		conn.Get(path)
		if response, err := conn.Read("GET"); err == nil && response.Status < 500 {
			t.Errorf("%s: the client takes %d %q for a whole response", path, response.Status, response.Body)
		}
		conn.ReadRest()
		canary(t, s, nil)
	}
	for _, token := range []string{"chunked", "length", "streaming", "exc"} {
		s.WaitMark(t, "closed-"+token, 1)
	}
	if !s.Marked("reraised-exc") {
		t.Error("start_response did not re-raise exc_info after the body had begun")
	}
	s.Log.Wait(t, 0, "raised in the middle of the body", harness.EventBudget)
}

// Rows 44 and 46: close() is called exactly once whatever happens.
func TestCloseIsAlwaysCalledOnce(t *testing.T) {
	t.Parallel()
	s := start(t, "faults:app", "-w", "1")
	s.WantGet(t, "/close-counted/plain", 200)
	if reply := s.Request("HEAD", "/close-counted/head", ""); reply.Status != 200 {
		t.Errorf("HEAD: got %d %v", reply.Status, reply.Err)
	}
	if reply := s.Get("/close-raises/raises"); reply.Status != 200 || reply.Body != "hello" {
		t.Errorf("close() that raises: got %d %q %v, want the response that was already complete", reply.Status, reply.Body, reply.Err)
	}
	s.WantGet(t, "/file-wrapper/100000/0/auto/file", 200)
	s.WantGet(t, "/file-wrapper-bytesio/1000/bytesio", 200)
	s.Get("/raise-mid/mid")
	for _, token := range []string{"plain", "head", "raises", "file", "bytesio", "mid"} {
		s.WaitMark(t, "closed-"+token, 1)
	}
	s.Log.Wait(t, 0, "close() itself fails", harness.EventBudget)
	s.WantGet(t, "/pid", 200)
	for _, token := range []string{"plain", "head", "raises", "file", "bytesio", "mid"} {
		if n := len(s.Marks("closed-" + token)); n != 1 {
			t.Errorf("close() of %s was called %d times", token, n)
		}
	}
}

// Row 46: the client leaves in the middle of an endless body; the generator is closed and the worker is free again.
func TestCloseIsCalledWhenTheClientLeft(t *testing.T) {
	t.Parallel()
	for _, leave := range []string{"close", "reset"} {
		t.Run(leave, func(t *testing.T) {
			t.Parallel()
			s := start(t, "faults:app", "-w", "1")
			conn := s.Dial()
			conn.Get("/yield-forever/left")
			conn.ReadUntil("xxxx")
			s.WaitMark(t, "yielding-left", 1)
			if leave == "reset" {
				conn.Reset()
			} else {
				conn.Close()
			}
			s.WaitMark(t, "closed-left", 1)
			s.WantGet(t, "/pid", 200)
			if n := len(s.Marks("closed-left")); n != 1 {
				t.Errorf("close() was called %d times", n)
			}
			if workers := s.Booted(); len(workers) != 1 {
				t.Errorf("the worker was replaced: %v", workers)
			}
		})
	}
}

func TestLargeResponsesArriveWhole(t *testing.T) {
	t.Parallel()
	s := start(t, "faults:app")
	block := counted(251*262, 0)[:65536]
	for _, size := range []int{65535, 65536, 65537, 1 << 20, 20 << 20} {
		reply := s.WantGet(t, fmt.Sprintf("/big/%d", size), 200)
		want := strings.Repeat(block, size/len(block)+1)[:size]
		if reply.Err != nil || reply.Body != want {
			t.Errorf("%d bytes: got %d bytes, equal: %v, error %v", size, len(reply.Body), reply.Body == want, reply.Err)
		}
	}
}

// Several responses on one connection stay apart and in order.
func TestPipelinedRequestsAreAnsweredInOrder(t *testing.T) {
	t.Parallel()
	if peer() {
		t.Log("gunicorn loses pipelined requests: our own promise")
		return
	}
	s := start(t, "echo:app", "-w", "2")
	conn := s.Dial()
	var all strings.Builder
	const count = 100
	for n := range count {
		fmt.Fprintf(&all, "POST /n/%d HTTP/1.1\r\nHost: test\r\nX-Nonce: %d\r\nContent-Length: 5\r\n\r\n%05d", n, n, n)
	}
	conn.Send(all.String())
	for n := range count {
		echo := harness.ParseEcho(t, conn.MustRead("POST").Body)
		if echo.NoncePath != fmt.Sprintf("/n/%d", n) || echo.NonceHeader != fmt.Sprint(n) || echo.Body != fmt.Sprintf("%05d", n) {
			t.Fatalf("answer %d is that of %s %s %s", n, echo.NoncePath, echo.NonceHeader, echo.Body)
		}
	}
}
