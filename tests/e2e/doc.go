// Package e2e proves the promises of gounicorn on the real binaries: one file per behaviour, named by the promise.
//
// Tests run side by side and start servers of their own through package harness. Row numbers in comments are those
// of the table of hostile inputs and faults that the project is held to: 39 to 48 are responses that break
// PEP 3333, 49 to 58 faults of application and worker.
package e2e
