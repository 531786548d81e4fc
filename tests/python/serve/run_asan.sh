#!/bin/sh
# Runs these tests with the serve loop compiled for AddressSanitizer and UndefinedBehaviorSanitizer. The sanitizers are preloaded into
# the worker processes only. PYTHON names the interpreter (python3); arguments go to pytest.
# Leak detection is off: an interpreter frees little of what it holds at its end. test_leaks.py looks for leaks instead.
set -eu

here=$(dirname "$0")
cc=${CC:-cc}
export GOUNICORN_TEST_CFLAGS="-fsanitize=address,undefined -fno-sanitize-recover=all -fno-omit-frame-pointer -O1"
GOUNICORN_TEST_PRELOAD="$("$cc" -print-file-name=libasan.so) $("$cc" -print-file-name=libubsan.so)"
export GOUNICORN_TEST_PRELOAD
export ASAN_OPTIONS="detect_leaks=0:allocator_may_return_null=1:abort_on_error=1"
export UBSAN_OPTIONS="print_stacktrace=1:halt_on_error=1"
export PYTHONMALLOC="${PYTHONMALLOC:-malloc}"
export GOUNICORN_TEST_LEAK_ROUNDS="${GOUNICORN_TEST_LEAK_ROUNDS:-300}"
export GOUNICORN_TEST_SANITIZED=1
exec "${PYTHON:-python3}" -m pytest "$@" "$here"
