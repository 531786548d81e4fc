package settings

import (
	"strings"
	"testing"
	"testing/fstest"
)

// machine is a file system with 64 GiB of memory and the given files.
func machine(files map[string]string) fstest.MapFS {
	fs := fstest.MapFS{"proc/meminfo": {Data: []byte("MemTotal:       67108864 kB\nMemFree: 1 kB\n")}}
	for name, text := range files {
		fs[name] = &fstest.MapFile{Data: []byte(text)}
	}
	return fs
}

func TestDefaultWorkers(t *testing.T) {
	for _, c := range []struct {
		name  string
		files map[string]string
		cpus  int
		want  int
		why   string
	}{
		{"machine", nil, 4, 9, "2 x 4 processors + 1 = 9; (65536 MiB of memory - 128) / 192 = 340"},
		{"one processor", nil, 1, 3, "2 x 1 processors + 1 = 3"},
		{"unknown processors", nil, 0, 3, "2 x 1 processors + 1 = 3"},
		{"large machine", nil, 128, 64, "between 2 and 64"},
		{"v2 quota", map[string]string{"proc/self/cgroup": "0::/\n", "sys/fs/cgroup/cpu.max": "200000 100000\n"}, 16, 5, "2 x 2 CPUs by cgroup + 1 = 5"},
		{"v2 fraction", map[string]string{"proc/self/cgroup": "0::/\n", "sys/fs/cgroup/cpu.max": "150000 100000\n"}, 16, 5, "2 x 2 (1.50 CPUs by cgroup rounded up) + 1 = 5"},
		{"v2 no quota", map[string]string{"proc/self/cgroup": "0::/\n", "sys/fs/cgroup/cpu.max": "max 100000\n"}, 4, 9, "processors"},
		{"v2 quota above the machine", map[string]string{"sys/fs/cgroup/cpu.max": "800000 100000\n"}, 2, 5, "2 x 2 processors"},
		{"v2 memory", map[string]string{"sys/fs/cgroup/memory.max": "1073741824\n"}, 8, 4, "(1024 MiB of memory by cgroup - 128) / 192 = 4"},
		{"v2 tiny memory", map[string]string{"sys/fs/cgroup/memory.max": "104857600\n"}, 8, 2, "/ 192 = 0; between 2 and 64"},
		{"v2 parent is tighter", map[string]string{
			"proc/self/cgroup": "0::/a.slice/b.service\n", "sys/fs/cgroup/a.slice/cpu.max": "100000 100000\n",
			"sys/fs/cgroup/a.slice/b.service/cpu.max": "400000 100000\n",
		}, 16, 3, "2 x 1 CPUs by cgroup"},
		{"v1", map[string]string{
			"proc/self/cgroup": "5:memory:/docker/x\n4:cpu,cpuacct:/docker/x\n", "sys/fs/cgroup/cpu/docker/x/cpu.cfs_quota_us": "300000\n",
			"sys/fs/cgroup/cpu/docker/x/cpu.cfs_period_us": "100000\n", "sys/fs/cgroup/memory/docker/x/memory.limit_in_bytes": "2147483648\n",
		}, 16, 7, "2 x 3 CPUs by cgroup + 1 = 7; (2048 MiB"},
		{"v1 without limits, path of the host", map[string]string{
			"proc/self/cgroup": "4:cpu,cpuacct:/docker/x\n", "sys/fs/cgroup/cpu/cpu.cfs_quota_us": "-1\n",
			"sys/fs/cgroup/cpu/cpu.cfs_period_us": "100000\n", "sys/fs/cgroup/memory/memory.limit_in_bytes": "9223372036854771712\n",
		}, 4, 9, "2 x 4 processors"},
		{"nonsense", map[string]string{
			"proc/self/cgroup": "\x00::::\n0::../..\n", "sys/fs/cgroup/cpu.max": "NaN 0", "sys/fs/cgroup/memory.max": "-5", "proc/meminfo": "MemTotal: x kB",
		}, 2, 5, "2 x 2 processors + 1 = 5"},
	} {
		t.Run(c.name, func(t *testing.T) {
			got := DefaultWorkers(machine(c.files), c.cpus)
			if got.Workers != c.want || !strings.Contains(got.Why, c.why) {
				t.Errorf("%d because %s; want %d because %s", got.Workers, got.Why, c.want, c.why)
			}
		})
	}
}

func TestDefaultWorkersWithoutProc(t *testing.T) {
	if got := DefaultWorkers(fstest.MapFS{}, 2); got.Workers != 5 {
		t.Errorf("%d because %s; want 5", got.Workers, got.Why)
	}
}

// Check 12 of the acceptance list: what is printed says how the number came about, whatever limits the container.
func TestPrintedArithmeticOfTheWorkerMatrix(t *testing.T) {
	for _, c := range []struct {
		name, quota, memory string // cpu.max and memory.max
		cpus                int
		want                Sizing
	}{
		{"0.5 CPU, 256 MB", "50000 100000", "268435456", 8, Sizing{2,
			"2 x 1 (0.50 CPUs by cgroup rounded up) + 1 = 3; (256 MiB of memory by cgroup - 128) / 192 = 0; between 2 and 64"}},
		{"2 CPUs, 2 GB", "200000 100000", "2147483648", 8, Sizing{5, "2 x 2 CPUs by cgroup + 1 = 5; (2048 MiB of memory by cgroup - 128) / 192 = 10"}},
		{"64 CPUs, 512 MB", "6400000 100000", "536870912", 96, Sizing{2, "2 x 64 CPUs by cgroup + 1 = 129; (512 MiB of memory by cgroup - 128) / 192 = 2"}},
		{"no limit", "max 100000", "max", 8, Sizing{17, "2 x 8 processors + 1 = 17; (65536 MiB of memory - 128) / 192 = 340"}},
	} {
		root := machine(map[string]string{
			"proc/self/cgroup": "0::/kube/pod\n", "sys/fs/cgroup/kube/cpu.max": c.quota + "\n", "sys/fs/cgroup/kube/pod/memory.max": c.memory + "\n",
		})
		if got := DefaultWorkers(root, c.cpus); got != c.want {
			t.Errorf("%s: %d because %s; want %d because %s", c.name, got.Workers, got.Why, c.want.Workers, c.want.Why)
		}
	}
}
