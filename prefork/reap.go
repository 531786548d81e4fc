package prefork

import (
	"unsafe"

	"golang.org/x/sys/unix"
)

// siginfoPID reads si_pid, which x/sys/unix leaves inside the union of siginfo_t: three ints and, on 64-bit machines, padding stand
// before it.
func siginfoPID(info *unix.Siginfo) int {
	const offset = 3*4 + 4
	return int(*(*int32)(unsafe.Add(unsafe.Pointer(info), offset)))
}
