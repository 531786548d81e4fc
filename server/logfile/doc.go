// Package logfile writes log records to a file, a standard stream or a socket without
// ever making the writer of a record wait.
//
// [Writer.Write] copies a record into a bounded buffer and returns; one
// goroutine, owned by the Writer, hands the buffer to the system. When the
// reader of a pipe or the disk is stuck the buffer fills up, and further
// records are dropped whole and counted: a log that nobody takes away must not
// stop a site from serving.
//
// Invariants: a record is written whole or not at all; records keep their
// order; a record never shares a write(2) with another unless Batch is set;
// Reopen never loses a record. The package knows nothing of what a record is,
// and imports nothing of gounicorn.
package logfile
