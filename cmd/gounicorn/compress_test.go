package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestCompressIsAVerb(t *testing.T) {
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "app.css"), []byte(strings.Repeat("a { color: red }\n", 100)), 0o644); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		args   string
		code   int
		stdout string
		stderr string
	}{
		{"--help", exitOK, "Exit codes:", ""},
		{"", exitUsage, "", "name the folder"},
		{"a b", exitUsage, "", "one folder at a time"},
		{"--threads 0 DIR", exitUsage, "", "--threads"},
		{"--best DIR", exitUsage, "", "unrecognized arguments: --best"},
		{"DIR/none", exitError, "", "run python manage.py collectstatic first"},
		{"--dry-run DIR", exitOK, "app.css (.gz .br .zst)\n1 of 1 files are to be compressed\n", ""},
		{"--threads=1 DIR", exitOK, "1 files: 1 compressed, 0 left as they are; 3 files made, 1700 bytes become ", ""},
		{"DIR", exitOK, "1 files: 0 compressed, 1 left as they are\n", ""},
		{"--quiet DIR", exitOK, "", ""},
	} {
		args := append([]string{"compress"}, strings.Fields(strings.ReplaceAll(c.args, "DIR", dir))...)
		code, stdout, stderr := ran(nil, args...)
		if code != c.code || !strings.Contains(stdout, c.stdout) || !strings.Contains(stderr, c.stderr) || c.stderr == "" && stderr != "" || c.stdout == "" && stdout != "" {
			t.Errorf("compress %s: %d\n%s%s", c.args, code, stdout, stderr)
		}
	}
}
