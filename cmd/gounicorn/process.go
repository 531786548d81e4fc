package main

import (
	"os"
	"path/filepath"
	"strings"
)

// process is what the master knows of itself as a process: how it was started, so that it can be started again, and by whom.
type process struct {
	exe    string   // what to run to get this program again, or a newer one in its place
	args   []string // with the name in front
	dir    string   // where it was started
	env    []string // as it was at the start
	title  title
	notify notifier
	daemon *daemon          // the process that waits for our start; nil: none does
	parent int              // master that we shall replace (USR2); 0: none
	given  []given          // listening sockets from it or from the service manager
	lent   bool             // those are the service manager's, which removes them
	admin  *given           // the service manager's for metrics; nil: none
	stored map[string][]int // sockets that the service manager has kept for us since a master died, by their names
}

// takeProcess reads how this process was started and takes what is meant for it alone out of the environment. It must be called first
// of all.
func takeProcess() *process {
	p := &process{title: takeTitle(), args: os.Args, env: os.Environ()}
	p.dir, _ = os.Getwd() // as $PWD has it, if that is right: a link may by then lead to the next release
	p.exe = program(p.args[0], p.dir)
	p.notify = newNotifier(os.LookupEnv)
	p.daemon = takeDaemon(os.LookupEnv)
	all, parent, lent := takeOver(os.LookupEnv, os.Getppid())
	if p.parent, p.lent = parent, lent; all == nil {
		all, p.lent = inheritedSockets(os.LookupEnv, os.Getpid()), true
	}
	p.given, p.admin, p.stored = divide(all)
	p.lent = p.lent && p.given != nil
	return p
}

// program is the path by which this program was started, if that is one: a link may lead to the next release when it is started again.
// Otherwise it is where the program was found.
func program(name, dir string) string {
	if strings.ContainsRune(name, '/') {
		if !filepath.IsAbs(name) {
			name = filepath.Join(dir, name)
		}
		if st, err := os.Stat(name); err == nil && st.Mode().IsRegular() && st.Mode()&0o111 != 0 {
			return name
		}
	}
	exe, err := os.Executable()
	if err != nil {
		return name
	}
	return exe
}

// detaches reports whether the setting daemon is still to be followed: neither are we the process that was meant to be in the
// background, nor were we started by one that may be.
func (p *process) detaches() bool {
	return p.daemon == nil && (p.given == nil || p.lent && p.parent == 0)
}

// environment is the one of the start without the variables named, and with those added.
func (p *process) environment(without []string, with ...string) []string {
	var env []string
	for _, e := range p.env {
		name, _, _ := strings.Cut(e, "=")
		drop := false
		for _, w := range without {
			drop = drop || w == name
		}
		if !drop {
			env = append(env, e)
		}
	}
	return append(env, with...)
}
