package site

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/gounicorn/gounicorn/server/hosts"
	"github.com/gounicorn/gounicorn/server/static"
)

// Options are what the operator has set.
type Options struct {
	Django       bool // serve what a Django application's settings say
	Static       []Mount
	Media        []Mount
	Index        string         // of Static; empty: none
	MaxAge       time.Duration  // of Static; NoAge: nothing is said of it
	TrustedMedia bool           // browsers show Media like pages of the site
	Immutable    *regexp.Regexp // paths of Static that never change; nil: none but those that the application knows
	Rules        []static.Rule  // for the files of Static
	Hide         []string       // besides static.DefaultHidden
	Types        map[string]string
	Hosts        bool   // requests for hosts that the application does not answer for are refused (--allowed-hosts auto)
	DropClaims   bool   // --drop-forwarded: the application hears of no such field from strangers
	ScriptName   string // where the site is mounted, decoded, as --script-name says; the URLs of an application are below it
}

// Check returns what is wrong with the options, in words for their user.
func (o *Options) Check() error {
	for _, media := range o.Media {
		if slices.ContainsFunc(o.Static, func(mount Mount) bool { return mount.URL == media.URL }) {
			return fmt.Errorf("--media %s=%s: --static has the same path; give each its own", media.URL, media.Dir)
		}
	}
	nothing := func(string) Folder { return Filled }
	return Decide(&Document{}, *o, nothing).Files.Check()
}

// Decision is what is to be served.
type Decision struct {
	Files        static.Config
	Policy       Policy
	AllowedHosts []string // all that the application answers for, as Django writes them: "*", ".example.com"; nil: it decides by itself
	Host         string   // one that it answers for, for requests of our own; empty: not known
	HSTS         string   // the value of Strict-Transport-Security of the application, for https; empty: none
	Lines        []Line   // for the log
}

// Line is a sentence of the report.
type Line struct {
	Warning bool
	Text    string
}

// Folder is what was found at the path of a folder.
type Folder uint8

// What may be found.
const (
	Absent Folder = iota + 1 // or no folder, or not to be read
	Empty
	Filled
)

// Look tells what is at a path. It reads no more than one entry.
func Look(dir string) Folder {
	f, err := os.Open(dir)
	if err != nil {
		return Absent
	}
	defer f.Close()
	entries, err := f.ReadDir(1)
	switch {
	case len(entries) > 0:
		return Filled
	case err != nil && !errors.Is(err, io.EOF):
		return Absent
	}
	return Empty
}

// NoAge lets an answer say nothing of how long it may be used.
const NoAge = -1

// Decide says what is to be served of an application with that document. look is Look, but for tests.
func Decide(d *Document, o Options, look func(dir string) Folder) *Decision {
	m := decision{d: d, o: o, look: look, Decision: &Decision{HSTS: d.Security.hsts()}}
	m.Host = hosts.New(d.allowedHosts()).Example("")
	if d.HostsChecked && !d.ForwardedHost { // else Host is not what counts
		m.AllowedHosts = d.allowedHosts()
		if o.Hosts && !slices.Contains(m.AllowedHosts, "*") {
			m.reportHosts()
		}
	}
	m.flags("--static", o.Static, static.Root{Kind: static.Assets, Index: o.Index, MaxAge: o.MaxAge})
	m.flags("--media", o.Media, static.Root{Kind: static.Media, MaxAge: NoAge, Trusted: o.TrustedMedia})
	if o.Django {
		m.django()
	}
	for i := range m.Files.Roots {
		if r := &m.Files.Roots[i]; r.Kind == static.Assets {
			r.ImmutablePattern, r.Rules = o.Immutable, o.Rules
		}
	}
	if len(o.Hide) > 0 {
		m.Files.Hidden = append(slices.Clone(static.DefaultHidden), o.Hide...)
	}
	m.Files.Types = o.Types
	m.Policy = newPolicy(d, o, func(text string) { m.warn("%s", text) })
	m.Files.Headers = m.Policy.headers
	return m.Decision
}

// decision is a Decision in the making.
type decision struct {
	*Decision
	d    *Document
	o    Options
	look func(dir string) Folder
}

