// Package static answers requests with files of directories (RFC 9110), as nginx does in front of an application.
//
//	config.go   Config, Root: what is served
//	path.go     the way from a request's path to a name below a root
//	dir.go      Dir: a directory that nothing leads out of, and its swaps
//	serve.go    Serve: one file as an answer, with preconditions and ranges
//
// A name that may not be served and one that does not exist get the same answer, so that nobody can ask what there is.
package static
