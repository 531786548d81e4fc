// A worker's Go side needs one processor, so the runtime need not keep files of the cgroup open to count them.
//go:debug containermaxprocs=0
//go:debug updatemaxprocs=0

// Command gounicorn-worker is what gounicorn starts as its zygote: a program with CPython inside, whose forks serve requests. By hand
// it only tells what it was built for.
package main

import (
	"os"
	"runtime"

	"github.com/gounicorn/gounicorn/pyworker"
)

// The thread on which the process started is Python's main thread; it must be the one that runs main. Only an init function can ask
// for that.
func init() { runtime.LockOSThread() }

// version is set by the build, from pyproject.toml.
var version = "unknown"

func main() { os.Exit(pyworker.Main(version, os.Args[1:], os.Stdout, os.Stderr)) }
