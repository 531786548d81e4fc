package server

import (
	"bytes"
	"hash/maphash"
)

// clientSeed makes the numbers of clients different in each process, so that nobody can choose an address that shares another's.
var clientSeed = maphash.MakeSeed()

// ClientOf returns the number of the client with an IP address, for turns among clients; 0 for no address. The number holds for the
// life of the process. Whoever has an IPv6 address has 2^64 of them, so those of one /64 are one client. A port or brackets do not
// count; what is no address at all has a number too.
func ClientOf(address []byte) uint64 {
	address = bytes.TrimPrefix(bytes.TrimSpace(address), []byte("["))
	if len(address) == 0 {
		return 0
	}
	if dot := bytes.IndexByte(address, '.'); dot >= 0 { // IPv4, perhaps mapped into IPv6, perhaps with a port
		address = address[bytes.LastIndexByte(address[:dot], ':')+1:]
		if port := bytes.IndexAny(address, ":]"); port >= 0 {
			address = address[:port]
		}
	} else {
		address = prefix64(address)
	}
	return max(maphash.Bytes(clientSeed, address), 1)
}

// prefix64 cuts an IPv6 address behind its fourth group, or before the groups of zeros.
func prefix64(address []byte) []byte {
	groups := 0
	for i, c := range address {
		if c != ':' {
			continue
		}
		if groups++; groups == 4 || i+1 < len(address) && address[i+1] == ':' {
			return address[:i]
		}
	}
	return address
}

// lastOf returns the last item of a list, such as X-Forwarded-For: the address that our own proxy has seen. Those before it are
// what the client claims.
func lastOf(list []byte) []byte { return list[bytes.LastIndexByte(list, ',')+1:] }
