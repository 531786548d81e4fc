package settings

import (
	"fmt"
	"io/fs"
	"math"
	"path"
	"strconv"
	"strings"
)

// The sizes behind the default number of workers.
const (
	minWorkers      = 2              // with one, any slow page blocks the site
	maxAutoWorkers  = 64             // beyond that somebody should have thought about it
	memoryPerWorker = 192 << 20      // a Django site with its libraries, without preloading
	memoryForRest   = 128 << 20      // the master, the zygote and the system's own needs
	unlimitedMemory = int64(1) << 60 // cgroup v1 writes a number near 2^63 for "no limit"
)

// Sizing is a number of workers and how it came about.
type Sizing struct {
	Workers int
	Why     string // the arithmetic, for the log
}

// DefaultWorkers computes the number of workers for workers = auto: twice the
// CPUs plus one, lowered to what the memory holds, between 2 and 64. The
// machine has cpus processors that this process may run on; root is the file
// system of the machine, from which the limits of the cgroup (v2 or v1) and
// the size of the memory are read. What cannot be read does not count.
func DefaultWorkers(root fs.FS, cpus int) Sizing {
	cpu, cpuFrom := availableCPU(root, cpus)
	byCPU := 2*int(math.Ceil(cpu)) + 1
	why := fmt.Sprintf("2 x %s %s + 1 = %d", strconv.FormatFloat(cpu, 'f', -1, 64), cpuFrom, byCPU)
	if cpu != math.Ceil(cpu) {
		why = fmt.Sprintf("2 x %d (%.2f %s rounded up) + 1 = %d", int(math.Ceil(cpu)), cpu, cpuFrom, byCPU)
	}
	n := byCPU

	memory, memoryFrom := availableMemory(root)
	if memory > 0 {
		byMemory := int(max(memory-memoryForRest, 0) / memoryPerWorker)
		why += fmt.Sprintf("; (%d MiB %s - %d) / %d = %d", memory>>20, memoryFrom,
			memoryForRest>>20, memoryPerWorker>>20, byMemory)
		n = min(n, byMemory)
	}
	bounded := min(max(n, minWorkers), maxAutoWorkers)
	if bounded != n {
		why += fmt.Sprintf("; between %d and %d", minWorkers, maxAutoWorkers)
	}
	return Sizing{Workers: bounded, Why: why}
}

// Machine returns what this process may use: processors, of which a quota may
// allow a part, and bytes of memory, 0 if that is unknown. The parameters are
// those of DefaultWorkers.
func Machine(root fs.FS, cpus int) (cpu float64, memory int64) {
	cpu, _ = availableCPU(root, cpus)
	memory, _ = availableMemory(root)
	return cpu, memory
}

func availableCPU(root fs.FS, cpus int) (cpu float64, from string) {
	cpu = float64(max(cpus, 1))
	if quota, ok := cgroupCPU(root); ok && quota < cpu {
		return quota, "CPUs by cgroup"
	}
	return cpu, "processors"
}

func availableMemory(root fs.FS) (bytes int64, from string) {
	bytes = machineMemory(root)
	if limit, ok := cgroupMemory(root); ok && (bytes == 0 || limit < bytes) {
		return limit, "of memory by cgroup"
	}
	return bytes, "of memory"
}

// cgroupDirs returns the folders of the process's cgroup and its parents under
// one controller's mount, nearest first. The controller "" is cgroup v2.
func cgroupDirs(root fs.FS, controller string) []string {
	data, err := fs.ReadFile(root, "proc/self/cgroup")
	if err != nil {
		data = nil // no /proc: the mount's own root still tells the container's limit
	}
	mount, own := "sys/fs/cgroup", "/"
	if controller != "" {
		mount = "sys/fs/cgroup/" + controller
	}
	for line := range strings.SplitSeq(string(data), "\n") {
		parts := strings.SplitN(strings.TrimSpace(line), ":", 3)
		if len(parts) != 3 {
			continue
		}
		for name := range strings.SplitSeq(parts[1], ",") {
			if name == controller {
				own = parts[2]
			}
		}
	}
	var dirs []string
	for dir := path.Clean("/" + own); ; dir = path.Dir(dir) {
		dirs = append(dirs, path.Join(mount, dir))
		if dir == "/" {
			return dirs
		}
	}
}

// readFields returns the words of a small file, none if it cannot be read.
func readFields(root fs.FS, name string) []string {
	data, err := fs.ReadFile(root, name)
	if err != nil {
		return nil
	}
	return strings.Fields(string(data))
}

// cgroupCPU returns the tightest CPU quota of the cgroup and its parents.
func cgroupCPU(root fs.FS) (cpus float64, ok bool) {
	lower := func(quota, period string) {
		q, errQ := strconv.ParseFloat(quota, 64)
		p, errP := strconv.ParseFloat(period, 64)
		if errQ == nil && errP == nil && q > 0 && p > 0 && (!ok || q/p < cpus) {
			cpus, ok = q/p, true
		}
	}
	for _, dir := range cgroupDirs(root, "") {
		if f := readFields(root, path.Join(dir, "cpu.max")); len(f) == 2 {
			lower(f[0], f[1])
		}
	}
	for _, dir := range cgroupDirs(root, "cpu") {
		quota := readFields(root, path.Join(dir, "cpu.cfs_quota_us"))
		period := readFields(root, path.Join(dir, "cpu.cfs_period_us"))
		if len(quota) == 1 && len(period) == 1 {
			lower(quota[0], period[0])
		}
	}
	return cpus, ok
}

// cgroupMemory returns the tightest memory limit of the cgroup and its parents.
func cgroupMemory(root fs.FS) (limit int64, ok bool) {
	lower := func(name string) {
		f := readFields(root, name)
		if len(f) != 1 {
			return
		}
		n, err := strconv.ParseInt(f[0], 10, 64)
		if err == nil && n > 0 && n < unlimitedMemory && (!ok || n < limit) {
			limit, ok = n, true
		}
	}
	for _, dir := range cgroupDirs(root, "") {
		lower(path.Join(dir, "memory.max"))
	}
	for _, dir := range cgroupDirs(root, "memory") {
		lower(path.Join(dir, "memory.limit_in_bytes"))
	}
	return limit, ok
}

// machineMemory returns the size of the memory, 0 if unknown.
func machineMemory(root fs.FS) int64 {
	data, err := fs.ReadFile(root, "proc/meminfo")
	if err != nil {
		return 0
	}
	for line := range strings.SplitSeq(string(data), "\n") {
		f := strings.Fields(line)
		if len(f) == 3 && f[0] == "MemTotal:" && f[2] == "kB" {
			if n, err := strconv.ParseInt(f[1], 10, 53); err == nil && n > 0 {
				return n << 10
			}
		}
	}
	return 0
}
