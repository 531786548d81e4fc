package e2e

import (
	"net"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/gounicorn/gounicorn/tests/harness"
)

// echoOver sends raw bytes to echo.py and decodes the answer.
func echoOver(t *testing.T, s *harness.Server, raw string) harness.Echo {
	t.Helper()
	conn := s.DialFor(t)
	conn.Send(raw)
	response := conn.MustRead("GET")
	if response.Status != 200 {
		t.Fatalf("got status %d, want 200: %.500q", response.Status, response.Body)
	}
	return harness.ParseEcho(t, response.Body)
}

// Row 70 too: environ is a fresh plain dict.
func TestEnvironHasTheKeysAndTypesOfGunicorn(t *testing.T) {
	t.Parallel()
	s := start(t, "echo:app", "-w", "2")
	echo := echoOver(t, s, "POST /a%20b/caf%C3%A9?q=%20x&y HTTP/1.1\r\nHost: example.org:81\r\n"+
		"Content-Type: text/plain\r\nContent-Length: 4\r\nX-One: 1\r\nX-Two: a\r\nX-Two: b\r\nX-Latin: caf\xe9\r\n"+
		"Cookie: a=b\r\nX_Alias: dropped\r\nConnection: close\r\n\r\nbody")
	host, port, _ := net.SplitHostPort(s.Addr())
	if echo.EnvironType != "builtins.dict" || !echo.KeysAreStr {
		t.Errorf("environ is a %s, keys are str: %v", echo.EnvironType, echo.KeysAreStr)
	}
	want := map[string]harness.EnvironValue{
		"wsgi.version":          {Type: "tuple", Value: []any{1.0, 0.0}},
		"wsgi.url_scheme":       {Type: "str", Value: "http"},
		"wsgi.multithread":      {Type: "bool", Value: false},
		"wsgi.multiprocess":     {Type: "bool", Value: true},
		"wsgi.run_once":         {Type: "bool", Value: false},
		"wsgi.input_terminated": {Type: "bool", Value: true},
		"REQUEST_METHOD":        {Type: "str", Value: "POST"},
		"RAW_URI":               {Type: "str", Value: "/a%20b/caf%C3%A9?q=%20x&y"},
		"QUERY_STRING":          {Type: "str", Value: "q=%20x&y"},
		"SERVER_PROTOCOL":       {Type: "str", Value: "HTTP/1.1"},
		"PATH_INFO":             {Type: "str", Value: "/a b/caf\u00c3\u00a9"},
		"SCRIPT_NAME":           {Type: "str", Value: ""},
		"SERVER_NAME":           {Type: "str", Value: host},
		"SERVER_PORT":           {Type: "str", Value: port},
		"REMOTE_ADDR":           {Type: "str", Value: "127.0.0.1"},
		"CONTENT_TYPE":          {Type: "str", Value: "text/plain"},
		"CONTENT_LENGTH":        {Type: "str", Value: "4"},
		"HTTP_HOST":             {Type: "str", Value: "example.org:81"},
		"HTTP_X_ONE":            {Type: "str", Value: "1"},
		"HTTP_X_TWO":            {Type: "str", Value: "a,b"},
		"HTTP_X_LATIN":          {Type: "str", Value: "caf\u00e9"},
		"HTTP_COOKIE":           {Type: "str", Value: "a=b"},
	}
	for key, value := range want {
		if diff := cmp.Diff(value, echo.Environ[key]); diff != "" {
			t.Errorf("environ[%q] (-want +got):\n%s", key, diff)
		}
	}
	for _, key := range []string{"wsgi.input", "wsgi.errors"} {
		if _, ok := echo.Environ[key]; !ok {
			t.Errorf("environ has no %q", key)
		}
	}
	for _, key := range []string{"wsgi.file_wrapper", "wsgi.early_hints"} {
		if !echo.Environ[key].Callable {
			t.Errorf("environ[%q] is %v, not callable", key, echo.Environ[key])
		}
	}
	if software, _ := echo.Environ["SERVER_SOFTWARE"].Value.(string); !strings.Contains(software, "unicorn/") {
		t.Errorf("SERVER_SOFTWARE is %q", software)
	}
	if remote, ok := echo.Environ["REMOTE_PORT"]; !ok || remote.Type != "str" {
		t.Errorf("REMOTE_PORT is %v, want a str", remote)
	}
	for _, key := range []string{"HTTP_CONTENT_TYPE", "HTTP_CONTENT_LENGTH", "HTTP_X_ALIAS", "REMOTE_USER", "HTTPS", "REQUEST_URI"} {
		if value, ok := echo.Environ[key]; ok {
			t.Errorf("environ[%q] is %v, want it absent", key, value)
		}
	}
}

