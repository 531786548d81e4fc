package statsd

import (
	"context"
	"fmt"
	"net"
	"strconv"
	"strings"

	"github.com/gounicorn/gounicorn/server/logfile"
)

// Address is where packets go.
type Address struct{ network, address string }

// ParseAddress reads the forms of statsd_host: HOST:PORT and unix://PATH, a datagram socket.
func ParseAddress(text string) (Address, error) {
	if path, ok := strings.CutPrefix(text, "unix://"); ok && path != "" {
		return Address{"unixgram", path}, nil
	}
	host, port, err := net.SplitHostPort(text)
	if err == nil && host != "" {
		var n uint64
		if n, err = strconv.ParseUint(port, 10, 16); err == nil && n > 0 {
			return Address{"udp", net.JoinHostPort(strings.ToLower(host), port)}, nil
		}
	}
	return Address{}, fmt.Errorf("invalid statsd address %q: write HOST:PORT or unix://PATH", text)
}

// String is the address for messages.
func (a Address) String() string { return "statsd " + a.network + ":" + a.address }

// Dial connects. It is a logfile.Dialer.
func (a Address) Dial(ctx context.Context) (net.Conn, error) {
	return new(net.Dialer).DialContext(ctx, a.network, a.address)
}

var _ logfile.Dialer = Address{}.Dial
