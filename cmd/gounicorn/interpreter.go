package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"
)

// interpreter is the Python that the application runs under.
type interpreter struct {
	path    string // absolute; not resolved, because a virtual environment is found beside the link
	version string // major.minor
}

const askTimeout = 30 * time.Second

// findInterpreter returns the Python of --python, else the one that "python -m gounicorn" runs under, else that of the virtual
// environment, else python3 on the PATH.
func findInterpreter(flag string, env func(string) (string, bool)) (interpreter, error) {
	path, from := flag, "--python"
	if path == "" {
		path, _ = env("GOUNICORN_PYTHON")
		from = "GOUNICORN_PYTHON"
	}
	if path == "" {
		if venv, ok := env("VIRTUAL_ENV"); ok && venv != "" {
			path, from = filepath.Join(venv, "bin", "python"), "VIRTUAL_ENV"
		}
	}
	if path == "" {
		path, from = "python3", "PATH"
	}
	found, err := exec.LookPath(path)
	if err != nil {
		return interpreter{}, fmt.Errorf("no Python interpreter at %q (from %s): name one with --python PATH or activate a virtual environment", path, from)
	}
	if found, err = filepath.Abs(found); err != nil {
		return interpreter{}, fmt.Errorf("interpreter %q: %w", path, err)
	}
	ctx, cancel := context.WithTimeout(context.Background(), askTimeout)
	defer cancel()
	// sys.executable sees through the shims of version managers, whose scripts are not the interpreter itself.
	out, err := exec.CommandContext(ctx, found, "-S", "-E", "-c", "import sys; print('%d.%d' % sys.version_info[:2]); print(sys.executable); print(sys.implementation.name)").Output()
	lines := strings.Split(strings.TrimSpace(string(out)), "\n")
	if err != nil || len(lines) != 3 {
		return interpreter{}, fmt.Errorf("%s (from %s) does not work as a Python interpreter: %s", found, from, reason(err))
	}
	if lines[2] != "cpython" {
		return interpreter{}, fmt.Errorf("%s is %s: gounicorn embeds CPython only", found, lines[2])
	}
	i := interpreter{path: found, version: lines[0]}
	if exe := lines[1]; filepath.IsAbs(exe) && !sameFile(exe, found) {
		i.path = exe
	}
	return i, nil
}

func sameFile(a, b string) bool {
	x, err1 := os.Stat(a)
	y, err2 := os.Stat(b)
	return err1 == nil && err2 == nil && os.SameFile(x, y)
}

func reason(err error) string {
	var exit *exec.ExitError
	if errors.As(err, &exit) && len(exit.Stderr) > 0 {
		lines := bytes.Split(bytes.TrimSpace(exit.Stderr), []byte("\n"))
		return string(lines[len(lines)-1])
	}
	if err != nil {
		return err.Error()
	}
	return "its answer cannot be read"
}

// findWorker returns the worker binary for the interpreter: the one named, else the one built for this version beside our own binary.
func findWorker(named, version string) (string, error) {
	if named != "" {
		path, err := filepath.Abs(named)
		if err == nil {
			_, err = os.Stat(path)
		}
		if err != nil {
			return "", fmt.Errorf("the worker binary named in GOUNICORN_WORKER cannot be used: %w", err)
		}
		return path, nil
	}
	self, err := os.Executable()
	if err != nil {
		return "", fmt.Errorf("find our own binary: %w", err)
	}
	dir := filepath.Dir(self)
	for _, name := range []string{"gounicorn-worker-" + version, "gounicorn-worker"} {
		if st, err := os.Stat(filepath.Join(dir, name)); err == nil && !st.IsDir() {
			return filepath.Join(dir, name), nil
		}
	}
	return "", fmt.Errorf("there is no gounicorn-worker beside %s: build it with \"make build\", or name it in GOUNICORN_WORKER", self)
}
