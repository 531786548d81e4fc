#!/bin/sh
# Runs every fuzz target of the repository for the given time each, two at a time: tests/fuzz.sh 4s
set -eu
cd "$(dirname "$0")/.."
go=${GO:-go}

# one FILE:func FuzzName TIME: runs one target, and prints what it said only if it failed.
one() {
    dir=./$(dirname "${1%%:*}")
    target=${1#*:func }
    log=$(mktemp)
    trap 'rm -f "$log"' EXIT
    printf '%-28s %s\n' "$dir" "$target"
    for try in 1 2 3; do
        CGO_ENABLED=0 "$go" test -run '^$' -fuzz "^$target\$" -fuzztime "$2" -parallel 1 "$dir" >"$log" 2>&1 </dev/null && return
        # When the time is up in the middle of an input, go test before 1.27 may call its own deadline a failure (go.dev/issue/75804). What a
        # target finds has an input or a panic with it.
        if [ "$try" = 3 ] || ! grep -q '^ *context deadline exceeded$' "$log" || grep -q 'Failing input\|panic:' "$log"; then
            cat "$log"
            exit 1
        fi
        echo "fuzz: $target was cut off by its own deadline; once more"
    done
}

if [ "${1:-}" = --one ]; then
    one "$2" "$3"
    exit
fi
time=${1:-4s}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
# FILE:func FuzzName(..., of the repository's own packages: build/ may hold the Go distribution with targets of its own.
grep -roE '^func Fuzz[A-Za-z0-9_]*' --include='*_test.go' cmd prefork pyworker python server tests wsgi | sort >"$work/targets"
[ -s "$work/targets" ] || { echo "fuzz: no targets" >&2; exit 1; }
xargs -P 2 -d '\n' -I TARGET sh tests/fuzz.sh --one TARGET "$time" <"$work/targets"