func TestEnvironFollowsTheTarget(t *testing.T) {
	t.Parallel()
	s := start(t, "echo:app")
	for _, test := range []struct{ name, target, path, query string }{
		{"plain", "/", "/", ""},
		{"two slashes", "//x/y", "//x/y", ""},
		{"empty query", "/x?", "/x", ""},
		{"second question mark", "/x?a?b", "/x", "a?b"},
		{"encoded slash", "/a%2Fb", "/a/b", ""},
		{"encoded percent is decoded once", "/a%252Fb", "/a%2Fb", ""},
		{"dot segments stay", "/a/../b/./c", "/a/../b/./c", ""},
		{"plus stays", "/a+b", "/a+b", ""},
		{"every byte", "/%80%FF", "/\u0080\u00ff", ""},
		{"absolute form", "http://example.org/abs/path?q", "/abs/path", "q"},
	} {
		t.Run(test.name, func(t *testing.T) {
			echo := echoOver(t, s, "GET "+test.target+" HTTP/1.1\r\nHost: example.org\r\n\r\n")
			got := []any{echo.Environ["PATH_INFO"].Value, echo.Environ["QUERY_STRING"].Value, echo.Environ["RAW_URI"].Value}
			if diff := cmp.Diff([]any{test.path, test.query, test.target}, got); diff != "" {
				t.Errorf("path, query, raw target (-want +got):\n%s", diff)
			}
		})
	}
}

// Row 70: nothing of one request is seen by the next one on the same worker and connection.
func TestNothingBleedsIntoTheNextRequest(t *testing.T) {
	t.Parallel()
	s := start(t, "echo:app")
	conn := s.Dial()
	conn.Send("POST /first?secret HTTP/1.1\r\nHost: first\r\nX-Secret: 1\r\nContent-Type: a/b\r\nContent-Length: 6\r\n\r\nsecret")
	if first := conn.MustRead("POST"); first.Status != 200 {
		t.Fatalf("got status %d", first.Status)
	}
	if !peer() { // gunicorn's sync worker closes after each response
		conn.Get("/second")
	} else {
		conn = s.Dial()
		conn.Get("/second")
	}
	second := harness.ParseEcho(t, conn.MustRead("GET").Body)
	if second.Length != 0 || second.Environ["QUERY_STRING"].Value != "" {
		t.Errorf("the second request sees a body of %d bytes and the query %v", second.Length, second.Environ["QUERY_STRING"])
	}
	for _, key := range []string{"HTTP_X_SECRET", "CONTENT_TYPE", "CONTENT_LENGTH"} {
		if value, ok := second.Environ[key]; ok {
			t.Errorf("the second request sees %s = %v", key, value)
		}
	}
}

// Row 30: a header cannot become a CGI variable of the environment, as in httpoxy.
func TestHeadersCannotPoseAsCGIVariables(t *testing.T) {
	t.Parallel()
	if peer() {
		t.Log("gunicorn passes Proxy on: our own rule")
		return
	}
	s := start(t, "echo:app", "--forwarded-allow-ips", "192.0.2.1")
	echo := echoOver(t, s, "GET / HTTP/1.1\r\nHost: test\r\nProxy: http://evil/\r\nScript_Name: /evil\r\nRemote_User: root\r\n\r\n")
	for _, key := range []string{"HTTP_PROXY", "HTTP_SCRIPT_NAME", "HTTP_REMOTE_USER", "REMOTE_USER"} {
		if value, ok := echo.Environ[key]; ok {
			t.Errorf("environ[%q] is %v, want it absent", key, value)
		}
	}
	if name := echo.Environ["SCRIPT_NAME"].Value; name != "" {
		t.Errorf("SCRIPT_NAME is %v", name)
	}
}

