package main

import (
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestGeneratedFilesAreUpToDate(t *testing.T) {
	var stderr strings.Builder
	if got := run([]string{"-check", "-C", "../.."}, io.Discard, &stderr); got != 0 {
		t.Errorf("gendocs -check: status %d\n%s", got, stderr.String())
	}
}

func TestStaleFileIsNamedAndRewritten(t *testing.T) {
	root := t.TempDir()
	for _, g := range files {
		if err := os.MkdirAll(filepath.Join(root, filepath.Dir(g.path)), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	var stderr strings.Builder
	if got := run([]string{"-check", "-C", root}, io.Discard, &stderr); got != 1 {
		t.Errorf("-check without files: status %d, want 1", got)
	}
	for _, g := range files {
		if !strings.Contains(stderr.String(), g.path) {
			t.Errorf("%s is not named in %q", g.path, stderr.String())
		}
	}
	var stdout strings.Builder
	if got := run([]string{"-C", root}, &stdout, io.Discard); got != 0 {
		t.Errorf("writing: status %d, want 0", got)
	}
	if got := strings.Count(stdout.String(), "wrote "); got != len(files) {
		t.Errorf("wrote %d files, want %d", got, len(files))
	}
	if got := run([]string{"-check", "-C", root}, io.Discard, io.Discard); got != 0 {
		t.Errorf("-check after writing: status %d, want 0", got)
	}
}

func TestUnwritableFileFails(t *testing.T) {
	root := filepath.Join(t.TempDir(), "missing")
	if got := run([]string{"-C", root}, io.Discard, io.Discard); got != 1 {
		t.Errorf("writing into a missing folder: status %d, want 1", got)
	}
}

func TestUnknownFlagIsAUsageError(t *testing.T) {
	for _, args := range [][]string{{"-no-such-flag"}, {"positional"}} {
		if got := run(args, io.Discard, io.Discard); got != 2 {
			t.Errorf("run(%q): status %d, want 2", args, got)
		}
	}
}
