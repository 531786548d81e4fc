package e2e

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/gounicorn/gounicorn/tests/harness"
)

// frontNginx starts nginx in front of an address, with the files of dir behind the internal URL /protected/, and returns its address.
func frontNginx(t *testing.T, address, dir string) string {
	t.Helper()
	binary := "/usr/sbin/nginx"
	if found, err := exec.LookPath("nginx"); err == nil {
		binary = found
	}
	folder, port := t.TempDir(), harness.FreePort(t)
	config := filepath.Join(folder, "nginx.conf")
	text := fmt.Sprintf(`daemon off; pid %[1]s/pid; error_log %[1]s/error.log; worker_processes 1; user root;
events { worker_connections 64; }
http {
	types { text/plain txt; } default_type application/octet-stream; access_log off; client_body_temp_path %[1]s/b; proxy_temp_path %[1]s/p; fastcgi_temp_path %[1]s/f;
	uwsgi_temp_path %[1]s/u; scgi_temp_path %[1]s/s;
	server {
		listen %[2]s;
		location / { proxy_pass http://%[3]s; proxy_set_header X-Forwarded-For $remote_addr; proxy_set_header Host $host; }
		location /protected/ { internal; alias %[4]s/; }
	}
}`, folder, port, address, dir)
	if os.Getuid() != 0 {
		text = strings.Replace(text, " user root;", "", 1)
	}
	if err := os.WriteFile(config, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(binary, "-c", config, "-p", folder, "-e", filepath.Join(folder, "error.log"))
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGTERM}
	if err := cmd.Start(); err != nil {
		t.Fatalf("nginx is needed (apt-get install nginx-light): %v", err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Signal(syscall.SIGTERM)
		_ = cmd.Wait()
	})
	harness.Eventually(t, harness.EventBudget, "nginx listens", func() bool {
		_, err := os.Stat(filepath.Join(folder, "pid"))
		return err == nil
	})
	return port
}

// With --accel the answers are those that nginx in front gives when it acts upon X-Accel-Redirect itself, which it still does without.
func TestAccelIsAsWithNginxInFront(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	old := time.Now().Add(-time.Hour)
	for _, name := range []string{"n.txt", "a b.txt", "é.txt", "100%.txt", "a+b.txt", "empty.txt", "n.unknown"} {
		text := strings.Repeat(name, 1000)
		if name == "empty.txt" {
			text = ""
		}
		if err := errors.Join(os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644), os.Chtimes(filepath.Join(dir, name), old, old)); err != nil {
			t.Fatal(err)
		}
	}
	nginx := harness.Start(t, harness.Config{App: "answers_app:app", Args: []string{"-w", "1"}})
	alone := harness.Start(t, harness.Config{App: "answers_app:app", Args: []string{"-w", "1", "--accel", "/protected/=" + dir}})
	nginx.Addrs = []string{"http://" + frontNginx(t, nginx.Addr(), dir)}
	modified := old.UTC().Format("Mon, 02 Jan 2006 15:04:05 GMT")
	for _, test := range []struct{ method, uri, field, value, fields string }{
		{method: "GET", uri: "/protected/n.txt"},
		{method: "HEAD", uri: "/protected/n.txt"},
		{method: "POST", uri: "/protected/n.txt"},
		{method: "GET", uri: "/protected/n.txt?a=/../b"},
		{method: "GET", uri: "/protected/n.txt", fields: "status=403"},
		{method: "GET", uri: "/protected/n.txt", fields: "Content-Length=5000"},
		{method: "GET", uri: "/protected/n.txt", fields: "Set-Cookie=a=b&Content-Disposition=attachment&Cache-Control=private&ETag=W/x&X-Other=1&Content-Language=en"},
		{method: "GET", uri: "/protected/n.txt", fields: "Content-Type="}, // by its name
		{method: "GET", uri: "/protected/n.unknown", fields: "Content-Type="},
		{method: "GET", uri: "/protected/n.txt", field: "Range", value: "bytes=3-5"},
		{method: "GET", uri: "/protected/n.txt", field: "Range", value: "bytes=-5"},
		{method: "GET", uri: "/protected/n.txt", field: "Range", value: "bytes=90000-"},
		{method: "GET", uri: "/protected/n.txt", field: "If-Modified-Since", value: modified},
		{method: "GET", uri: "/protected/n.txt", field: "If-Unmodified-Since", value: "Fri, 01 May 2020 12:00:00 GMT"},
		{method: "GET", uri: "/protected/empty.txt"},
		{method: "GET", uri: "/protected/a%20b.txt"},
		{method: "GET", uri: "/protected/%C3%A9.txt"},
		{method: "GET", uri: "/protected/100%25.txt"},
		{method: "GET", uri: "/protected/a+b.txt"},
		{method: "GET", uri: "/protected//./n.txt"},
		{method: "GET", uri: "/protected/none.txt"},
		{method: "GET", uri: "/protected/../protected/n.txt"},
		{method: "GET", uri: "/protected/%2e%2e/protected/n.txt"},
		{method: "GET", uri: "/protected/..%2fetc/passwd"},
		{method: "GET", uri: "/elsewhere/n.txt"},
		{method: "GET", uri: "/protected"},
	} {
		target := "/answer" + query("X-Accel-Redirect", test.uri)
		for pair := range strings.SplitSeq(test.fields, "&") {
			if name, value, ok := strings.Cut(pair, "="); ok {
				target += "&" + query(name, value)[1:]
			}
		}
		headers := []string{}
		if test.field != "" {
			headers = []string{test.field, test.value}
		}
		body := ""
		if test.method == "POST" {
			body = "a=b"
		}
		want, got := nginx.Request(test.method, target, body, headers...), alone.Request(test.method, target, body, headers...)
		what := fmt.Sprintf("%s %s %s %s %s", test.method, test.uri, test.fields, test.field, test.value)
		if want.Err != nil || got.Err != nil || got.Status != want.Status || (want.Status < 400 && got.Body != want.Body) {
			t.Errorf("%s: %d and %d bytes (%v), nginx %d and %d bytes (%v)", what, got.Status, len(got.Body), got.Err, want.Status, len(want.Body), want.Err)
			continue
		}
		if want.Status >= 400 {
			continue
		}
		for _, field := range []string{"Content-Type", "Content-Length", "Content-Range", "Content-Disposition", "Set-Cookie", "Cache-Control", "Accept-Ranges", "Last-Modified", "X-Other", "X-Accel-Redirect"} {
			if got.Status == 304 && field == "Last-Modified" || got.Status == 206 && field == "Accept-Ranges" {
				continue // nginx has the first, of which there is no need beside ETag (RFC 9110 15.4.5), and not the second, which does no harm
			}
			if test.fields == "Content-Type=" && field == "Content-Type" && got.Header.Get(field) == want.Header.Get(field)+"; charset=utf-8" {
				continue // nginx says no charset unless it is configured
			}
			if a, b := got.Header.Values(field), want.Header.Values(field); strings.Join(a, "|") != strings.Join(b, "|") {
				t.Errorf("%s: %s: %q, nginx %q", what, field, a, b)
			}
		}
		if tag := got.Header.Get("ETag"); tag == "" || tag == "W/x" {
			t.Errorf("%s: tag %q", what, tag)
		}
	}
}
