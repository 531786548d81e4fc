package settings

import (
	"fmt"
	"net"
	"strconv"
	"strings"
)

// Network is the family of an Address.
type Network string

// The networks.
const (
	TCP4 Network = "tcp4" // also host names, which gunicorn resolves to IPv4
	TCP6 Network = "tcp6"
	Unix Network = "unix"
	FD   Network = "fd" // an inherited descriptor that already listens
)

// defaultPort is what gunicorn adds to an address without a port.
const defaultPort = 8000

// Address is a place to listen. The zero Address is none.
type Address struct {
	Network Network
	Host    string // TCP4 and TCP6; "0.0.0.0" and "::" are all interfaces
	Port    int    // TCP4 and TCP6; 0 is any free port
	Path    string // Unix
	FD      int    // FD
}

// ParseAddress reads an address as gunicorn writes it: HOST, HOST:PORT, :PORT,
// [V6]:PORT, tcp://…, unix:PATH, unix://PATH or fd://N.
func ParseAddress(s string) (Address, error) {
	if strings.IndexByte(s, 0) >= 0 {
		return Address{}, fmt.Errorf("address %q contains a zero byte", s)
	}
	if rest, ok := strings.CutPrefix(s, "unix:"); ok {
		path := strings.TrimPrefix(rest, "//")
		if path == "" {
			return Address{}, fmt.Errorf("address %q has no path; write unix:/run/app.sock", s)
		}
		if len(path) > maxUnixPath {
			return Address{}, fmt.Errorf("address %q is longer than the %d bytes the system allows for a socket path", s, maxUnixPath)
		}
		return Address{Network: Unix, Path: path}, nil
	}
	if rest, ok := strings.CutPrefix(s, "fd://"); ok {
		n, err := strconv.ParseUint(rest, 10, 20)
		if err != nil {
			return Address{}, fmt.Errorf("address %q: %q is not a file descriptor number", s, rest)
		}
		return Address{Network: FD, FD: int(n)}, nil
	}
	rest, tcp := strings.CutPrefix(s, "tcp://")
	if scheme, _, found := strings.Cut(rest, "://"); found {
		return Address{}, fmt.Errorf("address %q: unknown scheme %q; use tcp, unix or fd, or none", s, scheme)
	}
	if rest == "" && !tcp {
		return Address{}, fmt.Errorf("the address is empty; write HOST:PORT, such as 127.0.0.1:%d", defaultPort)
	}
	return parseTCP(s, strings.TrimSuffix(rest, "/"))
}

// maxUnixPath is the size of sun_path less its closing zero byte.
const maxUnixPath = 107

// parseTCP reads HOST, HOST:PORT, :PORT and [V6]:PORT; whole is for messages.
func parseTCP(whole, s string) (Address, error) {
	var host, port string
	var hasPort bool
	bracketed := strings.HasPrefix(s, "[")
	switch {
	case bracketed:
		end := strings.IndexByte(s, ']')
		if end < 0 {
			return Address{}, fmt.Errorf("address %q: the bracket is not closed", whole)
		}
		host = s[1:end]
		after := s[end+1:]
		if after != "" {
			if port, hasPort = strings.CutPrefix(after, ":"); !hasPort {
				return Address{}, fmt.Errorf("address %q: %q stands between ] and the port", whole, after)
			}
		}
	case strings.Count(s, ":") > 1:
		return Address{}, fmt.Errorf("address %q: write an IPv6 address in brackets, [::1]:%d", whole, defaultPort)
	default:
		host, port, hasPort = strings.Cut(s, ":")
	}
	a := Address{Network: TCP4, Host: strings.ToLower(host), Port: defaultPort}
	if hasPort {
		n, err := strconv.ParseUint(port, 10, 16)
		if err != nil {
			return Address{}, fmt.Errorf("address %q: %q is not a port number (0 to 65535)", whole, port)
		}
		a.Port = int(n)
	}
	if bracketed {
		plain, zone, hasZone := strings.Cut(a.Host, "%")
		if ip := net.ParseIP(plain); ip == nil || !strings.Contains(plain, ":") || hasZone && !validHost(zone) {
			return Address{}, fmt.Errorf("address %q: %q is not an IPv6 address", whole, host)
		}
		a.Network = TCP6
		return a, nil
	}
	if a.Host == "" {
		a.Host = "0.0.0.0"
	}
	if !validHost(a.Host) {
		return Address{}, fmt.Errorf("address %q: %q is not a host name or address", whole, host)
	}
	return a, nil
}

// validHost reports whether s may be a host name or a dotted address.
func validHost(s string) bool {
	for i := range len(s) {
		c := s[i]
		if c <= ' ' || c >= 0x7f || strings.IndexByte("/@?#[]%\\\"'<>,;", c) >= 0 {
			return false
		}
	}
	return s != ""
}

// IsZero reports whether a is no address at all.
func (a Address) IsZero() bool { return a.Network == "" }

// String writes a as the user would, in one canonical spelling.
func (a Address) String() string {
	switch a.Network {
	case TCP4, TCP6:
		text := net.JoinHostPort(a.Host, strconv.Itoa(a.Port))
		if a.Host == "unix" {
			return "tcp://" + text // without it this would read as a path
		}
		return text
	case Unix:
		return "unix:" + a.Path
	case FD:
		return "fd://" + strconv.Itoa(a.FD)
	}
	return ""
}

// ListenArgs returns the arguments of net.Listen for a, ok false for an
// inherited descriptor or the zero Address. The address "::" is opened for
// IPv4 too, as the kernel does for gunicorn.
func (a Address) ListenArgs() (network, address string, ok bool) {
	hostPort := net.JoinHostPort(a.Host, strconv.Itoa(a.Port))
	switch a.Network {
	case TCP4:
		return "tcp4", hostPort, true
	case TCP6:
		if net.ParseIP(a.Host).IsUnspecified() {
			return "tcp", hostPort, true
		}
		return "tcp6", hostPort, true
	case Unix:
		if strings.HasPrefix(a.Path, "@") {
			return "unix", "./" + a.Path, true // a file for gunicorn, an abstract name for package net
		}
		return "unix", a.Path, true
	}
	return "", "", false
}
