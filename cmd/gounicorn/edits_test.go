package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// watching returns edits of a folder that is named as a test wants, and the folder.
func watching(t *testing.T, engine string, names ...string) (*edits, string) {
	t.Helper()
	dir := t.TempDir()
	for _, name := range []string{"app.py", "other.py", "templates/page.html"} {
		put(t, filepath.Join(dir, name), "old")
		if err := os.Chtimes(filepath.Join(dir, name), time.Time{}, time.Now().Add(-time.Hour)); err != nil {
			t.Fatal(err)
		}
	}
	e := newEdits(engine, t.Errorf)
	t.Cleanup(e.close)
	for _, name := range names {
		e.add(dir + "/" + name)
	}
	return e, dir
}

func put(t *testing.T, path, text string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

func want(t *testing.T, e *edits, name string) {
	t.Helper()
	select {
	case got := <-e.changed:
		if filepath.Base(got) != name {
			t.Errorf("%s has changed, want %s", got, name)
		}
	case <-time.After(10 * time.Second):
		t.Fatalf("the change of %s was not seen", name)
	}
}

func TestChangesOfNamedFilesAreSeen(t *testing.T) {
	for _, engine := range []string{"auto", enginePoll} {
		t.Run(engine, func(t *testing.T) {
			t.Parallel()
			e, dir := watching(t, engine, "app.py", "templates/", "missing.py")
			put(t, filepath.Join(dir, "app.py"), "written in place")
			want(t, e, "app.py")
			aside := filepath.Join(dir, "app.py.new")
			put(t, aside, "as editors do it")
			if err := os.Rename(aside, filepath.Join(dir, "app.py")); err != nil {
				t.Fatal(err)
			}
			want(t, e, "app.py")
			put(t, filepath.Join(dir, "templates/page.html"), "new")
			want(t, e, "page.html")
			put(t, filepath.Join(dir, "missing.py"), "here")
			want(t, e, "missing.py")
		})
	}
}

func TestWhatDoesNotCountIsNotSeen(t *testing.T) {
	e, dir := watching(t, "auto", "app.py", "templates/")
	for _, name := range []string{"other.py", "app.py~", ".app.py.swp", "templates/.page.html.swp", "templates/page.html~"} {
		put(t, filepath.Join(dir, name), "noise")
	}
	put(t, filepath.Join(dir, "app.py"), "new") // events come in order
	want(t, e, "app.py")
}

func TestPatternAndNewFolderOfTemplates(t *testing.T) {
	e, dir := watching(t, "auto", "*.py", "templates/")
	put(t, filepath.Join(dir, "fresh.py"), "new")
	want(t, e, "fresh.py")
	e.add(dir + "/data/**/*.json")
	put(t, filepath.Join(dir, "other.py"), "new") // the folder of the pattern may come later
	want(t, e, "other.py")
	put(t, filepath.Join(dir, "templates/sub/first.html"), "perhaps before the folder is watched")
	for deadline := time.Now().Add(10 * time.Second); ; {
		put(t, filepath.Join(dir, "templates/sub/second.html"), "new")
		select {
		case got := <-e.changed:
			if !strings.Contains(got, "/sub/") {
				t.Errorf("%s has changed", got)
			}
			return
		case <-time.After(100 * time.Millisecond):
			if time.Now().After(deadline) {
				t.Fatal("a new folder of templates is not watched")
			}
		}
	}
}

func TestManyWritesAreOneChange(t *testing.T) {
	e, dir := watching(t, "auto", "app.py", "other.py")
	e.mu.Lock()
	e.settle = 2 * time.Second // a busy machine may stop us between two writes
	e.mu.Unlock()
	for range 100 {
		put(t, filepath.Join(dir, "other.py"), "again")
	}
	put(t, filepath.Join(dir, "app.py"), "last")
	want(t, e, "app.py")
	select {
	case name := <-e.changed:
		t.Errorf("%s came as a change of its own", name)
	default:
	}
}

// A module that was edited between its import and the worker's next look is as good as changed.
func TestFileWrittenJustBeforeItIsNamedCounts(t *testing.T) {
	e, dir := watching(t, "auto")
	put(t, filepath.Join(dir, "app.py"), "new")
	e.add(filepath.Join(dir, "app.py"), filepath.Join(dir, "other.py"))
	want(t, e, "app.py")
}

func TestPollingSeesNewTemplates(t *testing.T) {
	e, dir := watching(t, enginePoll, "templates/")
	put(t, filepath.Join(dir, "templates/sub/new.html"), "new")
	select {
	case <-e.changed:
	case <-time.After(10 * time.Second):
		t.Fatal("a new template was not seen")
	}
}

func TestWithoutWatchesTheFilesArePolled(t *testing.T) {
	dir := t.TempDir()
	put(t, filepath.Join(dir, "app.py"), "old")
	warnings := make(chan string, 10)
	e := newEdits("auto", func(format string, _ ...any) { warnings <- format })
	t.Cleanup(e.close)
	_ = e.watcher.Close() // as if the limit were reached: Add fails
	e.add(filepath.Join(dir, "app.py"))
	put(t, filepath.Join(dir, "app.py"), "new text")
	want(t, e, "app.py")
	if len(warnings) != 1 {
		t.Errorf("%d warnings, want one", len(warnings))
	}
}
