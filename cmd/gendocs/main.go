// Command gendocs writes the files that are generated from tables, so that a
// fact is typed once.
//
//	go run ./cmd/gendocs         write them
//	go run ./cmd/gendocs -check  fail if one of them is not what it should be
//
// Both work in the root folder of the module. A new generated file is a row of
// the list in this file.
package main

import (
	"flag"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"sync"

	"github.com/gounicorn/gounicorn/prefork/lane/sim"
	"github.com/gounicorn/gounicorn/prefork/wire"
	"github.com/gounicorn/gounicorn/server/metrics"
	"github.com/gounicorn/gounicorn/server/settings"
	"github.com/gounicorn/gounicorn/wsgi"
)

// generated is one generated file.
type generated struct {
	path string // from the root of the module
	text func() string
}

// files is the list of generated files.
var files = []generated{
	{"server/settings/SETTINGS.md", settings.Markdown},
	{"server/metrics/METRICS.md", metrics.Markdown},
	{"docs/simulation.md", sync.OnceValue(sim.Markdown)}, // takes seconds
	{"pyworker/gp_wire.h", wire.CHeader},
	{"pyworker/gp_keys.h", wsgi.CHeader},
}

// fileMode is that of the other files of a checkout.
const fileMode = 0o644

func main() { os.Exit(run(os.Args[1:], os.Stdout, os.Stderr)) }

// run writes or checks the files and returns the exit status: 0, 1 for a stale
// file or one that cannot be written, 2 for a wrong flag.
func run(args []string, stdout, stderr io.Writer) int {
	flags := flag.NewFlagSet("gendocs", flag.ContinueOnError)
	flags.SetOutput(stderr)
	check := flags.Bool("check", false, "write nothing, fail if a file is stale")
	root := flags.String("C", ".", "the root folder of the module")
	if err := flags.Parse(args); err != nil || flags.NArg() > 0 {
		return 2
	}
	status := 0
	for _, g := range files {
		changed, err := g.write(*root, *check)
		switch {
		case err != nil:
			fmt.Fprintf(stderr, "gendocs: %v\n", err)
			status = 1
		case changed && *check:
			fmt.Fprintf(stderr, "gendocs: %s is stale; run go run ./cmd/gendocs\n", g.path)
			status = 1
		case changed:
			fmt.Fprintf(stdout, "wrote %s\n", g.path)
		}
	}
	return status
}

// write brings the file up to date unless it is only to be checked, and
// reports whether it differed.
func (g generated) write(root string, check bool) (changed bool, err error) {
	path := filepath.Join(root, filepath.FromSlash(g.path))
	want := g.text()
	have, err := os.ReadFile(path)
	if err != nil && !os.IsNotExist(err) {
		return false, fmt.Errorf("read %s: %w", g.path, err)
	}
	if err == nil && string(have) == want {
		return false, nil
	}
	if check {
		return true, nil
	}
	if err := os.WriteFile(path, []byte(want), fileMode); err != nil {
		return false, fmt.Errorf("write %s: %w", g.path, err)
	}
	return true, nil
}
