package main

import (
	"fmt"

	"github.com/gounicorn/gounicorn/server"
	"github.com/gounicorn/gounicorn/server/http1"
	"github.com/gounicorn/gounicorn/server/spool"
)

// buffers says what clients can make the master hold, whatever they do: the line of the start by which a machine is sized.
func buffers(cfg *server.Config) string {
	// A small body stands in a buffer of its own and once more in the packet.
	idle, most := int64(http1.IdleMemory), cfg.Limits.ConnectionMemory()+2*spool.InlineBody
	connections := fmt.Sprintf("a connection %s idle, at most %s", size(idle), size(most))
	if n := int64(cfg.MaxConnections); n > 0 {
		connections = fmt.Sprintf("%d connections %s idle, at most %s", n, size(n*idle), size(n*most))
	}
	return fmt.Sprintf("Buffers: bodies %s in memory, %s on disk; %s", limit(cfg.SpoolMemory), limit(cfg.SpoolDisk), connections)
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
