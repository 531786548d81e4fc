package precompress

import (
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"io"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/andybalholm/brotli"
	"github.com/klauspost/compress/zstd"
)

var decoders = map[string]func(io.Reader) (io.Reader, error){
	".gz":  func(r io.Reader) (io.Reader, error) { return gzip.NewReader(r) },
	".br":  func(r io.Reader) (io.Reader, error) { return brotli.NewReader(r), nil },
	".zst": func(r io.Reader) (io.Reader, error) { return zstd.NewReader(r, zstd.WithDecoderMaxWindow(8<<20)) },
}

var (
	script = strings.Repeat("function hello() { return 'world'; }\n", 50)
	when   = time.Unix(1700000000, 123456789)
)

// site makes a folder of files, all of one time.
func site(t *testing.T, files map[string]string) string {
	t.Helper()
	dir := t.TempDir()
	for name, text := range files {
		full := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(full), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(full, []byte(text), 0o640); err != nil {
			t.Fatal(err)
		}
		if err := os.Chtimes(full, when, when); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

// run compresses a folder and returns what was said of each file.
func run(t *testing.T, c Config) map[string]File {
	t.Helper()
	said := map[string]File{}
	c.Threads = 2
	c.Report = func(f File) { said[f.Name] = f }
	if err := Run(t.Context(), c); err != nil {
		t.Fatal(err)
	}
	return said
}

func listing(t *testing.T, dir string) map[string]string {
	t.Helper()
	files := map[string]string{}
	err := filepath.WalkDir(dir, func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		text, err := os.ReadFile(path)
		name, _ := filepath.Rel(dir, path)
		files[name] = string(text)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return files
}

func TestSiblingsHoldTheSource(t *testing.T) {
	dir := site(t, map[string]string{"a/app.js": script, "style.css": "a{}", "logo.PNG": script, ".env": script, ".git/x.js": script, "empty.txt": ""})
	if err := os.Symlink("a/app.js", filepath.Join(dir, "link.js")); err != nil {
		t.Fatal(err)
	}
	said := run(t, Config{Dir: dir})
	for name, why := range map[string]string{"a/app.js": "", "link.js": "", "style.css": "little to gain", "logo.PNG": "compressed already", "empty.txt": "empty"} {
		if f, ok := said[name]; !ok || f.Why != why || f.Err != nil || (why == "") != (len(f.Made) == 3) {
			t.Errorf("%s: %+v, want %q", name, f, why)
		}
	}
	if len(said) != 5 {
		t.Errorf("dot files were looked at: %v", slices.Sorted(maps.Keys(said)))
	}
	for suffix, decoder := range decoders {
		text, err := os.ReadFile(filepath.Join(dir, "a/app.js"+suffix))
		if err != nil {
			t.Fatal(err)
		}
		r, err := decoder(bytes.NewReader(text))
		if err != nil {
			t.Fatal(err)
		}
		if got, err := io.ReadAll(r); err != nil || string(got) != script {
			t.Errorf("%s holds %d bytes, %v", suffix, len(got), err)
		}
		info, err := os.Stat(filepath.Join(dir, "a/app.js"+suffix))
		if err != nil || !info.ModTime().Equal(when) || info.Mode().Perm() != 0o640 {
			t.Errorf("%s: %v %v, want the time and mode of the source", suffix, info.ModTime(), info.Mode())
		}
		if suffix == ".gz" && !bytes.Equal(text[4:8], make([]byte, 4)) {
			t.Errorf("the gzip file has a time in it: % x", text[:10])
		}
	}
}

// A second run does nothing, one after a change makes what belongs to it, and a dry run only says so.
func TestOnlyWhatHasChangedIsDone(t *testing.T) {
	dir := site(t, map[string]string{"app.js": script, "other.js": script + script})
	run(t, Config{Dir: dir})
	before := listing(t, dir)
	if len(before) != 8 {
		t.Fatalf("made %v", slices.Sorted(maps.Keys(before)))
	}
	if f := run(t, Config{Dir: dir}); len(f) != 2 || f["app.js"].Why != "up to date" {
		t.Errorf("the second run: %+v", f)
	}
	if err := os.WriteFile(filepath.Join(dir, "app.js"), []byte(script+"// more\n"), 0o640); err != nil {
		t.Fatal(err)
	}
	if f := run(t, Config{Dir: dir, DryRun: true}); len(f["app.js"].Made) != 3 || f["other.js"].Why != "up to date" {
		t.Errorf("the dry run: %+v", f)
	}
	if after := listing(t, dir); after["app.js.gz"] != before["app.js.gz"] {
		t.Error("the dry run wrote")
	}
	run(t, Config{Dir: dir})
	if after := listing(t, dir); after["app.js.gz"] == before["app.js.gz"] || after["other.js.br"] != before["other.js.br"] || len(after) != 8 {
		t.Errorf("after a change there are %v", slices.Sorted(maps.Keys(after)))
	}
}

func TestWhatIsWrongIsSaid(t *testing.T) {
	dir := site(t, map[string]string{"app.js": script})
	if err := os.Symlink("nowhere", filepath.Join(dir, "broken.js")); err != nil {
		t.Fatal(err)
	}
	said := run(t, Config{Dir: dir})
	if !errors.Is(said["broken.js"].Err, fs.ErrNotExist) || len(said["app.js"].Made) != 3 {
		t.Errorf("got %+v", said)
	}
	if err := Run(t.Context(), Config{Dir: filepath.Join(dir, "nothing")}); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("no folder: %v", err)
	}
	if err := Run(t.Context(), Config{Dir: filepath.Join(dir, "app.js")}); err == nil {
		t.Error("a file passed for a folder")
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	other := site(t, map[string]string{"app.js": script})
	if err := Run(ctx, Config{Dir: other}); !errors.Is(err, context.Canceled) || len(listing(t, other)) != 1 {
		t.Errorf("interrupted: %v, left %v", err, listing(t, other))
	}
}
