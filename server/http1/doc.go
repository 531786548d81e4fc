// Package http1 is a strict HTTP/1.0 and HTTP/1.1 server engine.
//
// It owns everything between accept and close: reading heads and bodies, the
// verdict on malformed input, timeouts, persistence, pipelining order, and the
// framing of responses. What a request means is the Handler's business.
//
// # Where each rule lives
//
//	RFC 9112 2.2, 2.3, 3, 3.1  line ends, version, request line     head.go
//	RFC 9112 3.2, RFC 3986     request target, percent-decoding      target.go
//	RFC 9110 7.2, RFC 3986 3.2 Host and authority                    target.go
//	RFC 9112 5, RFC 9110 5     field lines, tokens, values           field.go
//	RFC 9112 6, RFC 9110 8.6   body length, keep-alive, Expect       framing.go
//	RFC 9112 7.1               chunked coding and trailers           chunked.go
//	RFC 9112 8, RFC 9110 10.1.1 reading a body, 100-continue         body.go
//	RFC 9112 9                 persistence, pipelining, tear-down    conn.go, fill.go, linger.go
//	RFC 9110 6.6.1, 15         response heads, status rules          response.go
//	RFC 9112 7.1, 8            streamed responses                    stream.go
//	all refusals               cause, status, close, rule            verdict.go
//	RFC 9112 9.5               timeouts                              sweep.go
//	                           what all requests take together       room.go
//	PROXY protocol 1 and 2     who a connection's client is          proxy.go
//	RFC 8446, 7301             handshake and what follows it         secure.go
//	                           the socket below TLS                  underlay.go
//
// # Ownership
//
// A connection has one goroutine that reads. It parses a head, calls
// Handler.ServeHTTP1 and then goes on reading, so that it sees at once when
// the client leaves; bytes of later requests stay in the buffer and are parsed
// only after the current exchange has ended. The response is written by
// whoever completes it. The reading goroutine alone closes the connection in
// the regular case; the sweeper, Shutdown and Abort may close it early, and
// the reading goroutine then sees an error and leaves.
//
// # Invariants
//
//   - At most one exchange per connection is outstanding, so answers are in
//     the order of the requests, and nothing after an error is ever parsed.
//   - Framing is always the engine's: neither the client's nor the
//     application's hop-by-hop fields decide how a message is delimited,
//     beyond what framing.go allows.
//   - No input allocates before a limit has been checked; no regular
//     expression and no lenient number parser sees bytes from the wire.
//   - An idle connection holds no read buffer.
//
// The package imports the standard library, golang.org/x/sys/unix and
// server/exchange only and knows nothing of WSGI, processes, certificates or
// HTTP/2.
package http1
