package e2e

import (
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/gounicorn/gounicorn/tests/harness"
)

// shop is a Django site in a folder of its own: tests/apps/site_app.py.
type shop struct {
	tb  testing.TB
	dir string
}

func newShop(tb testing.TB, settings map[string]any) *shop {
	tb.Helper()
	p := &shop{tb, tb.TempDir()}
	p.set(settings)
	return p
}

// set writes the settings that the next generation, or the next command, has.
func (p *shop) set(settings map[string]any) {
	p.tb.Helper()
	if settings == nil {
		settings = map[string]any{}
	}
	text, err := json.Marshal(settings)
	if err == nil {
		err = os.WriteFile(filepath.Join(p.dir, "settings.json"), text, 0o600)
	}
	if err != nil {
		p.tb.Fatal(err)
	}
}

func (p *shop) env() []string { return []string{"SITE_DIR=" + p.dir} }

// collect runs collectstatic.
func (p *shop) collect() {
	p.tb.Helper()
	cmd := exec.Command(harness.Python(p.tb), "-m", "django", "collectstatic", "--noinput", "--settings", "site_settings")
	cmd.Dir = harness.Apps(p.tb)
	cmd.Env = append(os.Environ(), append(p.env(), "PYTHONPATH="+cmd.Dir, "PYTHONDONTWRITEBYTECODE=1")...)
	if out, err := cmd.CombinedOutput(); err != nil {
		p.tb.Fatalf("collectstatic: %v\n%s", err, out)
	}
}

func (p *shop) write(name, text string) {
	p.tb.Helper()
	full := filepath.Join(p.dir, name)
	if err := os.MkdirAll(filepath.Dir(full), 0o755); err != nil {
		p.tb.Fatal(err)
	}
	if err := os.WriteFile(full, []byte(text), 0o644); err != nil {
		p.tb.Fatal(err)
	}
}

func (p *shop) serve(args ...string) *harness.Server {
	p.tb.Helper()
	return harness.Start(p.tb, harness.Config{App: "site_app:app", Args: append([]string{"-w", "1"}, args...), Env: p.env()})
}

// reload gives a server other settings and waits until they count. It returns where the log was.
func (p *shop) reload(s *harness.Server, settings map[string]any) (from int) {
	p.tb.Helper()
	p.set(settings)
	from = s.Log.Len()
	s.Signal(syscall.SIGHUP)
	s.Log.Wait(p.tb, from, "Ready: ", harness.StartBudget)
	return from
}

// says fails the test unless the log has a line with all these texts behind a place.
func says(t *testing.T, s *harness.Server, from int, level string, texts ...string) {
	t.Helper()
	lines := s.Log.Lines()[from:]
	for _, line := range lines {
		if strings.Contains(line, level) && !slices.ContainsFunc(texts, func(text string) bool { return !strings.Contains(line, text) }) {
			return
		}
	}
	t.Errorf("the log has no %s with %q:\n%s", level, texts, strings.Join(lines, "\n"))
}

var hashed = regexp.MustCompile(`^/static/shop/shop\.[0-9a-f]{12}\.css$`)

