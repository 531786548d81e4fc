package accesslog_test

import (
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/gounicorn/gounicorn/server/accesslog"
)

// fields is a Fields made of maps with names in lower case.
type fields struct{ request, response, environ map[string]string }

func lookup(m map[string]string, name string) ([]byte, bool) {
	v, ok := m[name]
	return []byte(v), ok
}

func (f *fields) RequestHeader(name string) ([]byte, bool)  { return lookup(f.request, name) }
func (f *fields) ResponseHeader(name string) ([]byte, bool) { return lookup(f.response, name) }
func (f *fields) Environ(name string) ([]byte, bool)        { return lookup(f.environ, name) }

// entry is the request of the golden lines, changed by change.
func entry(change func(*accesslog.Entry)) *accesslog.Entry {
	e := &accesslog.Entry{
		RemoteAddr: []byte("10.0.0.9"), Time: time.Date(2026, 11, 22, 13, 0, 5, 0, time.UTC),
		Duration: 3004005 * time.Microsecond,
		Method:   []byte("GET"), Target: []byte("/a?b=1"), Path: []byte("/a"), Query: []byte("b=1"), Proto: []byte("HTTP/1.1"),
		Status: 200, BytesSent: 1234, Pid: 77,
	}
	if change != nil {
		change(e)
	}
	return e
}

func appendLine(t testing.TB, format string, e *accesslog.Entry) string {
	t.Helper()
	f, err := accesslog.Compile(format)
	if err != nil {
		t.Fatalf("Compile(%q): %v", format, err)
	}
	return string(f.Append(nil, e))
}

// TestLinesAreGunicorns compares with lines that Logger.atoms of gunicorn
// 27.0.1 (CPython 3.11) has written for the same requests.
func TestLinesAreGunicorns(t *testing.T) {
	user := func(authorization string) func(*accesslog.Entry) {
		return func(e *accesslog.Entry) {
			if u, ok := accesslog.BasicUser(nil, []byte(authorization)); ok {
				e.User = u
			}
		}
	}
	const date = `[22/Nov/2026:13:00:05 +0000]`
	for _, c := range []struct {
		name, format string
		change       func(*accesslog.Entry)
		want         string
	}{
		{"default", accesslog.Default, func(e *accesslog.Entry) {
			e.Referer, e.UserAgent = []byte("http://x/"), []byte("curl/8")
		}, `10.0.0.9 - - ` + date + ` "GET /a?b=1 HTTP/1.1" 200 1234 "http://x/" "curl/8"`},
		{"default, nothing sent by the client", accesslog.Default, nil,
			`10.0.0.9 - - ` + date + ` "GET /a?b=1 HTTP/1.1" 200 1234 "-" "-"`},
		{"quotes", accesslog.Default, func(e *accesslog.Entry) {
			e.Referer, e.UserAgent = []byte(`"`), []byte(`a"bc`)
		}, `10.0.0.9 - - ` + date + ` "GET /a?b=1 HTTP/1.1" 200 1234 "\"" "a\"bc"`},
		{"empty referer", accesslog.Default, func(e *accesslog.Entry) { e.Referer, e.UserAgent = []byte{}, []byte{} },
			`10.0.0.9 - - ` + date + ` "GET /a?b=1 HTTP/1.1" 200 1234 "" ""`},
		{"unix socket", accesslog.Default, func(e *accesslog.Entry) { e.RemoteAddr = []byte{} },
			` - - ` + date + ` "GET /a?b=1 HTTP/1.1" 200 1234 "-" "-"`},
		{"basic user", "%(u)s", user("Basic YWxpY2U6c2VjcmV0"), "alice"},
		{"basic user without password", "%(u)s", user("basic YWxpY2U="), "alice"},
		{"basic without name", "%(u)s", user("Basic OnNlY3JldA=="), "-"},
		{"bearer", "%(u)s", user("Bearer abc"), "-"},
		{"times", "%(T)s %(M)s %(D)s %(L)s", nil, "3 3004 3004005 3.004005"},
		{"numbers as d", "%(T)d %(D)i %(B)d", nil, "3 3004005 1234"},
		{"parts", "%(m)s %(U)s %(q)s %(H)s %(B)s %(p)s", nil, "GET /a b=1 HTTP/1.1 1234 <77>"},
		{"width", "[%(s)5s] [%(s)-5s] [%(D)012d] [%(D)+d] [%(D)-10d] [%(m).2s] [%(h)15.4s] [%(zz)3s]", nil,
			"[  200] [200  ] [000003004005] [+3004005] [3004005   ] [GE] [           10.0] [  -]"},
		{"percent", "100%% %(s)s", nil, "100% 200"},
		{"unknown atom", "%(Z)s %(foo)s %({x)s", nil, "- - -"},
		{"request header", "%({X-Req-Id}i)s %({x-req-id}I)s %({none}i)s", func(e *accesslog.Entry) {
			e.Fields = &fields{request: map[string]string{"x-req-id": `a"1`}}
		}, `a\"1 a\"1 -`},
		{"response header", "%({Content-Type}o)s %({none}o)s", func(e *accesslog.Entry) {
			e.Fields = &fields{response: map[string]string{"content-type": "text/html"}}
		}, "text/html -"},
		{"environ", "%({REMOTE_ADDR}e)s %({wsgi.url_scheme}e)s %({nope}e)s", func(e *accesslog.Entry) {
			e.Fields = &fields{environ: map[string]string{"remote_addr": "10.0.0.9", "wsgi.url_scheme": "http"}}
		}, "10.0.0.9 http -"},
	} {
		t.Run(c.name, func(t *testing.T) {
			if got := appendLine(t, c.format, entry(c.change)); got != c.want {
				t.Errorf("got  %s\nwant %s", got, c.want)
			}
		})
	}
}

