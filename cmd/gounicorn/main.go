package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"github.com/gounicorn/gounicorn/server/settings"
)

// version is set by the build from pyproject.toml.
var version = "0.0.0+unknown"

func main() {
	p := takeProcess()
	if p.daemon != nil && p.daemon.second {
		os.Exit(p.third())
	}
	if filepath.Base(p.args[0]) == controlName {
		os.Exit(controlClient(p.args[1:], os.LookupEnv))
	}
	code := run(p, p.args[1:], os.LookupEnv, os.Stdout, os.Stderr)
	p.daemon.done(code)
	os.Exit(code)
}

// run is main without the process: it returns the exit code.
func run(p *process, args []string, env func(string) (string, bool), stdout, stderr io.Writer) int {
	if len(args) > 0 && args[0] == explainVerb {
		return explain(args[1:], env, stdout, stderr)
	}
	if len(args) > 0 && args[0] == compressVerb {
		return compressFiles(args[1:], stdout, stderr)
	}
	if len(args) > 0 && args[0] == importVerb {
		return translate(args[1:], stdout, stderr)
	}
	command, err := settings.ParseCommand(args, env)
	var usage *settings.UsageError
	switch {
	case errors.Is(err, settings.ErrHelp):
		fmt.Fprint(stdout, settings.Help())
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