// Zero configuration, the deploy of a new release, and a site that was not built, on one server.
func TestStaticFilesOfDjangoNeedNoConfiguration(t *testing.T) {
	t.Parallel()
	p := newShop(t, nil)
	link := func(release string) {
		t.Helper()
		fresh := filepath.Join(p.dir, "fresh")
		if err := os.Symlink(release, fresh); err != nil {
			t.Fatal(err)
		}
		if err := os.Rename(fresh, filepath.Join(p.dir, "static")); err != nil {
			t.Fatal(err)
		}
	}
	p.write("one/filler.txt", "x")
	link("one")
	p.write("media/upload.html", "<script>")
	p.collect()
	manifest := filepath.Join(p.dir, "static", "staticfiles.json")
	p.grow(manifest)
	s := p.serve("--media", "/media/="+filepath.Join(p.dir, "media"), "--static-max-age", "90")
	says(t, s, 0, "[INFO]", "Static files: /static/ from "+filepath.Join(p.dir, "static")+", 2,003 names immutable, others cached for 90 s, headers as of SecurityMiddleware")

	old := s.WantGet(t, "/page/x", 200).Body
	if !hashed.MatchString(old) {
		t.Fatalf("the page names %q", old)
	}
	file := s.WantGet(t, old, 200)
	if got, want := file.Header.Get("Cache-Control"), "max-age=315360000, public, immutable"; got != want {
		t.Errorf("the hashed name has Cache-Control %q, want %q", got, want)
	}
	if got := file.Header.Get("Content-Type"); got != "text/css; charset=utf-8" {
		t.Errorf("its type is %q", got)
	}
	plain := s.WantGet(t, "/static/shop/shop.css", 200)
	if got := plain.Header.Get("Cache-Control"); got != "max-age=90, public" {
		t.Errorf("the plain name has Cache-Control %q", got)
	}
	for _, path := range []string{"/static/nothing.css", "/static/staticfiles.json", "/static/", "/static/shop", "/static/../settings.json"} {
		s.WantGet(t, path, 404)
	}
	if upload := s.WantGet(t, "/media/upload.html", 200); !strings.Contains(upload.Header.Get("Content-Security-Policy"), "sandbox") || upload.Header.Get("Access-Control-Allow-Origin") != "" {
		t.Errorf("an upload has %v", upload.Header)
	}

	// The next release has another style sheet.
	p.write("more/shop/shop.css", "body { color: red }\n")
	next := map[string]any{"STATICFILES_DIRS": []string{filepath.Join(p.dir, "more")}}
	p.set(next)
	p.write("two/filler.txt", "x")
	stop := visit(t, s)
	link("two")
	p.collect()
	p.reload(s, next)
	stop()
	now := s.WantGet(t, "/page/x", 200).Body
	if now == old || !hashed.MatchString(now) {
		t.Fatalf("the new page names %q, the old one %q", now, old)
	}
	if got := s.WantGet(t, now, 200); got.Body != "body { color: red }\n" || !strings.Contains(got.Header.Get("Cache-Control"), "immutable") {
		t.Errorf("the new file: %q, %v", got.Body, got.Header)
	}
	if got := s.WantGet(t, old, 200); got.Body != file.Body || !strings.Contains(got.Header.Get("Cache-Control"), "immutable") {
		t.Errorf("the old file after the deploy: %q, %v", got.Body, got.Header)
	}

	// Mistakes are loud, and name the command; --check-config knows them too.
	from := p.reload(s, map[string]any{"STATIC_ROOT": filepath.Join(p.dir, "nowhere")})
	loud := []string{"Static files are NOT served", "nowhere does not exist", "python manage.py collectstatic --noinput"}
	says(t, s, from, "[WARNING]", loud...)
	check := harness.Launch(t, harness.Config{App: "site_app:app", Args: []string{"--check-config"}, Env: p.env()})
	check.Log.Wait(t, 0, "Warning: ", harness.StartBudget)
	check.Wait(harness.StartBudget)
	says(t, check, 0, "Warning: ", loud...)
}

// visit reads pages and the style sheets that they name, one after the other, until the function that it returns is called. Each is found, and
// holds what its name says.
func visit(t *testing.T, s *harness.Server) (stop func()) {
	quit, done := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(done)
		texts := map[string]string{}
		for visits := 1; ; visits++ {
			name := s.Get("/page/x").Body
			file := s.Get(name)
			if before, seen := texts[name]; file.Status != 200 || !hashed.MatchString(name) || seen && before != file.Body {
				t.Errorf("during the deploy visit %d found %d %v at %q: %q", visits, file.Status, file.Err, name, file.Body)
				return
			}
			texts[name] = file.Body
			select {
			case <-quit:
				return
			default:
			}
		}
	}()
	return func() { close(quit); <-done }
}

