#!/bin/sh
# Runs every fuzz target of the repository for the given time each: tests/fuzz.sh 4s
set -eu
cd "$(dirname "$0")/.."
time=${1:-4s}
go=${GO:-go}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
# FILE:func FuzzName(..., of the repository's own packages: build/ may hold the Go distribution with targets of its own.
grep -roE '^func Fuzz[A-Za-z0-9_]*' --include='*_test.go' cmd prefork pyworker python server tests wsgi | sort >"$work/targets"
[ -s "$work/targets" ] || { echo "fuzz: no targets" >&2; exit 1; }
while IFS=: read -r file target; do
    dir=./$(dirname "$file")
    target=${target#func }
    printf '%-28s %s\n' "$dir" "$target"
    for try in 1 2 3; do
        CGO_ENABLED=0 "$go" test -run '^$' -fuzz "^$target\$" -fuzztime "$time" -parallel 2 "$dir" >"$work/log" 2>&1 </dev/null && break
        # When the time is up in the middle of an input, go test before 1.27 may call its own deadline a failure (go.dev/issue/75804). What a
        # target finds has an input or a panic with it.
        if [ "$try" = 3 ] || ! grep -q '^ *context deadline exceeded$' "$work/log" || grep -q 'Failing input\|panic:' "$work/log"; then
            cat "$work/log"
            exit 1
        fi
        echo "fuzz: $target was cut off by its own deadline; once more"
    done
done <"$work/targets"
