package e2e

import (
	"bufio"
	"errors"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/gounicorn/gounicorn/tests/harness"
)

// A statusRow is one input and what comes back: a status, with "cut" behind it when the body ends before its Content-Length, or
// "closed" when the connection ends without an answer.
type statusRow struct {
	name     string
	raw      string
	gunicorn string
	ours     string // empty: the same
}

const (
	getHost  = "GET / HTTP/1.1\r\nHost: x\r\n"
	postHost = "POST / HTTP/1.1\r\nHost: x\r\n"
	chunked  = postHost + "Transfer-Encoding: chunked\r\n\r\n"

	proxySignature = "\r\n\r\n\x00\r\nQUIT\n"
)

// Every row of what a server does with bad input, with the flags that it needs. Differences are in docs/http.md, each with its reason.
var statusTables = []struct {
	name string
	args []string
	env  []string
	rows []statusRow
}{
	{"defaults", nil, nil, []statusRow{
		{"good request", getHost + "\r\n", "200", ""},
		{"request line of two words", "GET /\r\nHost: x\r\n\r\n", "400", ""},
		{"two spaces in the request line", "GET  / HTTP/1.1\r\nHost: x\r\n\r\n", "400", ""},
		{"empty target", "GET  HTTP/1.1\r\nHost: x\r\n\r\n", "400", ""},
		{"target without a slash", "GET path HTTP/1.1\r\nHost: x\r\n\r\n", "400", ""},
		{"asterisk with GET", "GET * HTTP/1.1\r\nHost: x\r\n\r\n", "400", ""},
		{"authority-form with GET", "GET x:80 HTTP/1.1\r\nHost: x\r\n\r\n", "400", ""},
		{"control character in the target", "GET /\x01 HTTP/1.1\r\nHost: x\r\n\r\n", "400", ""},
		{"byte above 127 in the target", "GET /\xe9 HTTP/1.1\r\nHost: x\r\n\r\n", "400", "200"},
		{"malformed escape in the path", "GET /%zz HTTP/1.1\r\nHost: x\r\n\r\n", "200", "400"},
		{"fragment in the target", "GET /#a HTTP/1.1\r\nHost: x\r\n\r\n", "200", "400"},
		{"absolute target", "GET http://x/ HTTP/1.1\r\nHost: x\r\n\r\n", "200", ""},
		{"two slashes", "GET //x HTTP/1.1\r\nHost: x\r\n\r\n", "200", ""},
		{"lower-case method", "get / HTTP/1.1\r\nHost: x\r\n\r\n", "400", ""},
		{"short method", "GE / HTTP/1.1\r\nHost: x\r\n\r\n", "400", ""},
		{"method that is no token", "G@T / HTTP/1.1\r\nHost: x\r\n\r\n", "400", ""},
		{"method with # in it", "GE#T / HTTP/1.1\r\nHost: x\r\n\r\n", "400", ""},
		{"method that begins with a digit", "1GET / HTTP/1.1\r\nHost: x\r\n\r\n", "200", "400"},
		{"CONNECT", "CONNECT x:80 HTTP/1.1\r\nHost: x\r\n\r\n", "200", "405"},
		{"TRACE", "TRACE / HTTP/1.1\r\nHost: x\r\n\r\n", "200", "405"},
		{"version without a digit", "GET / HTTP/1\r\nHost: x\r\n\r\n", "400", ""},
		{"version in lower case", "GET / http/1.1\r\nHost: x\r\n\r\n", "400", ""},
		{"HTTP/1.2", "GET / HTTP/1.2\r\nHost: x\r\n\r\n", "200", "505"},
		{"HTTP/2.0", "GET / HTTP/2.0\r\nHost: x\r\n\r\n", "400", "505"},
		{"field name with a space", getHost + "X Y: z\r\n\r\n", "400", ""},
		{"space before the colon", getHost + "X : z\r\n\r\n", "400", ""},
		{"empty field name", getHost + ": z\r\n\r\n", "400", ""},
		{"no colon", getHost + "X\r\n\r\n", "400", ""},
		{"NUL in a value", getHost + "X: a\x00b\r\n\r\n", "400", ""},
		{"control character in a value", getHost + "X: a\x7fb\r\n\r\n", "400", ""},
		{"folded field", getHost + "X: a\r\n b\r\n\r\n", "400", ""},
		{"LF alone", "GET / HTTP/1.1\nHost: x\n\n", "400", ""},
		{"two Hosts", getHost + "Host: x\r\n\r\n", "400", ""},
		{"two Content-Types", postHost + "Content-Type: a/b\r\nContent-Type: a/b\r\n\r\n", "400", ""},
		{"two Content-Lengths", postHost + "Content-Length: 1\r\nContent-Length: 1\r\n\r\na", "400", ""},
		{"no Host in HTTP/1.1", "GET / HTTP/1.1\r\n\r\n", "200", "400"},
		{"no Host in HTTP/1.0", "GET / HTTP/1.0\r\n\r\n", "200", ""},
		{"malformed Host", "GET / HTTP/1.1\r\nHost: a,b\r\n\r\n", "200", "400"},
		{"Content-Length with Transfer-Encoding", postHost + "Content-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", "400", ""},
		{"list as Content-Length", postHost + "Content-Length: 1, 1\r\n\r\na", "400", ""},
		{"sign in Content-Length", postHost + "Content-Length: +1\r\n\r\na", "400", ""},
		{"negative Content-Length", postHost + "Content-Length: -1\r\n\r\na", "400", ""},
		{"chunked in HTTP/1.0", "POST / HTTP/1.0\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", "400", ""},
		{"chunked is not last", postHost + "Transfer-Encoding: chunked, gzip\r\n\r\n0\r\n\r\n", "400", ""},
		{"chunked twice", postHost + "Transfer-Encoding: chunked, chunked\r\n\r\n0\r\n\r\n", "400", ""},
		{"gzip alone", postHost + "Transfer-Encoding: gzip\r\n\r\n", "400", ""},
		{"gzip before chunked", postHost + "Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n", "200", "501"},
		{"unknown coding before chunked", postHost + "Transfer-Encoding: other, chunked\r\n\r\n0\r\n\r\n", "501", ""},
		{"unknown coding alone", postHost + "Transfer-Encoding: other\r\n\r\n", "501", ""},
		{"unknown coding behind chunked", postHost + "Transfer-Encoding: chunked, other\r\n\r\n0\r\n\r\n", "501", ""},
		{"fields that disagree about the scheme", getHost + "X-Forwarded-Proto: https\r\nX-Forwarded-Ssl: off\r\n\r\n", "400", ""},
		{"long request line", "GET /" + strings.Repeat("a", 5000) + " HTTP/1.1\r\nHost: x\r\n\r\n", "414", ""},
		{"too many fields", getHost + strings.Repeat("A: b\r\n", 200) + "\r\n", "431", ""},
		{"large field", getHost + "A: " + strings.Repeat("b", 9000) + "\r\n\r\n", "431", ""},
		{"Expect: 100-continue with the body", postHost + "Expect: 100-continue\r\nContent-Length: 1\r\n\r\na", "100", "200"},
		{"Expect: 100-continue in HTTP/1.0", "POST / HTTP/1.0\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: 1\r\n\r\na", "200", ""},
		{"other expectation", postHost + "Expect: tea\r\nContent-Length: 1\r\n\r\na", "417", ""},
		{"SCRIPT_NAME of a proxy", "GET /shop/a HTTP/1.1\r\nHost: x\r\nSCRIPT_NAME: /shop\r\n\r\n", "200", ""},
		{"SCRIPT_NAME that does not fit", getHost + "SCRIPT_NAME: /shop\r\n\r\n", "500", ""},
		{"unknown name with an underscore", getHost + "X_Y: z\r\n\r\n", "200", ""},
		{"WebSocket handshake", getHost + "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n\r\n", "200", "400"},
		{"PROXY header while it is off", "PROXY TCP4 1.2.3.4 5.6.7.8 1 2\r\n" + getHost + "\r\n", "400", ""},
		{"bad chunk size", chunked + "zz\r\n", "400", ""},
		{"bad chunk extension", chunked + "1;\x00\r\na\r\n0\r\n\r\n", "400", ""},
		{"bad chunk terminator", chunked + "1\r\nabc0\r\n\r\n", "400", ""},
		{"forbidden trailer", chunked + "0\r\nContent-Length: 1\r\n\r\n", "400", "200"},
		{"body cut off", postHost + "Content-Length: 10\r\n\r\nabc", "200", "400"},
		{"chunked body cut off", chunked + "5\r\nab", "closed", "400"},
		{"head cut off", getHost, "closed", "400"},
		{"nothing at all", "", "closed", ""},
		{"exception before the head", "GET /raise HTTP/1.1\r\nHost: x\r\n\r\n", "500", ""},
		{"exception after the head", "GET /late HTTP/1.1\r\nHost: x\r\n\r\n", "200 cut", ""},
		{"body shorter than announced", "GET /short HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n", "200 cut", "500"},
	}},
	{"PROXY protocol", []string{"--proxy-protocol=auto"}, nil, []statusRow{
		{"no PROXY header", getHost + "\r\n", "200", ""},
		{"PROXY version 1", "PROXY TCP4 1.2.3.4 5.6.7.8 1 2\r\n" + getHost + "\r\n", "200", ""},
		{"PROXY version 2", proxySignature + "\x21\x11\x00\x0c\x01\x02\x03\x04\x05\x06\x07\x08\x00\x01\x00\x02" + getHost + "\r\n", "200", ""},
		{"malformed PROXY version 1", "PROXY TCP4 1.2.3 5.6.7.8 1 2\r\n" + getHost + "\r\n", "400", ""},
		{"PROXY UNKNOWN", "PROXY UNKNOWN\r\n" + getHost + "\r\n", "400", "200"},
		{"malformed PROXY version 2", proxySignature + "\x31\x11\x00\x00" + getHost + "\r\n", "500", "400"},
		{"PROXY version 2 of a datagram", proxySignature + "\x21\x12\x00\x0c\x01\x02\x03\x04\x05\x06\x07\x08\x00\x01\x00\x02" + getHost + "\r\n", "500", "400"},
	}},
	{"PROXY protocol of a stranger", []string{"--proxy-protocol=auto", "--proxy-allow-from", "192.0.2.1"}, nil, []statusRow{
		{"PROXY version 1 of a stranger", "PROXY TCP4 1.2.3.4 5.6.7.8 1 2\r\n" + getHost + "\r\n", "403", ""},
		{"PROXY version 2 of a stranger", proxySignature + "\x20\x00\x00\x00" + getHost + "\r\n", "403", ""},
		{"request of a stranger", getHost + "\r\n", "200", ""},
	}},
	{"stranger", []string{"--forwarded-allow-ips", "192.0.2.1"}, nil, []statusRow{
		{"stranger's fields that disagree", getHost + "X-Forwarded-Proto: https\r\nX-Forwarded-Ssl: off\r\n\r\n", "200", ""},
		{"stranger's SCRIPT_NAME", getHost + "SCRIPT_NAME: /shop\r\n\r\n", "200", ""},
	}},
	{"refused underscores", []string{"--header-map", "refuse"}, nil, []statusRow{
		{"refused name with an underscore", getHost + "X_Y: z\r\n\r\n", "400", ""},
		{"name that a proxy may send", getHost + "PATH_INFO: /\r\n\r\n", "200", ""},
	}},
	{"any method", []string{"--permit-unconventional-http-method"}, nil, []statusRow{
		{"permitted lower-case method", "get / HTTP/1.1\r\nHost: x\r\n\r\n", "200", ""},
		{"permitted short method", "G / HTTP/1.1\r\nHost: x\r\n\r\n", "200", ""},
		{"permitted method with # in it", "GE#T / HTTP/1.1\r\nHost: x\r\n\r\n", "200", ""},
		{"permitted method that is no token", "G@T / HTTP/1.1\r\nHost: x\r\n\r\n", "400", ""},
	}},
	{"folded methods", []string{"--casefold-http-method"}, nil, []statusRow{
		{"lower-case method that is folded", "get / HTTP/1.1\r\nHost: x\r\n\r\n", "400", "200"},
	}},
	{"mounted", nil, []string{"SCRIPT_NAME=/shop"}, []statusRow{
		{"path below the mount point", "GET /shop/a HTTP/1.1\r\nHost: x\r\n\r\n", "200", ""},
		{"path outside the mount point", getHost + "\r\n", "500", ""},
	}},
	{"no limits", []string{"--limit-request-line", "0", "--limit-request-fields", "0", "--limit-request-field_size", "0"}, nil, []statusRow{
		{"request line of 8000 bytes without a limit", "GET /" + strings.Repeat("a", 8000) + " HTTP/1.1\r\nHost: x\r\n\r\n", "200", ""},
		{"request line of 9000 bytes without a limit", "GET /" + strings.Repeat("a", 9000) + " HTTP/1.1\r\nHost: x\r\n\r\n", "200", "414"},
		{"2000 fields without a limit", getHost + strings.Repeat("A: b\r\n", 2000) + "\r\n", "200", ""},
		{"field of 9000 bytes without a limit", getHost + "A: " + strings.Repeat("b", 9000) + "\r\n\r\n", "431", ""},
	}},
	{"larger fields", []string{"--limit-request-field_size", "65536"}, nil, []statusRow{
		{"large field that is allowed", getHost + "A: " + strings.Repeat("b", 60000) + "\r\nB: " + strings.Repeat("b", 60000) + "\r\n\r\n", "200", ""},
		{"field above a raised limit", getHost + "A: " + strings.Repeat("b", 65536) + "\r\n\r\n", "431", ""},
	}},
}

