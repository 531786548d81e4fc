// Command transport compares ways to carry requests from the master to its workers and answers back: today's sockets, several
// requests to a packet, and rings in shared memory. The workers are C without Python. README.md says how to read its tables.
//
// "transport rows" measures the designs, "transport locks" how one SOCK_SEQPACKET pair bears many writers and readers, "transport
// accept" what accepting a connection costs, "transport bodies" what a large answer costs on its way to the client. It needs a C compiler. All is bounded in time; the workers die with it.
package main

import (
	"context"
	_ "embed"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"
)

//go:embed worker/worker.c
var workerSource []byte

func main() {
	runtime.LockOSThread() // a worker dies with the thread that started it, which has to be one that stays
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	code := run(ctx, os.Args[1:], os.Stdout, os.Stderr)
	stop()
	os.Exit(code)
}

// run executes one mode and returns the exit code: 0 done, 1 failed, 2 wrong usage.
func run(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	modes := map[string]func(context.Context, []string, string, io.Writer, io.Writer) error{
		"rows": rows, "locks": locks, "accept": accept, "bodies": bodies,
	}
	if len(args) == 0 || modes[args[0]] == nil {
		fmt.Fprintln(stderr, "usage: transport rows|locks|accept|bodies [flags]")
		return 2
	}
	dir, err := os.MkdirTemp("", "transport")
	if err == nil {
		defer func() { _ = os.RemoveAll(dir) }()
		var program string
		if program, err = compile(ctx, dir); err == nil {
			err = modes[args[0]](ctx, args[1:], program, stdout, stderr)
		}
	}
	if errors.Is(err, flag.ErrHelp) {
		return 2
	}
	if err != nil {
		fmt.Fprintf(stderr, "transport: %v\n", err)
		return 1
	}
	return 0
}

// compile builds the worker into a folder and returns its path.
func compile(ctx context.Context, dir string) (string, error) {
	return compileSource(ctx, dir, "worker", workerSource)
}

func compileSource(ctx context.Context, dir, name string, text []byte) (string, error) {
	source, program := filepath.Join(dir, name+".c"), filepath.Join(dir, name)
	if err := os.WriteFile(source, text, 0o600); err != nil {
		return "", err
	}
	out, err := exec.CommandContext(ctx, "cc", "-O2", "-std=gnu11", "-Wall", "-Wextra", "-Werror", "-o", program, source).CombinedOutput()
	if err != nil {
		return "", fmt.Errorf("cc: %w\n%s", err, out)
	}
	return program, nil
}

// disturbed is the share of the machine that others may use during a run; ticks alone make 0.03 of it.
const disturbed = 0.08

// row is one load; every design is measured under it.
type row struct {
	spin    int // microseconds of CPU for each request
	clients int // requests in flight
	workers int
}

// sample is what one run of one design under one load gave, each per request but the rate.
type sample struct {
	rate, cpu, sleeps, syscalls float64 // a second; microseconds; times; calls (0: not counted)
	others                      float64 // share of the machine that other processes used meanwhile
}

// measure runs a design under a load: first some time to warm up, then the time that counts.
func measure(ctx context.Context, d design, r row, program string, turns int64, seconds time.Duration, point uint64) (s sample, err error) {
	m, err := newMaster(d, program, r.workers, turns)
	if err != nil {
		return s, err
	}
	defer m.close()
	m.load(r.clients)
	if err := pause(ctx, seconds/4); err != nil {
		return s, err
	}
	pids := []int{os.Getpid()}
	for _, p := range m.procs {
		pids = append(pids, p.Process.Pid)
	}
	total := func(f func(int) (int64, error)) (n int64) {
		for _, pid := range pids {
			one, e := f(pid)
			n, err = n+one, errors.Join(err, e)
		}
		return n
	}
	var calls *syscalls
	if point != 0 {
		if calls, err = countSyscalls(point, pids...); err != nil {
			return s, err
		}
	}
	slept := total(sleeps)
	busy, err := busyTime()
	if err != nil {
		return s, err
	}
	done, cpu, start := m.done.Load(), total(cpuTime), time.Now()
	if err := pause(ctx, seconds); err != nil {
		return s, err
	}
	took, n := time.Since(start), max(float64(m.done.Load()-done), 1)
	cpu = total(cpuTime) - cpu
	after, err := busyTime()
	if err != nil {
		return s, err
	}
	s.others = float64(after-busy-cpu) / float64(took.Nanoseconds()*int64(runtime.NumCPU()))
	if calls != nil {
		s.syscalls = float64(calls.stop()) / n
	}
	slept = total(sleeps) - slept
	s.rate, s.cpu, s.sleeps = n/took.Seconds(), float64(cpu)/1e3/n, float64(slept)/n
	return s, errors.Join(err, m.drain())
}

