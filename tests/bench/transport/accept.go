package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

const dialers = 2 // processes that connect

// accept measures what it costs to accept connections and close them, with one listener and with several on the same port. The clients
// are other processes, and their CPU is not counted.
func accept(ctx context.Context, args []string, program string, stdout, stderr io.Writer) error {
	flags := flag.NewFlagSet("accept", flag.ContinueOnError)
	flags.SetOutput(stderr)
	rounds := flags.Int("rounds", 5, "rounds; the table shows medians")
	length := flags.Duration("time", 300*time.Millisecond, "how long each is measured in a round")
	var shards ints = []int{1, 2, 4}
	flags.Var(&shards, "shards", "listeners with SO_REUSEPORT, comma-separated")
	if err := flags.Parse(args); err != nil {
		return err
	}
	results := make([][]sample, len(shards))
	for range *rounds {
		for i, n := range shards {
			s, err := acceptOnce(ctx, program, n, *length)
			if err != nil {
				return err
			}
			results[i] = append(results[i], s)
		}
	}
	fmt.Fprintln(stdout, "| listeners | connections/s | CPU µs of the server |\n|---:|---:|---:|")
	for i, n := range shards {
		fmt.Fprintf(stdout, "| %d | %.0f | %.2f |\n", n, median(results[i], func(s sample) float64 { return s.rate }),
			median(results[i], func(s sample) float64 { return s.cpu }))
	}
	return nil
}

// acceptOnce measures one number of listeners.
func acceptOnce(ctx context.Context, program string, shards int, length time.Duration) (s sample, err error) {
	config := net.ListenConfig{Control: func(_, _ string, c syscall.RawConn) error {
		var failed error
		err := c.Control(func(fd uintptr) { failed = unix.SetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_REUSEPORT, 1) })
		return errors.Join(err, failed)
	}}
	var accepted atomic.Int64
	var loops sync.WaitGroup
	defer loops.Wait()
	address := "127.0.0.1:0"
	for range shards {
		l, err := config.Listen(ctx, "tcp", address)
		if err != nil {
			return s, err
		}
		defer l.Close()
		address = l.Addr().String()
		loops.Go(func() {
			for {
				c, err := l.Accept()
				if err != nil {
					return
				}
				accepted.Add(1)
				_ = c.(*net.TCPConn).SetLinger(0)
				c.Close()
			}
		})
	}
	_, port, err := net.SplitHostPort(address)
	if err != nil {
		return s, err
	}
	for range dialers {
		p := exec.Command(program, "dial", port)
		p.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
		if err := p.Start(); err != nil {
			return s, err
		}
		defer func() {
			_ = p.Process.Kill()
			_ = p.Wait()
		}()
	}
	if err := pause(ctx, length/4); err != nil {
		return s, err
	}
	cpu, err := cpuTime(os.Getpid())
	if err != nil {
		return s, err
	}
	n, start := accepted.Load(), time.Now()
	if err := pause(ctx, length); err != nil {
		return s, err
	}
	took, count := time.Since(start), float64(accepted.Load()-n)
	after, err := cpuTime(os.Getpid())
	return sample{rate: count / took.Seconds(), cpu: float64(after-cpu) / 1e3 / count}, err
}
