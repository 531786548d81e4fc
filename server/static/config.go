package static

import (
	"errors"
	"fmt"
	"path"
	"regexp"
	"strings"
	"time"

	"github.com/bmatcuk/doublestar/v4"

	"github.com/gounicorn/gounicorn/server/courtesy"
)

// Kind says what a directory holds.
type Kind uint8

// The kinds of directories.
const (
	// Assets are files of the site: compressed siblings are used, and pages of other sites may read them
	// (Access-Control-Allow-Origin: *).
	Assets Kind = iota
	// Media are files that visitors uploaded, and are not trusted: the disk is asked for every request, browsers may neither run what is in
	// them nor show HTML, SVG and XML as a page of the site, other sites may not read them, and a sibling is a file of its own.
	Media
)

// Config says what is served. It is not changed after it was given to New or Update.
type Config struct {
	Roots []Root
	// Headers are added to every answer with a file, 304 and errors too: what the application puts on its own (SECURE_* of Django). They
	// replace ours of the same name, but for Content-Security-Policy, which adds to it.
	Headers []Header
	// Hidden are patterns of names, in lower case, that are never served, see path.Match; nil means DefaultHidden. Names that begin with a
	// dot are never served either, but below /.well-known/.
	Hidden []string
	// Types are media types by extension (".wasm") or by whole name ("apple-app-site-association"), before those of the built-in table.
	Types map[string]string
	// Recheck is how long a file of which something is remembered is served before the disk is asked again; 0 means one second. Swapped
	// directories are noticed within a tenth of it, and at Update.
	Recheck time.Duration
	// MemoryFile is the size in bytes up to which files are kept in memory; 0 means 128 KiB, negative none.
	MemoryFile int64
	// Memory bounds the bytes of files in memory; 0 means 64 MiB.
	Memory int64
	// Entries bounds the number of files and, apart, of missing files that are remembered; 0 means 8192.
	Entries int
	// Courtesy is passed by the answers with files. Nil lets them through.
	Courtesy *courtesy.Gate
	// Warnf is told what an operator should know: a missing directory, a file that may not be read. Nil means nobody.
	Warnf func(format string, args ...any)
}

// Root is a URL prefix and the directories behind it. The longest prefix wins; there is no way back to a shorter one.
type Root struct {
	// URL is the path of the prefix, decoded, with a slash at both ends: "/static/". "/" serves files of the top level, such as robots.txt.
	URL string
	// Dirs are searched in order; the first that has the file serves it. One that does not exist is a warning.
	Dirs []Dir
	Kind Kind
	// FallThrough lets the application answer when there is no such file, instead of 404. It is always so for the URL "/".
	FallThrough bool
	// Live asks the disk for every request: for development. Media are always live.
	Live bool
	// Index is the name of the file that stands for a directory, such as "index.html"; empty means that directories are not found.
	Index string
	// MaxAge is how long a file may be kept by others, in whole seconds; negative means no Cache-Control.
	MaxAge time.Duration
	// Immutable are the names below URL, without a leading slash, that never change their content: the values of staticfiles.json. They are
	// kept by others for ten years, and served from the previous directories or the previous target of a link for as long as those exist.
	Immutable []string
	// ImmutablePattern matches further names below URL that never change, such as those of a bundler. Nil matches none.
	ImmutablePattern *regexp.Regexp
	// Rules add headers to files; later ones replace earlier ones of the same name.
	Rules []Rule
	// Trusted lets browsers show Media like any page of the site: without sandbox and attachment.
	Trusted bool
}

// Dir is a directory. It may be a symbolic link that is swapped at a deploy.
type Dir struct {
	Path string
	// Prefix is put before the names of the files: with "admin" the file css/a.css is found as admin/css/a.css. Usually it is empty.
	Prefix string
}

// Rule adds headers to the files whose name below URL matches Glob, in which "**" stands for any number of directories.
type Rule struct {
	Glob    string
	Headers []Header
}

