package static

import (
	"errors"
	"io/fs"
	"os"
	"sync/atomic"
	"syscall"
)

// handle is an open directory that no name leads out of, neither by ".." nor by a symbolic link. It is closed by the garbage collector when
// the last request has left it (os.Root has a finalizer).
type handle struct {
	root     *os.Root
	dev, ino uint64
	prefix   string
}

// openHandle opens the directory of d, following links to it.
func openHandle(d Dir) (*handle, error) {
	root, err := os.OpenRoot(d.Path)
	if err != nil {
		return nil, err
	}
	info, err := root.Stat(".")
	if err != nil {
		root.Close()
		return nil, err
	}
	h := &handle{root: root, prefix: d.Prefix}
	h.dev, h.ino = identify(info)
	if d.Prefix != "" && d.Prefix[len(d.Prefix)-1] != '/' {
		h.prefix += "/"
	}
	return h, nil
}

func identify(info fs.FileInfo) (dev, ino uint64) {
	st := info.Sys().(*syscall.Stat_t) // what package os gives on Unix
	return uint64(st.Dev), st.Ino
}

// dir is a Dir and the directory that its path leads to at the moment.
type dir struct {
	Dir
	now atomic.Pointer[handle] // nil while there has been none
}

// refresh opens the directory again if the path leads elsewhere by now, and returns the handle that was replaced. A directory that is gone
// keeps its handle: between the two steps of a careless swap everything is still there.
func (d *dir) refresh() (replaced *handle, err error) {
	info, err := os.Stat(d.Path)
	if err != nil {
		return nil, err
	}
	old := d.now.Load()
	if dev, ino := identify(info); old != nil && old.dev == dev && old.ino == ino {
		return nil, nil
	}
	h, err := openHandle(d.Dir)
	if err != nil {
		return nil, err
	}
	d.now.Store(h)
	return old, nil
}

// stamp tells one state of a file from another.
type stamp struct {
	dev, ino     uint64
	size         int64
	mtime, ctime int64 // in nanoseconds
}

func stampOf(info fs.FileInfo) stamp {
	st := info.Sys().(*syscall.Stat_t)
	return stamp{uint64(st.Dev), st.Ino, st.Size, st.Mtim.Nano(), st.Ctim.Nano()}
}

// stat looks at a name below the handle.
func (h *handle) stat(name string) (fs.FileInfo, error) {
	if name == "" {
		name = "."
	}
	return h.root.Stat(name)
}

// open opens a regular file below the handle. A fifo does not block it.
func (h *handle) open(name string) (*os.File, stamp, error) {
	f, err := h.root.OpenFile(name, os.O_RDONLY|syscall.O_NONBLOCK|syscall.O_NOCTTY, 0)
	if err != nil {
		return nil, stamp{}, err
	}
	info, err := f.Stat()
	if err == nil && !info.Mode().IsRegular() {
		err = fs.ErrNotExist
	}
	if err != nil {
		f.Close()
		return nil, stamp{}, err
	}
	return f, stampOf(info), nil
}

// escapes reports whether an error of stat and open says that a symbolic link leads out of the directory, or is absolute: package os has
// no name for it, and every other error of names that are clean has a number.
func escapes(err error) bool {
	var number syscall.Errno
	return !errors.Is(err, fs.ErrNotExist) && !errors.As(err, &number)
}

// statusOf is what a client is told of an error of stat and open: 404 for what is not there and for what leads out of the directory, 403,
// and 503 for what can be there: no descriptor left, a disk or network that fails.
func statusOf(err error) int {
	var number syscall.Errno
	if !errors.As(err, &number) {
		return 404
	}
	switch number {
	case syscall.EACCES, syscall.EPERM:
		return 403
	case syscall.ENOENT, syscall.ENOTDIR, syscall.ELOOP, syscall.ENAMETOOLONG, syscall.EINVAL, syscall.ENXIO, syscall.ENODEV, syscall.EILSEQ:
		return 404
	}
	return 503
}
