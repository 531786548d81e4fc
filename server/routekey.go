package server

import (
	"fmt"

	"github.com/gounicorn/gounicorn/server/http1"
)

// RouteKey returns the route key that a request with this method and target has. The error says why such a request is refused.
func RouteKey(method, target string) ([]byte, error) {
	path, err := http1.DecodePath([]byte(method), []byte(target))
	if err != nil {
		return nil, fmt.Errorf("no such request: %w", err)
	}
	return appendRouteKey(nil, []byte(method), path), nil
}

// longestKey bounds a route key, in bytes; what is longer shares a key.
const longestKey = 128

// appendRouteKey appends the route key of a request: the method and the path, with every segment that looks like an identifier
// folded, so that /contract/7/download and /contract/8/download are one route. Folded are numbers (:n) and segments that mix digits
// into a length of eight or more, as UUIDs, hashes and dated slugs do (:id).
func appendRouteKey(dst, method, path []byte) []byte {
	dst = append(dst, method...)
	dst = append(dst, ' ')
	limit := len(dst) + longestKey
	for len(path) > 0 {
		n := 1
		for n < len(path) && path[n] != '/' {
			n++
		}
		segment := path[:n]
		path = path[n:]
		switch digits := count(segment); {
		case digits > 0 && digits == len(segment)-1 && segment[0] == '/':
			dst = append(dst, "/:n"...)
		case digits > 0 && len(segment) > 8:
			dst = append(dst, "/:id"...)
		default:
			dst = append(dst, segment...)
		}
		if len(dst) > limit {
			return dst[:limit]
		}
	}
	return dst
}

func count(segment []byte) (digits int) {
	for _, c := range segment {
		if c >= '0' && c <= '9' {
			digits++
		}
	}
	return digits
}
