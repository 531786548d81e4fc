package main

import (
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"github.com/bmatcuk/doublestar/v4"
	"github.com/fsnotify/fsnotify"

	"github.com/gounicorn/gounicorn/server/settings"
)

const (
	settleTime   = 50 * time.Millisecond // editors write a file in several steps
	pollEvery    = 500 * time.Millisecond
	toldWithin   = 2 * time.Second // workers look for new modules every second
	mostFolders  = 4096            // below folders of templates
	enginePoll   = "poll"
	templateSide = "/" // at the end of a name: a folder whose files all count
)

// edits watches the files of the application for --reload: by inotify, or by looking at all of them now and then where that cannot be. Its
// methods may be called concurrently.
type edits struct {
	changed chan string // the name of a file, when it has been left alone for settleTime; capacity 1
	warnf   func(format string, args ...any)
	watcher *fsnotify.Watcher // nil: poll

	mu       sync.Mutex
	files    map[string]time.Time // by name, with the time of the last change where we poll
	patterns []string             // those of files that have a *, ? or [
	trees    map[string]bool      // folders, without the slash, whose files all count
	deep     map[string]bool      // folders that are watched with all below them
	watched  map[string]bool      // folders that inotify watches
	pending  string
	settle   time.Duration // settleTime, but for tests
	timer    *time.Timer
	stop     chan struct{}
}

// newEdits starts to watch nothing. warnf is told, once, when inotify is not to be had.
func newEdits(engine string, warnf func(format string, args ...any)) *edits {
	e := &edits{
		changed: make(chan string, 1), warnf: warnf, stop: make(chan struct{}), settle: settleTime,
		files: map[string]time.Time{}, trees: map[string]bool{}, deep: map[string]bool{}, watched: map[string]bool{},
	}
	if engine != enginePoll {
		var err error
		if e.watcher, err = fsnotify.NewWatcher(); err != nil {
			e.fallBack(err)
		} else {
			go e.listen(e.watcher)
		}
	}
	if e.watcher == nil {
		go e.poll()
	}
	return e
}

// fallBack says why files are looked at in turn from now on.
func (e *edits) fallBack(err error) {
	e.warnf("inotify cannot watch the files of the application (%v): they are looked at every %v; "+
		"raise fs.inotify.max_user_watches or max_user_instances, or set --reload-engine poll", err, pollEvery)
	e.watcher = nil
}

// close ends the watching.
func (e *edits) close() {
	e.mu.Lock()
	defer e.mu.Unlock()
	close(e.stop)
	if e.watcher != nil {
		_ = e.watcher.Close()
	}
}

// add takes absolute names: of files, of folders with a slash at the end, all of whose files count, and patterns (** is any number of folders).
func (e *edits) add(names ...string) {
	e.mu.Lock()
	defer e.mu.Unlock()
	for _, name := range names {
		if !filepath.IsAbs(name) {
			continue
		}
		if strings.HasSuffix(name, templateSide) {
			e.addTree(filepath.Clean(name))
			continue
		}
		name = filepath.Clean(name)
		if _, known := e.files[name]; known {
			continue
		}
		written := newest(name)
		e.files[name] = written
		if time.Since(written) < toldWithin { // perhaps after it was imported
			e.note(name)
		}
		e.watch(filepath.Dir(name))
		if isPattern(name) {
			e.patterns = append(e.patterns, name)
			if base, rest := doublestar.SplitPattern(name); strings.Contains(rest, "/") {
				e.watchBelow(base)
			} else {
				e.watch(base)
			}
		}
	}
}

// isPattern tells patterns from names as gunicorn does.
func isPattern(name string) bool { return strings.ContainsAny(name, "*?[") }

func (e *edits) addTree(root string) {
	if e.trees[root] {
		return
	}
	e.trees[root] = true
	e.files[filepath.Join(root, "**")] = newest(filepath.Join(root, "**")) // for who polls
	e.watchBelow(root)
}

// watchBelow watches a folder and those below it, also those that come later.
func (e *edits) watchBelow(root string) {
	e.deep[root] = true
	folders := 0
	_ = filepath.WalkDir(root, func(path string, entry fs.DirEntry, err error) error {
		if err != nil {
			return nil //nolint:nilerr // a folder that cannot be read has nothing to watch
		}
		if entry.IsDir() {
			if folders++; folders > mostFolders || e.watcher == nil {
				return fs.SkipAll
			}
			e.watch(path)
		}
		return nil
	})
}

