package static

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
