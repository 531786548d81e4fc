package prefork

import (
	"io/fs"
	"math"
	"path"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// spent is what had been used of the processors at some moment, as the kernel counts it.
type spent struct {
	at     time.Time
	idle   time.Duration // of the processors that we may run on, together
	groups []group       // our cgroup and those above it that have a quota
}

// group is one cgroup with a quota.
type group struct {
	dir   string
	quota float64 // processors
	used  time.Duration
}

const userHz = time.Second / 100 // the unit of /proc/stat

// spentNow reads it. root is the file system of the machine; what cannot be read does not count as idle.
func spentNow(root fs.FS, now time.Time) spent {
	s := spent{at: now}
	var ours unix.CPUSet
	limited := unix.SchedGetaffinity(0, &ours) == nil
	data, _ := fs.ReadFile(root, "proc/stat")
	for line := range strings.Lines(string(data)) {
		f := strings.Fields(line)
		if len(f) < 6 || !strings.HasPrefix(f[0], "cpu") || f[0] == "cpu" {
			continue
		}
		if cpu, err := strconv.Atoi(f[0][3:]); err != nil || limited && !ours.IsSet(cpu) {
			continue
		}
		for _, text := range f[4:6] { // idle, iowait
			n, _ := strconv.ParseInt(text, 10, 64)
			s.idle += time.Duration(n) * userHz
		}
	}
	for dir := ownCgroup(root, ""); ; dir = path.Dir(dir) {
		at := path.Join("sys/fs/cgroup", dir)
		used, ok := field(root, path.Join(at, "cpu.stat"), "usage_usec")
		if f := words(root, path.Join(at, "cpu.max")); len(f) == 2 && ok {
			s.limit("2"+dir, f[0], f[1], time.Duration(used)*time.Microsecond)
		}
		if dir == "/" {
			break
		}
	}
	for dir := ownCgroup(root, "cpu"); ; dir = path.Dir(dir) { // version 1
		at := path.Join("sys/fs/cgroup/cpu", dir)
		quota, period := words(root, path.Join(at, "cpu.cfs_quota_us")), words(root, path.Join(at, "cpu.cfs_period_us"))
		used, ok := number(root, path.Join("sys/fs/cgroup/cpuacct", dir, "cpuacct.usage"))
		if len(quota) == 1 && len(period) == 1 && ok {
			s.limit("1"+dir, quota[0], period[0], time.Duration(used))
		}
		if dir == "/" {
			return s
		}
	}
}

// limit notes a cgroup, if it has a quota.
func (s *spent) limit(dir, quota, period string, used time.Duration) {
	q, err := strconv.ParseFloat(quota, 64)
	p, err2 := strconv.ParseFloat(period, 64)
	if err == nil && err2 == nil && q > 0 && p > 0 {
		s.groups = append(s.groups, group{dir, q / p, used})
	}
}

// idleSince returns how many processors were not used since an earlier look: of the machine, and of the quotas of our cgroups.
func (s spent) idleSince(before spent) float64 {
	elapsed := s.at.Sub(before.at).Seconds()
	if elapsed <= 0 {
		return 0
	}
	free := (s.idle - before.idle).Seconds() / elapsed
	for _, g := range s.groups {
		for _, b := range before.groups {
			if b.dir == g.dir {
				free = math.Min(free, g.quota-(g.used-b.used).Seconds()/elapsed)
			}
		}
	}
	return math.Max(free, 0)
}