// grow adds names to a manifest, so that the site document fits no packet.
func (p *shop) grow(path string) {
	p.tb.Helper()
	var manifest map[string]any
	text, err := os.ReadFile(path)
	if err == nil {
		err = json.Unmarshal(text, &manifest)
	}
	if err != nil {
		p.tb.Fatal(err)
	}
	paths := manifest["paths"].(map[string]any)
	for i := range 2000 {
		paths[fmt.Sprintf("many/files/of/a/large/site/number%d.css", i)] = fmt.Sprintf("many/files/of/a/large/site/number%d.0123456789ab.css", i)
	}
	if text, err = json.Marshal(manifest); err == nil {
		err = os.WriteFile(path, text, 0o644)
	}
	if err != nil {
		p.tb.Fatal(err)
	}
}

// security are the headers of Django's SecurityMiddleware.
var security = []string{"Strict-Transport-Security", "X-Content-Type-Options", "Referrer-Policy", "Cross-Origin-Opener-Policy", "Location"}

// A static file has the headers that SecurityMiddleware puts on a view, and goes to https when it says so: the view of the same server is
// the reference. The settings change by reload.
func TestStaticFilesHaveTheHeadersOfSecurityMiddleware(t *testing.T) {
	t.Parallel()
	p := newShop(t, nil)
	p.collect()
	s := p.serve("--access-logfile", "-", "--access-logformat", "%(r)s %(s)s", "--limit-request-body-at", "/page/=1K")
	hsts := map[string]any{"SECURE_HSTS_SECONDS": 3600, "SECURE_HSTS_INCLUDE_SUBDOMAINS": true, "SECURE_HSTS_PRELOAD": true}
	redirect := map[string]any{"SECURE_SSL_REDIRECT": true, "SECURE_HSTS_SECONDS": 60, "ALLOWED_HOSTS": []string{"shop.example", "127.0.0.1"}, "SECURE_REDIRECT_EXEMPT": []string{"(page|static)/shop/dot"}}
	type ask struct {
		path   string
		fields []string
	}
	file := ask{"shop/shop.css", nil}
	secure := ask{"shop/shop.css", []string{"X-Forwarded-Proto", "https"}}
	for i, c := range []struct {
		name     string
		settings map[string]any
		asks     []ask
	}{
		{"defaults", nil, []ask{file, secure}},
		{"HSTS", hsts, []ask{file, secure}},
		{"others", with(hsts, map[string]any{"SECURE_REFERRER_POLICY": "no-referrer, origin", "SECURE_CROSS_ORIGIN_OPENER_POLICY": nil, "SECURE_PROXY_SSL_HEADER": []string{"HTTP_X_SCHEME", "tls"}}),
			[]ask{file, {"shop/shop.css", []string{"X-Scheme", "tls"}}, {"shop/shop.css", []string{"X-Scheme", "no", "X-Forwarded-Proto", "https"}}}},
		{"redirect", redirect, []ask{
			file, secure, {"shop/shop.css?v=1&w=%20", []string{"Host", "shop.example"}}, {"a%20b/%C3%A9;x.css?q", []string{"Host", "shop.example:8000"}}, {"shop/dot.svg", nil},
			{"shop/shop.css", []string{"Host", "evil.example"}},
		}},
		{"redirect below a script name", with(redirect, map[string]any{"FORCE_SCRIPT_NAME": "/shop", "STATIC_URL": "/shop/static/"}), []ask{file, secure}},
		{"redirect elsewhere", with(redirect, map[string]any{"SECURE_SSL_HOST": "secure.example", "MIDDLEWARE": []string{"django.middleware.security.SecurityMiddleware", "whitenoise.middleware.WhiteNoiseMiddleware"}}),
			[]ask{file, secure, {"shop/shop.css", []string{"Host", "evil.example"}}}},
	} {
		if i > 0 {
			from := p.reload(s, c.settings)
			if c.name == "redirect elsewhere" {
				says(t, s, from, "[INFO]", "WhiteNoise is installed and has nothing to do here")
			}
		}
		if c.name == "redirect" { // what the server answers itself has the policy too, for https
			for secure, want := range map[string]string{"https": "max-age=60", "http": ""} {
				other := s.Request("GET", "/page/x", "", "Host", "evil.example", "X-Forwarded-Proto", secure)
				large := s.Request("POST", "/page/x", strings.Repeat("x", 2000), "X-Forwarded-Proto", secure)
				for status, reply := range map[int]harness.Reply{400: other, 413: large} {
					if got := reply.Header.Get("Strict-Transport-Security"); reply.Status != status || got != want {
						t.Errorf("%d over %s: got %d with %q, want %q", status, secure, reply.Status, got, want)
					}
				}
			}
		}
		for _, ask := range c.asks {
			view := s.Request("GET", "/page/"+ask.path, "", ask.fields...)
			static := s.Request("GET", "/static/"+ask.path, "", ask.fields...)
			if static.Err != nil || static.Status != view.Status {
				t.Errorf("%s, %v: status %d, %v; the view's is %d", c.name, ask, static.Status, static.Err, view.Status)
			}
			for _, name := range security {
				got, want := static.Header.Values(name), view.Header.Values(name)
				for i := range want {
					want[i] = strings.Replace(want[i], "/page/", "/static/", 1)
				}
				if !slices.Equal(got, want) {
					t.Errorf("%s, %v: %s is %q, the view's %q", c.name, ask, name, got, want)
				}
			}
		}
	}
	if lines := s.Log.Grep("Invalid HTTP_HOST"); len(lines) > 0 {
		t.Errorf("a host that is not allowed got as far as the application: %q", lines)
	}
	p.reload(s, map[string]any{"MIDDLEWARE": []string{}, "SECURE_HSTS_SECONDS": 60})
	reply := s.Request("GET", "/static/shop/shop.css", "", "X-Forwarded-Proto", "https")
	if got := reply.Header; got.Get("Referrer-Policy") != "" || got.Get("Strict-Transport-Security") != "" || got.Get("X-Content-Type-Options") != "nosniff" {
		t.Errorf("without SecurityMiddleware: %v", got)
	}
}

