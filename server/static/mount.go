package static

import (
	"fmt"
	"io/fs"
	"maps"
	"path"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/bmatcuk/doublestar/v4"

	"github.com/gounicorn/gounicorn/server/exchange"
)

// keptReleases is the number of former releases whose immutable files are still served: pages of the last one are open in browsers, a
// second deploy may follow at once, and a deploy may be noticed in two steps: the link first, the names by Update.
const keptReleases = 4

// release is what a Root was before a deploy: the directories, and which of their names never change.
type release struct {
	handles   []*handle
	immutable map[string]bool
	pattern   *regexp.Regexp
}

// has reports whether a name never changes.
func (r *release) has(name string) bool {
	return r.immutable[name] || r.pattern != nil && r.pattern.MatchString(name)
}

// same reports whether nothing was deployed between two releases.
func (r *release) same(other *release) bool {
	return maps.Equal(r.immutable, other.immutable) && fmt.Sprint(r.pattern) == fmt.Sprint(other.pattern) &&
		slices.EqualFunc(r.handles, other.handles, func(a, b *handle) bool { return a.dev == b.dev && a.ino == b.ino && a.prefix == b.prefix })
}

// mount is a Root at work.
type mount struct {
	Root
	config *Config
	dirs   []*dir
	brief  []exchange.Field // of answers without a file
	allow  []exchange.Field // of 405
	names  release          // the immutable names of this release, without handles

	former     atomic.Pointer[[]*release] // newest first
	swapping   sync.Mutex                 // guards the writing of former and generation
	generation atomic.Uint64              // counts the swaps of directories
	checked    atomic.Int64               // when the directories were looked at, an instant
}

// newMount opens the directories of a Root; before is the mount of the same URL that it replaces, nil if there is none.
func newMount(c *Config, r Root, before *mount) *mount {
	m := &mount{Root: r, config: c}
	m.FallThrough = r.FallThrough || r.URL == "/"
	m.names = release{immutable: make(map[string]bool, len(r.Immutable)), pattern: r.ImmutablePattern}
	for _, name := range r.Immutable {
		m.names.immutable[name] = true
	}
	m.brief = m.common().list
	m.allow = append([]exchange.Field{{Name: []byte("Allow"), Value: []byte("GET, HEAD")}}, m.brief...)
	for _, d := range r.Dirs {
		opened := &dir{Dir: d}
		m.dirs = append(m.dirs, opened)
		if _, err := opened.refresh(); err != nil {
			c.Warnf("static files for %s: %v", r.URL, err)
		}
	}
	former := []*release{}
	if before != nil {
		if last := before.release(); !last.same(m.release()) {
			former = append(former, last)
		}
		former = append(former, *before.former.Load()...)
	}
	m.former.Store(trim(former))
	m.checked.Store(instant(time.Now()))
	return m
}

func trim(former []*release) *[]*release {
	former = former[:min(len(former), keptReleases)]
	return &former
}

// release returns what the mount serves at the moment.
func (m *mount) release() *release {
	r := &release{immutable: m.names.immutable, pattern: m.names.pattern}
	for _, d := range m.dirs {
		if h := d.now.Load(); h != nil {
			r.handles = append(r.handles, h)
		}
	}
	return r
}

// refresh notices swapped directories, at most every tenth of Config.Recheck. now is an instant.
func (m *mount) refresh(now int64) {
	last := m.checked.Load()
	if now-last < int64(m.config.Recheck)/10 || !m.checked.CompareAndSwap(last, now) {
		return
	}
	m.swapping.Lock()
	defer m.swapping.Unlock()
	before, swapped := m.release(), false
	for _, d := range m.dirs {
		if replaced, err := d.refresh(); err == nil && replaced != nil {
			swapped = true
		} else if err == nil && d.now.Load() != nil && !slices.Contains(before.handles, d.now.Load()) {
			m.generation.Add(1) // a directory that was missing
		}
	}
	if swapped {
		m.former.Store(trim(append([]*release{before}, *m.former.Load()...)))
		m.generation.Add(1)
	}
}

// found is a name on disk.
type found struct {
	handle *handle
	name   string // below the handle
	info   fs.FileInfo
}

