package machine

import (
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"

	"github.com/gounicorn/gounicorn/tests/harness"
)

// image is the last stage of a Dockerfile, as far as the one under deploy/ needs it.
type image struct {
	env         []string
	workDir     string
	user        string
	runs        []string // command lines, in their order
	health, cmd []string
}

// parseImage reads the last stage. build are the build arguments that are given.
func parseImage(t *testing.T, text string, build map[string]string) (im image) {
	t.Helper()
	values := map[string]string{"PATH": os.Getenv("PATH")}
	expand := func(s string) string { return os.Expand(s, func(name string) string { return values[name] }) }
	array := func(s string) (words []string) {
		if err := json.Unmarshal([]byte(s), &words); err != nil {
			t.Fatalf("Dockerfile: %s: %v", s, err)
		}
		return words
	}
	for line := range strings.Lines(strings.ReplaceAll(text, "\\\n", " ")) {
		word, rest, _ := strings.Cut(strings.TrimSpace(line), " ")
		switch word {
		case "FROM":
			im = image{}
		case "ARG":
			name, value, _ := strings.Cut(rest, "=")
			if given, ok := build[name]; ok {
				value = given
			}
			values[name] = value
		case "ENV":
			for _, pair := range strings.Fields(rest) {
				name, value, _ := strings.Cut(pair, "=")
				values[name] = expand(value)
				im.env = append(im.env, name+"="+values[name])
			}
		case "WORKDIR":
			im.workDir = rest
		case "USER":
			im.user = rest
		case "RUN":
			im.runs = append(im.runs, rest)
		case "CMD":
			im.cmd = array(rest)
		case "HEALTHCHECK":
			_, command, _ := strings.Cut(rest, "CMD ")
			im.health = array(command)
		}
	}
	return im
}

const (
	siteSettings = `
from pathlib import Path
SECRET_KEY = "only for tests"
ALLOWED_HOSTS = ["*"]
ROOT_URLCONF = "mysite.urls"
INSTALLED_APPS = ["django.contrib.staticfiles", "mysite"]
STATIC_URL = "static/"
STATIC_ROOT = Path(__file__).parent.parent / "staticfiles"
STORAGES = {"staticfiles": {"BACKEND": "django.contrib.staticfiles.storage.ManifestStaticFilesStorage"}}
`
	siteURLs = `
import os
from django.http import JsonResponse
from django.templatetags.static import static
from django.urls import path
urlpatterns = [path("", lambda r: JsonResponse({"uid": os.getuid(), "parent": os.getppid(), "css": static("mysite/site.css"), "database": os.environ.get("DATABASE_URL", "")}))]
`
	siteManage = `
import os, sys
os.environ.setdefault("DJANGO_SETTINGS_MODULE", "mysite.settings")
from django.core.management import execute_from_command_line
execute_from_command_line(sys.argv)
`
	siteWSGI = `
import os
os.environ.setdefault("DJANGO_SETTINGS_MODULE", "mysite.settings")
from django.core.wsgi import get_wsgi_application
application = get_wsgi_application()
`
)

// composed is what compose.yaml says of the service web.
type composed struct {
	Environment map[string]string
	ReadOnly    bool     `json:"read_only"`
	Tmpfs       []string `json:"tmpfs"`
	CapDrop     []string `json:"cap_drop"`
	SecurityOpt []string `json:"security_opt"`
}

