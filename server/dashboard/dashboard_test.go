package dashboard

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/gounicorn/gounicorn/server/history"
)

const token = "correct-horse-battery"

// fake is a server with a dashboard.
type fake struct {
	*Dashboard
	reloads, workers atomic.Int32
	looks            atomic.Int32
	gone             atomic.Bool
	recorder         *history.Recorder
}

type document struct {
	App string `json:"app"`
	*history.Record
}

func newFake(t *testing.T, change func(*Config)) *fake {
	t.Helper()
	f := &fake{recorder: history.New("fast")}
	f.workers.Store(2)
	c := Config{
		Token: token, Hosts: []string{"Ops.Example.com"},
		Look: func() (any, *history.Record, error) {
			f.looks.Add(1)
			if f.gone.Load() {
				return nil, nil, errors.New("the server is shutting down")
			}
			r := f.recorder.Record()
			return document{"</script><script>alert(1)", &r}, &r, nil
		},
		Reload: func() error { f.reloads.Add(1); return nil },
		Scale: func(by int) (int, int, error) {
			after := int(f.workers.Add(int32(by)))
			return after - by, after, nil
		},
		Log:    func(text string) { t.Logf("log: %s", text) },
		Failed: func(text string) { t.Errorf("failed: %s", text) },
	}
	if change != nil {
		change(&c)
	}
	f.Dashboard = New(c)
	return f
}

// ask sends a request. headers are names and values in turns; Host is one of them.
func (f *fake) ask(method, target, body string, headers ...string) *http.Response {
	r := httptest.NewRequest(method, target, strings.NewReader(body))
	r.Host = "127.0.0.1:9001"
	for i := 0; i < len(headers); i += 2 {
		if headers[i] == "Host" {
			r.Host = headers[i+1]
		} else if headers[i] == "From" {
			r.RemoteAddr = headers[i+1]
		} else {
			r.Header.Set(headers[i], headers[i+1])
		}
	}
	w := httptest.NewRecorder()
	f.ServeHTTP(w, r)
	return w.Result()
}

// logIn returns the cookie of a session, as a header.
func (f *fake) logIn(t *testing.T, headers ...string) []string {
	t.Helper()
	page := append([]string{marker, "1", "Content-Type", "application/json", "Sec-Fetch-Site", "same-origin", "Origin", "http://127.0.0.1:9001"}, headers...)
	answer := f.ask("POST", "/session", `{"token": "`+token+`"}`, page...)
	if answer.StatusCode != http.StatusOK || len(answer.Cookies()) != 1 {
		t.Fatalf("log-in: %s, cookies %v", answer.Status, answer.Cookies())
	}
	return slices.Clip(append(page, "Cookie", answer.Cookies()[0].Name+"="+answer.Cookies()[0].Value))
}

func text(t *testing.T, answer *http.Response) string {
	t.Helper()
	all, err := io.ReadAll(answer.Body)
	if err != nil {
		t.Fatal(err)
	}
	return string(all)
}

