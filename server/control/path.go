package control

import (
	"os"
	"os/user"
	"path/filepath"
)

const defaultFile = "gunicorn.ctl" // as gunicorn has it, so that its gunicornc finds us

// DefaultPath is where gunicorn has the control socket; empty if there is no place for it. env looks up a
// variable.
func DefaultPath(env func(string) (string, bool)) string {
	if dir, _ := env("XDG_RUNTIME_DIR"); dir != "" {
		if st, err := os.Stat(dir); err == nil && st.IsDir() {
			return filepath.Join(dir, defaultFile)
		}
	}
	home, _ := env("HOME")
	if home == "" {
		if u, err := user.Current(); err == nil {
			home = u.HomeDir
		}
	}
	if home == "" {
		return ""
	}
	return filepath.Join(home, ".gunicorn", defaultFile)
}
