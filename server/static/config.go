package static

import (
	"regexp"
	"time"

	"github.com/gounicorn/gounicorn/server/exchange"
)

// Kind says what the files of a Root are.
type Kind uint8

// The kinds.
const (
	// Build is what was built for the site: style sheets, scripts, images. Answers may be used by any origin.
	Build Kind = iota
	// Media is what users sent. It is looked at on disk for every request, and what a browser would run is downloaded instead.
	Media
)

// Config says what is served. It must not be changed after New or Update.
type Config struct {
	Roots []Root
	// Hidden are further patterns (path.Match) of the last segment of names that are never served. Always hidden are names that begin with
	// a dot, but for the folder .well-known at the top, and those of the table hidden in path.go.
	Hidden []string
	// Fields stand in every answer with a file of any Root, SecureFields in those that go over https.
	Fields, SecureFields []exchange.Field
	// SecureOnly answers requests over http with 301 to https, as Django's SECURE_SSL_REDIRECT does; SecureHost is the host then, empty
	// that of the request.
	SecureOnly bool
	SecureHost string
	// MemoryBytes bounds the files kept in memory, MemoryFile the size of one of them, Entries how many are known and how many
	// descriptors are open. 0 is the default: 64 MiB, 256 KiB, 4096 and 512.
	MemoryBytes, MemoryFile int64
	Entries, Descriptors    int
	// Warnf logs what an operator should know, in the manner of Printf: a folder that is missing, a file that may not be read.
	Warnf func(format string, args ...any)
}

// Root is a path of the site below which files are served.
type Root struct {
	// URL begins and ends with a slash. The longest that a path begins with counts. Below "/" what is no file is left to the application;
	// below any other it is 404.
	URL string
	// Dirs are searched in this order. One that is missing counts as empty. Each may be a symbolic link that is exchanged at a deploy.
	Dirs []string
	Kind Kind
	// Index is the file that answers for a folder, which then is redirected to its name with a slash; empty: folders are 404.
	Index string
	// MaxAge is for how long an answer may be used without asking again; negative: nothing is said.
	MaxAge time.Duration
	// Immutable are the names, relative to URL, whose content never changes: those that have a hash in them. ImmutableMatch is a pattern for
	// more of them, nil for none.
	Immutable      map[string]struct{}
	ImmutableMatch *regexp.Regexp
	// Always has the disk asked for every request, for development.
	Always bool
	// Inline lets browsers show uploads that could carry scripts (html, svg, xml); only for Media.
	Inline bool
	// Headers are further fields for names that match.
	Headers []Header
}

// Header is a field for the answers with files whose name matches Match (path.Match on the name relative to URL, or on its last segment
// if the pattern has no slash).
type Header struct {
	Match string
	Field exchange.Field
}
