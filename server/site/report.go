package site

import (
	"cmp"
	"fmt"
	"strconv"
	"strings"

	"github.com/gounicorn/gounicorn/server/static"
)

// collect is the command that fills STATIC_ROOT.
const collect = "python manage.py collectstatic --noinput"

func (m *decision) info(format string, args ...any) {
	m.Lines = append(m.Lines, Line{Text: fmt.Sprintf(format, args...)})
}

func (m *decision) warn(format string, args ...any) {
	m.Lines = append(m.Lines, Line{Warning: true, Text: fmt.Sprintf(format, args...)})
}

// reportStatic says how STATIC_ROOT is served.
func (m *decision) reportStatic(url string, names int) {
	age := fmt.Sprintf("for %d s", int(m.o.MaxAge.Seconds()))
	if m.o.MaxAge < 0 {
		age = "as browsers like"
	}
	how := "all cached " + age
	if names > 0 {
		how = count(names, "name") + " immutable, others cached " + age
	}
	m.info("Static files: %s from %s, %s, %s", url, m.d.StaticRoot, how, m.reportHeaders())
	if m.d.WhiteNoise {
		m.info("Static files: WhiteNoise is installed and has nothing to do here, as these requests do not reach the application; you may take its middleware out%s", m.whiteNoiseRoot())
	}
}

func (m *decision) reportDevelopment(r static.Root) {
	dirs := make([]string, len(r.Dirs))
	for i, dir := range r.Dirs {
		dirs[i] = dir.Path
	}
	m.info("Static files: DEBUG is on, so %s is found as runserver finds it, without collectstatic and without caching, in %s; %s", r.URL, cmp.Or(strings.Join(dirs, ", "), "no folder"), m.reportHeaders())
}

func (m *decision) reportHeaders() string {
	if m.d.Security == nil {
		return "SecurityMiddleware is not installed"
	}
	return "headers as of SecurityMiddleware"
}

// meanwhile says what becomes of requests for files that are not served.
func (m *decision) meanwhile(url string) string {
	if !m.d.WhiteNoise {
		return ""
	}
	return fmt.Sprintf(" (until then requests for %s go to the application, where WhiteNoise is installed)", url)
}

func (m *decision) whiteNoiseRoot() string {
	if m.d.WhiteNoiseRoot == "" {
		return ""
	}
	return fmt.Sprintf(", and serve WHITENOISE_ROOT with --static /=%s", m.d.WhiteNoiseRoot)
}

// mentionMedia says that files of users are not served by themselves.
func (m *decision) mentionMedia() {
	if m.d.MediaRoot == "" || len(m.o.Media) > 0 {
		return
	}
	url := "/" + strings.Trim(m.d.MediaURL, "/") + "/"
	if m.d.MediaURL == "" || strings.Contains(m.d.MediaURL, "//") || url == "//" {
		return
	}
	m.info("Media files are not served by themselves, as users have written them; --media %s=%s does", url, m.d.MediaRoot)
}

// mostHosts bounds the hosts that the report names.
const mostHosts = 5

// reportHosts says which hosts are answered for.
func (m *decision) reportHosts() {
	all := strings.Join(m.AllowedHosts[:min(len(m.AllowedHosts), mostHosts)], ", ")
	if more := len(m.AllowedHosts) - mostHosts; more > 0 {
		all += " and " + count(more, "other")
	}
	m.info("Hosts: %s, as ALLOWED_HOSTS says; requests for others get 400 and do not reach the application", cmp.Or(all, "none"))
}

func orPlaceholder(dir string) string {
	if dir == "" {
		return "DIR"
	}
	return dir
}

// count is a number of things, with commas between the thousands.
func count(n int, thing string) string {
	digits := strconv.Itoa(n)
	for i := len(digits) - 3; i > 0; i -= 3 {
		digits = digits[:i] + "," + digits[i:]
	}
	if n != 1 {
		thing += "s"
	}
	return digits + " " + thing
}
