// Package static serves files: the static files of a site, what its users uploaded, and single files for others.
//
//	config.go      Config and Root: what is served where
//	files.go       Files, the exchange.Responder: from a request to an entry
//	path.go        request paths to names, and the names that are never served
//	tree.go        folders: opening inside them only, and noticing that a release took another one's place
//	entry.go       a file with its compressed siblings, and the fields of its answers
//	cache.go       entries that are kept, within bounds
//	serve.go       Serve: one file as the answer to a request, with preconditions and ranges
//	condition.go   If-Match, If-None-Match, If-Modified-Since, If-Unmodified-Since, If-Range (RFC 9110 13)
//	span.go        Range (RFC 9110 14) and multipart/byteranges
//	encoding.go    Accept-Encoding (RFC 9110 12.5.3)
//	mime.go        the table of media types
//
// Nothing here asks a worker, and nothing a client sends makes it read outside the folders that were given.
package static
