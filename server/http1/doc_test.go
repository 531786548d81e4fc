package http1_test

import (
	"os"
	"regexp"
	"strconv"
	"testing"

	"github.com/gounicorn/gounicorn/server/http1"
)

// docs/http.md lists every verdict with its status, and none that there is not.
func TestDocumentListsEveryVerdict(t *testing.T) {
	text, err := os.ReadFile("../../docs/http.md")
	if err != nil {
		t.Fatal(err)
	}
	listed := map[string]string{}
	for _, row := range regexp.MustCompile("(?m)^\\|.*\\| (\\d{3}) \\| `(\\w+)` \\|").FindAllStringSubmatch(string(text), -1) {
		if _, twice := listed[row[2]]; twice {
			t.Errorf("%s is listed twice", row[2])
		}
		listed[row[2]] = row[1]
	}
	for _, v := range http1.Verdicts() {
		if got := listed[v.Name]; got != strconv.Itoa(v.Status) {
			t.Errorf("%s: the document says %q, the code %d", v.Name, got, v.Status)
		}
		delete(listed, v.Name)
	}
	for name := range listed {
		t.Errorf("%s is in the document and not in the code", name)
	}
}
