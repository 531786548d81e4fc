// Package grid sends the table of wire cases, byte for byte the same, to
// gounicorn, to nginx and Go's reverse proxy as fronts, and to gunicorn, and
// compares how each of them divides the bytes into requests.
//
// What a front forwards must not be read differently by us: a difference is
// how requests are smuggled. What the servers disagree about otherwise is
// written to docs/http-grid.md:
//
//	go test ./tests/grid -update
package grid
