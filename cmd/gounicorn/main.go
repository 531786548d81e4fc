package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"github.com/gounicorn/gounicorn/cmd/gounicorn/console"
	"github.com/gounicorn/gounicorn/server/settings"
)

// version is set by the build from pyproject.toml.
var version = "0.0.0+unknown"

func main() {
	p := takeProcess()
	if p.daemon != nil && p.daemon.second {
		os.Exit(p.third())
	}
	if filepath.Base(p.args[0]) == console.ClientName {
		os.Exit(console.Client(around(os.LookupEnv, os.Stdout, os.Stderr), p.args[1:]))
	}
	code := run(p, p.args[1:], os.LookupEnv, os.Stdout, os.Stderr)
	p.daemon.done(code)
	os.Exit(code)
}

// run is main without the process: it returns the exit code.
func run(p *process, args []string, env func(string) (string, bool), stdout, stderr io.Writer) int {
	if verb := console.Find(args); verb != nil {
		return verb.Run(around(env, stdout, stderr), args[1:])
	}
	command, err := settings.ParseCommand(args, env)
	var usage *settings.UsageError
	switch {
	case errors.Is(err, settings.ErrHelp):
		fmt.Fprint(stdout, settings.Help(), console.Help())
		return exitOK
	case errors.Is(err, settings.ErrVersion):
		fmt.Fprintf(stdout, "gounicorn (version %s)\n", version)
		return exitOK
	case errors.As(err, &usage):
		fmt.Fprintf(stderr, "%sgounicorn: error: %v\n", settings.Usage(), err)
		return exitUsage
	case err != nil:
		fmt.Fprintf(stderr, "\nError: %v\n", err)
		return exitError
	}
	m, err := newMaster(p, command, env, stderr)
	if err != nil {
		fmt.Fprintf(stderr, "\nError: %v\n", err)
		return exitError
	}
	defer m.close()
	return m.run()
}

// around is what a verb needs of this process.
func around(env func(string) (string, bool), stdout, stderr io.Writer) *console.Program {
	return &console.Program{Version: version, Env: env, Stdout: stdout, Stderr: stderr}
}
