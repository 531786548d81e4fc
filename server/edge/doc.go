// Package edge holds the rules that are applied to a request before anybody answers it: who may come, how often, with what password, under
// which name, and what is answered without a worker. It stands where nginx's server_name, return, allow, deny, limit_req, limit_conn,
// auth_basic and client_max_body_size stood.
//
//	rules.go     Rules, the Responder, and its Config
//	prefix.go    which of several rules a path has
//	redirect.go  Redirect
//	address.go   Addresses: networks that may or may not come
//	rate.go      Rate: requests in a time
//	meter.go     Meter: how much of its rate each client has used
//	password.go  Passwords: a file of users
//	verify.go    checking a password without being kept busy by it
//	page.go      what a refused client reads
//	gate.go      Gate: connections of a client
//	health.go    Health, the Responder of probes
//
// Everything that a client can make grow has a constant size. Nothing here runs, and nothing is allocated, for a request while no rule is
// set. The package imports server/exchange and
// server/hosts and no other of ours.
package edge
