package static

import (
	"path"
	"strings"
	"unicode/utf8"
)

// maxName is the longest name of a file, in bytes (NAME_MAX).
const maxName = 255

// cleanPath appends path to dst with slashes merged and "." and ".." resolved (RFC 3986 5.2.4); a path that ended in a slash, "." or ".."
// ends in a slash. It returns false if the path does not begin with a slash or leads above it.
func cleanPath(dst, path []byte) ([]byte, bool) {
	base := len(dst)
	if len(path) == 0 || path[0] != '/' {
		return dst, false
	}
	for i := 0; i < len(path); {
		for i < len(path) && path[i] == '/' {
			i++
		}
		end := i
		for end < len(path) && path[end] != '/' {
			end++
		}
		switch string(path[i:end]) {
		case "", ".":
			if len(dst) == base || dst[len(dst)-1] != '/' {
				dst = append(dst, '/')
			}
		case "..":
			if len(dst) > base && dst[len(dst)-1] == '/' {
				dst = dst[:len(dst)-1]
			}
			if len(dst) == base {
				return dst, false
			}
			for dst[len(dst)-1] != '/' {
				dst = dst[:len(dst)-1]
			}
		default:
			if len(dst) == base || dst[len(dst)-1] != '/' {
				dst = append(dst, '/')
			}
			dst = append(dst, path[i:end]...)
		}
		i = end
	}
	return dst, true
}

// isClean reports whether cleanPath would change nothing, without looking closely.
func isClean(path []byte) bool {
	if len(path) == 0 || path[0] != '/' {
		return false
	}
	for i := 1; i < len(path); i++ {
		if path[i-1] == '/' && (path[i] == '/' || path[i] == '.') {
			return false
		}
	}
	return true
}

// hidesSlash reports whether a slash was sent encoded: it is no slash then, and no name has one (RFC 3986 2.2).
func hidesSlash(raw []byte) bool {
	for i := 2; i < len(raw); i++ {
		if raw[i-2] == '%' && raw[i-1] == '2' && raw[i]|0x20 == 'f' {
			return true
		}
	}
	return false
}

// wellKnown is the only directory with a dot that is served (RFC 8615).
const wellKnown = "/.well-known/"

// servable reports whether a clean path may be looked for on disk, as far as its characters and names say.
func servable(clean string, hidden []string) bool {
	if !utf8.ValidString(clean) {
		return false
	}
	for rest := strings.TrimPrefix(clean, wellKnown); rest != ""; {
		var name string
		name, rest, _ = strings.Cut(rest, "/")
		if name == "" {
			continue
		}
		if len(name) > maxName || name[0] == '.' || strings.HasSuffix(name, ".") || strings.HasSuffix(name, " ") ||
			strings.ContainsFunc(name, func(r rune) bool { return r < ' ' || r == 0x7f || r == '\\' }) {
			return false
		}
		name = strings.ToLower(name)
		for _, pattern := range hidden {
			if match, _ := path.Match(pattern, name); match { // Config.Check has read the pattern
				return false
			}
		}
	}
	return true
}
