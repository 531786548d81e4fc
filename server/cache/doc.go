// Package cache keeps answers of the application for a short while, for those who ask anonymously, and lets equal requests that come at
// once share one run (a micro-cache with single flight). It is a shared cache by RFC 9111, and stricter where that costs nothing: what
// came with a cookie or credentials, and what sets a cookie, is never kept.
//
//	cache.go    Cache: what is kept, by least recent use within a bound of memory; Ask
//	ticket.go   Ticket: one run that others may wait for
//	entry.go    Entry: one kept answer; 304
//	policy.go   how long an answer may be kept (RFC 9111, RFC 5861, X-Accel-Expires)
//	request.go  which requests share answers, and the key that tells them apart
package cache
