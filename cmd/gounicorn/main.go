package main

import (
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/gounicorn/gounicorn/server/settings"
)

// version is set by the build from pyproject.toml.
var version = "0.0.0+unknown"

func main() {
	os.Exit(run(os.Args[1:], os.LookupEnv, os.Stdout, os.Stderr))
}

// run is main without the process: it returns the exit code.
func run(args []string, env func(string) (string, bool), stdout, stderr io.Writer) int {
	if len(args) > 0 && args[0] == explainVerb {
		return explain(args[1:], env, stdout, stderr)
	}
	values, err := settings.Parse(args, env)
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
	dir, err := os.Getwd()
	if err == nil {
		err = values.CheckPaths(func(path string) bool { _, err := os.Stat(path); return err == nil })
	}
	if err != nil {
		fmt.Fprintf(stderr, "\nError: %v\n", err)
		return exitError
	}
	if values.PrintConfig {
		fmt.Fprint(stdout, values.Print(dir, os.Geteuid(), os.Getegid()))
	}
	m, err := newMaster(values, env)
	if err != nil {
		fmt.Fprintf(stderr, "\nError: %v\n", err)
		return exitError
	}
	defer m.close()
	if values.CheckConfig || values.PrintConfig {
		return m.check()
	}
	return m.serve()
}
