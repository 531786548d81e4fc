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
    CGO_ENABLED=0 "$go" test -run '^$' -fuzz "^$target\$" -fuzztime "$time" -parallel 2 "$dir" >"$work/log" 2>&1 </dev/null ||
        { cat "$work/log"; exit 1; }
done <"$work/targets"
