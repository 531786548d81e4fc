package arch

import (
	"os"
	"path/filepath"
	"regexp"
	"testing"

	"github.com/gounicorn/gounicorn/tests/harness"
)

// TestAcceptanceNamesTests holds the table of tests/README.md to the tests that there are.
func TestAcceptanceNamesTests(t *testing.T) {
	text, err := os.ReadFile(filepath.Join(harness.Root(t), "tests", "README.md"))
	if err != nil {
		t.Fatal(err)
	}
	have := map[string]bool{}
	for _, file := range files(t, ".go") {
		content, err := os.ReadFile(filepath.Join(harness.Root(t), file))
		if err != nil {
			t.Fatal(err)
		}
		for _, found := range regexp.MustCompile(`(?m)^func (Test\w+)\(`).FindAllSubmatch(content, -1) {
			have[string(found[1])] = true
		}
	}
	checks := regexp.MustCompile(`(?m)^\| \d+ \|.*$`).FindAllString(string(text), -1)
	if len(checks) != 14 {
		t.Errorf("%d checks, want 14", len(checks))
	}
	for _, check := range checks {
		names := regexp.MustCompile("`(Test\\w+)`").FindAllStringSubmatch(check, -1)
		if len(names) == 0 {
			t.Errorf("no test is named: %s", check)
		}
		for _, name := range names {
			if !have[name[1]] {
				t.Errorf("there is no %s: %s", name[1], check)
			}
		}
	}
}
