package adopt

import (
	"flag"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/gounicorn/gounicorn/prefork/companion"
)

var update = flag.Bool("update", false, "write the golden files")

func text(t *testing.T, path string) string {
	t.Helper()
	p, err := Read(path)
	if err != nil {
		t.Fatal(err)
	}
	here, err := filepath.Abs(filepath.Dir(path))
	if err != nil {
		t.Fatal(err)
	}
	return strings.ReplaceAll(p.Text(path), here, "/etc/supervisor")
}

func TestRealisticFilesAreTranslated(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"supervisord.conf", "circus.ini"} {
		got := text(t, filepath.Join("testdata", name))
		golden := filepath.Join("testdata", name+".golden")
		if *update {
			if err := os.WriteFile(golden, []byte(got), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		want, err := os.ReadFile(golden)
		if err != nil {
			t.Fatal(err)
		}
		if got != string(want) {
			t.Errorf("%s: got\n%s", name, got)
		}
	}
}

// What is printed is Python, and what Python makes of it is a dictionary that the settings take.
func TestTranslationIsTakenByTheSettings(t *testing.T) {
	t.Parallel()
	for name, want := range map[string]string{"supervisord.conf": "celery celerybeat echo flower", "circus.ini": "beat worker"} {
		script := text(t, filepath.Join("testdata", name)) + "\nimport json; print(json.dumps(companions))\n"
		// Users of the file need not exist here.
		script = strings.NewReplacer(`"user": "www-data"`, `"user": None`, `"group": "www-data"`, `"group": None`).Replace(script)
		document, err := exec.Command("python3", "-c", script).Output()
		if err != nil {
			t.Fatal(err)
		}
		programs, err := companion.Parse(document, companion.Context{
			Directory: "/", Split: func(text string) ([]string, error) { return strings.Fields(text), nil },
		})
		if err != nil {
			t.Fatal(err)
		}
		var names []string
		for _, p := range programs {
			names = append(names, p.Name)
		}
		if got := strings.Join(names, " "); got != want {
			t.Errorf("%s: programs %s", name, got)
		}
	}
}

func TestFilesThatAreNone(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	write := func(name, text string) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	for path, want := range map[string]string{
		write("other", "[mysqld]\nport=3306\n"):                            "neither a section [program:…] of supervisord nor [watcher:…] of Circus",
		write("large", "[program:a]\n"+strings.Repeat("# x\n", maxFile/4)): "are the most",
		write("broken", "[program:a\ncommand=x\n"):                         "unclosed section",
		filepath.Join(dir, "none"):                                         "no such file",
		dir:                                                                "is no file",
	} {
		if _, err := Read(path); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", path, err)
		}
	}
}

// No file makes it fail to end or to write Python, whatever stands in it.
func FuzzFile(f *testing.F) {
	for _, name := range []string{"supervisord.conf", "circus.ini"} {
		seed, err := os.ReadFile(filepath.Join("testdata", name))
		if err != nil {
			f.Fatal(err)
		}
		f.Add(seed)
	}
	f.Add([]byte("[supervisord]\nuser=`a\n[x`\n[program:gunicorn]\ncommand=`gunicorn\nx`\n"))
	f.Fuzz(func(t *testing.T, data []byte) {
		file, err := parse(data)
		if err != nil {
			return
		}
		file.DeleteSection("include")
		file.Section("circus").DeleteKey("include")
		file.Section("circus").DeleteKey("include_dir")
		for _, read := range []func() (*Plan, error){
			func() (*Plan, error) { return readSupervisord(file, "/f") }, func() (*Plan, error) { return readCircus(file, "/f") },
		} {
			p, err := read()
			if err != nil {
				t.Fatal(err)
			}
			for line := range strings.Lines(p.Text("/f")) {
				if line = strings.TrimRight(line, "\n"); line != "" && !strings.HasPrefix(line, "#") && !strings.HasPrefix(line, " ") && line != "}" && line != "companions = {" {
					t.Fatalf("line %q", line)
				}
			}
		}
	})
}
