package main

import (
	"fmt"
	"os"
	"strconv"
	"strings"
	"unsafe"

	"golang.org/x/sys/unix"
)

// cpuTime is the CPU time of a process so far, user and system, in nanoseconds.
func cpuTime(pid int) (int64, error) {
	var ts unix.Timespec
	clock := int32(^pid<<3 | 2) // CPUCLOCK_SCHED of the whole process, see clock_getcpuclockid(3)
	if err := unix.ClockGettime(clock, &ts); err != nil {
		return 0, fmt.Errorf("CPU clock of %d: %w", pid, err)
	}
	return ts.Nano(), nil
}

// busyTime is the CPU time that the whole machine has used so far, in nanoseconds, counted in ticks of 10 ms.
func busyTime() (int64, error) {
	text, err := os.ReadFile("/proc/stat")
	if err != nil {
		return 0, err
	}
	line, _, _ := strings.Cut(string(text), "\n")
	var ticks int64
	for i, field := range strings.Fields(line) {
		if i == 0 || i == 4 || i == 5 || i > 8 { // the name, idle and waiting for disks; guests count as user
			continue
		}
		n, err := strconv.ParseInt(field, 10, 64)
		if err != nil {
			return 0, err
		}
		ticks += n
	}
	return ticks * 1e7, nil
}

// sleeps is how often the threads of a process have slept so far: voluntary context switches.
func sleeps(pid int) (n int64, err error) {
	tasks, err := os.ReadDir(fmt.Sprintf("/proc/%d/task", pid))
	if err != nil {
		return 0, err
	}
	for _, task := range tasks {
		status, err := os.ReadFile(fmt.Sprintf("/proc/%d/task/%s/status", pid, task.Name()))
		if err != nil {
			return 0, err
		}
		_, rest, _ := strings.Cut(string(status), "\nvoluntary_ctxt_switches:")
		line, _, _ := strings.Cut(rest, "\n")
		more, err := strconv.ParseInt(strings.TrimSpace(line), 10, 64)
		if err != nil {
			return 0, err
		}
		n += more
	}
	return n, nil
}

// tracepoint is the kernel's number of the point that every system call passes, 0 when tracefs is not mounted.
func tracepoint() uint64 {
	for _, root := range []string{"/sys/kernel/tracing", "/sys/kernel/debug/tracing"} {
		text, err := os.ReadFile(root + "/events/raw_syscalls/sys_enter/id")
		if err != nil {
			continue
		}
		if id, err := strconv.ParseUint(strings.TrimSpace(string(text)), 10, 64); err == nil {
			return id
		}
	}
	return 0
}

// syscalls counts the system calls of processes.
type syscalls struct{ fds []int }

// countSyscalls begins to count. Threads that are started later count too.
func countSyscalls(point uint64, pids ...int) (*syscalls, error) {
	s := &syscalls{}
	attr := unix.PerfEventAttr{Type: unix.PERF_TYPE_TRACEPOINT, Config: point, Bits: unix.PerfBitInherit}
	attr.Size = uint32(unsafe.Sizeof(attr))
	for _, pid := range pids {
		tasks, err := os.ReadDir(fmt.Sprintf("/proc/%d/task", pid))
		if err != nil {
			s.stop()
			return nil, err
		}
		for _, task := range tasks {
			tid, err := strconv.Atoi(task.Name())
			if err != nil {
				continue
			}
			fd, err := unix.PerfEventOpen(&attr, tid, -1, -1, unix.PERF_FLAG_FD_CLOEXEC)
			if err != nil {
				s.stop()
				return nil, fmt.Errorf("perf_event_open: %w", err)
			}
			s.fds = append(s.fds, fd)
		}
	}
	return s, nil
}

// stop ends the count and returns it.
func (s *syscalls) stop() (n int64) {
	for _, fd := range s.fds {
		var value [8]byte
		if _, err := unix.Read(fd, value[:]); err == nil {
			n += *(*int64)(unsafe.Pointer(&value))
		}
		unix.Close(fd)
	}
	s.fds = nil
	return n
}
