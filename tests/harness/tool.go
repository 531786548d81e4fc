package harness

import (
	"fmt"
	"os/exec"
	"path/filepath"
	"sync"
	"testing"
)

// Tool is the path of a program of the distribution, which tests/packages.sh installs if it is missing.
func Tool(tb testing.TB, name string) string {
	tb.Helper()
	if path, err := findTool(name); err == nil {
		return path
	}
	if err := packages(); err != nil {
		tb.Fatalf("install %s: %v", name, err)
	}
	path, err := findTool(name)
	if err != nil {
		tb.Fatalf("tests/packages.sh did not install it: %v", err)
	}
	return path
}

func findTool(name string) (string, error) {
	if path, err := exec.LookPath(name); err == nil {
		return path, nil
	}
	return exec.LookPath(filepath.Join("/usr/sbin", name)) // not on every PATH
}

var packages = sync.OnceValue(func() error {
	root, err := moduleRoot()
	if err != nil {
		return err
	}
	if out, err := exec.Command(filepath.Join(root, "tests", "packages.sh")).CombinedOutput(); err != nil {
		return fmt.Errorf("tests/packages.sh: %w\n%s", err, out)
	}
	return nil
})
