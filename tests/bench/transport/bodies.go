package main

import (
	"context"
	_ "embed"
	"flag"
	"fmt"
	"io"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
)

//go:embed worker/bodies.c
var bodiesSource []byte

// ways are those of worker/bodies.c, in the order of the table.
var ways = []string{"direct", "copy", "splice", "memfd", "reused"}

// spent is the CPU of one body in microseconds.
type spent struct{ worker, master, client float64 }

// bodies measures what a body of 1 MiB costs on its way from a worker to a client.
func bodies(ctx context.Context, args []string, program string, stdout, stderr io.Writer) error {
	flags := flag.NewFlagSet("bodies", flag.ContinueOnError)
	flags.SetOutput(stderr)
	rounds := flags.Int("rounds", 5, "rounds; the table shows medians")
	count := flags.Int("count", 1000, "bodies in a round")
	if err := flags.Parse(args); err != nil {
		return err
	}
	program, err := compileSource(ctx, filepath.Dir(program), "bodies", bodiesSource)
	if err != nil {
		return err
	}
	results := make([][]spent, len(ways))
	for range *rounds {
		for i, way := range ways {
			s, err := carry(ctx, program, way, *count)
			if err != nil {
				return err
			}
			results[i] = append(results[i], s)
		}
	}
	fmt.Fprintln(stdout, "| way | worker CPU µs | master CPU µs | both | client CPU µs |\n|---|---:|---:|---:|---:|")
	for i, way := range ways {
		of := func(f func(spent) float64) float64 {
			all := make([]float64, len(results[i]))
			for k, s := range results[i] {
				all[k] = f(s)
			}
			slices.Sort(all)
			return all[len(all)/2]
		}
		fmt.Fprintf(stdout, "| %s | %.0f | %.0f | %.0f | %.0f |\n", way, of(func(s spent) float64 { return s.worker }), of(func(s spent) float64 { return s.master }),
			of(func(s spent) float64 { return s.worker + s.master }), of(func(s spent) float64 { return s.client }))
	}
	return nil
}

// carry runs one way. Every byte is counted by the client; what is missing makes it fail.
func carry(ctx context.Context, program, way string, count int) (s spent, err error) {
	cmd := exec.CommandContext(ctx, program, way, strconv.Itoa(count))
	out, err := cmd.Output()
	if err != nil {
		return s, fmt.Errorf("bodies %s: %w", way, err)
	}
	_, err = fmt.Sscan(string(out), &s.worker, &s.master, &s.client)
	return s, err
}
