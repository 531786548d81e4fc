// Package certs keeps the certificates of the server: it loads and checks them, chooses one for each handshake, and takes new ones over
// while the server runs.
//
//	pair.go     a certificate and its key, from files
//	set.go      all pairs of a configuration, and which of them a client gets
//	store.go    Store: the set of now, and what becomes of a set that cannot be loaded again
//	access.go   who could read a file
//	ciphers.go  cipher lists in the words of OpenSSL
//	acme.go     certificates from an authority, by ACME
//	challenge.go what the authority asks for on port 80
//
// The rules of TLS itself are crypto/tls. A connection that is open keeps what it was made with; only handshakes see what is new.
package certs
