package logfile_test

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/gounicorn/gounicorn/server/logfile"
)

func TestFileIsBegunAnewBeforeItIsTooLarge(t *testing.T) {
	for _, test := range []struct {
		backups int
		want    []string // the file and those before it
	}{
		{2, []string{"record 8\nrecord 9\n", "record 6\nrecord 7\n", "record 4\nrecord 5\n"}},
		{1, []string{"record 8\nrecord 9\n", "record 6\nrecord 7\n"}},
		{0, []string{"record 8\nrecord 9\n"}},
	} {
		dir := t.TempDir()
		path := filepath.Join(dir, "log")
		if err := os.WriteFile(path, []byte("of before\n"), 0o600); err != nil {
			t.Fatal(err)
		}
		w := open(t, logfile.Config{Path: path, MaxSize: 20, Backups: test.backups, OnError: func(err error) { t.Error(err) }})
		for i := range 10 {
			write(t, w, fmt.Sprintf("record %d\n", i))
			flush(t, w)
			if i == 3 { // a rotation by somebody else
				if err := os.Rename(path, path+".x"); err != nil {
					t.Fatal(err)
				}
				if err := w.Reopen(); err != nil {
					t.Fatal(err)
				}
			}
		}
		if text := read(t, path+".x"); !strings.HasSuffix(text, "record 3\n") {
			t.Errorf("the file that somebody else renamed holds %q", text)
		}
		_ = os.Remove(path + ".x")
		files, _ := filepath.Glob(path + "*")
		for i, want := range test.want {
			if got := read(t, files[i]); got != want {
				t.Errorf("%d backups: %s holds %q, want %q", test.backups, files[i], got, want)
			}
		}
		if len(files) != len(test.want) {
			t.Errorf("%d backups: there are %q", test.backups, files)
		}
	}
}

func TestFileThatCannotBeRenamedGrows(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "log")
	if err := os.MkdirAll(filepath.Join(path+".1", "full"), 0o700); err != nil { // nothing takes the place of such a folder
		t.Fatal(err)
	}
	var said []error
	w := open(t, logfile.Config{Path: path, MaxSize: 10, Backups: 1, OnError: func(err error) { said = append(said, err) }})
	for i := range 5 {
		write(t, w, fmt.Sprintf("record %d\n", i))
		flush(t, w)
	}
	if text := read(t, path); strings.Count(text, "\n") != 5 || len(said) != 1 {
		t.Errorf("the log holds %q, complaints %v", text, said)
	}
}
