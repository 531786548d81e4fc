// Package arch holds the rules of the repository that a machine can check: who may import whom, where cgo may
// be, and that every package says in exactly one place what it is. Each rule fails with its reason.
package arch
