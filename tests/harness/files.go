package harness

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"sync"
	"testing"
)

// Root is the root directory of the module.
func Root(tb testing.TB) string {
	tb.Helper()
	root, err := moduleRoot()
	if err != nil {
		tb.Fatalf("find the module root: %v", err)
	}
	return root
}

// Apps is the directory of the WSGI applications under test.
func Apps(tb testing.TB) string {
	tb.Helper()
	return filepath.Join(Root(tb), "tests", "apps")
}

// Binary is the path of the master binary under test. It is built once if it does not exist.
func Binary(tb testing.TB) string {
	tb.Helper()
	path, err := masterBinary()
	if err != nil {
		tb.Fatalf("find the master binary: %v", err)
	}
	return path
}

// Python is the path of the interpreter under test, in a virtual environment with the frameworks and peers.
func Python(tb testing.TB) string {
	tb.Helper()
	if path := os.Getenv("GOUNICORN_TEST_PYTHON"); path != "" {
		return path
	}
	return filepath.Join(Venv(tb), "bin", "python")
}

// Venv is the virtual environment made by tests/setup.sh, which runs once per test process and returns at once
// when nothing has changed.
func Venv(tb testing.TB) string {
	tb.Helper()
	path, err := testVenv()
	if err != nil {
		tb.Fatalf("make the virtual environment of the tests: %v", err)
	}
	return path
}

var moduleRoot = sync.OnceValues(func() (string, error) {
	_, file, _, ok := runtime.Caller(0)
	dir := filepath.Dir(file)
	if !ok || !filepath.IsAbs(dir) { // built with -trimpath
		var err error
		if dir, err = os.Getwd(); err != nil {
			return "", err
		}
	}
	for {
		if _, err := os.Stat(filepath.Join(dir, "go.mod")); err == nil {
			return dir, nil
		}
		parent := filepath.Dir(dir)
		if parent == dir {
			return "", errors.New("no go.mod above the tests")
		}
		dir = parent
	}
})

var masterBinary = sync.OnceValues(func() (string, error) {
	if path := os.Getenv("GOUNICORN_BIN"); path != "" {
		return filepath.Abs(path)
	}
	root, err := moduleRoot()
	if err != nil {
		return "", err
	}
	path := filepath.Join(root, "bin", "gounicorn")
	if _, err := os.Stat(path); err == nil {
		return path, nil
	}
	build := exec.Command("make", "-C", root, "build")
	if out, err := build.CombinedOutput(); err != nil {
		return "", fmt.Errorf("make build: %w\n%s", err, out)
	}
	_, err = os.Stat(path)
	return path, err
})

var testVenv = sync.OnceValues(func() (string, error) {
	root, err := moduleRoot()
	if err != nil {
		return "", err
	}
	setup := exec.Command(filepath.Join(root, "tests", "setup.sh"))
	if out, err := setup.CombinedOutput(); err != nil {
		return "", fmt.Errorf("tests/setup.sh: %w\n%s", err, out)
	}
	return filepath.Join(root, "build", "test-venv"), nil
})
