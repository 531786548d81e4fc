package harness

import (
	"fmt"
	"math/rand/v2"
	"net"
	"sync"
	"testing"
)

// Below the ports that the kernel gives to clients and to listeners that ask for any, so that none of these takes one before it is used.
const (
	firstPort = 12000
	lastPort  = 31999
	portTries = 100
)

// given are the ports that this process has given out.
var given sync.Map

// FreePort returns a TCP port of 127.0.0.1 that nobody listens on, and that it has not returned before.
func FreePort(tb testing.TB) string {
	tb.Helper()
	var err error
	for range portTries {
		addr := fmt.Sprintf("127.0.0.1:%d", firstPort+rand.IntN(lastPort-firstPort+1))
		if _, taken := given.LoadOrStore(addr, true); taken {
			continue
		}
		var listener net.Listener
		if listener, err = net.Listen("tcp", addr); err == nil {
			_ = listener.Close()
			return addr
		}
	}
	tb.Fatalf("find a free port: %v", err)
	return ""
}
