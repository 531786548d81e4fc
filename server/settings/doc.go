// Package settings is the one table of everything a user can set.
//
// A setting is a row of [All] and a field of [Values] with the same name, and
// nothing else: the command line, --help, the GOUNICORN_* environment
// variables, the error messages and SETTINGS.md all derive from the row. A test
// keeps rows and fields one to one.
//
// Values come from layers; a higher layer replaces a lower one, and lists are
// replaced, never merged:
//
//	default < PORT, WEB_CONCURRENCY < GOUNICORN_<NAME> < GUNICORN_CMD_ARGS < GOUNICORN_CMD_ARGS < command line
//
// [Values.Origin] tells which layer gave a value. The command line follows the
// habits of Python's argparse, because gunicorn's users have them in their
// fingers: unique prefixes, -w4, -b=ADDRESS, flags and application in any order.
//
// The package is a leaf: it reads no environment, file or flag by itself, all
// of that comes in through arguments, so that [Parse] is a pure function.
// Nobody below cmd imports it.
package settings
