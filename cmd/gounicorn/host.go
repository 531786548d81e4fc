package main

import "runtime"

// processors is how many CPUs this process may run on.
func processors() int { return runtime.NumCPU() }

func goVersion() string { return runtime.Version() }
