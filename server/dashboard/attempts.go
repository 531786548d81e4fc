package dashboard

import (
	"net/netip"
	"sync"
	"time"
)

const (
	attemptsFree  = 5                // wrong tokens at once
	attemptsEvery = 10 * time.Second // between two more
	attemptsKept  = 1024             // clients that are remembered
)

// attempts knows who tried wrong tokens, an IPv4 address or a /64 of IPv6; all who come over a unix socket are one. Its table is bounded:
// the client that has waited longest is forgotten. Its methods may be called concurrently.
type attempts struct {
	mu   sync.Mutex
	dues map[netip.Prefix]time.Time // when each has no debt any more
}

// wait is how long this client may not try.
func (a *attempts) wait(client netip.Prefix, now time.Time) time.Duration {
	a.mu.Lock()
	defer a.mu.Unlock()
	due, ok := a.dues[client]
	if !ok {
		return 0
	}
	return max(0, due.Sub(now)-(attemptsFree-1)*attemptsEvery)
}

// failed counts a wrong token.
func (a *attempts) failed(client netip.Prefix, now time.Time) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.dues == nil {
		a.dues = map[netip.Prefix]time.Time{}
	}
	due := a.dues[client]
	if due.Before(now) {
		due = now
	}
	a.dues[client] = due.Add(attemptsEvery)
	if len(a.dues) > attemptsKept {
		oldest := client
		for other, due := range a.dues {
			if due.Before(a.dues[oldest]) {
				oldest = other
			}
		}
		delete(a.dues, oldest)
	}
}

// clientOf is the part of a remote address that counts for attempts; the zero value is a unix socket.
func clientOf(remote string) netip.Prefix {
	address, err := netip.ParseAddrPort(remote)
	if err != nil {
		return netip.Prefix{}
	}
	ip, bits := address.Addr().Unmap().WithZone(""), 32
	if ip.Is6() {
		bits = 64
	}
	p, _ := ip.Prefix(bits)
	return p
}
