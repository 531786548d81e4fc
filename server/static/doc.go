// Package static answers requests with files of directories (RFC 9110), as nginx does in front of an application.
//
//	config.go      Config and Root: what is served
//	files.go       Files, the exchange.Responder: from a request to an entry
//	path.go        the way from a request's path to a name below a root, and the names that are never served
//	mount.go       a Root at work: its directories, its former releases, the fields of its answers
//	dir.go         a directory that nothing leads out of, and its swaps
//	cache.go       what is remembered of files, within bounds
//	entry.go       a file, its compressed siblings and their entity-tags
//	mime.go        the table of media types
//	serve.go       Serve: one file as an answer
//	conditions.go  preconditions and If-Range (RFC 9110 13)
//	ranges.go      Range (RFC 9110 14)
//	encoding.go    Accept-Encoding (RFC 9110 12.5.3)
//	source.go      the body of an answer from a file or from memory
//
// A name that may not be served and one that does not exist get the same answer, so that nobody can ask what there is.
//
// Files are remembered with the bytes of the small ones, by their clean path. They are sent for Config.Recheck (a second) before the disk is
// asked whether they have changed; swapped directories are noticed in a tenth of it. Large files are opened for every request and never sent
// in a state that the headers do not describe. Nobody walks a tree.
package static
