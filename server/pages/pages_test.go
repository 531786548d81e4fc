package pages

import (
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

func TestTheMostSpecialPageIsTaken(t *testing.T) {
	dir := t.TempDir()
	for name, text := range map[string]string{"404.html": "not here", "50x.html": "fifty", "503.html": "later", "4xx.html": "four", "404.json": "[404]", "5xx.json": "{}", "x.html": "", "4x4.html": "", "600.html": ""} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	p, err := Read(dir)
	if err != nil {
		t.Fatal(err)
	}
	for status, want := range map[int]string{404: "not here", 400: "four", 503: "later", 504: "fifty", 509: "fifty", 510: "", 200: ""} {
		if got := string(p.Get(status, false)); got != want {
			t.Errorf("%d: %q, want %q", status, got, want)
		}
	}
	for status, want := range map[int]string{404: "[404]", 400: "", 503: "{}"} {
		if got := string(p.Get(status, true)); got != want || !p.Has(status) {
			t.Errorf("%d as JSON: %q, want %q", status, got, want)
		}
	}
	if none := (*Pages)(nil); none.Has(404) {
		t.Error("no pages have a page")
	}
}

func TestAFolderThatIsNoneIsRefused(t *testing.T) {
	for want, prepare := range map[string]func(dir string) error{
		"is not JSON":  func(dir string) error { return os.WriteFile(filepath.Join(dir, "404.json"), []byte("<p>"), 0o600) },
		"has none":     func(string) error { return nil },
		"no such file": func(dir string) error { return os.Remove(dir) },
		"regular file": func(dir string) error { return syscall.Mkfifo(filepath.Join(dir, "404.html"), 0o600) },
		"at most 256": func(dir string) error {
			return os.WriteFile(filepath.Join(dir, "404.html"), make([]byte, largest+1), 0o600)
		},
		"more than 64 o": func(dir string) error {
			for i := range most + 1 {
				if err := os.WriteFile(filepath.Join(dir, string([]byte{'4', byte('0' + i/10), byte('0' + i%10)})+".html"), nil, 0o600); err != nil {
					return err
				}
			}
			return nil
		},
	} {
		dir := t.TempDir()
		if err := prepare(dir); err != nil {
			t.Fatal(err)
		}
		if _, err := Read(dir); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, want %q", err, want)
		}
	}
}
