package main

import (
	"io/fs"
	"runtime/debug"
	"testing"
	"testing/fstest"
)

func TestHeapIsAPartOfTheMemoryThereIs(t *testing.T) {
	before := debug.SetMemoryLimit(-1)
	defer debug.SetMemoryLimit(before)
	for _, test := range []struct {
		limit, set string
		want       string
		most       int64
	}{
		{"536870912", "", "128M (max(512M / 4, 64M))", 128 << 20},
		{"134217728", "", "64M (max(128M / 4, 64M))", 64 << 20},
		{"536870912", "1GiB", "GOMEMLIMIT=1GiB", before},
		{"max", "", "no limit", before},
	} {
		debug.SetMemoryLimit(before)
		m := &master{
			env:  func(string) (string, bool) { return test.set, test.set != "" },
			root: fs.FS(fstest.MapFS{"sys/fs/cgroup/memory.max": {Data: []byte(test.limit)}}),
		}
		if got := m.limitHeap(); got != test.want || debug.SetMemoryLimit(-1) != test.most {
			t.Errorf("%s, %s: %q, limit %d", test.limit, test.set, got, debug.SetMemoryLimit(-1))
		}
	}
}
