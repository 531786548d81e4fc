package accel

import (
	"errors"
	"fmt"
	"io/fs"
	"mime"
	"os"
	"path"
	"slices"
	"strings"
	"unicode/utf8"

	"golang.org/x/sys/unix"

	"github.com/gounicorn/gounicorn/server/exchange"
)

// Map says that internal URIs with a prefix are files of a folder.
type Map struct {
	Prefix string // "/protected/"; a slash at the end is added if it is missing
	Dir    string // absolute for New
}

// Config says which files the application may name. The zero value allows none.
type Config struct {
	Maps  []Map    // for X-Accel-Redirect; the folders are roots too
	Roots []string // absolute folders for X-Sendfile
}

// Files opens what the application names. It is safe for concurrent use and does not change.
type Files struct {
	maps  []Map
	roots []string
}

// New returns Files, nil if cfg allows none.
func New(cfg Config) *Files {
	f := &Files{}
	for _, m := range cfg.Maps {
		f.maps = append(f.maps, Map{Prefix: strings.TrimSuffix(m.Prefix, "/") + "/", Dir: m.Dir})
		f.roots = append(f.roots, m.Dir)
	}
	f.roots = append(f.roots, cfg.Roots...)
	for i := range f.roots {
		f.roots[i] = strings.TrimSuffix(path.Clean(f.roots[i]), "/") + "/"
	}
	if len(f.roots) == 0 {
		return nil
	}
	slices.SortStableFunc(f.maps, func(a, b Map) int { return len(b.Prefix) - len(a.Prefix) })
	slices.SortStableFunc(f.roots, func(a, b string) int { return len(b) - len(a) })
	return f
}

// ParseMap reads "/protected/=DIR", the value of --accel.
func ParseMap(text string) (Map, error) {
	prefix, dir, ok := strings.Cut(text, "=")
	if !ok || !strings.HasPrefix(prefix, "/") || dir == "" {
		return Map{}, errors.New("it must look like /protected/=DIR: an internal URL, beginning with a slash, and the folder behind it")
	}
	if path.Clean(prefix) != strings.TrimSuffix(prefix, "/") && prefix != "/" {
		return Map{}, fmt.Errorf("the URL %s must not have empty segments, dots or escapes in it", prefix)
	}
	return Map{Prefix: prefix, Dir: dir}, nil
}

// Redirect opens the file behind an internal URI, the value of X-Accel-Redirect: a path, percent-encoded; what follows a question mark does
// not count. The error is an *exchange.StatusError: 404 for everything that is not a readable regular file inside its folder.
func (f *Files) Redirect(uri []byte) (*os.File, fs.FileInfo, error) {
	text, _, _ := strings.Cut(string(uri), "?")
	name, ok := unescape(text)
	if !ok || !strings.HasPrefix(name, "/") || unsafe(name) {
		return nil, nil, missing("unsafe URI %.200q", uri)
	}
	clean := path.Clean(name)
	if strings.HasSuffix(name, "/") {
		clean += "/"
	}
	for _, m := range f.maps {
		if rest, ok := strings.CutPrefix(clean, m.Prefix); ok {
			return open(m.Dir, rest)
		}
	}
	return nil, nil, missing("no --accel has the prefix of %.200q", uri)
}

// Sendfile opens the file with a path, the value of X-Sendfile: absolute, inside one of the roots. It is taken as it is and, if there is no
// such file, as the forms in which paths arrive that do not fit into a field: percent-encoded, in ISO 8859-1 and, from Django, as an encoded
// word (RFC 2047). The error is like that of Redirect.
func (f *Files) Sendfile(value []byte) (*os.File, fs.FileInfo, error) {
	text := string(value)
	file, info, err := f.path(text)
	if err == nil {
		return file, info, nil
	}
	for _, form := range [...]func(string) (string, bool){unescape, latin, word} {
		if other, ok := form(text); ok && other != text {
			if file, info, err := f.path(other); err == nil {
				return file, info, nil
			}
		}
	}
	return nil, nil, err
}

// latin decodes ISO 8859-1.
func latin(s string) (string, bool) {
	runes := make([]rune, len(s))
	for i := range len(s) {
		runes[i] = rune(s[i])
	}
	return string(runes), !utf8.ValidString(s)
}

// word decodes encoded words.
func word(s string) (string, bool) {
	if !strings.HasPrefix(s, "=?") {
		return "", false
	}
	decoded, err := new(mime.WordDecoder).DecodeHeader(s)
	return decoded, err == nil
}

func (f *Files) path(name string) (*os.File, fs.FileInfo, error) {
	if !strings.HasPrefix(name, "/") || unsafe(name) {
		return nil, nil, missing("unsafe path %.200q", name)
	}
	clean := path.Clean(name)
	if strings.HasSuffix(name, "/") {
		clean += "/"
	}
	for _, root := range f.roots {
		if rest, ok := strings.CutPrefix(clean, root); ok {
			return open(root, rest)
		}
	}
	return nil, nil, missing("%.200q is in no folder of --accel or --sendfile-root", name)
}

// unescape decodes percent-encoding.
func unescape(s string) (string, bool) {
	if !strings.Contains(s, "%") {
		return s, true
	}
	digit := func(c byte) int { return strings.IndexByte("0123456789abcdef", c|0x20) }
	b := make([]byte, 0, len(s))
	for i := 0; i < len(s); i++ {
		if s[i] != '%' {
			b = append(b, s[i])
			continue
		}
		if i+2 >= len(s) {
			return "", false
		}
		high, low := digit(s[i+1]), digit(s[i+2])
		if high < 0 || low < 0 || s[i+1] < '0' || s[i+2] < '0' {
			return "", false
		}
		b = append(b, byte(high<<4|low))
		i += 2
	}
	return string(b), true
}

// unsafe reports whether a path could mean something else than it says.
func unsafe(name string) bool {
	return strings.IndexByte(name, 0) >= 0 || slices.Contains(strings.Split(name, "/"), "..")
}

func missing(format string, args ...any) error {
	return &exchange.StatusError{Status: 404, Err: fmt.Errorf(format, args...)}
}

// open opens a regular file below a folder. The folder may be a link that a deployment turns round; what is below it may not lead out.
func open(dir, name string) (*os.File, fs.FileInfo, error) {
	root, err := os.OpenRoot(dir)
	if err != nil {
		return nil, nil, refused(err)
	}
	defer root.Close()
	f, err := root.OpenFile(name, os.O_RDONLY|unix.O_NONBLOCK, 0)
	if err != nil {
		return nil, nil, refused(err)
	}
	info, err := f.Stat()
	if err == nil && !info.Mode().IsRegular() {
		err = fmt.Errorf("%s/%s is not a regular file", strings.TrimSuffix(dir, "/"), name)
	}
	if err != nil {
		_ = f.Close()
		return nil, nil, refused(err)
	}
	return f, info, nil
}

// refused gives the reason a status: 403 without permission, 503 when descriptors run out, else 404.
func refused(err error) error {
	switch {
	case errors.Is(err, fs.ErrPermission):
		return &exchange.StatusError{Status: 403, Err: err}
	case errors.Is(err, unix.EMFILE), errors.Is(err, unix.ENFILE), errors.Is(err, unix.ENOMEM):
		return &exchange.StatusError{Status: 503, RetryAfter: 5, Err: err}
	}
	return &exchange.StatusError{Status: 404, Err: err}
}
