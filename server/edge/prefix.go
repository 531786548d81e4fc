package edge

import (
	"bytes"
	"fmt"
	"path"
	"slices"
	"strings"
)

// A Prefix stands for a path and all below it: "/admin" for "/admin" and "/admin/x", but not "/administrator"; it is written with or without
// a slash at its end. "/" is every path. It is kept without that slash, so "/" is empty.
type Prefix string

// parsePrefix cuts PREFIX=VALUE; usage is the right form, for the error.
func parsePrefix(text, usage string) (Prefix, string, error) {
	prefix, value, found := strings.Cut(text, "=")
	prefix, value = strings.TrimSpace(prefix), strings.TrimSpace(value)
	if !found || value == "" || !strings.HasPrefix(prefix, "/") {
		return "", "", fmt.Errorf("write %s, where PREFIX is a path that begins with /", usage)
	}
	if strings.ContainsAny(prefix, "\"\\?#%") || !printable(prefix) {
		return "", "", fmt.Errorf("the path %q has a character that no path has: write it as the application sees it, without escapes and query", prefix)
	}
	if clean := path.Clean(prefix); clean != "/" && clean != strings.TrimSuffix(prefix, "/") {
		return "", "", fmt.Errorf("the path %q is another way to write %q; write that", prefix, clean)
	}
	return Prefix(strings.TrimSuffix(prefix, "/")), value, nil
}

// String is the prefix as it was meant.
func (p Prefix) String() string { return string(p) + "/" }

// has reports whether a decoded path is the prefix or below it.
func (p Prefix) has(decoded []byte) bool {
	n := len(p)
	return len(decoded) >= n && string(decoded[:n]) == string(p) && (len(decoded) == n || decoded[n] == '/')
}

// table has a value for each of some prefixes, the longest first.
type table[T any] []row[T]

type row[T any] struct {
	prefix Prefix
	value  T
}

// add gives a prefix a value: that which join makes of the one before.
func (t *table[T]) add(p Prefix, join func(before T) T) {
	for i := range *t {
		if (*t)[i].prefix == p {
			(*t)[i].value = join((*t)[i].value)
			return
		}
	}
	var none T
	*t = append(*t, row[T]{p, join(none)})
	slices.SortStableFunc(*t, func(a, b row[T]) int { return len(b.prefix) - len(a.prefix) })
}

// find returns the value of the longest prefix that the path has, or nil.
func (t table[T]) find(decoded []byte) *T {
	for i := range t {
		if t[i].prefix.has(decoded) {
			return &t[i].value
		}
	}
	return nil
}

// forms are the ways in which somebody behind us may read a decoded path: as it is, which is the application's way, and with its dot
// segments resolved and its slashes merged, which is how files are found. A rule that protects a path holds for both. clean is nil when
// the two are the same.
func forms(decoded []byte) (asIs, clean []byte) {
	if !bytes.Contains(decoded, []byte("//")) && !bytes.Contains(decoded, []byte("/.")) {
		return decoded, nil
	}
	tidy := []byte(path.Clean("/" + string(decoded)))
	if bytes.Equal(tidy, bytes.TrimSuffix(decoded, []byte("/"))) {
		return decoded, nil
	}
	return decoded, tidy
}