func TestWhoMayAskForWhat(t *testing.T) {
	t.Parallel()
	f := newFake(t, nil)
	session := f.logIn(t)
	bearer := []string{"Authorization", "Bearer " + token}
	marked := append([]string{marker, "1", "Content-Type", "application/json"}, bearer...)
	for _, c := range []struct {
		name, method, target, body string
		headers                    []string
		want                       int
	}{
		{"the page", "GET", "/", "", nil, 200},
		{"a part of the page", "HEAD", "/page.js", "", nil, 200},
		{"a file that is not there", "GET", "/secret", "", nil, 404},
		{"a way out", "GET", "/page/../dashboard.go", "", nil, 307},
		{"status of a stranger", "GET", "/status", "", nil, 401},
		{"stream of a stranger", "GET", "/stream", "", nil, 401},
		{"session of a stranger", "GET", "/session", "", nil, 401},
		{"status with a wrong cookie", "GET", "/status", "", []string{"Cookie", "gounicorn_dashboard_9001=x"}, 401},
		{"status with the cookie of another port", "GET", "/status", "", append(session, "Host", "127.0.0.1:9002"), 401},
		{"status", "GET", "/status", "", session, 200},
		{"status with the token", "GET", "/status", "", bearer, 200},
		{"status with another token as long", "GET", "/status", "", []string{"From", "192.0.2.10:1", "Authorization", "Bearer " + token[1:] + "x"}, 401},
		{"status with the beginning of the token", "GET", "/status", "", []string{"From", "192.0.2.10:1", "Authorization", "Bearer " + token[:8]}, 401},
		{"status with no token", "GET", "/status", "", []string{"From", "192.0.2.10:1", "Authorization", "Bearer "}, 401},
		{"status with a password", "GET", "/status", "", []string{"Authorization", "Basic " + token}, 401},
		{"session", "GET", "/session", "", session, 200},
		{"writing the page", "POST", "/", "", session, 405},
		{"writing the status", "PUT", "/status", "", session, 405},
		{"reload by GET", "GET", "/reload", "", session, 405},
		{"scale by GET", "GET", "/scale", "", session, 405},
		{"reload of a stranger", "POST", "/reload", "", []string{marker, "1"}, 401},
		{"reload", "POST", "/reload", "", session, 202},
		{"reload by a program", "POST", "/reload", "", marked, 202},
		{"reload by a form", "POST", "/reload", "", append(session, marker, ""), 403},
		{"reload from another site", "POST", "/reload", "", append(session, "Sec-Fetch-Site", "cross-site"), 403},
		{"reload from another port", "POST", "/reload", "", append(session, "Sec-Fetch-Site", "same-site"), 403},
		{"reload by an old browser on another site", "POST", "/reload", "", append(session, "Sec-Fetch-Site", "", "Origin", "http://evil.example"), 403},
		{"reload by an old browser", "POST", "/reload", "", append(session, "Sec-Fetch-Site", ""), 202},
		{"more", "POST", "/scale", `{"by": 1}`, session, 200},
		{"fewer", "POST", "/scale", `{"by": -1}`, session, 200},
		{"many more", "POST", "/scale", `{"by": 1000}`, session, 400},
		{"no number", "POST", "/scale", `{"by": "x"}`, session, 400},
		{"endless", "POST", "/scale", `{"by": ` + strings.Repeat(" ", maxBody) + `1}`, session, 400},
		{"scale as a form would", "POST", "/scale", `{"by": 1}`, append(session, "Content-Type", "text/plain"), 415},
		{"a name that is not ours", "GET", "/", "", []string{"Host", "evil.example:9001"}, 403},
		{"no name", "GET", "/", "", []string{"Host", ""}, 403},
		{"a name of ours", "GET", "/", "", []string{"Host", "ops.example.com."}, 200},
		{"an address of IPv6", "GET", "/", "", []string{"Host", "[::1]:9001"}, 200},
		{"localhost", "GET", "/", "", []string{"Host", "LocalHost:80"}, 200},
		{"log-out from another site", "DELETE", "/session", "", append(session, "Sec-Fetch-Site", "cross-site"), 403},
		{"log-out", "DELETE", "/session", "", session, 204},
	} {
		answer := f.ask(c.method, c.target, c.body, c.headers...)
		if answer.StatusCode != c.want {
			t.Errorf("%s: %s, want %d: %s", c.name, answer.Status, c.want, text(t, answer))
		}
		for _, h := range headers {
			if answer.Header.Get(h[0]) != h[1] {
				t.Errorf("%s: %s is %q", c.name, h[0], answer.Header.Get(h[0]))
			}
		}
	}
	if f.reloads.Load() != 3 || f.workers.Load() != 2 {
		t.Errorf("%d reloads, %d workers", f.reloads.Load(), f.workers.Load())
	}
}

func TestReadOnlyHasNoButtons(t *testing.T) {
	t.Parallel()
	f := newFake(t, func(c *Config) { c.ReadOnly = true })
	session := f.logIn(t)
	for target, body := range map[string]string{"/reload": "", "/scale": `{"by": 1}`} {
		if answer := f.ask("POST", target, body, session...); answer.StatusCode != http.StatusForbidden || !strings.Contains(text(t, answer), "--dashboard-read-only") {
			t.Errorf("%s: %s", target, answer.Status)
		}
	}
	if said := text(t, f.ask("GET", "/session", "", session...)); !strings.Contains(said, `"read_only":true`) || f.reloads.Load() != 0 || f.workers.Load() != 2 {
		t.Errorf("%s; %d reloads, %d workers", said, f.reloads.Load(), f.workers.Load())
	}
}

