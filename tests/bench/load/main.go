package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"
)

func main() {
	os.Exit(run(os.Args[1:], os.Stdout, os.Stderr))
}

// run executes one mode and returns the exit code: 0 done, 1 failed, 2 wrong usage.
func run(args []string, stdout, stderr io.Writer) int {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()

	modes := map[string]func(context.Context, []string, io.Writer) (any, error){
		"mixed": runMixed,
		"echo":  runEcho,
	}
	if len(args) == 0 || modes[args[0]] == nil {
		fmt.Fprintln(stderr, "usage: load mixed|echo [flags]")
		return 2
	}
	result, err := modes[args[0]](ctx, args[1:], stderr)
	if errors.Is(err, flag.ErrHelp) {
		return 2
	}
	if err == nil {
		err = json.NewEncoder(stdout).Encode(result)
	}
	if err != nil {
		fmt.Fprintf(stderr, "load %s: %v\n", args[0], err)
		return 1
	}
	return 0
}