func pause(ctx context.Context, d time.Duration) error {
	select {
	case <-time.After(d):
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// rows measures every design under every load, the designs interleaved, and prints medians.
func rows(ctx context.Context, args []string, program string, stdout, stderr io.Writer) error {
	flags := flag.NewFlagSet("rows", flag.ContinueOnError)
	flags.SetOutput(stderr)
	rounds := flags.Int("rounds", 5, "rounds; tables show medians")
	length := flags.Duration("time", 300*time.Millisecond, "how long a design is measured in a round")
	procs := flags.Int("procs", max(runtime.NumCPU()/2, 1), "GOMAXPROCS of the master")
	tries := flags.Int("tries", 5, "how often a run is repeated at most that other processes disturbed")
	var spins, clients, workers ints = []int{0, 20, 500}, []int{1, 8, 64}, []int{1, 2, 4}
	flags.Var(&spins, "spin", "microseconds of CPU for each request, comma-separated")
	flags.Var(&clients, "clients", "requests in flight, comma-separated")
	flags.Var(&workers, "workers", "worker processes, comma-separated")
	if err := flags.Parse(args); err != nil {
		return err
	}
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(*procs))
	perMS, err := calibrate(ctx, program)
	if err != nil {
		return err
	}
	point := tracepoint()
	fmt.Fprintf(stdout, "%d CPUs, %s, GOMAXPROCS %d, %d rounds of %v, %s\n", runtime.NumCPU(), runtime.Version(), *procs, *rounds, *length, time.Now().UTC().Format("2006-01-02 15:04 UTC"))
	fmt.Fprintln(stdout, "\n| spin µs | in flight | workers | design | requests/s | CPU µs | ratio | range | sleeps | system calls | others |")
	fmt.Fprintln(stdout, "|---:|---:|---:|---|---:|---:|---:|---:|---:|---:|---:|")
	for _, spin := range spins {
		for _, c := range clients {
			for _, w := range workers {
				if err := oneRow(ctx, row{spin, c, w}, program, perMS, *rounds, *tries, *length, point, stdout); err != nil {
					return err
				}
			}
		}
	}
	return nil
}

// oneRow measures every design under one load. System calls are counted in a round of their own, as counting costs time.
func oneRow(ctx context.Context, r row, program string, perMS int64, rounds, tries int, length time.Duration, point uint64, stdout io.Writer) error {
	samples := make([][]sample, len(designs))
	calls := make([]float64, len(designs))
	for round := range rounds + 1 {
		for i, d := range designs {
			counted := uint64(0)
			if round == rounds {
				if counted = point; point == 0 {
					continue
				}
			}
			s, err := calm(tries, func() (sample, error) {
				return measure(ctx, d, r, program, int64(r.spin)*perMS/1000, length, counted)
			})
			if err != nil {
				return fmt.Errorf("%s, spin %d µs, %d in flight, %d workers: %w", d.name, r.spin, r.clients, r.workers, err)
			}
			if counted != 0 {
				calls[i] = s.syscalls
			} else {
				samples[i] = append(samples[i], s)
			}
		}
	}
	cpu := func(s sample) float64 { return s.cpu }
	for i, d := range designs {
		low := slices.MinFunc(samples[i], func(a, b sample) int { return int(1e6 * (a.cpu - b.cpu)) })
		high := slices.MaxFunc(samples[i], func(a, b sample) int { return int(1e6 * (a.cpu - b.cpu)) })
		counted := "–"
		if point != 0 {
			counted = fmt.Sprintf("%.2f", calls[i])
		}
		fmt.Fprintf(stdout, "| %d | %d | %d | %s | %.0f | %.2f | %.2f | %.2f–%.2f | %.2f | %s | %.2f |\n", r.spin, r.clients, r.workers, d.name,
			median(samples[i], func(s sample) float64 { return s.rate }), median(samples[i], cpu), ratio(samples[i], samples[0]),
			low.cpu, high.cpu, median(samples[i], func(s sample) float64 { return s.sleeps }), counted,
			median(samples[i], func(s sample) float64 { return s.others }))
	}
	return nil
}

// calm repeats a run that others disturbed and returns the one that was disturbed least.
func calm(tries int, run func() (sample, error)) (best sample, err error) {
	for try := range max(tries, 1) {
		s, err := run()
		if err != nil {
			return s, err
		}
		if try == 0 || s.others < best.others {
			best = s
		}
		if best.others < disturbed {
			break
		}
	}
	return best, nil
}

// ratio is the median of a design's CPU by the yardstick's in the same round.
func ratio(of, base []sample) float64 {
	values := make([]float64, len(of))
	for i := range of {
		values[i] = of[i].cpu / base[i].cpu
	}
	slices.Sort(values)
	return values[len(values)/2]
}

func median(samples []sample, of func(sample) float64) float64 {
	values := make([]float64, len(samples))
	for i, s := range samples {
		values[i] = of(s)
	}
	slices.Sort(values)
	return values[len(values)/2]
}

// calibrate asks the worker how many turns of its spin take a millisecond.
func calibrate(ctx context.Context, program string) (int64, error) {
	out, err := exec.CommandContext(ctx, program, "calibrate").Output()
	if err != nil {
		return 0, fmt.Errorf("calibrate: %w", err)
	}
	return strconv.ParseInt(strings.TrimSpace(string(out)), 10, 64)
}

// locks prints how many packets of 600 bytes go through one pair.
func locks(ctx context.Context, args []string, program string, stdout, stderr io.Writer) error {
	flags := flag.NewFlagSet("locks", flag.ContinueOnError)
	flags.SetOutput(stderr)
	rounds := flags.Int("rounds", 5, "rounds; the table shows medians")
	length := flags.Duration("time", 300*time.Millisecond, "how long each is measured in a round")
	var writers, readers ints = []int{1, 2, 4}, []int{1, 2, 4, 16}
	flags.Var(&writers, "writers", "writing processes, comma-separated")
	flags.Var(&readers, "readers", "reading processes, comma-separated")
	if err := flags.Parse(args); err != nil {
		return err
	}
	type cell struct{ writers, readers int }
	results := map[cell][]sample{}
	for range *rounds {
		for _, w := range writers {
			for _, r := range readers {
				out, err := exec.CommandContext(ctx, program, "locks", strconv.Itoa(w), strconv.Itoa(r), fmt.Sprint(length.Seconds())).Output()
				if err != nil {
					return fmt.Errorf("locks: %w", err)
				}
				var s sample
				if _, err := fmt.Sscan(string(out), &s.rate, &s.cpu, &s.sleeps); err != nil {
					return err
				}
				results[cell{w, r}] = append(results[cell{w, r}], s)
			}
		}
	}
	fmt.Fprintln(stdout, "| writers | readers | packets/s | CPU µs | sleeps |\n|---:|---:|---:|---:|---:|")
	for _, w := range writers {
		for _, r := range readers {
			all := results[cell{w, r}]
			fmt.Fprintf(stdout, "| %d | %d | %.0f | %.2f | %.2f |\n", w, r, median(all, func(s sample) float64 { return s.rate }),
				median(all, func(s sample) float64 { return s.cpu }), median(all, func(s sample) float64 { return s.sleeps }))
		}
	}
	return nil
}

// ints is a flag of several numbers.
type ints []int

func (l *ints) String() string { return fmt.Sprint([]int(*l)) }

func (l *ints) Set(text string) error {
	*l = nil
	for part := range strings.SplitSeq(text, ",") {
		n, err := strconv.Atoi(part)
		if err != nil {
			return err
		}
		*l = append(*l, n)
	}
	return nil
}
