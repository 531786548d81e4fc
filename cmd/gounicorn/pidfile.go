package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// pidFile is a file that names the master (setting pidfile). The zero pidFile is none.
type pidFile struct{ path string }

const (
	pidFileMode = 0o644
	maxPIDFile  = 64 // bytes that are read of one that exists
)

// createPIDFile writes our process id into a new file at path, in one step, so that nobody ever reads half of it. What names no living
// process is replaced. owner is given the file, so that it can still be emptied when we are nobody's root any more; nil: it stays ours.
func createPIDFile(path string, owner *ownership) (*pidFile, error) {
	if pid := readPIDFile(path); pid > 0 && pid != os.Getpid() && alive(pid) {
		return nil, fmt.Errorf("Already running on PID %d (or pid file '%s' is stale)", pid, path)
	}
	dir := filepath.Dir(path)
	if st, err := os.Stat(dir); err != nil || !st.IsDir() {
		return nil, fmt.Errorf("%s doesn't exist. Can't create pidfile.", dir)
	}
	f, err := os.CreateTemp(dir, "."+filepath.Base(path)+".*")
	if err != nil {
		return nil, fmt.Errorf("pid file %s: %w; name one in a folder that this user may write with --pid", path, err)
	}
	_, err = fmt.Fprintf(f, "%d\n", os.Getpid())
	if err == nil {
		err = f.Chmod(pidFileMode)
	}
	if err == nil && owner != nil {
		err = f.Chown(owner.uid, owner.gid)
	}
	err = errors.Join(err, f.Close())
	if err == nil {
		err = os.Rename(f.Name(), path)
	}
	if err != nil {
		_ = os.Remove(f.Name())
		return nil, fmt.Errorf("pid file %s: %w", path, err)
	}
	return &pidFile{path}, nil
}

// move gives the file another name, by making the new one first.
func (p *pidFile) move(path string) error {
	next, err := createPIDFile(path, nil)
	if errors.Is(err, fs.ErrPermission) && os.WriteFile(path, []byte(strconv.Itoa(os.Getpid())+"\n"), pidFileMode) == nil {
		// The folder is root's, but the file there was made ours when we were root, and its process is dead.
		next, err = &pidFile{path}, nil
	}
	if err != nil {
		return err
	}
	old := *p
	*p = *next
	return old.remove()
}

// remove removes the file if it is still ours. In a folder that we may not write any more it is emptied, which means the same to the
// next start.
func (p *pidFile) remove() error {
	if readPIDFile(p.path) != os.Getpid() {
		return nil
	}
	err := os.Remove(p.path)
	if errors.Is(err, fs.ErrPermission) && os.Truncate(p.path, 0) == nil {
		return nil
	}
	return err
}

// readPIDFile returns the process id in a file; 0 when there is none.
func readPIDFile(path string) int {
	f, err := os.OpenFile(path, os.O_RDONLY|unix.O_NONBLOCK, 0)
	if err != nil {
		return 0
	}
	defer f.Close()
	text := make([]byte, maxPIDFile)
	n, _ := f.Read(text)
	pid, err := strconv.Atoi(strings.TrimSpace(string(text[:n])))
	if err != nil || pid < 1 {
		return 0
	}
	return pid
}

// alive reports whether there is a process with this id, whoever it belongs to.
func alive(pid int) bool {
	err := unix.Kill(pid, 0)
	return err == nil || errors.Is(err, unix.EPERM)
}
