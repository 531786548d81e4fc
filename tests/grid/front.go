package grid

import (
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httputil"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"syscall"
	"testing"
	"time"

	"github.com/gounicorn/gounicorn/tests/harness"
)

// A Front forwards what it accepts to a Recorder of its own.
type Front struct {
	Name     string
	Addr     string
	Recorder *Recorder
}

// nginxFlavours are the ways in which nginx can be a front, each with the lines of its server block that make it so.
var nginxFlavours = []struct{ name, lines string }{
	{"nginx", ""},
	{"nginx, streaming", "proxy_request_buffering off;"},
	{"nginx, lax", "ignore_invalid_headers off; underscores_in_headers on; merge_slashes off; client_max_body_size 0;"},
}

const nginxConfig = `daemon off; master_process off; pid %[1]s/pid; error_log stderr crit;
events { worker_connections 1000; }
http {
	access_log off; proxy_ignore_client_abort on; proxy_http_version 1.1;
	client_header_timeout 60s; client_body_timeout 60s; keepalive_timeout 60s;
	client_body_temp_path %[1]s/body; proxy_temp_path %[1]s/proxy; fastcgi_temp_path %[1]s/f; uwsgi_temp_path %[1]s/u; scgi_temp_path %[1]s/s;
	%[2]s
}
`

const nginxServer = `server {
		listen %s; %s
		location / { proxy_pass http://%s; proxy_set_header Host $http_host; proxy_set_header ` + portField + ` $remote_port; }
	}
	`

// startNginx runs one nginx with a server block for each flavour.
func startNginx(tb testing.TB) []*Front {
	tb.Helper()
	dir := tb.TempDir()
	var fronts []*Front
	servers := ""
	for _, flavour := range nginxFlavours {
		f := &Front{Name: flavour.name, Addr: harness.FreePort(tb), Recorder: recorder(tb)}
		servers += fmt.Sprintf(nginxServer, f.Addr, flavour.lines, f.Recorder.Addr())
		fronts = append(fronts, f)
	}
	config := filepath.Join(dir, "nginx.conf")
	if err := os.WriteFile(config, fmt.Appendf(nil, nginxConfig, dir, servers), 0o600); err != nil {
		tb.Fatal(err)
	}
	cmd := exec.Command(harness.Tool(tb, "nginx"), "-p", dir, "-c", config)
	cmd.Stderr = os.Stderr
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if err := cmd.Start(); err != nil {
		tb.Fatalf("start nginx: %v", err)
	}
	tb.Cleanup(func() {
		_ = cmd.Process.Kill() // ends at once: it holds nothing
		_ = cmd.Wait()
	})
	for _, f := range fronts {
		harness.Eventually(tb, harness.StartBudget, f.Name+" listens", func() bool {
			nc, err := net.DialTimeout("tcp", f.Addr, time.Second)
			if err == nil {
				nc.Close()
			}
			return err == nil
		})
	}
	return fronts
}

var versionNumber = regexp.MustCompile(`\d+\.\d+\.\d+`)

// versionOf is the version that a program tells.
func versionOf(tb testing.TB, path, flag string) string {
	tb.Helper()
	out, err := exec.Command(path, flag).CombinedOutput()
	if err != nil {
		tb.Fatalf("%s %s: %v", path, flag, err)
	}
	return string(versionNumber.Find(out))
}

// startGo runs the reverse proxy of Go's library: net/http reads, as in Caddy and Traefik.
func startGo(tb testing.TB) *Front {
	tb.Helper()
	f := &Front{Name: "net/http", Recorder: recorder(tb)}
	quiet := log.New(io.Discard, "", 0)
	target := &url.URL{Scheme: "http", Host: f.Recorder.Addr()}
	proxy := &httputil.ReverseProxy{
		ErrorLog:  quiet,
		Transport: &http.Transport{DisableKeepAlives: true, DisableCompression: true},
		Rewrite: func(r *httputil.ProxyRequest) {
			r.SetURL(target)
			r.Out.Host, r.Out.URL.RawQuery = r.In.Host, r.In.URL.RawQuery
			_, port, _ := net.SplitHostPort(r.In.RemoteAddr)
			r.Out.Header[portField] = []string{port}
		},
	}
	server := &http.Server{ReadTimeout: patience, ErrorLog: quiet, Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		// A client that ends its side makes net/http give its request up; the grid wants to know how it was read.
		proxy.ServeHTTP(w, r.WithContext(tb.Context()))
	})}
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		tb.Fatal(err)
	}
	f.Addr = ln.Addr().String()
	go func() { _ = server.Serve(ln) }() // ends with Close
	tb.Cleanup(func() { server.Close() })
	return f
}

func recorder(tb testing.TB) *Recorder {
	tb.Helper()
	r, err := NewRecorder()
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { r.Close() })
	return r
}
