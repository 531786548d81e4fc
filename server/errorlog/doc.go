// Package errorlog writes the server's log in gunicorn's form:
//
//	[2026-11-22 13:00:00 +0000] [1234] [INFO] Booting worker with pid: 1240
//
// A [Logger] has methods in the manner of Printf for the fixed texts that
// people's scripts look for, and is the source of a [slog.Handler] for
// everything else. The pid of a line can be another process's: the master
// writes the records of its workers under their pid.
//
// What comes from outside cannot forge a line: control characters are written
// as \xNN, newlines as \n. Only a traceback keeps its newlines, as the rest of
// one record; a line of it that begins like a record is pushed in by a space.
//
// A Logger makes one Write for each record and owns no goroutine; whether the
// writing can block is a matter of the writer (see package logfile).
package errorlog
