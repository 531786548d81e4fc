package prefork

import (
	"fmt"
	"io/fs"
	"math"
	"os"
	"path"
	"strconv"
	"strings"
)

// memoryFor says whether there is memory for one more worker like the one with that pid: twice what that one has for itself, because
// its requests will make it grow as they did that one. have is what the machine and the limits of our cgroup leave, in bytes, what can
// be reclaimed included; what cannot be read does not limit it. root is the file system of the machine.
func memoryFor(root fs.FS, pid int) (need, have int64, ok bool) {
	need, have = 2*privateMemory(root, pid), MemoryLeft(root)
	return need, have, have >= need
}

// MemoryLeft is what the machine and the limits of our cgroup leave, in bytes, what can be reclaimed included; what cannot be read does
// not limit it. root is the file system of the machine.
func MemoryLeft(root fs.FS) (have int64) {
	have = math.MaxInt64
	if kb, found := field(root, "proc/meminfo", "MemAvailable:"); found {
		have = kb << 10
	}
	// Version 2 has one tree, version 1 one for each controller.
	for _, v := range []struct{ controller, mount, limit, usage, inactive string }{
		{"", "sys/fs/cgroup", "memory.max", "memory.current", "inactive_file"},
		{"memory", "sys/fs/cgroup/memory", "memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file"},
	} {
		for dir := ownCgroup(root, v.controller); ; dir = path.Dir(dir) {
			limit, limited := number(root, path.Join(v.mount, dir, v.limit))
			usage, used := number(root, path.Join(v.mount, dir, v.usage))
			if limited && used {
				cache, _ := field(root, path.Join(v.mount, dir, "memory.stat"), v.inactive)
				have = min(have, max(limit-usage+cache, 0))
			}
			if dir == "/" {
				break
			}
		}
	}
	return have
}

// privateMemory is what a process shares with no other, in bytes. Where the kernel does not tell, it is all its anonymous memory, which
// is more than that.
func privateMemory(root fs.FS, pid int) int64 {
	rollup := fmt.Sprintf("proc/%d/smaps_rollup", pid)
	clean, ok := field(root, rollup, "Private_Clean:")
	if dirty, found := field(root, rollup, "Private_Dirty:"); ok && found {
		return (clean + dirty) << 10
	}
	f := words(root, fmt.Sprintf("proc/%d/statm", pid)) // size, resident, shared: pages
	if len(f) < 3 {
		return 0
	}
	resident, _ := strconv.ParseInt(f[1], 10, 64)
	shared, _ := strconv.ParseInt(f[2], 10, 64)
	return (resident - shared) * int64(os.Getpagesize())
}

// proportionalMemory is what a process has, in bytes, of shared pages its share. ok is false where the kernel does not tell us.
func proportionalMemory(root fs.FS, pid int) (bytes int64, ok bool) {
	n, ok := field(root, fmt.Sprintf("proc/%d/smaps_rollup", pid), "Pss:")
	return n << 10, ok
}

// ownCgroup is the path of our cgroup in the tree of a controller; "" is version 2.
func ownCgroup(root fs.FS, controller string) string {
	data, _ := fs.ReadFile(root, "proc/self/cgroup")
	for line := range strings.Lines(string(data)) {
		parts := strings.SplitN(strings.TrimSpace(line), ":", 3) // number:controllers:path
		if len(parts) == 3 {
			for name := range strings.SplitSeq(parts[1], ",") {
				if name == controller {
					return path.Clean("/" + parts[2])
				}
			}
		}
	}
	return "/"
}

func words(root fs.FS, name string) []string {
	data, _ := fs.ReadFile(root, name)
	return strings.Fields(string(data))
}

// number reads a file that holds one number; "max" is none.
func number(root fs.FS, name string) (int64, bool) {
	f := words(root, name)
	if len(f) != 1 {
		return 0, false
	}
	n, err := strconv.ParseInt(f[0], 10, 64)
	return n, err == nil
}

// field reads the number behind a name in a file of names and numbers.
func field(root fs.FS, file, name string) (int64, bool) {
	f := words(root, file)
	for i := range len(f) - 1 {
		if f[i] == name {
			n, err := strconv.ParseInt(f[i+1], 10, 64)
			return n, err == nil
		}
	}
	return 0, false
}

// OOMKills is how many processes of our cgroup the kernel has killed because memory was short; where it does not count that, how many
// of the whole machine. ok is false when it counts neither.
func OOMKills(root fs.FS) (n int64, ok bool) {
	for _, file := range []string{
		path.Join("sys/fs/cgroup", ownCgroup(root, ""), "memory.events"),
		path.Join("sys/fs/cgroup/memory", ownCgroup(root, "memory"), "memory.oom_control"),
		"proc/vmstat",
	} {
		if n, ok := field(root, file, "oom_kill"); ok {
			return n, true
		}
	}
	return 0, false
}