func TestCookie(t *testing.T) {
	t.Parallel()
	f := newFake(t, nil)
	page := []string{marker, "1", "Content-Type", "application/json"}
	for host, want := range map[string]string{"127.0.0.1:9001": "gounicorn_dashboard_9001", "ops.example.com": "gounicorn_dashboard"} {
		for _, proto := range []string{"http", "https"} {
			c := f.ask("POST", "/session", `{"token": "`+token+`"}`, append(page, "Host", host, "X-Forwarded-Proto", proto)...).Cookies()[0]
			if c.Name != want || !c.HttpOnly || c.SameSite != http.SameSiteStrictMode || c.Secure != (proto == "https") || c.Path != "" || c.MaxAge != 12*3600 {
				t.Errorf("%s, %s: %v", host, proto, c)
			}
			if strings.Contains(c.Value, token) {
				t.Errorf("the cookie tells the token: %v", c)
			}
		}
	}
}

func TestSessions(t *testing.T) {
	t.Parallel()
	now := time.Unix(1_800_000_000, 0)
	s := newSessions(token)
	one := s.issue(now)
	end, ok := s.until(one, now.Add(sessionTime-time.Second))
	if !ok || !end.Equal(now.Add(sessionTime)) {
		t.Errorf("until %v, %t", end, ok)
	}
	if again := s.issue(now); again == one {
		t.Error("two sessions are alike")
	}
	if _, ok := newSessions(token).until(one, now); !ok {
		t.Error("a session does not outlive the server")
	}
	if _, ok := s.until(one, now.Add(sessionTime)); ok {
		t.Error("a session does not end")
	}
	if _, ok := newSessions(token+"2").until(one, now); ok {
		t.Error("a session of another token")
	}
	for i := range one {
		changed := []byte(one)
		changed[i] ^= 1
		if _, ok := s.until(string(changed), now); ok {
			t.Errorf("character %d does not count", i)
		}
	}
}

func FuzzSession(f *testing.F) {
	s, now := newSessions(token), time.Unix(1_800_000_000, 0)
	f.Add(s.issue(now.Add(-2 * sessionTime)))
	f.Add("")
	f.Fuzz(func(t *testing.T, text string) {
		if _, ok := s.until(text, now); ok {
			t.Errorf("%q is a session", text)
		}
	})
}

func FuzzHost(f *testing.F) {
	d := New(Config{Hosts: []string{"ops.example.com"}})
	for _, host := range []string{"", "[", "[::1", "::1", "a:b:c", "ops.example.com:1", "[fe80::1%25lo]:1", "127.1"} {
		f.Add(host)
	}
	allowed := regexp.MustCompile(`(?i)^(\[?[0-9a-f:.]+(%.*)?\]?|(.*\.)?localhost|ops\.example\.com)\.?\]?\.?(:.*)?$`)
	f.Fuzz(func(t *testing.T, host string) {
		if d.named(host) && !allowed.MatchString(host) {
			t.Errorf("%q is one of our names", host)
		}
	})
}

func TestWrongTokensAreLimited(t *testing.T) {
	t.Parallel()
	f := newFake(t, nil)
	page := []string{marker, "1", "Content-Type", "application/json", "From", "192.0.2.7:1000"}
	try := func(token string, headers ...string) *http.Response {
		return f.ask("POST", "/session", `{"token": "`+token+`"}`, append(page, headers...)...)
	}
	for i := range attemptsFree {
		if got := try("wrong").StatusCode; got != http.StatusUnauthorized {
			t.Fatalf("attempt %d: %d", i, got)
		}
	}
	answer := try(token)
	if answer.StatusCode != http.StatusTooManyRequests || answer.Header.Get("Retry-After") != "10" {
		t.Errorf("one attempt more: %s, Retry-After %q", answer.Status, answer.Header.Get("Retry-After"))
	}
	if got := f.ask("GET", "/status", "", append(page, "Authorization", "Bearer "+token)...).StatusCode; got != http.StatusTooManyRequests {
		t.Errorf("and as a program: %d", got)
	}
	if got := try(token, "From", "192.0.2.8:1000").StatusCode; got != http.StatusOK {
		t.Errorf("somebody else: %d", got)
	}
	session := append(f.logIn(t), "From", "192.0.2.7:1000")
	if got := f.ask("GET", "/status", "", session...).StatusCode; got != http.StatusOK {
		t.Errorf("somebody who has a session, from the same address: %d", got)
	}
}

