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
	wireRow  = regexp.MustCompile(`(?m)^\| (\d+) \|.*\| ([^|]*) \|$`)
	testName = regexp.MustCompile("`((?:Test|Fuzz|Benchmark)[A-Za-z0-9]+)`")
)

// Every row from the wire names what proves it: tests that there are, and cases that name the row.
func TestEveryRowNamesItsProof(t *testing.T) {
	t.Parallel()
	root := harness.Root(t)
	text, err := os.ReadFile(filepath.Join(root, "docs", "hostile-inputs.md"))
	if err != nil {
		t.Fatal(err)
	}
	out, err := exec.Command("grep", "-rhoE", `^func (Test|Fuzz|Benchmark)[A-Za-z0-9]+|^rule: .*`, filepath.Join(root, "server"), filepath.Join(root, "tests")).Output()
	if err != nil {
		t.Fatal(err)
	}
	have := string(out) + "\n"
	wire, _, _ := strings.Cut(string(text), "## From the application")
	rows := wireRow.FindAllStringSubmatch(wire, -1)
	if len(rows) < 38 {
		t.Errorf("%d rows are found, want at least 38", len(rows))
	}
	for _, row := range rows {
		number, proofs := row[1], row[2]
		names := testName.FindAllStringSubmatch(proofs, -1)
		for _, name := range names {
			if !strings.Contains(have, "func "+name[1]+"\n") {
				t.Errorf("row %s: there is no %s", number, name[1])
			}
		}
		cases := strings.HasPrefix(proofs, "http")
		if cases && !regexp.MustCompile(`(?m)^rule: .*\brow `+number+`\b`).MatchString(have) {
			t.Errorf("row %s: no case of tests/testdata/http names it", number)
		}
		if !cases && len(names) == 0 {
			t.Errorf("row %s names no proof: %s", number, proofs)
		}
	}
}
