// Package oracle says whether a server kept its promises while a test mistreated it.
//
// A Load is clients in the background. Each request carries a nonce in its path, in headers and in its body, and each answer is compared
// with it byte by byte; the application (tests/apps/canary.py) notes which requests it has started. Its Tally counts answers of other
// requests (mix-ups), requests that were started too often (duplicates) and requests without an answer (lost).
//
// A Footprint is what the processes of a server hold: descriptors, shared memory, processes, memory. Two of them tell a leak.
package oracle