// The steps of the Dockerfile, each in a root of its own over that of this machine, then its command as compose.yaml would run it: as a user
// without a name, without capabilities, with a file system that is not written. Building the wheel and installing packages, what the first
// stage does, is tested by tests/install.
func TestContainerOfTheDockerfileServes(t *testing.T) {
	t.Parallel()
	need(t)
	deploy := filepath.Join(harness.Root(t), "deploy", "container")
	read := func(name string) string {
		t.Helper()
		text, err := os.ReadFile(filepath.Join(deploy, name))
		if err != nil {
			t.Fatal(err)
		}
		return string(text)
	}
	im := parseImage(t, read("Dockerfile"), map[string]string{"WSGI": "mysite.wsgi:application"})
	var compose struct{ Services map[string]composed }
	toJSON := exec.Command(harness.Python(t), "-c", "import json, sys, yaml; json.dump(yaml.safe_load(sys.stdin), sys.stdout)")
	toJSON.Stdin = strings.NewReader(read("compose.yaml"))
	if text, err := toJSON.Output(); err != nil || json.Unmarshal(text, &compose) != nil {
		t.Fatalf("compose.yaml: %v %s", err, text)
	}
	web := compose.Services["web"]
	if len(im.runs) != 1 || len(im.cmd) == 0 || len(im.health) == 0 || !web.ReadOnly || len(web.Tmpfs) != 1 || web.CapDrop[0] != "ALL" || web.SecurityOpt[0] != "no-new-privileges:true" {
		t.Fatalf("the files have changed, and the test must follow: %+v, %+v", im, web)
	}
	project := t.TempDir()
	for name, text := range map[string]string{
		"manage.py": siteManage, "mysite/__init__.py": "", "mysite/settings.py": siteSettings, "mysite/urls.py": siteURLs, "mysite/wsgi.py": siteWSGI,
		"mysite/static/mysite/site.css": strings.Repeat("p { color: black }\n", 100),
	} {
		path := filepath.Join(project, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	port := harness.FreePort(t)
	number := port[strings.LastIndex(port, ":")+1:]
	env := append(im.env, "PORT="+number, "LD_LIBRARY_PATH="+pythonHome(t)+"/lib", `GOUNICORN_TEST_ID='"$GOUNICORN_TEST_ID"'`, `GOUNICORN_TEST_DIR=/tmp`)
	for name, value := range web.Environment {
		env = append(env, name+"="+value)
	}
	b := &strings.Builder{}
	fmt.Fprintln(b, "#!/bin/sh\nset -e\nmount --make-rprivate /\nmount -t tmpfs none /mnt\nmkdir /mnt/upper /mnt/work /mnt/root /mnt/venv-upper /mnt/venv-work")
	fmt.Fprintln(b, "mount -t overlay none -o lowerdir=/,upperdir=/mnt/upper,workdir=/mnt/work /mnt/root\nroot=/mnt/root")
	for dir := pythonHome(t); dir != "/"; dir = filepath.Dir(dir) { // of the copy
		fmt.Fprintf(b, "chmod o+x \"$root%s\"\n", dir)
	}
	fmt.Fprintf(b, "mkdir $root/venv\nmount -t overlay none -o lowerdir='%s',upperdir=/mnt/venv-upper,workdir=/mnt/venv-work $root/venv\n", realPath(t, harness.Venv(t)))
	fmt.Fprintf(b, "cp '%[1]s/bin/gounicorn' '%[1]s/bin/gounicorn-worker' $root/venv/bin/\n", harness.Root(t))
	fmt.Fprintf(b, "mkdir -p $root%[1]s\ncp -r '%[2]s/.' $root%[1]s\nchmod -R go+rX $root%[1]s\n", im.workDir, project)
	fmt.Fprintln(b, "mount -t proc proc $root/proc\nmount --bind /dev $root/dev")
	for _, run := range im.runs {
		fmt.Fprintf(b, "chroot $root env -i%s sh -c 'cd %s && %s' >&2\n", quoted(env), im.workDir, run)
	}
	fmt.Fprintf(b, "mount -t tmpfs -o mode=1777 none $root%s\nmount -o remount,bind,ro $root\n", web.Tmpfs[0])
	user, group, _ := strings.Cut(im.user, ":")
	fmt.Fprintf(b, "exec chroot $root setpriv --reuid=%s --regid=%s --clear-groups --no-new-privs --inh-caps=-all --bounding-set=-all env -i -C %s%s%s\n",
		user, group, im.workDir, quoted(env), quoted(im.cmd))
	script := filepath.Join(t.TempDir(), "container")
	if err := os.WriteFile(script, []byte(b.String()), 0o700); err != nil {
		t.Fatal(err)
	}
	s := harness.Start(t, harness.Config{Binary: script, Namespaces: newNamespaces, Bind: []string{}, NoPython: true})
	s.Addrs = []string{"http://127.0.0.1:" + number}
	var page struct {
		UID, Parent   int
		CSS, Database string
	}
	if err := json.Unmarshal([]byte(s.WantGet(t, "/", 200).Body), &page); err != nil {
		t.Fatal(err)
	}
	if page.UID != 10001 || page.Parent < 2 || page.Database != web.Environment["DATABASE_URL"] || !regexp.MustCompile(`^/static/mysite/site\.[0-9a-f]{12}\.css$`).MatchString(page.CSS) {
		t.Errorf("the application sees %+v", page)
	}
	css := s.Request("GET", page.CSS, "", "Accept-Encoding", "br")
	if css.Status != 200 || css.Header.Get("Content-Encoding") != "br" || !strings.Contains(css.Header.Get("Cache-Control"), "immutable") {
		t.Errorf("the file that was collected and compressed: %d %v", css.Status, css.Header)
	}
	if reply := s.Request("POST", "/", strings.Repeat("x", 17<<20)); reply.Status != 200 && reply.Status != http.StatusForbidden { // Django's CSRF check has read it
		t.Errorf("a body that needs /tmp: %d", reply.Status)
	}
	health := exec.Command("chroot", append([]string{fmt.Sprintf("/proc/%d/root", s.PID), "env", "-i", "PATH=/venv/bin", "PORT=" + number, "LD_LIBRARY_PATH=" + pythonHome(t) + "/lib"}, im.health...)...)
	if out, err := health.CombinedOutput(); err != nil {
		t.Errorf("HEALTHCHECK: %v %s", err, out)
	}
	for line := range strings.Lines(s.Log.String()) {
		if message := strings.TrimSpace(line); strings.HasPrefix(message, "{") && !json.Valid([]byte(message)) {
			t.Errorf("the log has %q", message)
		}
	}
	if code := s.Stop(syscall.SIGTERM); code != 0 {
		t.Errorf("exit code %d", code)
	}
	if len(s.Log.Grep("Process 1 is a shell")) > 0 {
		t.Error("the shell of CMD is still there")
	}
}

// quoted are words of a command of sh.
func quoted(words []string) string {
	var b strings.Builder
	for _, w := range words {
		fmt.Fprintf(&b, " '%s'", w)
	}
	return b.String()
}
