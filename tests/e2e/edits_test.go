package e2e

import (
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/gounicorn/gounicorn/tests/harness"
)

// flaskSite is a real application with a template.
const flaskSite = `from flask import Flask, render_template
app = Flask(__name__)

@app.route("/")
def home():
    return "view one"

@app.route("/page")
def page():
    return render_template("page.html")
`

// djangoSite is a Django project in one file, with the engine that keeps templates in memory.
const djangoSite = `import os
from django.conf import settings
from django.core.wsgi import get_wsgi_application
from django.http import HttpResponse
from django.shortcuts import render
from django.urls import path

HERE = os.path.dirname(os.path.abspath(__file__))
settings.configure(DEBUG=False, SECRET_KEY="only for tests", ALLOWED_HOSTS=["*"], ROOT_URLCONF=__name__,
    TEMPLATES=[{"BACKEND": "django.template.backends.django.DjangoTemplates", "DIRS": [os.path.join(HERE, "templates")]}])
urlpatterns = [path("", lambda request: HttpResponse("view one")), path("page", lambda request: render(request, "page.html"))]
app = get_wsgi_application()
`

func write(t *testing.T, path, text string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	aside := path + ".new" // as editors do it
	if err := os.WriteFile(aside, []byte(text), fs.FileMode(0o600)); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(aside, path); err != nil {
		t.Fatal(err)
	}
}

func answers(t *testing.T, s *harness.Server, path string, status int, text string) {
	t.Helper()
	harness.Eventually(t, harness.EventBudget, path+" answers "+text, func() bool {
		reply := s.Get(path)
		return reply.Status == status && strings.Contains(reply.Body, text)
	})
}

func TestReloadShowsEditsOfCodeAndTemplates(t *testing.T) {
	t.Parallel()
	for name, code := range map[string]string{"flask": flaskSite, "django": djangoSite} {
		for _, args := range [][]string{{"--reload"}, {"--reload", "--preload", "-w", "2"}, {"--reload", "--reload-engine", "poll"}} {
			t.Run(name+strings.Join(args, ""), func(t *testing.T) {
				t.Parallel()
				dir := t.TempDir()
				write(t, dir+"/site_under_edit.py", code)
				write(t, dir+"/templates/page.html", "template one")
				s := harness.Start(t, harness.Config{App: "site_under_edit:app", Dir: dir, Args: args})
				answers(t, s, "/", 200, "view one")
				answers(t, s, "/page", 200, "template one")
				write(t, dir+"/site_under_edit.py", strings.ReplaceAll(code, "view one", "the second view"))
				answers(t, s, "/", 200, "the second view")
				s.Log.Wait(t, 0, "Worker reloading: "+dir+"/site_under_edit.py modified", harness.EventBudget)
				write(t, dir+"/templates/page.html", "the second template")
				answers(t, s, "/page", 200, "the second template")
			})
		}
	}
}

func TestReloadShowsTheTracebackUntilTheCodeLoads(t *testing.T) {
	t.Parallel()
	for _, args := range [][]string{{"--reload"}, {"--reload", "--preload"}} {
		for name, broken := range map[string]string{
			"SyntaxError":         "def app(environ, <start_response:\n",
			"ModuleNotFoundError": "import missing_piece\n",
			"SystemExit":          "import sys\nsys.exit('no <key>')\n",
		} {
			t.Run(name+strings.Join(args, ""), func(t *testing.T) {
				t.Parallel()
				dir := t.TempDir()
				file := dir + "/site_under_edit.py"
				write(t, file, broken) // at the first start
				s := harness.Start(t, harness.Config{App: "site_under_edit:app", Dir: dir, Args: args})
				answers(t, s, "/", 500, name)
				page := s.Request("GET", "/", "", "Accept", "text/html,*/*")
				if !strings.HasPrefix(page.Header.Get("Content-Type"), "text/html") || !strings.Contains(page.Body, "<pre>") ||
					strings.Contains(page.Body, "<start_response") || strings.Contains(page.Body, "<key>") {
					t.Errorf("the page for browsers: %q of type %q", page.Body, page.Header.Get("Content-Type"))
				}
				write(t, file, flaskSite)
				answers(t, s, "/", 200, "view one")
				write(t, file, broken) // later: it replaces what worked
				answers(t, s, "/", 500, name)
				write(t, file, flaskSite)
				answers(t, s, "/", 200, "view one")
			})
		}
	}
}

func TestReloadWatchesAModuleThatWasMissing(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	write(t, dir+"/site_under_edit.py", "from piece import app\n")
	s := harness.Start(t, harness.Config{App: "site_under_edit:app", Dir: dir, Args: []string{"--reload"}})
	answers(t, s, "/", 500, "piece")
	write(t, dir+"/piece.py", flaskSite)
	answers(t, s, "/", 200, "view one")
}

func TestReloadWatchesExtraFilesAndTheConfigFile(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	write(t, dir+"/site_under_edit.py", "import os\ntext = open('data/deep/word.txt').read() + os.environ['WORD']\n"+
		"def app(environ, start_response):\n    start_response('200 OK', [])\n    return [text.encode()]\n")
	write(t, dir+"/data/deep/word.txt", "one-")
	write(t, dir+"/gunicorn.conf.py", "reload = True\nreload_extra_files = ['data/**/*.txt']\nraw_env = ['WORD=first']\n"+
		"def worker_int(worker): worker.log.info('worker_int of %d', worker.pid)\n")
	s := harness.Start(t, harness.Config{App: "site_under_edit:app", Dir: dir})
	answers(t, s, "/", 200, "one-first")
	old := s.Workers()[0]
	write(t, dir+"/data/deep/word.txt", "another-")
	answers(t, s, "/", 200, "another-first")
	s.Log.Wait(t, 0, fmt.Sprintf("worker_int of %d", old), harness.EventBudget) // as gunicorn's hook table says
	write(t, dir+"/gunicorn.conf.py", "reload = True\nreload_extra_files = ['data/**/*.txt']\nraw_env = ['WORD=second']\n")
	answers(t, s, "/", 200, "another-second")
}

func TestReloadRefusesAnExtraFileThatIsMissing(t *testing.T) {
	t.Parallel()
	s := harness.Launch(t, harness.Config{App: "hello:app", Args: []string{"--reload", "--reload-extra-file", "missing.yaml"}, Exit: 1})
	s.Log.Wait(t, 0, "missing.yaml", harness.EventBudget)
}
