package certs

import (
	"path/filepath"
	"slices"

	"golang.org/x/sys/unix"
)

// readable reports whether the modes of a file and of the folders above it let a user read it.
func readable(path string, uid int, gids []int) bool {
	if uid == 0 {
		return true
	}
	real, err := filepath.EvalSymlinks(path)
	if err != nil {
		return false
	}
	if real, err = filepath.Abs(real); err != nil {
		return false
	}
	for at, want := real, uint32(4); ; at, want = filepath.Dir(at), 1 {
		if !lets(at, want, uid, gids) {
			return false
		}
		if at == filepath.Dir(at) {
			return true
		}
	}
}

// lets reports whether the mode of one file or folder gives a user a right: 4 to read, 1 to pass.
func lets(path string, right uint32, uid int, gids []int) bool {
	var st unix.Stat_t
	if unix.Stat(path, &st) != nil {
		return false
	}
	mode := st.Mode
	switch {
	case int(st.Uid) == uid:
		mode >>= 6
	case slices.Contains(gids, int(st.Gid)):
		mode >>= 3
	}
	return mode&right != 0
}