// watch has inotify watch a folder: files are replaced more often than they are written, so it is not the file that is watched.
func (e *edits) watch(folder string) {
	if e.watcher == nil || e.watched[folder] {
		return
	}
	if err := e.watcher.Add(folder); err != nil {
		if os.IsNotExist(err) {
			return
		}
		_ = e.watcher.Close()
		e.fallBack(err)
		for name := range e.files {
			e.files[name] = newest(name)
		}
		go e.poll()
		return
	}
	e.watched[folder] = true
}

func (e *edits) listen(w *fsnotify.Watcher) {
	for {
		select {
		case event, ok := <-w.Events:
			if !ok {
				return
			}
			if event.Op != fsnotify.Chmod {
				e.event(event.Name, event.Has(fsnotify.Create))
			}
		case err, ok := <-w.Errors:
			if !ok {
				return
			}
			e.warnf("watching files: %v", err)
		}
	}
}

// event takes a change of a file or folder in a folder that is watched.
func (e *edits) event(name string, created bool) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if created && within(e.deep, name) {
		if st, err := os.Stat(name); err == nil && st.IsDir() {
			e.watchBelow(name)
			return
		}
	}
	if e.counts(name) {
		e.note(name)
	}
}

// counts reports whether a file is one of those that were named.
func (e *edits) counts(name string) bool {
	if _, known := e.files[name]; known {
		return true
	}
	if base := filepath.Base(name); strings.HasPrefix(base, ".") || strings.HasSuffix(base, "~") {
		return false // what editors keep beside a file
	}
	for _, pattern := range e.patterns {
		if ok, _ := doublestar.PathMatch(pattern, name); ok {
			return true
		}
	}
	return within(e.trees, name)
}

// within reports whether a name is below one of some folders.
func within(folders map[string]bool, name string) bool {
	for folder := filepath.Dir(name); ; folder = filepath.Dir(folder) {
		if folders[folder] {
			return true
		}
		if folder == filepath.Dir(folder) {
			return false
		}
	}
}

// note reports a change once nothing more has changed for the time to settle. The caller holds mu.
func (e *edits) note(name string) {
	e.pending = name
	if e.timer != nil {
		e.timer.Reset(e.settle)
		return
	}
	e.timer = time.AfterFunc(e.settle, func() {
		e.mu.Lock()
		defer e.mu.Unlock()
		select {
		case e.changed <- e.pending:
		default: // one is being acted on, which reads this change too
		}
	})
}

// poll looks at all files in turn until close.
func (e *edits) poll() {
	ticks := time.NewTicker(pollEvery)
	defer ticks.Stop()
	for {
		select {
		case <-e.stop:
			return
		case <-ticks.C:
		}
		e.mu.Lock()
		for name, before := range e.files {
			if which, now := latest(name); !now.Equal(before) {
				e.files[name] = now
				e.note(which)
			}
		}
		e.mu.Unlock()
	}
}

// newest is when a file, or the latest of those that a pattern matches, was written; zero: there is none.
func newest(name string) time.Time {
	_, at := latest(name)
	return at
}

// latest is newest with the name of the file.
func latest(name string) (which string, at time.Time) {
	which = name
	names := []string{name}
	if isPattern(name) {
		found, _ := doublestar.FilepathGlob(name, doublestar.WithFilesOnly()) // a pattern that is none matches nothing
		names = append(names, found...)
	}
	for _, one := range names {
		if st, err := os.Stat(one); err == nil && st.ModTime().After(at) {
			which, at = one, st.ModTime()
		}
	}
	return which, at
}

// watchEdits begins to watch, if --reload says so, what we know of ourselves: the config file and the extra files.
func (m *master) watchEdits(v *settings.Values) error {
	if !v.Reload || m.edits != nil {
		return nil
	}
	var names []string
	if m.config != "" && !strings.HasPrefix(m.config, "python:") {
		names = append(names, filepath.Join(m.directory, strings.TrimPrefix(m.config, "file:")))
		if path := strings.TrimPrefix(m.config, "file:"); filepath.IsAbs(path) {
			names[0] = path
		}
	}
	for _, name := range v.ReloadExtraFiles {
		path := name
		if !filepath.IsAbs(path) {
			path = filepath.Join(m.directory, path)
		}
		if !isPattern(path) {
			st, err := os.Stat(path)
			if err != nil {
				return fmt.Errorf("reload_extra_files: %w; name a file that exists, a folder, or a pattern with *, ? or [", err)
			}
			if st.IsDir() {
				path += templateSide
			}
		}
		names = append(names, path)
	}
	m.edits = newEdits(v.ReloadEngine, m.log.Warningf)
	m.edits.add(names...)
	return nil
}

// edited is where changes of files arrive; nil without --reload.
func (m *master) edited() <-chan string {
	if m.edits == nil {
		return nil
	}
	return m.edits.changed
}