// find looks for a name in the directories, and for one that never changes in those of former releases. Without an error it is a file or a
// directory.
func (m *mount) find(name string) (found, error) {
	failure := error(fs.ErrNotExist)
	try := func(h *handle) (found, bool) {
		below, ok := strings.CutPrefix(name, h.prefix)
		if !ok {
			return found{}, false
		}
		info, err := h.stat(below)
		switch {
		case err == nil && (info.Mode().IsRegular() || info.IsDir()):
			return found{h, below, info}, true
		case err != nil && statusOf(failure) == 404 && !escapes(failure):
			failure = err // one that can be helped says more than that it is elsewhere
		}
		return found{}, false
	}
	for _, d := range m.dirs {
		if h := d.now.Load(); h != nil {
			if f, ok := try(h); ok {
				return f, nil
			}
		}
	}
	for _, r := range *m.former.Load() {
		if !r.has(name) {
			continue
		}
		for _, h := range r.handles {
			if f, ok := try(h); ok {
				return f, nil
			}
		}
	}
	return found{}, failure
}

// immutable reports whether a name never changes, in this release or a former one.
func (m *mount) immutable(name string) bool {
	if m.names.has(name) {
		return true
	}
	for _, r := range *m.former.Load() {
		if r.has(name) {
			return true
		}
	}
	return false
}

// live reports whether the disk is asked for every request.
func (m *mount) live() bool { return m.Live || m.Kind == Media }

// fieldSet is a list of fields without two of the same name.
type fieldSet struct{ list []exchange.Field }

func (s *fieldSet) set(name, value string) {
	for i := range s.list {
		if strings.EqualFold(string(s.list[i].Name), name) {
			s.list[i].Value = []byte(value)
			return
		}
	}
	s.add(name, value)
}

func (s *fieldSet) add(name, value string) {
	s.list = append(s.list, exchange.Field{Name: []byte(name), Value: []byte(value)})
}

// common are the fields of every answer of the mount.
func (m *mount) common() *fieldSet {
	s := &fieldSet{}
	if m.Kind == Assets {
		s.add("Vary", "Accept-Encoding")
		s.add("Access-Control-Allow-Origin", "*")
	}
	s.add("X-Content-Type-Options", "nosniff")
	if m.Kind == Media && !m.Trusted {
		s.add("Content-Security-Policy", "sandbox")
	}
	for _, h := range m.config.Headers {
		if strings.EqualFold(h.Name, "Content-Security-Policy") {
			s.add(h.Name, h.Value) // browsers obey all of them
		} else {
			s.set(h.Name, h.Value)
		}
	}
	return s
}

// tenYears is the max-age of what never changes (WhiteNoise's).
const tenYears = "max-age=315360000, public, immutable"

// fieldsOf returns the fields of the answers with a file, and those of 304 and of errors.
func (m *mount) fieldsOf(name string, c coding) (full, brief []exchange.Field) {
	s := &fieldSet{}
	mediaType := typeOf(name, m.config.Types)
	s.add("Content-Type", mediaType)
	if c != identity {
		s.add("Content-Encoding", codingTable[c].name)
	}
	if m.immutable(name) {
		s.add("Cache-Control", tenYears)
	} else if m.MaxAge >= 0 {
		s.add("Cache-Control", "max-age="+strconv.FormatInt(int64(m.MaxAge/time.Second), 10)+", public")
	}
	s.list = append(s.list, m.common().list...)
	if m.Kind == Media && !m.Trusted && runs(mediaType) {
		s.add("Content-Disposition", "attachment")
	}
	for _, rule := range m.Rules {
		if matches(rule.Glob, name) {
			for _, h := range rule.Headers {
				s.set(h.Name, h.Value)
			}
		}
	}
	for _, f := range s.list {
		if !isContent(f.Name) {
			brief = append(brief, f)
		}
	}
	return s.list, brief
}

// matches reports whether a name matches a pattern; one without a slash is for the last part of the name.
func matches(glob, name string) bool {
	if !strings.Contains(glob, "/") {
		name = path.Base(name)
	}
	ok, _ := doublestar.Match(glob, name) // Config.Check has read the pattern
	return ok
}
