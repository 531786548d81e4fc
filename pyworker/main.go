//go:build cgo

package pyworker

// #cgo CFLAGS: -std=gnu11 -Wall -Wextra -Wno-unused-parameter
// #include <stdlib.h>
// #include "gp_worker.h"
// #include "gounicorn_py.h"
import "C"

import (
	"encoding/json"
	"fmt"
	"io"
	"os"
	"runtime"

	"golang.org/x/sys/unix"

	"github.com/gounicorn/gounicorn/prefork/wire"
)

// Exit codes of a worker; 3 and 4 are gunicorn's for an application that fails to load and for one that is not there.
const (
	exitOK     = 0
	exitFailed = 1
	exitUsage  = 2
)

const usage = `gounicorn-worker: started by gounicorn, not by hand.

  --build-info   print as JSON what this program was built for
  --version      print gounicorn's version
`

// Main is the whole program: a worker when a zygote forked the process, else a small command line. It returns the exit code. It must be
// called from the process's main thread.
func Main(version string, args []string, stdout, stderr io.Writer) int {
	if bool(C.gp_is_worker()) {
		C.gp_signals_restore()
		_ = unix.SetNonblock(wire.FDControl, true) // so that waiting for a packet is the poller's, which no signal disturbs
		return work(os.NewFile(wire.FDControl, "control"))
	}
	if len(args) == 1 && args[0] == "--build-info" {
		return buildInfo(version, stdout, stderr)
	}
	if len(args) == 1 && args[0] == "--version" {
		fmt.Fprintf(stdout, "gounicorn-worker (version %s)\n", version)
		return exitOK
	}
	fmt.Fprint(stderr, usage)
	return exitUsage
}

func buildInfo(version string, stdout, stderr io.Writer) int {
	info := struct {
		Gounicorn string `json:"gounicorn"`
		Version   string `json:"version"`          // of Python's headers, as "3.12.1"
		Runtime   string `json:"runtime"`          // of the library that is loaded
		Python    string `json:"python,omitempty"` // the interpreter whose flags were used
		Include   string `json:"include,omitempty"`
		LibPython string `json:"libpython,omitempty"`
		Wire      int    `json:"wire"`
		Go        string `json:"go"`
	}{
		Gounicorn: version,
		Version:   C.GoString(C.gp_built_version()),
		Runtime:   C.GoString(C.Py_GetVersion()),
		Python:    C.GoString(C.gp_built_python()),
		Include:   C.GoString(C.gp_built_include()),
		LibPython: C.GoString(C.gp_built_libpython()),
		Wire:      wire.Version,
		Go:        runtime.Version(),
	}
	text, err := json.MarshalIndent(info, "", "  ")
	if err != nil {
		fmt.Fprintln(stderr, "gounicorn-worker:", err)
		return exitFailed
	}
	fmt.Fprintln(stdout, string(text))
	return exitOK
}
