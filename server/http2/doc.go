// Package http2 serves HTTP/2 over TLS (RFC 9113): every stream is an exchange.Exchange, and streams of one connection run side by side.
//
// Frames, HPACK and flow control are net/http's, which has them from golang.org/x/net/http2 and gets their fixes with Go. What a request
// may look like is decided by server/http1: the head of every stream is written in the syntax of HTTP/1.1 and judged by http1.Rules, so
// that nothing comes in by one version that the other refuses.
//
//	config.go    Config, its defaults
//	server.go    Server: connections, their number and their end
//	conn.go      Conn: what its streams share, and who resets too many of them
//	exchange.go  Exchange: one stream, from its head to the last function that is called for it
//	request.go   the head
//	body.go      reading the body
//	response.go  the answer, as it is given from anywhere
//	write.go     the answer, as the goroutine of the stream sends it
//	shed.go      who makes room for others
//
// The goroutine that net/http has for a stream stays until the exchange has ended, because only it may write. Giving an answer never
// blocks: what is given is copied, or comes from a Source.
package http2