func TestStatusesAreThoseOfGunicorn(t *testing.T) {
	t.Parallel()
	documented := documentedStatuses(t)
	for _, table := range statusTables {
		servers := []struct {
			kind harness.Kind
			args []string
		}{{harness.Gounicorn, nil}, {harness.Gunicorn, nil}, {harness.Gunicorn, []string{"--threads", "2"}}}
		for _, row := range table.rows {
			if row.ours != "" && documented[row.name] != [2]string{row.gunicorn, row.ours} {
				t.Errorf("docs/http.md says %q of %q, not %s and %s", documented[row.name], row.name, row.gunicorn, row.ours)
			}
			delete(documented, row.name)
		}
		for _, server := range servers {
			t.Run(table.name+" "+string(server.kind)+strings.Join(server.args, " "), func(t *testing.T) {
				t.Parallel()
				s := harness.Start(t, harness.Config{App: "statuses:app", Kind: server.kind, Env: table.env, Args: append(server.args, table.args...)})
				for _, row := range table.rows {
					want := row.gunicorn
					if server.kind == harness.Gounicorn && row.ours != "" {
						want = row.ours
					}
					if got := statusOf(t, s, row.raw); got != want {
						t.Errorf("%s: %s, want %s", row.name, got, want)
					}
				}
			})
		}
	}
	for name := range documented {
		t.Errorf("docs/http.md has a difference that is not tested: %s", name)
	}
}

