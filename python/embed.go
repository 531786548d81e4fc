// Package python holds the Python side of gounicorn as source text: the master sends it to the zygote, so that any interpreter
// can run it without an installed package. It imports nothing of ours.
package python

import (
	"embed"
	"fmt"
	"io/fs"
)

//go:embed gounicorn/*.py gounicorn/gunicorn/*.py gounicorn/gunicorn/*/*.py
var files embed.FS

// Sources returns the text of every module by its path, as "gounicorn/__init__.py".
func Sources() map[string]string {
	sources := map[string]string{}
	err := fs.WalkDir(files, ".", func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		text, err := files.ReadFile(path)
		sources[path] = string(text)
		return err
	})
	if err != nil {
		panic(fmt.Sprintf("python: embedded files: %v", err)) // they are part of the program
	}
	return sources
}