func TestAttemptsAreForgottenAndBounded(t *testing.T) {
	t.Parallel()
	var a attempts
	now, one := time.Unix(1_800_000_000, 0), clientOf("[2001:db8::1]:7")
	if one != clientOf("[2001:db8::2%eth0]:8") || clientOf("192.0.2.1:1") == clientOf("192.0.2.2:1") || clientOf("[::ffff:192.0.2.1]:1") != clientOf("192.0.2.1:1") || clientOf("@") != (netip.Prefix{}) {
		t.Error("who counts as one client")
	}
	for range attemptsFree {
		a.failed(one, now)
	}
	if got := a.wait(one, now); got != attemptsEvery {
		t.Errorf("wait %v", got)
	}
	if got := a.wait(one, now.Add(attemptsEvery)); got != 0 {
		t.Errorf("wait %v after %v", got, attemptsEvery)
	}
	for i := range 2 * attemptsKept {
		a.failed(clientOf(fmt.Sprintf("10.0.%d.%d:1", i/256, i%256)), now)
	}
	if len(a.dues) != attemptsKept || a.wait(one, now) == 0 {
		t.Errorf("%d clients are remembered; the worst one waits %v", len(a.dues), a.wait(one, now))
	}
}

func TestTokenFile(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	path := filepath.Join(dir, "token")
	owned := false
	made, err := TokenFile(path, func(*os.File) error { owned = true; return nil })
	st, _ := os.Stat(path)
	if err != nil || len(made) < 26 || !owned || st.Mode() != 0o600 {
		t.Fatalf("%q, %v; owned %t, mode %v", made, err, owned, st.Mode())
	}
	if again, err := TokenFile(path, nil); err != nil || again != made {
		t.Errorf("again: %q, %v", again, err)
	}
	if _, err := TokenFile(filepath.Join(dir, "other"), func(*os.File) error { return fs.ErrPermission }); err == nil {
		t.Error("a file that cannot be given away")
	}
	if _, err := os.Stat(filepath.Join(dir, "other")); err == nil {
		t.Error("it stays")
	}
	for content, want := range map[string]string{
		"": "has 0 characters", "short\n": "openssl rand", "with a space inside it": "printable", "\x80" + made: "printable", strings.Repeat("x", 5000): "more than 1024",
		"  " + made + "\r\nnot read\n": "",
	} {
		if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
		got, err := TokenFile(path, nil)
		if want == "" && (err != nil || got != made) || want != "" && (err == nil || !strings.Contains(err.Error(), want) || !strings.Contains(err.Error(), path)) {
			t.Errorf("%.30q: %q, %v", content, got, err)
		}
	}
	if _, err := TokenFile(filepath.Join(dir, "no", "folder"), nil); err == nil {
		t.Error("a folder that is not there")
	}
}

// The page asks for nothing that is not embedded, has nothing inline, which the policy would refuse, and parses no HTML.
func TestPage(t *testing.T) {
	t.Parallel()
	size := 0
	inline := regexp.MustCompile(`(?i)<style|<script>|\son[a-z]+=|\sstyle=|javascript:|innerHTML|outerHTML|insertAdjacentHTML|document\.write|\beval\(|new Function`)
	outside := regexp.MustCompile(`(?:https?:)?//[a-z0-9-]+\.[a-z0-9.]+`)
	named := regexp.MustCompile(`(?:src|href)="([^"]*)"|from '\./([^']*)'`)
	err := fs.WalkDir(files, "page", func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		content, err := files.ReadFile(path)
		size += len(content)
		if found := inline.FindString(string(content)); found != "" {
			t.Errorf("%s: %s", path, found)
		}
		if found := outside.FindString(strings.ReplaceAll(string(content), "http://www.w3.org/2000/svg", "")); found != "" {
			t.Errorf("%s: %s", path, found)
		}
		for _, name := range named.FindAllStringSubmatch(string(content), -1) {
			if _, err := files.Open("page/" + name[1] + name[2]); err != nil {
				t.Errorf("%s: %v", path, err)
			}
		}
		return err
	})
	if err != nil || size > 60_000 {
		t.Errorf("%d bytes, %v", size, err)
	}
	f := newFake(t, nil)
	for path, want := range map[string]string{"/": "text/html; charset=utf-8", "/page.js": "text/javascript; charset=utf-8", "/style.css": "text/css; charset=utf-8", "/icon.svg": "image/svg+xml"} {
		if answer := f.ask("GET", path, ""); answer.StatusCode != 200 || answer.Header.Get("Content-Type") != want {
			t.Errorf("%s: %s, %q", path, answer.Status, answer.Header.Get("Content-Type"))
		}
	}
}
