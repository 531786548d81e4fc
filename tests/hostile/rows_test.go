package hostile

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/gounicorn/gounicorn/tests/harness"
)

var (
	row      = regexp.MustCompile(`(?m)^\| (\d+) \|.*\| ([^|]*) \|$`)
	testName = regexp.MustCompile("`((?:Test|Fuzz|Benchmark)[A-Za-z0-9]+)`")
	testFile = regexp.MustCompile("`([a-z0-9/_]+\\.(?:go|py))`")
)

// Every row names what proves it: tests that there are, cases that name the row, or a file of tests.
func TestEveryRowNamesItsProof(t *testing.T) {
	t.Parallel()
	root := harness.Root(t)
	text, err := os.ReadFile(filepath.Join(root, "docs", "hostile-inputs.md"))
	if err != nil {
		t.Fatal(err)
	}
	out, err := exec.Command("grep", "-rhoE", `^func (Test|Fuzz|Benchmark)[A-Za-z0-9]+|^rule: .*`, filepath.Join(root, "server"), filepath.Join(root, "prefork"), filepath.Join(root, "tests")).Output()
	if err != nil {
		t.Fatal(err)
	}
	have := string(out) + "\n"
	rows := row.FindAllStringSubmatch(string(text), -1)
	if len(rows) < 72 {
		t.Errorf("%d rows are found, want at least 72", len(rows))
	}
	for _, found := range rows {
		number, proofs := found[1], found[2]
		names := testName.FindAllStringSubmatch(proofs, -1)
		for _, name := range names {
			if !strings.Contains(have, "func "+name[1]+"\n") {
				t.Errorf("row %s: there is no %s", number, name[1])
			}
		}
		files := testFile.FindAllStringSubmatch(proofs, -1)
		for _, name := range files {
			if _, err := os.Stat(filepath.Join(root, name[1])); err != nil {
				t.Errorf("row %s: %v", number, err)
			}
		}
		cases := strings.HasPrefix(proofs, "http")
		if cases && !regexp.MustCompile(`(?m)^rule: .*\brow `+number+`\b`).MatchString(have) {
			t.Errorf("row %s: no case of tests/testdata/http names it", number)
		}
		if !cases && len(names)+len(files) == 0 {
			t.Errorf("row %s names no proof: %s", number, proofs)
		}
	}
}
