package syslog

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strconv"
	"strings"

	"github.com/gounicorn/gounicorn/server/logfile"
)

const defaultPort = "514"

// Address is where records go.
type Address struct {
	networks []string // tried in this order
	address  string
}

// ParseAddress reads the forms of syslog_addr: unix://PATH, where the kind of socket is found out, unix://PATH#dgram,
// unix://PATH#stream, udp://[HOST][:PORT] and tcp://[HOST][:PORT]. The host is localhost and the port 514 unless given.
func ParseAddress(text string) (Address, error) {
	scheme, rest, ok := strings.Cut(text, "://")
	if !ok {
		scheme = ""
	}
	switch scheme {
	case "unix":
		path, kind, typed := strings.Cut(rest, "#")
		if path == "" {
			return Address{}, fmt.Errorf("invalid syslog address %q: name the socket, for example unix:///dev/log", text)
		}
		switch {
		case !typed:
			return Address{[]string{"unixgram", "unix"}, path}, nil
		case kind == "dgram":
			return Address{[]string{"unixgram"}, path}, nil
		case kind == "stream":
			return Address{[]string{"unix"}, path}, nil
		}
		return Address{}, fmt.Errorf("invalid syslog address %q: the kind of a unix socket is #dgram or #stream", text)
	case "udp", "tcp":
		host, port, err := splitHostPort(rest)
		if err != nil {
			return Address{}, fmt.Errorf("invalid syslog address %q: %w", text, err)
		}
		return Address{[]string{scheme}, net.JoinHostPort(host, port)}, nil
	}
	return Address{}, fmt.Errorf("invalid syslog address %q: write unix://PATH, udp://HOST:PORT or tcp://HOST:PORT", text)
}

func splitHostPort(text string) (host, port string, err error) {
	host, port = strings.ToLower(text), defaultPort
	if strings.HasPrefix(host, "[") {
		inner, after, closed := strings.Cut(host[1:], "]")
		if !closed {
			return "", "", errors.New("the bracket is not closed")
		}
		host = inner
		if after != "" {
			if !strings.HasPrefix(after, ":") {
				return "", "", errors.New("a port begins with a colon")
			}
			port = after[1:]
		}
	} else if before, after, found := strings.Cut(host, ":"); found {
		host, port = before, after
	}
	if strings.ContainsAny(host, "[]") {
		return "", "", errors.New("a bracket stands only around an IPv6 address")
	}
	if n, err := strconv.ParseUint(port, 10, 16); err != nil || n == 0 {
		return "", "", fmt.Errorf("%q is not a valid port number", port)
	}
	if host == "" {
		host = "localhost"
	}
	return host, port, nil
}

// Stream reports whether the address can only be a stream, on which records wait for a receiver that is away.
func (a Address) Stream() bool { return a.networks[0] == "tcp" || a.networks[0] == "unix" }

// String is the address for messages.
func (a Address) String() string { return "syslog " + a.networks[0] + ":" + a.address }

// Dial connects. It is a logfile.Dialer.
func (a Address) Dial(ctx context.Context) (net.Conn, error) {
	var all []error
	for _, network := range a.networks {
		c, err := new(net.Dialer).DialContext(ctx, network, a.address)
		if err == nil {
			return c, nil
		}
		all = append(all, err)
	}
	return nil, errors.Join(all...)
}

var _ logfile.Dialer = Address{}.Dial
