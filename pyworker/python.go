//go:build cgo

package pyworker

import (
	"errors"
	"fmt"
	"time"

	python3 "github.com/go-python/cpy3"
)

// interpreter is CPython as the cold path sees it. Its methods must be called on the main thread, which holds the GIL between them;
// only serve and finish give it up meanwhile.
type interpreter struct {
	worker, apploader *python3.PyObject // modules
}

// identity is what the zygote told this worker.
type identity struct {
	worker uint32
	grace  time.Duration // to finish what runs when the master has gone
	app    string        // the app spec
}

// loadFailure is an application that did not load.
type loadFailure struct {
	code int
	text string // one sentence, then perhaps a traceback
}

// attach finds the Python side of the worker, which was imported before Go started.
func attach() (*interpreter, identity, error) {
	p := &interpreter{
		worker:    python3.PyImport_ImportModule("gounicorn._worker"),
		apploader: python3.PyImport_ImportModule("gounicorn._apploader"),
	}
	if p.worker == nil || p.apploader == nil {
		return nil, identity{}, fmt.Errorf("import the worker's Python side: %w", p.failure())
	}
	tuple := p.worker.CallMethodArgs("identity")
	if tuple == nil {
		return nil, identity{}, fmt.Errorf("ask for the worker's identity: %w", p.failure())
	}
	defer tuple.DecRef()
	return p, identity{
		worker: uint32(python3.PyLong_AsLong(python3.PyTuple_GetItem(tuple, 0))),
		grace:  time.Duration(python3.PyLong_AsLong(python3.PyTuple_GetItem(tuple, 1))) * time.Second,
		app:    python3.PyUnicode_AsUTF8(python3.PyTuple_GetItem(tuple, 2)),
	}, nil
}

// boot does all that comes before serving: the hooks, the import of the application, the set-up of the serve loop.
func (p *interpreter) boot(spec string) *loadFailure {
	if failure := p.step("forked"); failure != nil {
		return failure
	}
	app, failure := p.load(spec)
	if failure != nil {
		return failure
	}
	if failure := p.step("loaded", app); failure != nil {
		return failure
	}
	if err := p.do("configure", app); err != nil {
		return &loadFailure{exitFailed, err.Error()}
	}
	return nil
}

// step calls a function of gounicorn._worker that returns an exit code, 0 when all is well, and the reason for it.
func (p *interpreter) step(name string, args ...*python3.PyObject) *loadFailure {
	tuple := p.worker.CallMethodArgs(name, args...)
	if tuple == nil {
		return &loadFailure{exitFailed, fmt.Sprintf("%s: %v", name, p.failure())}
	}
	defer tuple.DecRef()
	code := python3.PyLong_AsLong(python3.PyTuple_GetItem(tuple, 0))
	if code == 0 {
		return nil
	}
	return &loadFailure{code, python3.PyUnicode_AsUTF8(python3.PyTuple_GetItem(tuple, 1))}
}

// load imports the application. The reference is never given back: the process ends before it.
func (p *interpreter) load(spec string) (*python3.PyObject, *loadFailure) {
	text := python3.PyUnicode_FromString(spec)
	defer text.DecRef()
	app := p.apploader.CallMethodArgs("load", text)
	if app != nil {
		return app, nil
	}
	exception := take()
	defer exception.DecRef()
	tuple := p.apploader.CallMethodArgs("explain", exception)
	if tuple == nil {
		return nil, &loadFailure{exitFailed, fmt.Sprintf("Failed to load the application: %v", p.failure())}
	}
	defer tuple.DecRef()
	return nil, &loadFailure{
		code: python3.PyLong_AsLong(python3.PyTuple_GetItem(tuple, 0)),
		text: python3.PyUnicode_AsUTF8(python3.PyTuple_GetItem(tuple, 1)),
	}
}

// hasGIL tells whether only one thread at a time runs Python code.
func (p *interpreter) hasGIL() bool {
	answer := p.worker.CallMethodArgs("has_gil")
	if answer == nil {
		python3.PyErr_Clear()
		return true
	}
	defer answer.DecRef()
	return answer.IsTrue() != 0
}

// serve runs until the worker is to leave. Signal handlers run meanwhile.
func (p *interpreter) serve() error { return p.do("serve") }

// interrupted runs the hook for a worker whose code was edited.
func (p *interpreter) interrupted() error { return p.do("interrupted") }

// leave runs the hook for the end of a worker that does not serve.
func (p *interpreter) leave() error { return p.do("leave") }

// finish waits for the application's threads and runs its exit functions, without a bound.
func (p *interpreter) finish() error { return p.do("finish") }

// do calls a function of gounicorn._worker for its effect.
func (p *interpreter) do(step string, args ...*python3.PyObject) error {
	result := p.worker.CallMethodArgs(step, args...)
	if result == nil {
		return fmt.Errorf("%s: %w", step, p.failure())
	}
	result.DecRef()
	return nil
}

// failure takes the current exception as an error with its traceback.
func (p *interpreter) failure() error {
	exception := take()
	if exception == nil {
		return errors.New("unknown error")
	}
	defer exception.DecRef()
	if p.apploader != nil {
		if text := p.apploader.CallMethodArgs("describe", exception); text != nil {
			defer text.DecRef()
			return errors.New(python3.PyUnicode_AsUTF8(text))
		}
		python3.PyErr_Clear()
	}
	text := exception.Str()
	if text == nil {
		python3.PyErr_Clear()
		return errors.New("unknown error")
	}
	defer text.DecRef()
	return errors.New(python3.PyUnicode_AsUTF8(text))
}

// take clears the current exception and returns it with its traceback attached, or nil when there is none.
func take() *python3.PyObject {
	kind, value, traceback := python3.PyErr_Fetch()
	kind, value, traceback = python3.PyErr_NormalizeException(kind, value, traceback)
	if kind != nil {
		kind.DecRef()
	}
	if traceback != nil {
		if value != nil {
			python3.PyException_SetTraceback(value, traceback)
		}
		traceback.DecRef()
	}
	return value
}