// The environ is gunicorn's, entry by entry with type and value, but for what is listed here and in docs/http.md.
func TestEnvironIsThatOfGunicorn(t *testing.T) {
	t.Parallel()
	post := "POST /shop/a%20b/caf%C3%A9;p?q=%20x&y HTTP/1.1\r\nHost: example.org:81\r\nContent-Type: text/plain\r\nContent-Length: 4\r\n" +
		"X-Two: a\r\nX-Two: b\r\nX-Empty:\r\nX-Latin: caf\xe9\r\nCookie: a=b\r\nCookie: c=d\r\nX_Alias: dropped\r\nUser-Agent: t\r\n"
	for _, group := range []struct {
		name     string
		args     []string
		requests []string // before their last fields
	}{
		{"defaults", nil, []string{
			"GET / HTTP/1.1\r\nHost: x\r\n",
			"GET //x/../y?a?b HTTP/1.0\r\n",
			"GET http://x/abs?q HTTP/1.1\r\nHost: x\r\n",
			"HEAD / HTTP/1.1\r\nHost: [::1]:8000\r\n",
			post,
			post + "X-Forwarded-Proto: https\r\nX-Forwarded-For: 192.0.2.1, 192.0.2.2\r\nForwarded: for=192.0.2.1\r\nX-Real-IP: 192.0.2.1\r\n",
			post + "SCRIPT_NAME: /shop\r\nPATH_INFO: /other\r\nREMOTE_USER: root\r\n",
			post + "X-Forwarded-Ssl: ON\r\nContent_Length: 9\r\n",
		}},
		{"workers", []string{"-w", "2"}, []string{post}},
		{"threads", []string{"-w", "1", "--threads", "2"}, []string{post}},
		{"stranger", []string{"--forwarded-allow-ips", "192.0.2.0/24"}, []string{
			post + "X-Forwarded-Proto: https\r\nX-Forwarded-For: 192.0.2.1\r\nForwarded: for=192.0.2.1\r\nSCRIPT_NAME: /shop\r\n",
		}},
		{"everybody", []string{"--forwarded-allow-ips", "*", "--forwarder-headers", "*"}, []string{
			post + "X-Forwarded-Protocol: ssl\r\nREMOTE_USER: ann\r\nX-Alias: 2\r\nCONTENT_TYPE: a/b\r\n",
		}},
		{"dangerous", []string{"--header-map", "dangerous", "--forwarded-allow-ips", "192.0.2.1"}, []string{post + "X-Alias: 2\r\nREMOTE_USER: root\r\n"}},
		{"proxied", []string{"--proxy-protocol=v1"}, []string{
			"PROXY TCP4 192.0.2.9 198.51.100.1 4321 443\r\n" + post, "PROXY TCP6 2001:db8::9 2001:db8::1 4321 443\r\n" + post, post,
		}},
	} {
		t.Run(group.name, func(t *testing.T) {
			t.Parallel()
			if !slices.Contains(group.args, "-w") {
				group.args = append(group.args, "-w", "1") // by default we have more than one
			}
			ours := harness.Start(t, harness.Config{App: "echo:app", Args: group.args, Kind: harness.Gounicorn})
			theirs := harness.Start(t, harness.Config{App: "echo:app", Args: group.args, Kind: harness.Gunicorn})
			for _, request := range group.requests {
				body := ""
				if strings.Contains(request, "POST") {
					body = "body"
				}
				request += "Connection: close\r\n\r\n" + body
				if strings.HasPrefix(request, "HEAD") {
					request = "GET" + request[4:]
				}
				want, got := echoOver(t, theirs, request).Environ, echoOver(t, ours, request).Environ
				for _, environ := range []map[string]harness.EnvironValue{want, got} {
					// What they can only have in kind: other objects, other ports.
					for _, key := range []string{"wsgi.input", "wsgi.errors", "wsgi.file_wrapper", "wsgi.early_hints", "gunicorn.socket"} {
						value, ok := environ[key]
						environ[key] = harness.EnvironValue{Value: ok, Callable: value.Callable}
					}
					for _, key := range []string{"SERVER_SOFTWARE", "SERVER_PORT", "REMOTE_PORT"} {
						if value := environ[key]; value.Value != "4321" {
							environ[key] = harness.EnvironValue{Type: value.Type}
						}
					}
				}
				if diff := cmp.Diff(want, got); diff != "" {
					t.Errorf("%q (-gunicorn +gounicorn):\n%s", request, diff)
				}
			}
		})
	}
}

// PROXY headers and hops, over the command line.
func TestClientAddressComesFromWhoIsTrusted(t *testing.T) {
	t.Parallel()
	s := start(t, "echo:app", "--access-logfile", "-", "--access-logformat", "client %(h)s",
		"--proxy-protocol=auto", "--proxy-hops", "2", "--proxy-hops-header", "Forwarded", "--drop-forwarded")
	echo := echoOver(t, s, "GET / HTTP/1.1\r\nHost: x\r\nForwarded: for=9.9.9.9, for=192.0.2.7, for=192.0.2.8\r\nX-Forwarded-For: 9.9.9.9\r\nConnection: close\r\n\r\n")
	if got := echo.Environ["REMOTE_ADDR"].Value; got != "192.0.2.7" {
		t.Errorf("REMOTE_ADDR is %v", got)
	}
	s.Out.Wait(t, 0, "client 192.0.2.7", harness.EventBudget)
	conn := s.DialFor(t)
	conn.Send("PROXY TCP4 192.0.2.9 198.51.100.1 4321 443\r\n")
	for range 2 {
		conn.Send("GET / HTTP/1.1\r\nHost: x\r\nForwarded: for=192.0.2.7, for=192.0.2.8\r\n\r\n")
		echo = harness.ParseEcho(t, conn.MustRead("GET").Body)
		if got := echo.Environ["REMOTE_ADDR"].Value; got != "192.0.2.9" { // who is not trusted with more
			t.Errorf("REMOTE_ADDR is %v", got)
		}
	}
	s.Out.Wait(t, 0, "client 192.0.2.9", harness.EventBudget)
}