// Header is a field of an answer.
type Header struct {
	Name, Value string
}

// DefaultHidden are the names that no site wants to publish, whatever directory they got into (nginx serves them).
var DefaultHidden = []string{
	"*.py", "*.pyc", "*.pyo", "*.sqlite3", "*.sqlite3-journal", "*.sqlite3-wal", "*.env", "staticfiles.json", // the project
	"*~", "#*#", "*.bak", "*.orig", "*.rej", "*.swp", "*.swo", // editors and patches
}

// Sizes of what is remembered when Config says nothing.
const (
	defaultRecheck    = time.Second
	defaultMemoryFile = 128 << 10 // above, sendfile costs less than memory
	defaultMemory     = 64 << 20
	defaultEntries    = 8192
)

// withDefaults returns c with its zero fields filled in.
func (c Config) withDefaults() Config {
	if c.Hidden == nil {
		c.Hidden = DefaultHidden
	}
	if c.Recheck == 0 {
		c.Recheck = defaultRecheck
	}
	if c.MemoryFile == 0 {
		c.MemoryFile = defaultMemoryFile
	}
	if c.Memory == 0 {
		c.Memory = defaultMemory
	}
	if c.Entries == 0 {
		c.Entries = defaultEntries
	}
	if c.Warnf == nil {
		c.Warnf = func(string, ...any) {}
	}
	return c
}

// Check returns what is wrong with c, in words for its user.
func (c Config) Check() error {
	for _, pattern := range c.Hidden {
		if _, err := path.Match(pattern, ""); err != nil {
			return fmt.Errorf("hidden name %q: %w", pattern, err)
		}
	}
	if err := checkHeaders(c.Headers); err != nil {
		return err
	}
	seen := map[string]bool{}
	for i := range c.Roots {
		r := &c.Roots[i]
		if seen[r.URL] {
			return fmt.Errorf("static URL %q: given twice; name both directories in one", r.URL)
		}
		seen[r.URL] = true
		if err := r.check(); err != nil {
			return fmt.Errorf("static URL %q: %w", r.URL, err)
		}
	}
	return nil
}

func (r *Root) check() error {
	if clean, ok := cleanPath(nil, []byte(r.URL)); !ok || string(clean) != r.URL || !strings.HasSuffix(r.URL, "/") {
		return errors.New(`must begin and end with "/" and have no empty, "." or ".." parts`)
	}
	for _, d := range r.Dirs {
		if d.Path == "" {
			return errors.New("a directory has no name")
		}
	}
	if strings.Contains(r.Index, "/") {
		return fmt.Errorf("index %q must be a name without a slash", r.Index)
	}
	for _, rule := range r.Rules {
		if !doublestar.ValidatePattern(rule.Glob) {
			return fmt.Errorf("pattern %q is malformed", rule.Glob)
		}
		if err := checkHeaders(rule.Headers); err != nil {
			return err
		}
	}
	return nil
}

// ours are the headers that follow from the file and the request, and can be given by nobody.
var ours = []string{"content-length", "content-range", "content-encoding", "transfer-encoding", "connection", "date", "etag", "last-modified", "accept-ranges", "location", "allow"}

func checkHeaders(headers []Header) error {
	for _, h := range headers {
		if h.Name == "" || strings.ContainsFunc(h.Name, func(r rune) bool {
			return r <= ' ' || r >= 0x7f || strings.ContainsRune(`"(),/:;<=>?@[\]{}`, r)
		}) {
			return fmt.Errorf("header name %q is malformed", h.Name)
		}
		if strings.ContainsFunc(h.Value, func(r rune) bool { return r < ' ' && r != '\t' || r == 0x7f }) {
			return fmt.Errorf("header %s: %q has control characters", h.Name, h.Value)
		}
		for _, name := range ours {
			if strings.EqualFold(h.Name, name) {
				return fmt.Errorf("header %s follows from the file and cannot be set", h.Name)
			}
		}
	}
	return nil
}
