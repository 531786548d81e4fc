//go:build !cgo

package pyworker

import (
	"fmt"
	"io"
)

// Main is the whole program of a worker, which needs cgo: this twin, built without it, only says so.
func Main(_ string, _ []string, _, stderr io.Writer) int {
	fmt.Fprintln(stderr, "gounicorn-worker: built without cgo, so there is no Python in it: build it with 'make build'.")
	return 1
}
