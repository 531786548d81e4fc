package pyworker_test

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/gounicorn/gounicorn/prefork/wire"
)

// A program under gounicorn must not be able to tell that it runs under another executable than the interpreter itself.
func TestInterpreterIsTheUsersOwn(t *testing.T) {
	py := must(interpreter())(t)
	venv := filepath.Join(t.TempDir(), "a venv")
	if out, err := exec.Command(py, "-m", "venv", "--without-pip", venv).CombinedOutput(); err != nil {
		t.Fatalf("make a virtual environment: %v\n%s", err, out)
	}
	custom := t.TempDir()
	for name, text := range map[string]string{
		"sitecustomize.py": "import sys; sys.customized = 'site'",
		"usercustomize.py": "import sys; sys.customized = 'user'",
	} {
		if err := os.WriteFile(filepath.Join(custom, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	inVenv := filepath.Join(venv, "bin", "python")
	tests := []struct {
		name, python string
		options, env []string
	}{
		{name: "plain", python: py},
		{name: "virtual environment", python: inVenv},
		{name: "PYTHONPATH and sitecustomize", python: inVenv, env: []string{"PYTHONPATH=" + custom}},
		{name: "PYTHONDEVMODE", python: py, env: []string{"PYTHONDEVMODE=1"}},
		{name: "other variables", python: py, env: []string{
			"PYTHONWARNINGS=error::UserWarning", "PYTHONUNBUFFERED=1", "PYTHONOPTIMIZE=1", "PYTHONDONTWRITEBYTECODE=1", "PYTHONUTF8=1",
			"PYTHONNOUSERSITE=1", "PYTHONHASHSEED=7",
		}},
		{name: "options", python: inVenv, options: []string{"-Xdev", "-Xshowrefcount=0", "-Wdefault", "-Werror::UserWarning", "-B", "-OO"}},
		{name: "isolated", python: inVenv, options: []string{"-I", "-Xutf8"}, env: []string{"PYTHONPATH=" + custom}},
		{name: "C locale", python: py, env: []string{"LC_ALL=C"}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			testdata := must(filepath.Abs("testdata"))(t)
			program := "import sys; sys.path.insert(0, " + string(must(json.Marshal(testdata))(t)) + "); import describe"
			direct := exec.Command(test.python, append(test.options, "-c", program)...)
			direct.Env = append(os.Environ(), test.env...)
			direct.Dir = testdata
			direct.Stderr = &output{} // a pipe, as the worker has
			want := description(t, string(must(direct.Output())(t)))

			env := append(test.env, "GOUNICORN_PYTHON_OPTIONS="+strings.Join(test.options, "\n"))
			m := spawn(t, boot{app: "describe", python: test.python, env: env})
			w := m.start(t, 1, 1)
			w.stdout.waitFor(t, "\n")
			got := description(t, w.stdout.String())
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("the interpreter alone (-) and the worker (+) differ:\n%s", diff)
			}
		})
	}
}

func description(t *testing.T, text string) map[string]any {
	t.Helper()
	var d map[string]any
	if err := json.Unmarshal([]byte(text), &d); err != nil {
		t.Fatalf("%v in %q", err, text)
	}
	return d
}

func TestOtherPythonIsRefused(t *testing.T) {
	m := spawn(t, boot{app: "apps", env: []string{"GOUNICORN_PYTHON_VERSION=2.7"}})
	failed := m.control.next(t, wire.KindBootFailed)
	text := string(failed.payload)
	if failed.Aux != 1 || !strings.Contains(text, "is Python 2.7") || !strings.Contains(text, "make build PYTHON=") {
		t.Errorf("BOOT_FAILED %d: %s", failed.Aux, text)
	}
	if code := m.waitExit(t); code != 1 {
		t.Errorf("zygote ended with %d, want 1", code)
	}
}

func TestBrokenInterpreterIsReported(t *testing.T) {
	m := spawn(t, boot{app: "apps", env: []string{"PYTHONHASHSEED=nonsense"}})
	failed := m.control.next(t, wire.KindBootFailed)
	if text := string(failed.payload); failed.Aux != 1 || !strings.Contains(text, "does not start") || !strings.Contains(text, "PYTHONHASHSEED") {
		t.Errorf("BOOT_FAILED %d: %s", failed.Aux, text)
	}
}

func TestByHandItExplainsItself(t *testing.T) {
	path := must(builtWorker())(t)
	out, err := exec.Command(path).CombinedOutput()
	if err == nil || !strings.Contains(string(out), "not by hand") {
		t.Errorf("%v: %s", err, out)
	}
	var info struct{ Version, Runtime, LibPython string }
	if err := json.Unmarshal(must(exec.Command(path, "--build-info").Output())(t), &info); err != nil {
		t.Fatal(err)
	}
	if !strings.HasPrefix(info.Runtime, info.Version) {
		t.Errorf("built for %q, runs with %q", info.Version, info.Runtime)
	}
}
