package e2e

import (
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/gounicorn/gounicorn/tests/harness"
	"github.com/gounicorn/gounicorn/tests/httpcases"
)

// Rows 1 to 34: the table of wire cases, which the engine is tested with alone, on the whole server: what is refused
// there never reaches the application here, and what is served is what the application sees.
func TestWireCasesHoldForTheWholeServer(t *testing.T) {
	t.Parallel()
	cases, err := httpcases.Load(filepath.Join(harness.Root(t), "tests", "testdata", "http"))
	if err != nil {
		t.Fatal(err)
	}
	bySettings := map[httpcases.Settings][]httpcases.Case{}
	played := 0
	for _, c := range cases {
		if _, ok := wireFlags(c.Settings); ok {
			bySettings[c.Settings] = append(bySettings[c.Settings], c)
			played++
		}
	}
	if played < 300 {
		t.Errorf("only %d of %d cases can be played", played, len(cases))
	}
	for settings, group := range bySettings {
		flags, _ := wireFlags(settings)
		t.Run(strings.Join(append([]string{"cases"}, flags...), " "), func(t *testing.T) {
			t.Parallel()
			s := start(t, "wire_echo:app", append(flags, "-w", "1", "--keep-alive", "30")...)
			wire := wirePlayer{s: s}
			for _, c := range group {
				t.Run(c.Name, func(t *testing.T) {
					wire.play(t, &c, 0)
					if c.Nasty {
						wire.play(t, &c, -1)
						wire.play(t, &c, len(c.Raw)/2)
					}
				})
			}
		})
	}
}

// wireFlags turns the settings of a case into flags, if there are flags for all of them.
func wireFlags(settings httpcases.Settings) (flags []string, ok bool) {
	// The engine's own default for the request line is the most that the flag allows.
	line := 8190
	if settings.RequestLine > 0 {
		line = settings.RequestLine
	}
	flags = append(flags, "--limit-request-line", strconv.Itoa(line))
	for flag, value := range map[string]int{
		"--limit-request-fields": settings.Fields, "--limit-request-field_size": settings.FieldSize, "--limit-request-body": settings.Body,
	} {
		if value > 0 {
			flags = append(flags, flag, strconv.Itoa(value))
		}
	}
	settings.RequestLine, settings.Fields, settings.FieldSize, settings.Body = 0, 0, 0, 0
	return flags, settings == httpcases.Settings{}
}

// A wirePlayer plays cases one after the other, so that it knows which of them the application saw what of.
type wirePlayer struct {
	s    *harness.Server
	read int
}

func (w *wirePlayer) play(t *testing.T, c *httpcases.Case, split int) {
	t.Helper()
	if _, err := c.Play(w.s.Addr(), httpcases.Segments(c.Raw, split)); err != nil {
		t.Errorf("%s, split at %d: %v", c.Rule, split, err)
	}
	text, err := os.ReadFile(filepath.Join(w.s.Dir, "saw"))
	if err != nil && !os.IsNotExist(err) {
		t.Fatal(err)
	}
	lines := strings.Split(strings.TrimSuffix(string(text), "\n"), "\n")
	if len(text) == 0 {
		lines = nil
	}
	saw := slices.DeleteFunc(slices.Clone(lines[w.read:]), func(line string) bool { return line == "" })
	w.read = len(lines)
	if diff := cmp.Diff(c.Saw, saw); diff != "" && len(c.Saw)+len(saw) > 0 {
		t.Errorf("%s, split at %d: the application saw (-want +got):\n%s", c.Rule, split, diff)
	}
}
