package edge

import (
	"net/netip"
	"sync"
)

// Gate bounds the connections that one client has at once. It has an entry for each client with a connection and no other, so it is as
// bounded as the connections are. The zero Gate lets everybody in; its methods may be called concurrently.
type Gate struct {
	// Refused, if not nil, is called for each connection that is not let in. It is set before the first.
	Refused func()

	mu     sync.Mutex // guards the rest
	limit  int
	exempt func(netip.Addr) bool
	open   map[netip.Addr]int
}

// Update sets the limit, 0 for none, and whom it does not concern: proxies, which come for many.
func (g *Gate) Update(limit int, exempt func(netip.Addr) bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.limit, g.exempt = limit, exempt
	if g.open == nil {
		g.open = map[netip.Addr]int{}
	}
}

// Enter asks for a connection. counted tells that Leave must be called at its end. An address that is not valid is a unix socket's.
func (g *Gate) Enter(peer netip.Addr) (counted, ok bool) {
	if counted, ok = g.enter(peer); !ok && g.Refused != nil {
		g.Refused()
	}
	return counted, ok
}

func (g *Gate) enter(peer netip.Addr) (counted, ok bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.limit == 0 || !peer.IsValid() || g.exempt != nil && g.exempt(peer) {
		return false, true
	}
	who := line(peer)
	if g.open[who] >= g.limit {
		return false, false
	}
	g.open[who]++
	return true, true
}

// Leave ends a connection that was counted.
func (g *Gate) Leave(peer netip.Addr) {
	who := line(peer)
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.open[who]--; g.open[who] <= 0 {
		delete(g.open, who)
	}
}
