package logfile

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
)

// rotate begins the file anew when so many bytes would make it larger than it may be. When that fails the file goes on to grow, until it
// is opened again: what it holds matters more than its size.
func (w *Writer) rotate(more int) {
	if w.c.MaxSize <= 0 || w.c.Dial != nil || w.c.Path == "-" {
		return
	}
	f := w.file.Load()
	if f != w.rotated { // another one since the last look
		w.rotated, w.size = f, 0
		if st, err := f.Stat(); err == nil && st.Mode().IsRegular() {
			w.size = st.Size()
		}
	}
	if w.size == 0 || w.size+int64(more) <= w.c.MaxSize {
		return
	}
	err := w.shift()
	if err == nil {
		err = w.Reopen()
	}
	if err != nil {
		w.complain(fmt.Errorf("begin it anew: %w", err))
		w.size = -1 << 62
	}
}

// shift renames the file and those before it, and removes the oldest.
func (w *Writer) shift() error {
	name := func(i int) string { return fmt.Sprintf("%s.%d", w.c.Path, i) }
	if w.c.Backups == 0 {
		return os.Remove(w.c.Path)
	}
	for i := w.c.Backups - 1; i > 0; i-- {
		if err := os.Rename(name(i), name(i+1)); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	return os.Rename(w.c.Path, name(1))
}
