// Package wsgi is what a request and a response are when they cross between HTTP and a PEP 3333 application: the environ entries
// and their names, and the bytes that carry both (the payloads that prefork/wire/PROTOCOL.md specifies). No I/O, no goroutine, no state.
//
//	keys.go      the table of well-known environ names; the worker's C header is generated from it
//	environ.go   request → payload: CGI names, latin-1 values, repeated fields joined (PEP 3333 "environ Variables", RFC 3875)
//	response.go  payload → response head, checked again because the master does not trust its workers
//
// The package imports only the standard library.
package wsgi
