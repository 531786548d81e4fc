package hosts

import (
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"time"

	"github.com/gounicorn/gounicorn/tests/harness"
)

// A host runs the site: gounicorn is its process 1, with a Celery worker and a beat as companions.
type host struct {
	lan  *lan
	name string
	addr string
	dir  string   // what it sees as /srv/shop
	args []string // of gounicorn, behind the config file
	main *process
}

func (l *lan) host(name string) *host {
	for _, h := range l.hosts {
		if h.name == name {
			return h
		}
	}
	return nil
}

// grow adds hosts, each with nothing on its disk yet.
func (l *lan) grow(n int) {
	l.tb.Helper()
	for i := 1; i <= n; i++ {
		h := &host{lan: l, name: fmt.Sprintf("web%d", i), addr: fmt.Sprintf("10.0.0.1%d", i)}
		h.dir = filepath.Join("/run/hosts", h.name)
		if err := os.MkdirAll(filepath.Join(h.dir, "static"), 0o755); err != nil {
			l.tb.Fatal(err)
		}
		l.machine(h.name, h.addr)
		l.hosts = append(l.hosts, h)
	}
}

// environ is what the site is told by its environment.
func (l *lan) environ() []string {
	return []string{
		"PATH=" + filepath.Join(l.venv, "bin") + ":" + os.Getenv("PATH"), "HOME=/srv/shop", "LANG=C.UTF-8",
		"SHOP_SECRET_KEY=the same on all hosts", "SHOP_STATIC=/srv/shop/static", "SHOP_VISIBILITY_TIMEOUT=6",
	}
}

// manage runs a command of a release's manage.py on this machine, as a deploy does for what concerns all hosts.
func (l *lan) manage(release string, env []string, args ...string) {
	l.tb.Helper()
	cmd := exec.Command(filepath.Join(l.venv, "bin", "python"), append([]string{"manage.py"}, args...)...)
	cmd.Dir = filepath.Join("/run/build", release)
	cmd.Env = append(l.environ(), env...)
	if out, err := cmd.CombinedOutput(); err != nil {
		l.tb.Fatalf("manage.py %v: %v\n%s", args, err, out)
	}
}

// build makes a release: the site with its number, and the static files with their hashed names.
func (l *lan) build(release string) {
	l.tb.Helper()
	dir := filepath.Join("/run/build", release)
	run(l.tb, nil, "mkdir", "-p", "/run/build")
	run(l.tb, nil, "cp", "-r", l.site, dir)
	for file, text := range map[string]string{"RELEASE": release, "shop/static/shop/site.css": "/* release " + release + " */"} {
		if err := os.WriteFile(filepath.Join(dir, file), []byte(text+"\n"), 0o644); err != nil {
			l.tb.Fatal(err)
		}
	}
	l.manage(release, []string{"SHOP_STATIC=" + filepath.Join(dir, "static")}, "collectstatic", "--noinput", "--verbosity", "0")
}

// hand gives a release to all hosts, and its static files, before the first of them switches to it.
func (l *lan) hand(release string) {
	l.tb.Helper()
	l.build(release)
	l.manage(release, nil, "migrate", "--verbosity", "0")
	for _, h := range l.hosts {
		run(l.tb, nil, "mkdir", "-p", filepath.Join(h.dir, "releases"))
		run(l.tb, nil, "cp", "-r", filepath.Join("/run/build", release, "static")+"/.", filepath.Join(h.dir, "static"))
		run(l.tb, nil, "cp", "-r", filepath.Join("/run/build", release), filepath.Join(h.dir, "releases"))
	}
}

// turn points the link of the current release elsewhere.
func (h *host) turn(release string) {
	h.lan.tb.Helper()
	next := filepath.Join(h.dir, "next")
	if err := os.Symlink(filepath.Join("releases", release), next); err != nil {
		h.lan.tb.Fatal(err)
	}
	if err := os.Rename(next, filepath.Join(h.dir, "current")); err != nil {
		h.lan.tb.Fatal(err)
	}
}

// boot starts the host.
func (h *host) boot() {
	h.lan.tb.Helper()
	args := append([]string{h.lan.server, "--python", filepath.Join(h.lan.venv, "bin", "python"), "-c", "/srv/shop/current/gunicorn.conf.py"}, h.args...)
	h.main = h.lan.start(h.name, nil, h.name, h.lan.environ(), append(args, "shop.wsgi")...)
}

// halt stops gounicorn as systemd and Docker do.
func (h *host) halt() {
	h.lan.tb.Helper()
	h.main.signal(syscall.SIGTERM)
	if code := h.main.wait(h.lan.tb, budget); code != 0 {
		h.lan.tb.Errorf("%s ends with %d", h.name, code)
	}
}

// rise starts the host, and returns when HAProxy sends requests to it. A deploy waits so before it goes on to the next host.
func (h *host) rise() {
	h.lan.tb.Helper()
	h.boot()
	h.waitRelease(h.current())
	h.waitSeen("UP")
}

// reload loads what the link points at, without an end of anything.
func (h *host) reload() {
	h.lan.tb.Helper()
	h.main.signal(syscall.SIGHUP)
	h.waitRelease(h.current())
}

// cut takes the cable away: nothing leaves the host and nothing reaches it, and nobody is told.
func (h *host) cut() {
	h.lan.tb.Helper()
	run(h.lan.tb, nil, "ip", "link", "set", h.name, "down")
}

// plug undoes cut.
func (h *host) plug() {
	h.lan.tb.Helper()
	run(h.lan.tb, nil, "ip", "link", "set", h.name, "up")
}

func (h *host) current() string {
	target, err := os.Readlink(filepath.Join(h.dir, "current"))
	if err != nil {
		h.lan.tb.Fatal(err)
	}
	return filepath.Base(target)
}

// waitRelease waits until the host itself answers with a release.
func (h *host) waitRelease(release string) {
	h.lan.tb.Helper()
	client := &http.Client{Timeout: 5 * time.Second, Transport: &http.Transport{DisableKeepAlives: true}}
	harness.EventuallyEvery(h.lan.tb, 50*time.Millisecond, budget, h.name+" answers with release "+release, func() bool { // each look is a request, which costs more than the harness's pace allows
		request, _ := http.NewRequest(http.MethodGet, "http://"+h.addr+":8000/orders/none", nil)
		request.Host = "shop.example"
		response, err := client.Do(request)
		if err != nil {
			return false
		}
		defer response.Body.Close()
		var got answer
		return json.NewDecoder(response.Body).Decode(&got) == nil && got.Release == release
	})
}

// waitSeen waits until HAProxy sees the host in a state.
func (h *host) waitSeen(state string) {
	h.lan.tb.Helper()
	harness.EventuallyEvery(h.lan.tb, 20*time.Millisecond, budget, "HAProxy sees "+h.name+" "+state, func() bool {
		return h.lan.states()[h.name] == state
	})
}

// bring starts all hosts with a release, and waits until they serve and run tasks.
func (l *lan) bring(release string) {
	l.tb.Helper()
	l.hand(release)
	for _, h := range l.hosts {
		h.turn(release)
		h.boot()
	}
	for _, h := range l.hosts {
		h.waitRelease(release)
	}
	harness.Eventually(l.tb, budget, "a scheduled task runs", func() bool {
		return len(l.query("SELECT 1 FROM shop_sweep LIMIT 1")) > 0
	})
}