func TestClientCannotForgeALine(t *testing.T) {
	for _, c := range []struct{ name, agent, want string }{
		{"newline", "x\n10.0.0.1 - - fake", `x\x0a10.0.0.1 - - fake`},
		{"carriage return", "a\rb", `a\x0db`},
		{"escape sequence", "\x1b[2J", `\x1b[2J`},
		{"zero and delete", "\x00\x7f", `\x00\x7f`},
		{"end of field by backslash", `a\" 200 1 "`, `a\\\" 200 1 \"`},
		{"trailing backslash", `a\`, `a\\`},
		{"C1 control", "\u009b2J", `\xc2\x9b2J`},
		{"not UTF-8", "a\xffb", `a\xffb`},
		{"letters", "caf\u00e9 \u65e5\u672c", "caf\u00e9 \u65e5\u672c"},
	} {
		t.Run(c.name, func(t *testing.T) {
			got := appendLine(t, "%(a)s", entry(func(e *accesslog.Entry) { e.UserAgent = []byte(c.agent) }))
			if got != c.want {
				t.Errorf("got %q, want %q", got, c.want)
			}
		})
	}
}

func TestCutLeavesNoHalfEscape(t *testing.T) {
	e := entry(func(e *accesslog.Entry) { e.UserAgent = []byte(`ab"cd`) })
	for format, want := range map[string]string{`"%(a).3s"`: `"ab"`, `"%(a).4s"`: `"ab\""`, `"%(a)5.3s"`: `"   ab"`} {
		if got := appendLine(t, format, e); got != want {
			t.Errorf("%s: got %s, want %s", format, got, want)
		}
	}
}

func TestOwnAtoms(t *testing.T) {
	format := "%({queue}x)s %({run}x)d %({worker}x)s %({lane}x)s %({route}x)s"
	got := appendLine(t, format, entry(func(e *accesslog.Entry) {
		e.Queue, e.Run, e.Worker = 1500*time.Microsecond, 2*time.Second, 99
		e.Lane, e.Route = []byte("slow"), []byte("GET /contract/:n")
	}))
	if want := "1500 2000000 99 slow GET /contract/:n"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
	if got, want := appendLine(t, format, entry(nil)), "0 0 - - -"; got != want {
		t.Errorf("without a worker: got %q, want %q", got, want)
	}
}

func TestRequestThatCouldNotBeParsedHasALine(t *testing.T) {
	e := &accesslog.Entry{Status: 400, RequestLine: []byte("GET\x00 /")}
	if got, want := appendLine(t, `"%(r)s" %(m)s %(U)s %(s)s`, e), `"GET\x00 /" - - 400`; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
	e.RequestLine, e.Status = nil, 0
	if got, want := appendLine(t, `"%(r)s" %(s)s`, e), `"-" -`; got != want {
		t.Errorf("nothing received: got %q, want %q", got, want)
	}
}

func TestTimesDoNotDropDays(t *testing.T) {
	e := entry(func(e *accesslog.Entry) { e.Duration = 25 * time.Hour })
	if got, want := appendLine(t, "%(T)s %(L)s", e), "90000 90000.000000"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
	e.Duration = 42 * time.Microsecond
	if got, want := appendLine(t, "%(T)s %(M)s %(D)s %(L)s", e), "0 0 42 0.000042"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestWrongFormatIsRefusedWithItsPlace(t *testing.T) {
	for _, c := range []struct{ format, want string }{
		{"%", "percent sign"},
		{"50% off", "percent sign"},
		{"%h", "percent sign"},
		{"%(h", "bracket"},
		{"%(h)", "without its type"},
		{"%(h)d", "no number"},
		{"%(h)9999s", "width"},
		{"%({nope}x)s", "queue, run, receive, worker, lane, route, client, by, request_id and trace_id"},
	} {
		if _, err := accesslog.Compile(c.format); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("Compile(%q): error %v, want one about %q", c.format, err, c.want)
		}
	}
}

func TestBasicUser(t *testing.T) {
	for _, c := range []struct {
		header, want string
		ok           bool
	}{
		{"Basic YWxpY2U6c2VjcmV0", "alice", true},
		{"BASIC   YWxpY2U6c2VjcmV0  ", "alice", true},
		{"Basic", "", false},
		{"Basic !!!", "", false},
		{"Basicx YWxpY2U6", "", false},
		{"", "", false},
	} {
		got, ok := accesslog.BasicUser([]byte("keep"), []byte(c.header))
		if string(got) != "keep"+c.want || ok != c.ok {
			t.Errorf("BasicUser(%q) = %q, %v, want %q, %v", c.header, got, ok, "keep"+c.want, c.ok)
		}
	}
}

func TestLineNeedsNoMemory(t *testing.T) {
	f, err := accesslog.Compile(accesslog.Default + ` %({x-id}i)s %(L)s %({queue}x)s`)
	if err != nil {
		t.Fatal(err)
	}
	e := entry(func(e *accesslog.Entry) { e.Fields = benchFields{} })
	dst := make([]byte, 0, 1024)
	if n := testing.AllocsPerRun(100, func() { dst = f.Append(dst[:0], e) }); n != 0 {
		t.Errorf("%v allocations for a line, want 0", n)
	}
}

func FuzzCompileAndAppend(f *testing.F) {
	for _, format := range []string{accesslog.Default, "%(D)012d", "%(h)-9.3s%%", "%({a}i)s", "%({queue}x)d", "%(", "%(t)+3s"} {
		f.Add(format, []byte("value\n\"\xff"))
	}
	f.Fuzz(func(t *testing.T, format string, value []byte) {
		compiled, err := accesslog.Compile(format)
		if err != nil {
			return
		}
		plain := appendLine(t, format, entry(nil))
		e := entry(func(e *accesslog.Entry) { e.UserAgent, e.Target, e.Path = value, value, value })
		line := compiled.Append(nil, e)
		if got, want := strings.Count(string(line), "\n"), strings.Count(plain, "\n"); got != want {
			t.Errorf("%q with %q: %d newlines, want the %d of the format", format, value, got, want)
		}
		if utf8.ValidString(format) && !utf8.Valid(line) {
			t.Errorf("%q with %q: the line is not UTF-8", format, value)
		}
	})
}

// benchFields has one header and allocates nothing.
type benchFields struct{}

var benchValue = []byte("0123456789abcdef")

func (benchFields) RequestHeader(string) ([]byte, bool)  { return benchValue, true }
func (benchFields) ResponseHeader(string) ([]byte, bool) { return nil, false }
func (benchFields) Environ(string) ([]byte, bool)        { return nil, false }

func BenchmarkDefaultLine(b *testing.B) {
	f, err := accesslog.Compile(accesslog.Default)
	if err != nil {
		b.Fatal(err)
	}
	e := entry(func(e *accesslog.Entry) {
		e.Referer = []byte("https://example.org/a/page")
		e.UserAgent = []byte("Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0")
	})
	dst := make([]byte, 0, 1024)
	b.ReportAllocs()
	for b.Loop() {
		dst = f.Append(dst[:0], e)
	}
}

func BenchmarkLineWithFields(b *testing.B) {
	f, err := accesslog.Compile(accesslog.Default + ` %({x-request-id}i)s %(L)s %({queue}x)s %({run}x)s %({lane}x)s`)
	if err != nil {
		b.Fatal(err)
	}
	e := entry(func(e *accesslog.Entry) { e.Fields = benchFields{} })
	dst := make([]byte, 0, 1024)
	b.ReportAllocs()
	for b.Loop() {
		dst = f.Append(dst[:0], e)
	}
}