// statusOf sends raw, ends its side, and says what came back.
func statusOf(t *testing.T, s *harness.Server, raw string) string {
	t.Helper()
	conn := s.DialFor(t)
	defer conn.Close()
	conn.Send(raw)
	_ = conn.Conn.(*net.TCPConn).CloseWrite() // the server may have closed already
	if err := conn.SetReadDeadline(time.Now().Add(harness.EventBudget)); err != nil {
		t.Fatal(err)
	}
	r := bufio.NewReader(conn.Conn)
	if _, err := r.Peek(1); err != nil {
		if errors.Is(err, os.ErrDeadlineExceeded) {
			t.Fatalf("no end of the connection after %.60q", raw)
		}
		return "closed"
	}
	s.Open(t, "sent") // what /late waits for
	response, err := http.ReadResponse(r, nil)
	if err != nil {
		t.Fatalf("%.60q: %v", raw, err)
	}
	defer response.Body.Close()
	status := strconv.Itoa(response.StatusCode)
	if _, err := io.Copy(io.Discard, response.Body); err != nil {
		return status + " cut"
	}
	return status
}

// documentedStatuses reads the table of differences.
func documentedStatuses(t *testing.T) map[string][2]string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(harness.Root(t), "docs", "http.md"))
	if err != nil {
		t.Fatal(err)
	}
	_, section, _ := strings.Cut(string(text), "### Statuses beside gunicorn's\n")
	section, _, _ = strings.Cut(section, "\n## ")
	all := map[string][2]string{}
	for _, row := range regexp.MustCompile(`(?m)^\| ([^|]+) \| ((?:\d{3}|closed)(?: cut)?) \| ((?:\d{3}|closed)(?: cut)?) \|`).FindAllStringSubmatch(section, -1) {
		all[row[1]] = [2]string{row[2], row[3]}
	}
	if len(all) == 0 {
		t.Error("docs/http.md has no table of statuses")
	}
	return all
}
