// Package harness starts the real binaries for tests that cross packages, and cleans up after them.
//
// A server is started on port 0 and counts as up when its log says so; nothing here sleeps to synchronise. Every
// process of a test carries a random marker in its environment, which children inherit: when a test ends, the
// harness stops the server, compares the exit code, and finds whatever is left by that marker. A left-over process
// or listening socket fails the test, and is ended by its pid.
//
// The same tests can be pointed at gunicorn itself (GOUNICORN_TEST_SERVER=gunicorn), to see that an expectation
// which is meant to be common to both really is.
//
// Environment: GOUNICORN_BIN names the master binary (default bin/gounicorn, built by make when it is missing),
// GOUNICORN_TEST_PYTHON the interpreter under test (default the one of build/test-venv, made by tests/setup.sh).
package harness
