// Package faults does to a running server what the lower half of docs/hostile-inputs.md lists: workers that die, hang and wreck themselves,
// lack of memory, descriptors and disk, storms of signals, the death of the master. Clients go on all the while, and the oracle of
// tests/oracle counts what became of their requests.
//
// GOUNICORN_FAULTS=long, set by make hostile, asks for the long runs: more rounds of the same.
package faults
