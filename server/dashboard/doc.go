// Package dashboard is the web page on which people watch a running server, reload it and change the number of its workers. It is for a
// listener of its own, and everything but the page itself asks for a token.
//
//	dashboard.go   Dashboard: what may be asked for, and by which method
//	guard.go       who may ask: names of the host, origin, token or session, and the headers of every answer
//	session.go     the session that a token is exchanged for, in a cookie
//	token.go       tokens: made, kept in a file, compared
//	attempts.go    who tried wrong tokens too often
//	viewers.go     the stream of documents: one look a second, shared by all who watch
//	page/          the page: HTML, CSS and JavaScript as they are served, without a build step
//
// What is shown, and what the buttons do, comes in through Config: this package knows neither pool nor master.
package dashboard
