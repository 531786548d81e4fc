package e2e

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/gounicorn/gounicorn/tests/harness"
)

// describe asks the interpreter itself what it is like, in the given environment.
func describe(t *testing.T, python string, env []string) map[string]any {
	t.Helper()
	cmd := exec.Command(python, filepath.Join(harness.Apps(t), "interpreter.py"))
	cmd.Dir = harness.Apps(t)
	cmd.Env = env
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("%s: %v", cmd, err)
	}
	var description map[string]any
	if err := json.Unmarshal(out, &description); err != nil {
		t.Fatalf("%s: %v", out, err)
	}
	return description
}

func TestWorkerIsLikeTheInterpreterItself(t *testing.T) {
	t.Parallel()
	python := harness.Python(t)
	wrapper := t.TempDir() // as newrelic-admin and opentelemetry-instrument do it
	writeFile(t, filepath.Join(wrapper, "sitecustomize.py"), "import sys\nsys.from_sitecustomize = 'wrapper'\n")
	writeFile(t, filepath.Join(wrapper, "wrapped_by.py"), "")
	for name, env := range map[string][]string{
		"plain":             nil,
		"wrapper":           {"PYTHONPATH=" + wrapper},
		"development mode":  {"PYTHONDEVMODE=1"},
		"unbuffered":        {"PYTHONUNBUFFERED=1"},
		"hash seed":         {"PYTHONHASHSEED=42"},
		"optimised":         {"PYTHONOPTIMIZE=1"},
		"no user site":      {"PYTHONNOUSERSITE=1"},
		"UTF-8 mode":        {"PYTHONUTF8=1"},
		"stdio encoding":    {"PYTHONIOENCODING=latin-1"},
		"the C locale":      {"LC_ALL=C"},
		"warnings":          {"PYTHONWARNINGS=default"},
		"no bytecode files": {"PYTHONDONTWRITEBYTECODE=1"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			for _, preload := range []bool{false, true} {
				cfg := harness.Config{App: "interpreter:app", Env: env}
				if preload {
					cfg.Args = []string{"--preload"}
				}
				s := harness.Start(t, cfg)
				var got map[string]any
				if err := json.Unmarshal([]byte(s.WantGet(t, "/", 200).Body), &got); err != nil {
					t.Fatal(err)
				}
				if diff := cmp.Diff(describe(t, python, s.Env()), got); diff != "" {
					t.Errorf("--preload %v (-the interpreter itself +the worker):\n%s", preload, diff)
				}
			}
		})
	}
}

func TestInterpreterComesFromVirtualEnvOrPath(t *testing.T) {
	t.Parallel()
	python := harness.Python(t)
	venv := filepath.Dir(filepath.Dir(python))
	for name, env := range map[string][]string{
		"VIRTUAL_ENV": {"VIRTUAL_ENV=" + venv},
		"PATH":        {"PATH=" + filepath.Dir(python) + ":" + os.Getenv("PATH")},
	} {
		s := harness.Start(t, harness.Config{App: "interpreter:app", NoPython: true, Env: env})
		var got map[string]any
		if err := json.Unmarshal([]byte(s.WantGet(t, "/", 200).Body), &got); err != nil {
			t.Fatal(err)
		}
		if got["prefix"] != venv {
			t.Errorf("%s: sys.prefix is %v, want %s", name, got["prefix"], venv)
		}
	}
}

// A Python of another minor version, one that cannot run, and something that is no Python: one sentence each.
func TestWrongInterpreterIsExplainedInOneSentence(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	other := filepath.Join(dir, "other-python")
	// Answers every question as the real one does, but claims to be Python 3.99.
	writeFile(t, other, "#!/bin/sh\n"+`exec "`+harness.Python(t)+`" -c '
import sys, sysconfig
info = tuple(sys.version_info)
class Version(tuple):
    major, minor, micro, releaselevel, serial = 3, 99, 0, "final", 0
sys.version_info = Version((3, 99, 0, "final", 0))
sys.version = "3.99.0 (pretended)"
sys.executable = "`+other+`"
sys.hexversion = 0x036300F0
sysconfig._PY_VERSION_SHORT = "3.99"
real = sysconfig.get_config_vars()
real.update({"py_version_short": "3.99", "VERSION": "3.99", "LDVERSION": "3.99", "py_version_nodot": "399", "LDLIBRARY": "libpython3.99.so", "INSTSONAME": "libpython3.99.so.1.0"})
args = sys.argv[1:]
while args and args[0] not in ("-c", "-"):
    args.pop(0)
code = sys.stdin.read() if args[0] == "-" else args[1]
sys.argv = ["-c", *args[2:]]
exec(compile(code, "<string>", "exec"), {"__name__": "__main__"})
' "$@"
`)
	noPython := filepath.Join(dir, "no-python")
	writeFile(t, noPython, "#!/bin/sh\necho nonsense\nexit 0\n")
	failing := filepath.Join(dir, "failing")
	writeFile(t, failing, "#!/bin/sh\necho broken >&2\nexit 7\n")
	for _, path := range []string{other, noPython, failing} {
		if err := os.Chmod(path, 0o755); err != nil {
			t.Fatal(err)
		}
		s := harness.Launch(t, harness.Config{App: "hello:app", NoPython: true, Args: []string{"--python", path}, Exit: 1})
		if code := s.Wait(bootLimit); code != 1 {
			t.Errorf("%s: exit code %d, want 1", filepath.Base(path), code)
		}
		harness.Eventually(t, harness.EventBudget, "the log is complete", s.Log.Ended)
		text := s.Log.String()
		if !strings.Contains(text, path) {
			t.Errorf("%s: the log does not name it: %s", filepath.Base(path), text)
		}
		if path == other && !regexp.MustCompile(`3\.99`).MatchString(text) {
			t.Errorf("the log does not name the version: %s", text)
		}
		if lines := len(s.Log.Lines()); lines > 6 || strings.Contains(text, "Traceback") || strings.Contains(text, "goroutine ") {
			t.Errorf("%s: not one sentence but %d lines:\n%s", filepath.Base(path), lines, text)
		}
	}
}