// flags adds the folders that the operator has named; of one URL they come in their order.
func (m *decision) flags(flag string, mounts []Mount, like static.Root) {
	for _, mount := range mounts {
		if m.look(mount.Dir) == Absent {
			m.warn("%s %s=%s: there is no such folder, or it cannot be read; what is below %[2]s is not found until there is", flag, mount.URL, mount.Dir)
		} else {
			m.info("Static files: %s from %s (%s)", mount.URL, mount.Dir, flag)
		}
		if r := m.root(mount.URL); r != nil {
			r.Dirs = append(r.Dirs, static.Dir{Path: mount.Dir})
			continue
		}
		r := like
		r.URL, r.Dirs = mount.URL, []static.Dir{{Path: mount.Dir}}
		m.Files.Roots = append(m.Files.Roots, r)
	}
}

func (m *decision) root(url string) *static.Root {
	i := slices.IndexFunc(m.Files.Roots, func(r static.Root) bool { return r.URL == url })
	if i < 0 {
		return nil
	}
	return &m.Files.Roots[i]
}

// django adds what the settings of a Django application say.
func (m *decision) django() {
	d := m.d
	for _, problem := range d.Problems {
		m.warn("Static files: %s", problem)
	}
	if d.Framework == "" || d.StaticURL == "" {
		return
	}
	m.mentionMedia()
	prefix, host := d.prefix()
	url := strings.TrimRight(path.Join("/", m.o.ScriptName, prefix), "/") + "/"
	if r := m.root(url); r != nil && d.Debug && d.StaticFiles && r.Kind == static.Assets { // what finders do not tell, before what they do
		m.development(url)
		return
	}
	if r := m.root(url); r != nil { // the operator's folder in place of STATIC_ROOT, but the names are those of the application
		if r.Kind == static.Assets {
			r.Immutable = m.names()
		}
		return
	}
	switch {
	case host != "":
		m.info("Static files: STATIC_URL is on %s, so they are not served here. For a cache that fetches them from this server: --static %s=%s",
			host, url, orPlaceholder(d.StaticRoot))
	case d.Debug && d.StaticFiles:
		m.development(url)
	case d.StaticRoot == "":
		if d.StaticFiles {
			m.warn("Static files are NOT served: STATIC_ROOT is not set. Set it, as in STATIC_ROOT = BASE_DIR / \"staticfiles\", and run: %s%s", collect, m.meanwhile(url))
		}
	case d.StaticRoot == "/":
		m.warn("Static files are NOT served: STATIC_ROOT is the root of the file system. Give it a folder of its own, as in STATIC_ROOT = BASE_DIR / \"staticfiles\"")
	case m.look(d.StaticRoot) == Absent:
		m.warn("Static files are NOT served: STATIC_ROOT %s does not exist or cannot be read. Run: %s%s", d.StaticRoot, collect, m.meanwhile(url))
	case m.look(d.StaticRoot) == Empty:
		m.warn("Static files are NOT served: STATIC_ROOT %s is empty. Run: %s%s", d.StaticRoot, collect, m.meanwhile(url))
	default:
		if d.Manifest != nil && d.Manifest.Missing {
			m.warn("Static files: the manifest %s is missing, and without it pages with static files fail. Run: %s", d.Manifest.Path, collect)
		}
		names := m.names()
		m.Files.Roots = append(m.Files.Roots, static.Root{URL: url, Kind: static.Assets, Dirs: []static.Dir{{Path: d.StaticRoot}}, Immutable: names, MaxAge: m.o.MaxAge})
		m.reportStatic(url, len(names))
	}
}

// development adds the folders of the finders, in their order, behind those that the operator has named for the URL, and STATIC_ROOT behind them. What is in none of them is the application's.
func (m *decision) development(url string) {
	r := static.Root{URL: url, Kind: static.Assets, Live: true, FallThrough: true}
	own := m.root(url)
	if own != nil {
		r.Dirs = slices.Clone(own.Dirs)
	}
	for _, found := range m.d.Finders {
		r.Dirs = append(r.Dirs, static.Dir{Prefix: found[0], Path: found[1]})
	}
	if root := m.d.StaticRoot; root != "" && m.look(root) == Filled {
		r.Dirs = append(r.Dirs, static.Dir{Path: root})
	}
	r.Dirs = slices.DeleteFunc(r.Dirs, func(dir static.Dir) bool { return m.look(dir.Path) == Absent })
	if own != nil {
		*own = r
	} else {
		m.Files.Roots = append(m.Files.Roots, r)
	}
	m.reportDevelopment(r)
}

// names are the paths below the static URL that never change.
func (m *decision) names() []string {
	if m.d.Manifest == nil {
		return nil
	}
	return slices.DeleteFunc(slices.Clone(m.d.Manifest.Names), func(name string) bool { return !fs.ValidPath(name) })
}