func with(base, more map[string]any) map[string]any {
	all := maps.Clone(base)
	maps.Copy(all, more)
	return all
}

// While a site is developed its files are where they are edited.
func TestStaticFilesWithDebugNeedNoCollectstatic(t *testing.T) {
	t.Parallel()
	p := newShop(t, map[string]any{"DEBUG": true, "STATICFILES_DIRS": []any{}})
	p.write("src/new.css", "a{}")
	images := filepath.Join(harness.Apps(t), "shop", "images")
	p.set(map[string]any{"DEBUG": true, "STATICFILES_DIRS": []any{[]string{"img", images}, filepath.Join(p.dir, "src")}})
	p.write("public/robots.txt", "User-agent: *\n")
	s := p.serve("--preload", "--static", "/="+filepath.Join(p.dir, "public"), "--static-header", "*.css:X-Robots-Tag:none", "--static-hide", "*.map")
	says(t, s, 0, "[INFO]", "Static files: DEBUG is on", "/static/", filepath.Join(harness.Apps(t), "shop", "static"), "without collectstatic")
	for path, want := range map[string]string{"/static/shop/shop.css": "body {", "/static/img/logo.svg": "<svg", "/static/new.css": "a{}", "/page/x": "/static/shop/shop.css", "/robots.txt": "User-agent"} {
		if got := s.WantGet(t, path, 200); !strings.HasPrefix(got.Body, want) {
			t.Errorf("%s: %q", path, got.Body)
		}
	}
	if got := s.Get("/static/new.css").Header; got.Get("Cache-Control") != "max-age=0, public" || got.Get("X-Robots-Tag") != "none" {
		t.Errorf("a file of DEBUG has %v", got)
	}
	p.write("src/new.css", "b{}")
	p.write("src/later.css", "c{}")
	p.write("src/later.css.map", "{}")
	for path, want := range map[string]string{"/static/new.css": "b{}", "/static/later.css": "c{}"} {
		if got := s.WantGet(t, path, 200); got.Body != want {
			t.Errorf("%s after an edit: %q", path, got.Body)
		}
	}
	s.WantGet(t, "/static/later.css.map", 404)
}
