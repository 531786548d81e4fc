//go:build cgo

package pyworker

// #include "gp_worker.h"
// #include "gounicorn_py.h"
import "C"

import (
	"os"
	"time"

	"github.com/gounicorn/gounicorn/prefork/wire"
)

// finishTime bounds what runs after the last request: the application's threads and exit functions.
const finishTime = 10 * time.Second

// work is a worker's life after the fork. It returns the exit code.
func work(socket *os.File) int {
	python, id, err := attach()
	control := newControl(wire.NewPackets(socket), id)
	if err != nil {
		control.bootFailed(exitFailed, err.Error())
		return exitFailed
	}
	control.grace = id.grace
	go control.run()

	failure := python.boot(id.app)
	if failure != nil {
		control.bootFailed(failure.code, failure.text)
		if err := python.leave(); err != nil {
			control.log(wire.LevelError, err.Error())
		}
		return failure.code
	}
	control.configured()
	control.ready(python.hasGIL())
	code := exitOK
	if err := python.serve(); err != nil {
		control.log(wire.LevelError, err.Error())
		code = exitFailed
	}
	if C.gp_failed() != 0 {
		code = exitFailed
	}
	if control.edited.Load() {
		if err := python.interrupted(); err != nil {
			control.log(wire.LevelError, err.Error())
		}
	}
	control.finishing(min(id.grace, finishTime), code)
	if err := python.finish(); err != nil {
		control.log(wire.LevelError, err.Error())
	}
	return code
}
