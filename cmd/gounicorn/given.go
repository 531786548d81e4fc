package main

import (
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"

	"github.com/gounicorn/gounicorn/server"
	"golang.org/x/sys/unix"
)

// firstInherited is the first descriptor that systemd passes on (sd_listen_fds).
const firstInherited = 3

// Names that the service manager may give to sockets (FileDescriptorName=, systemd-socket-activate --fdname).
const (
	nameHTTP    = "http"
	nameHTTPS   = "https"
	nameMetrics = "metrics"
	nameAdmin   = "admin"      // the same
	storePrefix = "gounicorn-" // of those that we gave to the service manager ourselves
)

// given is a listening socket that we have from somebody else.
type given struct {
	fd   int
	name string // from the service manager; empty: none
}

// private reports whether it is for metrics rather than for the site.
func (g given) private() bool { return g.name == nameMetrics || g.name == nameAdmin }

// inheritedSockets returns the descriptors of socket activation, when they are meant for this process, and takes the variables away.
func inheritedSockets(env func(string) (string, bool), pid int) []given {
	meant, _ := env("LISTEN_PID")
	count, _ := env("LISTEN_FDS")
	text, _ := env("LISTEN_FDNAMES")
	if meant != strconv.Itoa(pid) {
		return nil
	}
	for _, name := range []string{"LISTEN_PID", "LISTEN_FDS", "LISTEN_FDNAMES"} {
		_ = os.Unsetenv(name)
	}
	n, err := strconv.Atoi(count)
	if err != nil || n < 1 || n > maxInherited {
		return nil
	}
	names := strings.Split(text, ":")
	var all []given
	for i := range n {
		unix.CloseOnExec(firstInherited + i)
		g := given{fd: firstInherited + i}
		if i < len(names) {
			g.name = names[i]
		}
		all = append(all, g)
	}
	return all
}

// storeName is the name under which the service manager keeps the socket of a place, empty for one that no name can say.
func storeName(place string) string {
	name := storePrefix + strings.ReplaceAll(place, ":", "_")
	for _, c := range []byte(name) {
		if c <= ' ' || c >= 0x7f {
			return ""
		}
	}
	return name[:min(len(name), 255)]
}

// divide takes apart what was given: sockets for the site, one for metrics, and those that we gave away ourselves, by their names.
func divide(all []given) (site []given, private *given, stored map[string][]int) {
	stored = map[string][]int{}
	for _, g := range all {
		switch {
		case strings.HasPrefix(g.name, storePrefix):
			stored[g.name] = append(stored[g.name], g.fd)
		case g.private() && private == nil:
			private = &given{g.fd, g.name}
		default:
			site = append(site, g)
		}
	}
	return site, private, stored
}

// adoptSocket makes a socket of one that was given.
func (m *master) adoptSocket(g given) (socket, error) {
	ln, err := server.Listen(server.Address{Network: "fd", FD: g.fd}, server.Socket{Backlog: m.v.Backlog})
	if err != nil {
		return socket{}, err
	}
	s := socket{Listener: ln, name: g.name, plain: g.name == nameHTTP || plainSocket(&m.v, ln.Addr())}
	if g.name == nameHTTPS {
		s.plain = false
		if !m.v.TLS() {
			_ = ln.Close()
			return socket{}, fmt.Errorf("the service manager calls the socket at %s https, and there is no certificate; set --certfile and --keyfile or --acme-domain, or name it http", ln.Addr())
		}
	}
	return s, nil
}

// reclaim takes back the sockets that the service manager has kept since a master of ours ended without closing them, each for the
// place that it was opened for, and closes the others. It returns the places that there is none for.
func (m *master) reclaim(all []place) (mine []socket, missing []place, err error) {
	for _, a := range all {
		name := storeName(a.String())
		fds := m.proc.stored[name]
		if len(fds) == 0 {
			missing = append(missing, a)
			continue
		}
		m.proc.stored[name] = fds[1:]
		s, failed := m.adoptSocket(given{fd: fds[0]})
		if failed != nil {
			err = errors.Join(err, failed)
			continue
		}
		s.of, s.plain = a.String(), a.plain
		mine = append(mine, s)
	}
	for name, fds := range m.proc.stored {
		if len(fds) > 0 {
			m.tell(stateForget(name))
		}
		for _, fd := range fds {
			_ = unix.Close(fd)
		}
	}
	m.proc.stored = nil
	if len(mine) > 0 {
		m.log.Infof("The service manager has kept %d listening sockets of a server that died; whoever has connected since is served", len(mine))
	}
	return mine, missing, err
}

// entrust gives sockets to the service manager to keep: when we die, clients wait for our successor and are not refused. Those that it
// has given us it keeps anyway.
func (m *master) entrust(sockets []socket) {
	for _, s := range sockets {
		name := storeName(s.of)
		if m.proc.notify.address == "" || s.of == "" || name == "" {
			continue
		}
		fd, err := s.Duplicate()
		if err == nil {
			err = m.proc.notify.tell(stateKeep(name), fd)
			_ = unix.Close(fd)
		}
		if err != nil {
			m.log.Debugf("the service manager does not keep %s: %v", s.Addr(), err)
		}
	}
}

// disown takes sockets back that are to be closed.
func (m *master) disown(sockets []socket) {
	for _, s := range sockets {
		if name := storeName(s.of); s.of != "" && name != "" {
			m.tell(stateForget(name))
		}
	}
}
