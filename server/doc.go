// Package server is the HTTP side of gounicorn: it listens, turns what the engine in server/http1 read into an environ, hands it to the
// App, and gives the answer back, buffered so that no slow client ever holds a worker.
//
//	listen.go    addresses to listeners: TCP, unix sockets, inherited descriptors
//	server.go    Server: start, stop, what is open
//	handler.go   one request on its way in: who is asked, and its body
//	locate.go    who sent it, from where and how
//	environ.go   what the application is told of it
//	call.go      the same request on its way out: head, body pieces, failures
//	record.go    what log and metrics get of it
//	answer.go    what becomes of an answer that speaks to the server, is compressed, kept or replaced
//	files.go     files in place of answers
//	cached.go    answers from the cache, and for it
//	paced.go     bodies that are sent slowly on purpose
//	tls.go       how connections are secured, and what the environ has of a client's certificate
//	http2.go     what server/http2 is told
//	redirect.go  from http to https
//	trust.go     whom to believe: scheme, mount point, names with "_", the client's address
//	routekey.go  the key under which the duration of similar requests is learnt
//
// The package knows no worker and no Python: App is the interface it consumes. It imports neither prefork nor pyworker.
package server
