package main

import (
	"fmt"
	"runtime/debug"
	"slices"

	"github.com/gounicorn/gounicorn/server"
	"github.com/gounicorn/gounicorn/server/http1"
	"github.com/gounicorn/gounicorn/server/http2"
	"github.com/gounicorn/gounicorn/server/settings"
)

// Of the memory of the machine or the container: what garbage the master lets lie is collected before it has grown to such a part, at least.
const (
	heapShare = 4
	leastHeap = 64 << 20
)

// limitHeap sets the limit of Go's heap, unless GOMEMLIMIT does, and returns a line about it.
func (m *master) limitHeap() string {
	if text, set := m.env("GOMEMLIMIT"); set && text != "" {
		return "GOMEMLIMIT=" + text
	}
	_, memory := settings.Machine(m.root, processors())
	if memory == 0 {
		return "no limit"
	}
	most := max(memory/heapShare, leastHeap)
	debug.SetMemoryLimit(most)
	return fmt.Sprintf("%s (max(%s / %d, %s))", size(most), size(memory), heapShare, size(leastHeap))
}

// buffers says what clients can make the master hold, whatever they do: the line of the start by which a machine is sized. protocols are
// those that addresses with TLS offer.
func buffers(cfg *server.Config, protocols []string) string {
	n, who := int64(1), "a connection"
	if cfg.MaxConnections > 0 {
		n, who = int64(cfg.MaxConnections), fmt.Sprintf("%d connections", cfg.MaxConnections)
	}
	idle, most := int64(http1.IdleMemory), cfg.Limits.ConnectionMemory()
	text := fmt.Sprintf("Buffers: bodies %s in memory, %s on disk; large heads and streams %s; %s %s idle, at most %s",
		limit(cfg.SpoolMemory), limit(cfg.SpoolDisk), limit(cfg.RequestMemory), who, size(n*idle), size(n*most))
	if cfg.TLS == nil {
		return text
	}
	text += fmt.Sprintf(", with TLS %s idle, at most %s", size(n*(idle+http1.TLSIdleMemory)), size(n*(most+http1.TLSMemory)))
	if slices.Contains(protocols, http2.Protocol) {
		text += fmt.Sprintf(", by HTTP/2 at most %s", size(n*(idle+http1.TLSMemory+cfg.HTTP2.ConnectionMemory())))
	}
	return text
}

func limit(n int64) string {
	if n == 0 {
		return "without limit"
	}
	return "at most " + size(n)
}

// size shows bytes with the letters that the settings take.
func size(n int64) string {
	switch {
	case n >= 10<<30:
		return fmt.Sprintf("%dG", n>>30)
	case n >= 10<<20:
		return fmt.Sprintf("%dM", n>>20)
	default:
		return fmt.Sprintf("%dK", n>>10)
	}
}
